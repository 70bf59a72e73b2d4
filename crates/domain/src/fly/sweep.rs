//! Which apps at Fly no record wants, and which of them go: on positive evidence only.
//!
//! An app is ours when its machines say so and its name proves it ([`AppName::proven`]); it is unwanted while the environment that they name has no record, or one that says
//! that all of it is gone. What goes has been unwanted in every complete [`Listing`] for [`UNWANTED_FOR`], and its machines said the same at the beginning and at the end of that time: so two complete
//! listings at least say so, as far apart. Whatever is not known keeps an app.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{AppName, Machine, MachineState, name::begins};
use crate::{
    budget::most,
    environment::Environment,
    ids::{EnvironmentId, Generation, Timestamp},
};

/// How long an app must have been unwanted before it goes: longer than any order of an environment lasts, and time for people to read of it.
pub const UNWANTED_FOR: Duration = Duration::from_mins(10);
/// How many apps are looked into in one pass. Where each look takes the 10 s that an answer may, all are over before the next pass is due, 5 minutes later.
pub const LOOKS: usize = 30;

/// What the machines of an app say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of them are ours, and of one environment.
    Ours {
        /// Which.
        environment: EnvironmentId,
        /// The app, by its proven name.
        app: AppName,
        /// The newest generation among them.
        newest: Generation,
    },
    /// This one is not, by Fly's id of it, or the app is not named by the environment that it says.
    Foreign(String),
    /// There are none, which proves nothing.
    Nothing,
}

impl Holds {
    /// Reads the machines of the app that is listed under this name; `prefix` and `server` are what this Nestling names its apps by.
    pub fn of(name: &str, (prefix, server): (&str, &str), machines: &[Machine]) -> Self {
        let mut holds = Holds::Nothing;
        for machine in machines {
            if machine.state == MachineState::Destroyed {
                continue;
            }
            let owner = machine.owner.as_ref();
            let owner = owner.filter(|owner| owner.server == server);
            let proven = owner.and_then(|owner| {
                let app = AppName::proven(name, (prefix, server), &owner.environment)?;
                Some((owner, app))
            });
            let Some((owner, app)) = proven else {
                return Holds::Foreign(machine.id.clone());
            };
            let before = match holds {
                Holds::Ours { newest, .. } => newest,
                Holds::Nothing | Holds::Foreign(_) => owner.generation,
            };
            holds = Holds::Ours {
                environment: owner.environment.clone(),
                app,
                newest: before.max(owner.generation),
            };
        }
        holds
    }
}

/// What the store says of all environments.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Whether there is any.
    any: bool,
    /// Those that may want something.
    environments: BTreeSet<EnvironmentId>,
    /// The apps that these are named by.
    apps: BTreeSet<String>,
    /// Those from which somebody is served.
    serving: BTreeMap<String, EnvironmentId>,
}

impl Records {
    /// Takes in the record of an environment, and its app. One that is closed, and of which all was seen gone, wants nothing: if something is there all
    /// the same, Fly was wrong when it said so.
    pub fn add(&mut self, app: &AppName, record: &Environment) {
        self.any = true;
        if record.lifecycle.is_gone() {
            return;
        }
        let serving = record.lifecycle.serving();
        if serving.is_some_and(|serving| serving.address.is_some()) {
            let id = record.id.clone();
            self.serving.insert(app.as_str().to_owned(), id);
        }
        self.apps.insert(app.as_str().to_owned());
        self.environments.insert(record.id.clone());
    }
}

/// The apps of an organisation, as Fly lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// By name; with how many machines Fly counts in each.
    pub apps: BTreeMap<String, u64>,
    /// How many there are, as the listing itself says.
    pub total: u64,
}

/// Why a listing is not all that there is: it proves nothing, and what was seen before stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// It lists fewer than it counts.
    #[error("Fly counts {total} apps and lists {listed}")]
    Fewer {
        /// So many are there.
        total: u64,
        /// So many are listed.
        listed: u64,
    },
    /// It lacks one that is there.
    #[error("Fly does not list the app {app}, from which {environment} is served")]
    Lacks {
        /// Its name.
        app: String,
        /// Whose it is.
        environment: EnvironmentId,
    },
}

/// What is to be looked at in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Apps with our prefix that no record names.
    unnamed: BTreeSet<String>,
    /// How many may go.
    most: usize,
}

impl Listing {
    /// What the listing shows beyond the records, which were read after it.
    pub fn against(&self, prefix: &str, records: &Records) -> Result<Pass, Incomplete> {
        let listed = self.apps.len() as u64;
        if listed < self.total {
            let total = self.total;
            return Err(Incomplete::Fewer { total, listed });
        }
        let mut serving = records.serving.iter();
        if let Some((app, id)) = serving.find(|(app, _)| !self.apps.contains_key(*app)) {
            return Err(Incomplete::Lacks {
                app: app.clone(),
                environment: id.clone(),
            });
        }
        let named = |app: &&String| records.apps.contains(*app);
        let (named, others): (Vec<_>, Vec<_>) = self.apps.keys().partition(named);
        let unnamed = others.into_iter().filter(|app| begins(app, prefix));
        Ok(Pass {
            unnamed: unnamed.cloned().collect(),
            most: most(named.len()),
        })
    }
}

/// What becomes of an app that was looked into, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    /// Its environment has a record that sees to it.
    #[error("the record of its environment {0} sees to it")]
    Wanted(EnvironmentId),
    /// It is somebody else's.
    #[error(
        "the machine {0} in it was not made by this server, or not for the environment that the app is named by"
    )]
    Foreign(String),
    /// Nothing says whose it is.
    #[error("it has no machines, so nothing proves whose it is")]
    Unproven,
    /// A store without any record is more likely the wrong one.
    #[error(
        "there is no record of its environment {0}, nor of any other, so the store proves nothing"
    )]
    NoRecords(EnvironmentId),
    /// Not for long enough.
    #[error("no record of its environment {0} wants it, which is not known for long enough")]
    Young(EnvironmentId),
    /// As many as may go in one pass come before it.
    #[error(
        "no record of its environment {0} wants it, and as many as go in one pass come before it"
    )]
    Waits(EnvironmentId),
    /// It goes now.
    #[error("no record of its environment {} wants it", .0.environment)]
    Goes(Going),
}

/// An app that is to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Going {
    /// Its name.
    pub app: AppName,
    /// The environment that it was made for.
    pub environment: EnvironmentId,
    /// The newest generation that it holds: where a newer one shows, somebody is at work on it.
    pub newest: Generation,
    /// Since when it is known to be unwanted.
    pub since: Timestamp,
}

/// An app that is known to be unwanted, as people are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// Its name.
    pub app: &'a str,
    /// The environment that it was made for.
    pub environment: &'a EnvironmentId,
    /// Since when that is known.
    pub since: Timestamp,
    /// Before this moment it does not go.
    pub goes_at: Timestamp,
    /// Why it could not be removed, or not be looked into, when that was tried last.
    pub trouble: Option<&'a str>,
}

/// What was seen of apps between one complete listing and the next. A server that begins anew knows nothing, and waits for as long again.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// By name: each that was looked into and has been listed since.
    known: BTreeMap<String, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    looked_at: Timestamp,
    /// That it is unwanted, if it is.
    unwanted: Option<Unwanted>,
}

#[derive(Debug, Clone)]
struct Unwanted {
    environment: EnvironmentId,
    since: Timestamp,
    /// When it was its turn to go last.
    tried_at: Option<Timestamp>,
    trouble: Option<String>,
}

impl Unwanted {
    fn is_old_enough(&self, now: Timestamp) -> bool {
        now.since(self.since) >= UNWANTED_FOR
    }
}

impl Sweep {
    /// The apps to look into in this pass, at most [`LOOKS`]: those that may go, as many as may and never so many that they keep out others; then those that nobody
    /// has looked into yet; then those that were looked into the longest ago. What a complete listing lacks is forgotten.
    pub fn looks(&mut self, pass: &Pass, now: Timestamp) -> Vec<String> {
        self.known.retain(|app, _| pass.unnamed.contains(app));
        let mut ripe: Vec<_> = self
            .known
            .iter()
            .filter_map(|(app, known)| {
                let unwanted = known.unwanted.as_ref()?;
                let place = (unwanted.tried_at, unwanted.since, app);
                unwanted.is_old_enough(now).then_some(place)
            })
            .collect();
        ripe.sort_unstable();
        ripe.truncate(pass.most.min(LOOKS / 2));
        let ripe: Vec<&String> = ripe.into_iter().map(|(.., app)| app).collect();
        let others = pass.unnamed.iter().filter(|app| !ripe.contains(app));
        let mut others: Vec<&String> = others.collect();
        others.sort_by_key(|app| self.known.get(*app).map(|known| known.looked_at));
        let all = ripe.iter().copied().chain(others).take(LOOKS);
        all.cloned().collect()
    }

    /// Says of each app that was looked into what becomes of it; at most as many as one pass may end go.
    pub fn judge(
        &mut self,
        pass: &Pass,
        looked: Vec<(String, Holds)>,
        (records, now): (&Records, Timestamp),
    ) -> Vec<(String, Verdict)> {
        let mut left = pass.most;
        let mut verdicts = Vec::new();
        for (app, holds) in looked {
            if !pass.unnamed.contains(&app) {
                continue;
            }
            let before = self.known.remove(&app).and_then(|known| known.unwanted);
            let (verdict, unwanted) = weigh(holds, before, records, (&mut left, now));
            let known = Known {
                looked_at: now,
                unwanted,
            };
            self.known.insert(app.clone(), known);
            verdicts.push((app, verdict));
        }
        verdicts
    }

    /// It is gone.
    pub fn is_gone(&mut self, app: &str) {
        self.known.remove(app);
    }

    /// It was its turn to be looked into, and nobody knows what it holds: why, for people. Others have their turn before it has another.
    pub fn is_unseen(&mut self, app: &str, why: String, now: Timestamp) {
        let known = self.known.entry(app.to_owned()).or_insert(Known {
            looked_at: now,
            unwanted: None,
        });
        known.looked_at = now;
        if let Some(unwanted) = &mut known.unwanted {
            unwanted.tried_at = Some(now);
        }
        self.stays(app, why);
    }

    /// It could not be removed: why, for people. It is tried again.
    pub fn stays(&mut self, app: &str, why: String) {
        let known = self.known.get_mut(app);
        if let Some(unwanted) = known.and_then(|known| known.unwanted.as_mut()) {
            unwanted.trouble = Some(why);
        }
    }

    /// All that are known to be unwanted, by name.
    pub fn unwanted(&self) -> impl Iterator<Item = Sighting<'_>> {
        self.known.iter().filter_map(|(app, known)| {
            let unwanted = known.unwanted.as_ref()?;
            Some(Sighting {
                app,
                environment: &unwanted.environment,
                since: unwanted.since,
                goes_at: unwanted.since.plus(UNWANTED_FOR),
                trouble: unwanted.trouble.as_deref(),
            })
        })
    }
}

/// What becomes of an app that holds this, and what is known of it from now on.
fn weigh(
    holds: Holds,
    before: Option<Unwanted>,
    records: &Records,
    (left, now): (&mut usize, Timestamp),
) -> (Verdict, Option<Unwanted>) {
    let (environment, app, newest) = match holds {
        Holds::Nothing => return (Verdict::Unproven, None),
        Holds::Foreign(machine) => return (Verdict::Foreign(machine), None),
        Holds::Ours {
            environment,
            app,
            newest,
        } => (environment, app, newest),
    };
    if records.environments.contains(&environment) {
        return (Verdict::Wanted(environment), None);
    }
    if !records.any {
        return (Verdict::NoRecords(environment), None);
    }
    let unwanted = seen_again(before, &environment, now);
    let going = Going {
        app,
        environment,
        newest,
        since: unwanted.since,
    };
    let (verdict, unwanted) = turn(going, unwanted, (left, now));
    (verdict, Some(unwanted))
}

/// An app that is unwanted, and perhaps was before; one that was another environment's is new. A clock that was put back begins anew.
fn seen_again(before: Option<Unwanted>, environment: &EnvironmentId, now: Timestamp) -> Unwanted {
    let before = before.filter(|before| before.environment == *environment && before.since <= now);
    before.unwrap_or_else(|| Unwanted {
        environment: environment.clone(),
        since: now,
        tried_at: None,
        trouble: None,
    })
}

/// Whether it is the turn of an unwanted app to go, of so many that are `left` in this pass.
fn turn(
    going: Going,
    unwanted: Unwanted,
    (left, now): (&mut usize, Timestamp),
) -> (Verdict, Unwanted) {
    if !unwanted.is_old_enough(now) {
        return (Verdict::Young(going.environment), unwanted);
    }
    if *left == 0 {
        return (Verdict::Waits(going.environment), unwanted);
    }
    *left -= 1;
    let tried = Unwanted {
        tried_at: Some(now),
        trouble: None,
        ..unwanted
    };
    (Verdict::Goes(going), tried)
}
