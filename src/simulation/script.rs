//! What people do on GitHub, by chance.

use anyhow::{Context as _, Result, bail};
use nestling_world::github::{Change, Opening, PullRequest, State};

use super::{
    crashes::Lean,
    dice::Dice,
    known::Closed,
    world::{Deed, Scene, World},
};
use crate::drivers::clock;

/// How many things people do in a run.
const ACTS: (u64, u64) = (6, 12);
/// How far apart they are, in milliseconds: some come in bursts.
const APART: (u64, u64) = (50, 25_000);
/// What passes after the last of them before all is calm.
const AFTER: u64 = 15_000;
/// How long no webhook gets through in a bad hour.
const SILENCE: (u64, u64) = (10_000, 60_000);
/// How long none does where that is all that goes wrong.
const DEAF: u64 = 30 * 60_000;
/// How far apart they are where people push again before all is done that the last push brought: the time of a build.
const AT_ONCE: u64 = 14_000;
/// A number of a push, among those of everything that people do.
const PUSH: u64 = 6;
/// The numbers of orders.
const ORDERS: (u64, u64) = (15, 20);
/// Open pull requests at most.
const OPEN: usize = 3;
/// Tries to find something that can be done.
const TRIES: u32 = 8;
/// Whose fork it is.
const FORK: &str = "eve/shop";

/// Plans what people do.
pub(super) fn begin(world: &World) {
    let mut dice = Dice::new(world.seed, 1);
    let mut at = dice.span(100, 3_000);
    let acts = dice.span(ACTS.0, ACTS.1);
    if let Scene::Flow(..) = world.scene {
        return world.plan(0, Deed::Calm);
    }
    if world.scene != Scene::Trouble {
        for _ in 0..acts {
            world.plan(dice.below(DEAF), Deed::User);
        }
        return world.plan(DEAF, Deed::Calm);
    }
    for _ in 0..acts {
        world.plan(at, Deed::User);
        let burst = dice.happens(300);
        let apart = world.often(Lean::Pushes, (APART.1, AT_ONCE));
        at += dice.span(APART.0, if burst { 500 } else { apart });
    }
    world.plan(at + AFTER, Deed::Calm);
}

/// Somebody does something.
pub(super) fn act(world: &World) {
    let said = {
        let mut github = world.github();
        let said = (0..TRIES).find_map(|_| one(world, &mut github).ok());
        note(world, &github);
        said
    };
    world.tell(said.unwrap_or_else(|| "nobody does anything".to_owned()));
    let mut github = world.github();
    world.post(&mut github);
}

/// Remembers what is closed.
pub(super) fn note(world: &World, github: &State) {
    let mut known = world.known();
    for pull in pulls(world, github) {
        let number = u32::try_from(pull.number).unwrap();
        if !pull.open {
            known.closed.insert(number, Closed::Now);
        } else if known.closed.get(&number) == Some(&Closed::Now) {
            known.closed.insert(number, Closed::Until(clock::now()));
        }
    }
}

/// Every pull request.
pub(super) fn pulls(world: &World, github: &State) -> Vec<PullRequest> {
    let home = &github.repositories[&world.town.repository.0];
    home.pull_requests.values().cloned().collect()
}

fn one(world: &World, github: &mut State) -> Result<String> {
    let home = github.repositories[&world.town.repository.0].full_name();
    let all = pulls(world, github);
    let (open, closed): (Vec<_>, Vec<_>) = all.into_iter().partition(|pull| pull.open);
    let (pushes, orders) = (
        world.often(Lean::Pushes, (0, 600)),
        world.often(Lean::Orders, (0, 600)),
    );
    let (what, which, number) = {
        let mut dice = world.dice();
        let what = match dice.below(26) {
            _ if pushes > 0 && dice.happens(pushes) => PUSH,
            _ if orders > 0 && dice.happens(orders) => dice.span(ORDERS.0, ORDERS.1),
            what => what,
        };
        (what, dice.any(), dice.below(1_000_000))
    };
    let pick = |from: &[PullRequest]| {
        let place = which % (from.len().max(1) as u64);
        let found = from.get(usize::try_from(place)?);
        found.cloned().context("there is none")
    };
    let change = [Change::file("index.html", &format!("{number}"))];
    Ok(match what {
        _ if open.is_empty() && what < 13 => opened(world, github, &home, &change)?,
        0..=2 if open.len() < OPEN => opened(world, github, &home, &change)?,
        // Again to the same one, mostly, where a push is to meet what the last one brought.
        0..=6 if pushes > 0 && which % 4 > 0 => {
            let first = open.first().context("there is none")?;
            pushed(world, github, (&home, first), &change)?
        }
        0..=6 => pushed(world, github, (&home, &pick(&open)?), &change)?,
        7 | 8 => {
            let pull = pick(&open)?;
            github.close(&home, pull.number, "ann")?;
            format!("ann closes #{}", pull.number)
        }
        9 => {
            let pull = pick(&closed)?;
            github.reopen(&home, pull.number, "ann")?;
            format!("ann reopens #{}", pull.number)
        }
        10 => labelled(github, &home, &pick(&open)?)?,
        11 => {
            let pull = pick(&open)?;
            github.set_draft(&home, pull.number, "ann", !pull.draft)?;
            format!("ann makes #{} a draft, or none", pull.number)
        }
        12..=14 => forked(world, github, (&home, &open), &change)?,
        15..=20 => commented(world, github, (&home, &open), what)?,
        21 => {
            let pull = pick(&open)?;
            github.delete_branch(&home, &pull.head_branch, "ann")?;
            format!("ann deletes the branch of #{}", pull.number)
        }
        22 => {
            github.push(&home, "main", "ann", &change)?;
            "ann pushes to main".to_owned()
        }
        23 => {
            let pull = pick(&open)?;
            let branch = format!("next-{number}");
            github.push(&home, &branch, "ann", &change)?;
            github.retarget(&home, pull.number, "ann", &branch)?;
            format!("ann leads #{} to another branch", pull.number)
        }
        24 => {
            if number % 3 == 0 {
                let to = format!("shop-{number}");
                github.rename(&home, &to, "ann")?;
                return Ok(format!("ann renames the repository to {to}"));
            }
            let pull = pick(&open)?;
            github.merge(&home, pull.number, "ann")?;
            format!("ann merges #{}", pull.number)
        }
        _ => {
            let span = world.dice().span(SILENCE.0, SILENCE.1);
            world.known().silence = Some(clock::now().plus(std::time::Duration::from_millis(span)));
            format!("no webhook gets through for {} s", span / 1000)
        }
    })
}

fn opened(world: &World, github: &mut State, home: &str, change: &[Change]) -> Result<String> {
    let branch = format!("change-{}", world.dice().below(1_000_000));
    github.push(home, &branch, "ann", change)?;
    let number = github.open_pull_request(home, Opening::of(&branch, "ann"))?;
    Ok(format!("ann opens #{number}"))
}

fn pushed(
    world: &World,
    github: &mut State,
    (home, pull): (&str, &PullRequest),
    change: &[Change],
) -> Result<String> {
    let of_eve = pull.head_owner == "eve";
    let (at, by) = if of_eve { (FORK, "eve") } else { (home, "ann") };
    let force = world.dice().happens(250);
    let branch = &pull.head_branch;
    let commit = if force {
        github.force_push(at, branch, by, change)?
    } else {
        github.push(at, branch, by, change)?
    };
    if of_eve {
        world.known().of_outsiders.insert(commit.clone());
    }
    let how = if force { "forces" } else { "pushes" };
    Ok(format!("{by} {how} {} to #{}", &commit[..7], pull.number))
}

fn labelled(github: &mut State, home: &str, pull: &PullRequest) -> Result<String> {
    let label = "no-preview";
    if pull.labels.iter().any(|one| one.name == label) {
        github.unlabel(home, pull.number, "ann", label)?;
        return Ok(format!("ann takes {label} off #{}", pull.number));
    }
    github.label(home, pull.number, "ann", label)?;
    Ok(format!("ann puts {label} on #{}", pull.number))
}

/// Eve has a fork, and may write nowhere else.
fn forked(
    world: &World,
    github: &mut State,
    (home, open): (&str, &[PullRequest]),
    change: &[Change],
) -> Result<String> {
    if let Some(pull) = open.iter().find(|pull| pull.head_owner == "eve") {
        let approves = world.dice().happens(600);
        if approves && !world.known().approved.contains(&pull.head) {
            return approved(world, github, home, pull);
        }
        return pushed(world, github, (home, pull), change);
    }
    if open.len() >= OPEN {
        bail!("enough is open");
    }
    let branch = format!("wild-{}", world.dice().below(1_000_000));
    let commit = github.push(FORK, &branch, "eve", change)?;
    world.known().of_outsiders.insert(commit);
    let opening = Opening::of(&branch, "eve").from(FORK);
    let number = github.open_pull_request(home, opening)?;
    Ok(format!("eve opens #{number} from her fork"))
}

fn approved(world: &World, github: &mut State, home: &str, pull: &PullRequest) -> Result<String> {
    let by_herself = world.dice().happens(200);
    let by = if by_herself { "eve" } else { "ann" };
    let words = format!("/approve {}", pull.head);
    github.comment(home, pull.number, by, &words)?;
    if !by_herself {
        world.known().approved.insert(pull.head.clone());
    }
    Ok(format!(
        "{by} approves {} of #{}",
        &pull.head[..7],
        pull.number
    ))
}

fn commented(
    world: &World,
    github: &mut State,
    (home, open): (&str, &[PullRequest]),
    what: u64,
) -> Result<String> {
    let words = match what {
        15 => "/stop",
        16 => "/start",
        17 => "/cancel",
        18 => "/preview",
        _ => "/redeploy",
    };
    let pull = world
        .dice()
        .one_of(open)
        .cloned()
        .context("nothing is open")?;
    let by = if world.dice().happens(100) {
        "eve"
    } else {
        "ann"
    };
    github.comment(home, pull.number, by, words)?;
    if by == "ann" {
        let number = u32::try_from(pull.number)?;
        let mut known = world.known();
        known.ordered.insert(number);
        if words == "/preview" {
            known.asked_for.insert(number);
        }
    }
    Ok(format!("{by} comments {words} on #{}", pull.number))
}
