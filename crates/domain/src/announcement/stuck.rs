//! What does not come to its end, in words: a forge that does not answer, and what cannot be removed.

use super::utc;
use crate::lifecycle::{Leftover, Lifecycle, Removal};

/// Why this life may lag behind what is true, for the end of a sentence; `None` while the forge answers.
pub fn unheard(life: &Lifecycle) -> Option<String> {
    let look = life.look.as_ref()?;
    let reason = &look.silence.as_ref()?.reason;
    Some(if look.closing.is_some() && !life.is_closed() {
        format!(
            "its pull request was said to be closed, which could not be confirmed yet ({reason}): asked again until it is"
        )
    } else {
        format!("what is true now could not be found out yet ({reason}): asked again until it is")
    })
}

/// What of a closed environment is still there, for a sentence of its own; `None` when nothing is known to be.
pub fn closing(life: &Lifecycle) -> Option<String> {
    let removal = life.is_closing().then(|| life.removal()).flatten()?;
    Some(format!(
        "{}{}: tried again until it is gone",
        left(&removal.left),
        because(&removal)
    ))
}

/// A removal that should have come to its end, for a sentence of its own.
pub fn stuck(removal: &Removal<'_>) -> String {
    format!(
        "its removal is stuck since {} UTC: {}{}. It is tried again until it comes to its end",
        utc(removal.since).minute(),
        left(&removal.left),
        because(removal)
    )
}

fn because(removal: &Removal<'_>) -> String {
    let reason = removal.reason.map(|reason| format!(" ({reason})"));
    reason.unwrap_or_default()
}

fn left(left: &Leftover) -> String {
    let (machines, folder) = match left {
        Leftover::Close => {
            return "its pull request was said to be closed, which is not confirmed".to_owned();
        }
        Leftover::Outside { machines, folder } => (machines, *folder),
    };
    let named = machines.iter().map(ToString::to_string);
    let machines = match machines.len() {
        0 => None,
        1 => Some("the machine of deployment "),
        _ => Some("the machines of deployments "),
    };
    let machines = machines.map(|words| words.to_owned() + &named.collect::<Vec<_>>().join(", "));
    let folder = folder.then(|| "its state folder".to_owned());
    let parts: Vec<String> = machines.into_iter().chain(folder).collect();
    if parts.is_empty() {
        return "what it may have left was not seen gone".to_owned();
    }
    format!("{} may still be there", parts.join(" and "))
}
