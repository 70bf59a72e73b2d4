//! What the outside holds at the end of a flow, line by line, so that two ends can be compared: what GitHub shows, which machines
//! are and were, what is recorded. Moments, numbers that GitHub gives and counts of saves are left out; they are nobody's end.

use std::fmt::Debug;

use futures::executor::block_on;
use nestling_domain::{
    ids::{EnvironmentId, Kind},
    record::DeliveryState,
};
use nestling_world::github::{Author, Deployment, State};
use serde::Serialize;
use serde_json::Value;

use super::{script, world::World};
use crate::drivers::store::Store as _;

/// What differs from run to run and says nothing of where the world stands: moments, counts of saves and looks, digests of texts
/// that have a moment in them, names of boots.
const LEFT_OUT: [&str; 15] = [
    "announced",
    "at",
    "boot",
    "created_at",
    "deadline",
    "digest",
    "edition",
    "ended_at",
    "looks",
    "not_before",
    "observe_at",
    "announce_at",
    "since",
    "updated_at",
    "version",
];
/// Every number from here on is one that GitHub gave, or a moment.
const OF_NOBODY: u64 = 4_300_000_000;

/// All of it.
pub(super) fn outcome(world: &World) -> Vec<String> {
    let mut lines = on_github(world, &world.github());
    lines.extend(machines(world));
    lines.extend(block_on(recorded(world)));
    lines
}

fn on_github(world: &World, github: &State) -> Vec<String> {
    let home = &github.repositories[&world.town.repository.0];
    let mut lines = Vec::new();
    for pull in script::pulls(world, github) {
        let state = if pull.open { "open" } else { "closed" };
        lines.push(format!("#{} is {state} at {}", pull.number, pull.head));
    }
    for comment in home.comments.values() {
        let of_app = comment.author == Author::App(world.town.app);
        let by = if of_app { "nestling" } else { "a person" };
        let body = plain(&comment.body);
        let reactions = comment.reactions.iter().map(|one| one.content.as_str());
        let reactions: Vec<&str> = reactions.collect();
        let number = comment.number;
        lines.push(format!(
            "comment on #{number} by {by} {reactions:?}: {body}"
        ));
    }
    let checks = home.check_runs.values().map(|run| {
        let (named, state) = (run.external_id.as_deref(), run.conclusion.as_deref());
        format!(
            "check {} at {} ({named:?}): {} {state:?} {:?} {:?} {:?}",
            run.name,
            run.head_sha,
            run.status,
            run.output.title,
            run.output.summary.as_deref().map(plain),
            run.actions
                .iter()
                .map(|button| &button.identifier)
                .collect::<Vec<_>>(),
        )
    });
    let mut checks: Vec<String> = checks.collect();
    checks.sort();
    let deployments = home.deployments.values().map(|one| {
        let last = one.statuses.last();
        format!(
            "deployment {} at {}: {} {:?}",
            one.environment,
            one.sha,
            one.payload,
            last.map(|last| (&last.state, &last.environment_url, &last.log_url)),
        )
    });
    let mut deployments: Vec<String> = deployments.collect();
    deployments.extend(home.deployments.values().filter_map(went_back));
    deployments.sort();
    lines.extend(checks);
    lines.extend(deployments);
    lines
}

/// That something was said of a deployment after what can only come later.
fn went_back(one: &Deployment) -> Option<String> {
    let order = ["queued", "in_progress", "success", "failure", "inactive"];
    let states = one.statuses.iter().map(|status| status.state.as_str());
    let ranks = states
        .clone()
        .map(|state| order.iter().position(|one| *one == state));
    (!ranks.is_sorted()).then(|| {
        let states: Vec<&str> = states.collect();
        format!(
            "deployment {} at {} went back: {states:?}",
            one.environment, one.sha
        )
    })
}

fn machines(world: &World) -> Vec<String> {
    let machines = world.machines();
    let name = |id: &EnvironmentId| {
        let kinds = [Kind::Production, Kind::Preview(1)];
        let kind = kinds
            .into_iter()
            .find(|kind| world.environment(*kind) == *id);
        kind.map_or_else(|| id.to_string(), Kind::name)
    };
    let all = machines.all.iter().map(|((id, generation), machine)| {
        let is = match (machine.exists(), machine.runs()) {
            (_, true) => "runs",
            (true, false) => "has ended",
            (false, false) => "is gone",
        };
        let given = machine.given.as_ref().map(|given| given.id.short());
        format!("machine of {} {generation} with {given:?} {is}", name(id))
    });
    let folders = machines.folders.iter();
    let folders = folders.map(|id| format!("a folder of {}", name(id)));
    all.chain(folders).collect()
}

async fn recorded(world: &World) -> Vec<String> {
    let store = &world.store;
    let mut lines = Vec::new();
    let environments = store.environments(None, 1000).await.unwrap().items;
    for environment in environments {
        let name = environment.kind.name();
        lines.push(format!("{name} is {}", without_chance(&environment)));
        let deployments = store.deployments(&environment.id, None, 1000);
        for deployment in deployments.await.unwrap() {
            lines.push(format!("{name} had {}", without_chance(&deployment)));
        }
        let shown = store.shown(environment.repository, environment.kind);
        let shown = shown.await.unwrap();
        lines.push(format!("{name} shows {}", without_chance(&shown)));
    }
    for pull in store.pull_requests(world.town.repository).await.unwrap() {
        lines.push(format!("recorded of it: {}", without_chance(&pull)));
    }
    for (delivery, state) in store.deliveries(None, 1000).await.unwrap() {
        if state == DeliveryState::Pending {
            lines.push(format!("delivery {} is not settled", delivery.id));
        }
    }
    lines
}

/// As JSON, without what is left out.
fn without_chance(what: &(impl Serialize + Debug)) -> String {
    let mut value = serde_json::to_value(what).unwrap();
    strip(&mut value);
    value.to_string()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Number(number) if number.as_u64().is_some_and(|one| one >= OF_NOBODY) => {
            *value = Value::String("some".to_owned());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A text without its moments, such as `2026-03-07 09:05`.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(after) = moment(rest) {
            plain.push_str("a moment");
            rest = after;
            continue;
        }
        plain.push(next);
        rest = &rest[next.len_utf8()..];
    }
    plain
}

/// What comes after the moment with which a text begins.
fn moment(text: &str) -> Option<&str> {
    let shape = "0000-00-00 00:00";
    let begins = text.get(..shape.len())?;
    let fits = |(one, other): (u8, u8)| (other == b'0' && one.is_ascii_digit()) || one == other;
    begins
        .bytes()
        .zip(shape.bytes())
        .all(fits)
        .then(|| &text[shape.len()..])
}
