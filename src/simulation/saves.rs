//! What a save says, in one word.

use nestling_domain::{
    deployment::Phase,
    environment::Environment,
    lifecycle::{Happened, Lifecycle},
};

use super::known::Known;
use crate::drivers::store::Save;

/// The word, of those in [`EVENTS`](super::crashes::EVENTS) and [`SAVES`](super::crashes::SAVES).
pub(super) fn class(known: &Known, before: Option<&Environment>, save: &Save) -> &'static str {
    let input = save.input.as_ref().map(|(input, _)| input.0.as_str());
    if let Some(event) = input.and_then(|input| known.told_by(input)) {
        return event;
    }
    let Some(before) = before else {
        return "hint";
    };
    match &*save.by {
        "github" | "push" | "release" => "hint",
        "runner" => "report",
        "clock" => "tick",
        "machine" => "lost",
        _ => observed(
            &before.lifecycle,
            &save.environment.lifecycle,
            &save.happened,
        ),
    }
}

/// What an effect has observed, from what the record says since.
fn observed(before: &Lifecycle, after: &Lifecycle, happened: &[Happened]) -> &'static str {
    let (was, is) = (&before.world, &after.world);
    let phase = |life: &Lifecycle| life.next().map(|next| (next.generation, next.phase));
    let edited = was.edition != is.edition;
    if before.look != after.look {
        return "found";
    }
    if was.announced != is.announced || (was.announce_at != is.announce_at && !edited) {
        return "shown";
    }
    let serves = |one: &Happened| matches!(one, Happened::Serving { .. });
    if happened.iter().any(serves) {
        return "probed";
    }
    if was.draining.is_some() && is.draining.is_none() {
        return "drained";
    }
    match (phase(before), phase(after)) {
        (Some((_, Phase::Queued)), Some((_, Phase::Launching))) => "admitted",
        (Some((_, Phase::Launching)), now) if now != phase(before) => "launched",
        (Some((_, Phase::Probing)), _)
            if was.observe_at == is.observe_at && was.machines == is.machines =>
        {
            "probed"
        }
        _ => "absent",
    }
}
