//! What an environment keeps beyond its machines: one volume, which one machine mounts at a time.

use std::time::Duration;

use super::{
    Ask, Belief, Ensure, GaveUp, MachineState, Next, Volume,
    plan::{LISTED_AGAIN, asks, ours, roomy},
};

/// A volume that a machine mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk<'a> {
    /// How big it is made, in GiB, where it is not there yet.
    pub gib: u32,
    /// Fly's id of it, once a machine had it: what is kept there is on no other.
    pub id: Option<&'a str>,
}

/// The biggest volume at Fly, in GiB (<https://fly.io/docs/volumes/overview/>).
pub const MOST_GIB: u32 = 500;

/// What volumes are called (letters, digits and underscores, 30 at most).
pub const VOLUME: &str = "state";

/// The volume that the machine is to mount, or what comes first.
pub(super) fn mounts<'a>(
    belief: &'a Belief,
    order: &Ensure<'_>,
    disk: Disk<'_>,
) -> Result<&'a Volume, Next> {
    let volume = if let Some(id) = disk.id {
        belief.volumes.get(id).ok_or_else(|| {
            let missing = GaveUp::VolumeMissing(id.to_owned());
            looks_for_volume(belief).unwrap_or(Next::GiveUp(missing))
        })?
    } else {
        // Nothing was ever kept on any of them: whichever it is, from now on it is that one.
        let mut ours = belief.volumes.values();
        let ours = ours.find(|volume| volume.name == VOLUME);
        ours.ok_or_else(|| makes_volume(belief, order, disk.gib))?
    };
    if !order.regions.contains(&volume.region) {
        let (id, region) = (volume.id.clone(), volume.region.clone());
        return Err(Next::GiveUp(GaveUp::VolumeElsewhere(id, region)));
    }
    let mut older = ours(belief, order.server, order.environment);
    let holder = older.find(|(machine, generation)| {
        *generation != order.generation
            && machine.state != MachineState::Destroyed
            && machine.volume.as_ref() == Some(&volume.id)
    });
    match holder {
        Some((_, generation)) => Err(Next::GiveUp(GaveUp::Occupied(generation))),
        None => Ok(volume),
    }
}

/// What comes before there is a volume. One that was asked for and does not show is looked for five times: Fly makes many of one name.
fn makes_volume(belief: &Belief, order: &Ensure<'_>, gib: u32) -> Next {
    let is_looked_for = belief.volume_doubt || !belief.made && belief.volume_listings == 0;
    let looks = is_looked_for.then(|| looks_for_volume(belief)).flatten();
    looks.unwrap_or_else(|| match roomy(belief, order.regions) {
        Some(region) => asks(belief, Ask::CreateVolume { region, gib }),
        None => Next::GiveUp(GaveUp::NoCapacity(belief.crowded.clone())),
    })
}

/// The next listing of volumes; `None` after enough of them.
fn looks_for_volume(belief: &Belief) -> Option<Next> {
    let Some(before) = (belief.volume_listings as usize).checked_sub(1) else {
        return Some(asks(belief, Ask::SeeVolumes));
    };
    let wait = LISTED_AGAIN.get(before)?;
    Some(Next::Ask(Ask::SeeVolumes, Duration::from_secs(*wait)))
}
