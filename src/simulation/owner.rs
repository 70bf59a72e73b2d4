//! What the owner of the account does with the App: suspends it, takes it from the repository or away altogether, and gives it back.

use anyhow::{Context as _, Result, ensure};
use nestling_world::github::{Installation, Selection, State};

use super::{known::Closed, world::World};
use crate::drivers::clock;

/// How often of a thousand acts of people the App is first given back where it was taken away, or let go on.
const BACK: u64 = 350;
/// How often it stays away for good once nothing goes wrong.
const FOR_GOOD: u64 = 500;

/// The App at the account, however it stands there.
fn installed<'a>(world: &World, github: &'a State) -> Option<&'a Installation> {
    let mut all = github.installations.values();
    all.find(|one| one.app == world.town.app)
}

fn covers(world: &World, installation: &Installation) -> bool {
    match &installation.selection {
        Selection::All => true,
        Selection::Selected(ids) => ids.contains(&world.town.repository.0),
    }
}

/// Remembers whether the App may be asked.
pub(super) fn note(world: &World, github: &State) {
    let found = installed(world, github);
    let taken = !found.is_some_and(|one| covers(world, one));
    let suspended = found.is_some_and(|one| one.suspended.is_some());
    let mut known = world.known();
    let now = clock::now();
    let next = |was: Option<Closed>, is: bool| match (was, is) {
        (None | Some(Closed::Until(_)), true) => Some(Closed::Now { since: now }),
        (Some(Closed::Now { .. }), false) => Some(Closed::Until(now)),
        (was, _) => was,
    };
    known.taken = next(known.taken, taken);
    known.suspended = next(known.suspended, suspended);
}

/// The installation that covers the repository and may be used.
fn whole(world: &World, github: &State) -> Result<u64> {
    let found = installed(world, github).context("it is not installed")?;
    ensure!(covers(world, found), "it is not installed there");
    ensure!(found.suspended.is_none(), "it is suspended");
    Ok(found.id)
}

pub(super) fn suspends(world: &World, github: &mut State) -> Result<String> {
    github.suspend(whole(world, github)?)?;
    Ok("the owner suspends the App".to_owned())
}

pub(super) fn deselects(world: &World, github: &mut State) -> Result<String> {
    github.deselect(whole(world, github)?, world.town.repository.0)?;
    Ok("the owner takes the App from the repository".to_owned())
}

pub(super) fn uninstalls(world: &World, github: &mut State) -> Result<String> {
    github.uninstall(whole(world, github)?)?;
    Ok("the owner uninstalls the App".to_owned())
}

/// What was taken is given back, now and then; what is done then, if anything.
pub(super) fn gives_back(world: &World, github: &mut State) -> Result<Option<String>> {
    if whole(world, github).is_ok() || !world.dice().happens(BACK) {
        return Ok(None);
    }
    restored(world, github).map(Some)
}

/// Once nothing goes wrong the App is no longer suspended, and is there or stays away for good.
pub(super) fn calms(world: &World) {
    let mut github = world.github();
    let suspended = installed(world, &github).is_some_and(|one| one.suspended.is_some());
    if whole(world, &github).is_ok() || (!suspended && world.dice().happens(FOR_GOOD)) {
        return;
    }
    let said = restored(world, &mut github);
    note(world, &github);
    world.tell(said.unwrap_or_else(|error| format!("{error:#}")));
    world.post(&mut github);
}

fn restored(world: &World, github: &mut State) -> Result<String> {
    let repository = world.town.repository.0;
    let Some(found) = installed(world, github).cloned() else {
        let selection = Selection::Selected([repository].into());
        github.install(world.town.app, "acme", selection)?;
        return Ok("the owner installs the App again".to_owned());
    };
    if found.suspended.is_some() {
        github.unsuspend(found.id)?;
        return Ok("the owner lets the App go on".to_owned());
    }
    github.select(found.id, repository)?;
    Ok("the owner gives the App the repository again".to_owned())
}
