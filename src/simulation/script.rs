//! What people do on GitHub, by chance.

use anyhow::{Context as _, Result, bail};
use nestling_domain::{environment::Environment, github::shown::APPROVE, ids::Kind};
use nestling_world::github::{Change, Opening, PullRequest, State};

use super::{
    acts::{Act, chosen, meant},
    crashes::Lean,
    dice::Dice,
    known::Closed,
    owner,
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
/// How long none does where that is all that goes wrong: its end meets no listing, which comes each 15 minutes.
const DEAF: (u64, u64) = (30 * 60_000, 44 * 60_000);
/// How far apart they are where people push again before all is done that the last push brought: the time of a build.
const AT_ONCE: u64 = 14_000;
/// What people say in comments.
const WORDS: [&str; 6] = [
    "/stop",
    "/start",
    "/cancel",
    "/preview",
    "/redeploy",
    "/redeploy",
];
/// Open pull requests at most.
const OPEN: usize = 3;
/// How often of a thousand saves of an environment that is in the state for it somebody does what this run leans to, how many
/// milliseconds later at most, and how often in a run.
const MEETS: u64 = 400;
const MEETS_WITHIN: u64 = 6_000;
const MEETINGS: u32 = 8;
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
        let deaf = dice.span(DEAF.0, DEAF.1);
        for _ in 0..acts {
            world.plan(dice.below(deaf), Deed::User);
        }
        return world.plan(deaf, Deed::Calm);
    }
    for _ in 0..acts {
        world.plan(at, Deed::User);
        let burst = dice.happens(300);
        let apart = if world.meets_builds() {
            AT_ONCE
        } else {
            APART.1
        };
        at += dice.span(APART.0, if burst { 500 } else { apart });
    }
    world.plan(at + AFTER, Deed::Calm);
}

/// Somebody does something.
pub(super) fn act(world: &World) {
    done(world, |github| {
        (0..TRIES).find_map(|_| one(world, github, chosen(world), None).ok())
    });
}

/// Where this run leans to a webhook that finds an environment in this state, somebody will soon do what it tells.
pub(super) fn may_meet(world: &World, environment: &Environment) {
    let wanted = world.crashes().wants(environment.lifecycle.state_name());
    if wanted.is_none() || !world.goes_wrong(MEETS) || world.known().meetings >= MEETINGS {
        return;
    }
    world.known().meetings += 1;
    let after = world.dice().span(0, MEETS_WITHIN);
    world.plan(after, Deed::Meeting(environment.kind));
}

/// Somebody does with this one what a webhook tells that this run leans to.
pub(super) fn meets(world: &World, kind: Kind) {
    let Some(Lean::Tells(event)) = world.crashes().lean else {
        return;
    };
    if world.is_calm() {
        return;
    }
    done(world, |github| {
        one(world, github, meant(event, kind), Some(kind)).ok()
    });
}

fn done(world: &World, act: impl FnOnce(&mut State) -> Option<String>) {
    let said = {
        let mut github = world.github();
        let said = act(&mut github);
        note(world, &github);
        said
    };
    world.tell(said.unwrap_or_else(|| "nobody does anything".to_owned()));
    let mut github = world.github();
    world.post(&mut github);
}

/// Remembers what is closed, and whether the App may be asked.
pub(super) fn note(world: &World, github: &State) {
    owner::note(world, github);
    let mut known = world.known();
    for pull in pulls(world, github) {
        let number = u32::try_from(pull.number).unwrap();
        let now = clock::now();
        match known.closed.get(&number) {
            None | Some(Closed::Until(_)) if !pull.open => {
                known.closed.insert(number, Closed::Now { since: now });
            }
            Some(Closed::Now { .. }) if pull.open => {
                known.closed.insert(number, Closed::Until(now));
            }
            None | Some(_) => {}
        }
    }
}

/// Every pull request.
pub(super) fn pulls(world: &World, github: &State) -> Vec<PullRequest> {
    let home = &github.repositories[&world.town.repository.0];
    home.pull_requests.values().cloned().collect()
}

/// One act, of the pull request of this environment if one is named, else of any.
fn one(world: &World, github: &mut State, act: Act, whose: Option<Kind>) -> Result<String> {
    let home = github.repositories[&world.town.repository.0].full_name();
    let mut all = pulls(world, github);
    let (open, closed): (Vec<_>, Vec<_>) = if let Some(Kind::Preview(number)) = whose {
        all.retain(|pull| pull.number == u64::from(number));
        (all.clone(), all)
    } else {
        all.into_iter().partition(|pull| pull.open)
    };
    let (which, number) = {
        let mut dice = world.dice();
        (dice.any(), dice.below(1_000_000))
    };
    let pick = |from: &[PullRequest]| {
        let place = which % (from.len().max(1) as u64);
        let found = from.get(usize::try_from(place)?);
        found.cloned().context("there is none")
    };
    let change = [Change::file("index.html", &format!("{number}"))];
    if let Some(said) = owner::gives_back(world, github)? {
        return Ok(said);
    }
    Ok(match act {
        Act::Open if open.len() < OPEN => opened(world, github, &home, &change)?,
        Act::Open => bail!("enough is open"),
        Act::Push if open.is_empty() => opened(world, github, &home, &change)?,
        // Again to the same one, mostly, where a push is to meet what the last one brought.
        Act::Push if world.meets_builds() && which % 4 > 0 => {
            let first = open.first().context("there is none")?;
            pushed(world, github, (&home, first), &change)?
        }
        Act::Push => pushed(world, github, (&home, &pick(&open)?), &change)?,
        Act::Close => {
            let pull = pick(&open)?;
            github.close(&home, pull.number, "ann")?;
            format!("ann closes #{}", pull.number)
        }
        Act::Reopen => {
            let pull = pick(&closed)?;
            // Where it is to meet what goes on, it is closed and opened again at once.
            if pull.open {
                github.close(&home, pull.number, "ann")?;
            }
            github.reopen(&home, pull.number, "ann")?;
            format!("ann reopens #{}", pull.number)
        }
        Act::Label => labelled(github, &home, &pick(&open)?)?,
        Act::Draft => {
            let pull = pick(&open)?;
            github.set_draft(&home, pull.number, "ann", !pull.draft)?;
            format!("ann makes #{} a draft, or none", pull.number)
        }
        Act::Fork => forked(world, github, (&home, &open), &change)?,
        Act::Comment => commented(world, github, (&home, &open))?,
        Act::Press => pressed(world, github, &home, &pick(&open)?)?,
        Act::DeleteBranch => {
            let pull = pick(&open)?;
            github.delete_branch(&home, &pull.head_branch, "ann")?;
            format!("ann deletes the branch of #{}", pull.number)
        }
        Act::PushMain => {
            github.push(&home, "main", "ann", &change)?;
            "ann pushes to main".to_owned()
        }
        Act::Retarget => {
            let pull = pick(&open)?;
            let branch = format!("next-{number}");
            github.push(&home, &branch, "ann", &change)?;
            github.retarget(&home, pull.number, "ann", &branch)?;
            format!("ann leads #{} to another branch", pull.number)
        }
        Act::Retitle => {
            let pull = pick(&open)?;
            github.retitle(&home, pull.number, "ann", &format!("Change {number}"))?;
            format!("ann calls #{} otherwise", pull.number)
        }
        Act::Rename => {
            let to = format!("shop-{number}");
            github.rename(&home, &to, "ann")?;
            format!("ann renames the repository to {to}")
        }
        Act::Merge => {
            let pull = pick(&open)?;
            github.merge(&home, pull.number, "ann")?;
            format!("ann merges #{}", pull.number)
        }
        Act::Silence => {
            let span = world.dice().span(SILENCE.0, SILENCE.1);
            world.known().silence = Some(clock::now().plus(std::time::Duration::from_millis(span)));
            format!("no webhook gets through for {} s", span / 1000)
        }
        Act::Suspend => owner::suspends(world, github)?,
        Act::Select => owner::deselects(world, github)?,
        Act::Install => owner::uninstalls(world, github)?,
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
) -> Result<String> {
    let (words, pull) = {
        let mut dice = world.dice();
        let words = *dice.one_of(&WORDS).unwrap_or(&WORDS[0]);
        (words, dice.one_of(open).cloned())
    };
    let pull = pull.context("nothing is open")?;
    let by = somebody(world);
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

/// A button of a check of ours that is over, of the head or of a commit before it, or its request to run again.
fn pressed(world: &World, github: &mut State, home: &str, pull: &PullRequest) -> Result<String> {
    let kind = Kind::Preview(u32::try_from(pull.number)?);
    let ours: Vec<u64> = {
        let known = world.known();
        let shown = known.shown.get(&kind).context("it shows nothing")?;
        shown.checks.iter().filter_map(|one| one.number).collect()
    };
    let runs = &github.repositories[&world.town.repository.0].check_runs;
    let over = |id: &u64| runs.get(id).is_some_and(|run| run.conclusion.is_some());
    let over: Vec<u64> = ours.into_iter().filter(over).collect();
    let run = world.dice().one_of(&over).copied();
    let run = runs[&run.context("it has no check that is over")?].clone();
    let button = world.dice().one_of(&run.actions).cloned();
    let by = somebody(world);
    let said = if let Some(button) = &button {
        github.press_button(home, run.id, &button.identifier, by)?;
        format!("{by} presses {} of #{}", button.identifier, pull.number)
    } else {
        github.rerun(home, run.id, by)?;
        format!("{by} asks for the check of #{} again", pull.number)
    };
    if by == "ann" {
        let mut known = world.known();
        known.ordered.insert(u32::try_from(pull.number)?);
        if button.is_some_and(|button| button.identifier == APPROVE) {
            known.approved.insert(run.head_sha);
        }
    }
    Ok(said)
}

/// Mostly ann, who may write.
fn somebody(world: &World) -> &'static str {
    if world.dice().happens(100) {
        "eve"
    } else {
        "ann"
    }
}
