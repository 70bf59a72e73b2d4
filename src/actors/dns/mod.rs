//! Names of environments, where no wildcard record leads here: keeps the records of a zone as the plan ([`nestling_domain::dns`]) says.
//!
//! What is wanted stands in the gateway's table, and that a name is over in the records: a table may not be complete yet. Nobody waits for this actor: what it cannot
//! do is said, and delays nothing.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use futures::FutureExt as _;
use nestling_domain::{
    dns::{Ask, Came, Names, Trouble, Zone, next, troubles},
    ids::{EnvironmentId, Timestamp},
    label::Label,
};
use tokio::{
    select,
    time::{Instant, sleep},
};
use tracing::{debug, error, info, warn};

use crate::{
    drivers::{
        clock,
        dnsimple::{Answered, DnSimple},
        store::Store,
    },
    messages::{
        dns::{NotLed, Unnamed},
        routes::Routes,
    },
    telemetry::told,
};

/// Between two looks at all of the zone: somebody may have changed it by hand.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// From a change until it is worked on: what changes together is looked at once.
const GATHERING: Duration = Duration::from_millis(100);
/// How long after an answer that brought nothing the next request is made, in seconds, by how many there were in a row; the last one from then on.
const PATIENCE: [u64; 6] = [1, 2, 5, 10, 30, 60];
/// How long after an answer that only a person can change.
const UNTIL_MENDED: Duration = Duration::from_mins(1);

/// Which names this server keeps.
#[derive(Debug, Clone)]
pub struct Place {
    /// The identity of this Nestling.
    pub server: String,
    /// What lies between a label and the zone; empty for nothing.
    pub below: String,
    /// The host that names lead to.
    pub target: String,
}

/// Keeps names.
pub struct Dns(Option<Keeper>);

/// What keeping needs, and what is known. It begins anew with what it knows of nothing.
struct Keeper {
    dnsimple: DnSimple,
    place: Place,
    store: Arc<dyn Store>,
    routes: Routes,
    said: Unnamed,
    zone: Zone,
    /// Environments that want no name any more, as the records said last.
    over: BTreeSet<EnvironmentId>,
    /// When all of it was looked at last.
    looked: Option<Instant>,
    /// How many answers in a row brought nothing.
    fruitless: usize,
    /// Since when names are in trouble.
    since: BTreeMap<String, Timestamp>,
}

/// Why nothing more can be done for now, and for how long.
struct Pause(String, Duration);

impl Dns {
    /// Over a zone; the records and the gateway's table say what is wanted there.
    pub fn new(dnsimple: DnSimple, place: Place, store: Arc<dyn Store>, routes: Routes) -> Self {
        Dns(Some(Keeper {
            dnsimple,
            place,
            store,
            routes,
            said: Unnamed::default(),
            zone: Zone::default(),
            over: BTreeSet::new(),
            looked: None,
            fruitless: 0,
            since: BTreeMap::new(),
        }))
    }

    /// The same, which says in this cell what it cannot keep.
    #[must_use]
    pub fn saying(mut self, said: Unnamed) -> Self {
        if let Some(keeper) = &mut self.0 {
            keeper.said = said;
        }
        self
    }
}

impl Actor for Dns {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(keeper) = self.0.take() {
            ctx.spawn(keeper.keeps().into_actor(self));
        }
    }
}

impl Keeper {
    /// Works for as long as the server lives.
    async fn keeps(mut self) {
        let mut changes = self.routes.relabelled();
        loop {
            changes.mark_unchanged();
            let round = AssertUnwindSafe(self.round()).catch_unwind().await;
            match round {
                Ok(Ok(())) => {
                    self.fruitless = 0;
                    self.say(None);
                    let until_look = self
                        .looked
                        .map_or(Duration::ZERO, |at| LOOK_EVERY.saturating_sub(at.elapsed()));
                    select! {
                        _ = changes.changed() => sleep(GATHERING).await,
                        () = sleep(until_look) => {}
                    }
                }
                Ok(Err(Pause(why, wait))) => {
                    self.fruitless += 1;
                    warn!(
                        "names in the zone {} are not kept for {wait:?}: {why}",
                        self.dnsimple.zone()
                    );
                    self.say(Some(why));
                    sleep(wait).await;
                }
                Err(_) => {
                    error!("keeping names panicked; it begins anew in {UNTIL_MENDED:?}");
                    self.zone = Zone::default();
                    self.say(Some("it ended by a bug, which is in the log".to_owned()));
                    sleep(UNTIL_MENDED).await;
                }
            }
        }
    }

    /// Asks until everything is as it should be, or nothing more can be done for now.
    async fn round(&mut self) -> Result<(), Pause> {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.zone.look_again();
        }
        // They may have come back since.
        self.over.clear();
        loop {
            let wanted = self.routes.labels();
            let names = names(&self.place, &wanted, &self.over);
            if let Some(ask) = next(&self.zone, &names) {
                self.ask(ask).await?;
                continue;
            }
            let found = self.find_over(names.doubtful(&self.zone)).await?;
            if found == self.over {
                return Ok(());
            }
            self.over = found;
        }
    }

    async fn ask(&mut self, ask: Ask) -> Result<(), Pause> {
        let was_known = self.zone.is_known();
        let (came, pause) = match self.dnsimple.ask(&ask).await {
            Answered::Came(came) => (came, None),
            Answered::Later(wait) => {
                let why = format!(
                    "DNSimple answers no more requests for {} s, as there were too many",
                    wait.as_secs()
                );
                (Came::Nothing, Some(Pause(why, wait)))
            }
            Answered::Not(why) => (Came::Nothing, Some(Pause(why, UNTIL_MENDED))),
            Answered::Unknown(why) => (Came::Unknown, Some(Pause(why, self.patience()))),
        };
        self.tell(&ask, &came);
        self.zone.learn(&ask, came);
        if self.zone.is_known() && !was_known {
            self.looked = Some(Instant::now());
        }
        match pause {
            None => {
                self.fruitless = 0;
                Ok(())
            }
            Some(pause) => Err(pause),
        }
    }

    fn patience(&self) -> Duration {
        let last = PATIENCE.len() - 1;
        let seconds = PATIENCE.get(self.fruitless.min(last));
        Duration::from_secs(seconds.copied().unwrap_or(1))
    }

    fn tell(&self, ask: &Ask, came: &Came) {
        let zone = self.dnsimple.zone();
        match (ask, came) {
            (Ask::Create(new), Came::Made(_)) => info!(
                "{}.{zone} is a {} record now: {}",
                new.name,
                new.kind.name(),
                new.content
            ),
            (Ask::Delete { name, .. }, Came::Gone) => info!("a record of {name}.{zone} is gone"),
            (Ask::Create(_) | Ask::Delete { .. }, Came::Refused(why)) => {
                let name = ask.changes().unwrap_or_default();
                warn!("of {name}.{zone}, DNSimple refuses a change: {why}");
            }
            _ => debug!("of the zone {zone}: {ask:?}"),
        }
    }

    /// Those of which the records say that they want no name any more.
    async fn find_over(
        &self,
        doubtful: BTreeSet<EnvironmentId>,
    ) -> Result<BTreeSet<EnvironmentId>, Pause> {
        let mut over = BTreeSet::new();
        for id in doubtful {
            let found = self.store.environment(&id).await.map_err(|error| {
                let why = format!(
                    "the records do not say what is closed: {}",
                    told(&error.into())
                );
                Pause(why, self.patience())
            })?;
            if found.is_none_or(|record| record.lifecycle.is_closed()) {
                over.insert(id);
            }
        }
        Ok(over)
    }

    /// Says what is not as it should be, and why nothing can be done about it, where that is so.
    fn say(&mut self, pause: Option<String>) {
        let wanted = self.routes.labels();
        let names = names(&self.place, &wanted, &self.over);
        let found = troubles(&self.zone, &names);
        let zone = self.dnsimple.zone();
        let now = clock::now();
        let whole = pause.map(|why| NotLed {
            about: "names".to_owned(),
            environment: None,
            reason: format!(
                "names of environments in the zone {zone} are neither made nor removed at present: {why}. It is tried again by itself; names that lead here go on to, and environments live without theirs"
            ),
            since: now,
        });
        let each = found.into_iter().map(|trouble| {
            let Trouble {
                name,
                environment,
                why,
            } = trouble;
            NotLed {
                about: format!("{name}.{zone}"),
                environment,
                reason: why,
                since: now,
            }
        });
        let mut all: Vec<NotLed> = whole.into_iter().chain(each).collect();
        let told = std::mem::take(&mut self.since);
        for one in &mut all {
            one.since = told.get(&one.about).copied().unwrap_or(now);
            self.since.insert(one.about.clone(), one.since);
        }
        self.said.say((!all.is_empty()).then_some(all));
    }
}

fn names<'a>(
    place: &'a Place,
    wanted: &'a BTreeMap<Label, EnvironmentId>,
    over: &'a BTreeSet<EnvironmentId>,
) -> Names<'a> {
    Names {
        server: &place.server,
        below: &place.below,
        target: &place.target,
        wanted,
        over,
    }
}
