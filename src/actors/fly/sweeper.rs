//! The sweeper: finds what this server has made at Fly and no record wants, and removes it on positive evidence only
//! ([`nestling_domain::fly::Sweep`]). Nobody asks it for anything: it says what it has found. [`super::Sweeping`] lets it make one pass after the other.

use std::{collections::BTreeMap, sync::Arc};

use nestling_domain::{
    announcement::utc,
    fly::{
        AppName, Cost, GaveUp, Going, Holds, Listing, Pass, Price, Records, Remove, Sighting,
        Sweep, Verdict,
    },
    ids::Timestamp,
};
use tracing::{debug, info, warn};
use zeroize::Zeroizing;

use super::Plan;
use crate::{
    drivers::{
        fly::{Confidential, Fly, Subject},
        store::Store,
    },
    messages::machines::{Left, LeftBehind},
    telemetry::told,
};

/// Records read at once.
const PAGE: usize = 500;

/// Sweeps. What it remembers is evidence, and is gathered anew after a start.
#[derive(Clone)]
pub struct Sweeper {
    fly: Arc<Fly>,
    plan: Plan,
    store: Arc<dyn Store>,
    /// Whether it removes, or only says what it would remove.
    removes: bool,
    left: LeftBehind,
    seen: Sweep,
    /// How many machines Fly counts in each app that is known to be unwanted.
    counted: BTreeMap<String, u64>,
}

impl Sweeper {
    /// Over an organisation at Fly, with the records that say what is wanted there.
    pub fn new(fly: Arc<Fly>, plan: Plan, store: Arc<dyn Store>, removes: bool) -> Self {
        Sweeper {
            fly,
            plan,
            store,
            removes,
            left: LeftBehind::default(),
            seen: Sweep::default(),
            counted: BTreeMap::new(),
        }
    }

    /// The same, which says in this cell what it has found.
    #[must_use]
    pub fn saying(self, left: LeftBehind) -> Self {
        Sweeper { left, ..self }
    }

    /// One pass over everything, begun at `now`: its evidence is as old as that, however long it takes.
    pub(super) async fn pass(&mut self, now: Timestamp) {
        let came = self.sweep(now).await;
        if let Err(why) = &came {
            warn!("what is left at Fly was not looked for: {why}");
        }
        let found = self.seen.unwanted();
        let found = found.map(|one| left(&one, self.removes, self.cost(&one, now)));
        let failed = came.err().map(not_looked_for);
        self.left.say(found.chain(failed).collect());
    }

    /// Forgets what it has seen, because nobody knows what the last pass saw before it ended by a bug.
    pub(super) fn begin_anew(&mut self) {
        self.seen = Sweep::default();
        self.left.say(vec![Left {
            about: "Fly".to_owned(),
            reason: "a look for what no record wants there ended by a bug, which is in the log. What was known of it is found anew, and the next look is 5 minutes later".to_owned(),
            since: None,
            cost: None,
        }]);
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<(), String> {
        let listing = self.fly.apps().await?;
        // After the listing: what was recorded before its app was listed is known here.
        let records = self.records().await?;
        let pass = listing.against(&self.plan.prefix, &records);
        let pass = pass.map_err(|why| why.to_string())?;
        let looked = self.look(&listing, &pass, now).await;
        let mut unproven = Ok(());
        for (app, verdict) in self.seen.judge(&pass, looked, (&records, now)) {
            match &verdict {
                Verdict::Goes(going) => self.ends(going, now).await,
                Verdict::NoRecords(_) => unproven = Err(format!("of {app}, {verdict}")),
                Verdict::Wanted(_)
                | Verdict::Foreign(_)
                | Verdict::Unproven
                | Verdict::Young(_)
                | Verdict::Waits(_) => debug!("the app {app} at Fly stays: {verdict}"),
            }
        }
        let counted = self.seen.unwanted().filter_map(|one| {
            let machines = listing.apps.get(one.app)?;
            Some((one.app.to_owned(), *machines))
        });
        self.counted = counted.collect();
        unproven
    }

    /// What an unwanted app has cost since it is known to be, if its machines have run.
    fn cost(&self, one: &Sighting<'_>, now: Timestamp) -> Option<Cost> {
        let size = self.plan.make.size;
        let price = Price::of(size.cpu_kind.name(), size.cpus, size.memory_mib)?;
        let machines = *self.counted.get(one.app)?;
        Some(price.cost(machines, now.since(one.since)))
    }

    /// What all records want.
    async fn records(&self) -> Result<Records, String> {
        let mut records = Records::default();
        let mut after = None;
        loop {
            let page = self.store.environments(after.as_deref(), PAGE).await;
            let page = page.map_err(|error| told(&error.into()))?;
            for record in page.items {
                let about = (&record.id, &record.slug, record.kind);
                let app = AppName::of(&self.plan.prefix, self.fly.server(), about);
                records.add(&app.map_err(|error| error.to_string())?, &record);
            }
            after = page.next;
            if after.is_none() {
                return Ok(records);
            }
        }
    }

    /// Looks into those apps whose turn it is. One that Fly says too little of is none that was looked into.
    async fn look(
        &mut self,
        listing: &Listing,
        pass: &Pass,
        now: Timestamp,
    ) -> Vec<(String, Holds)> {
        let whose = (self.plan.prefix.as_str(), self.fly.server());
        let mut looked = Vec::new();
        for app in self.seen.looks(pass, now) {
            let counted = listing.apps.get(&app).copied().unwrap_or_default();
            match self.fly.machines(&app, counted).await {
                Ok(machines) => {
                    let holds = Holds::of(&app, whose, &machines);
                    looked.push((app, holds));
                }
                Err(why) => {
                    warn!("the app {app} at Fly could not be looked into: {why}");
                    self.seen.is_unseen(&app, why, now);
                }
            }
        }
        looked
    }

    /// It is an app's turn to go.
    async fn ends(&mut self, going: &Going, now: Timestamp) {
        let Going {
            app, environment, ..
        } = going;
        let minutes = now.since(going.since).as_secs() / 60;
        let why = format!("known for {minutes} min, as no record of {environment} wants it");
        if !self.removes {
            info!(environment.id = %environment, "would remove the app {app} at Fly, {why}");
            return;
        }
        info!(environment.id = %environment, "removes the app {app} at Fly, {why}");
        match self.remove(going).await {
            Some(Ok(())) => {
                info!(environment.id = %environment, "the app {app} at Fly is gone");
                self.seen.is_gone(app.as_str());
            }
            Some(Err(why)) => {
                warn!(environment.id = %environment, "the app {app} at Fly could not be removed: {why}");
                self.seen.stays(app.as_str(), why.to_string());
            }
            None => {
                let why = "a record of its environment wants it again, or the store did not say";
                info!(environment.id = %environment, "the app {app} at Fly stays: {why}");
                self.seen.stays(app.as_str(), why.to_owned());
            }
        }
    }

    /// Removes it, as long as the store says before each request that no record wants it.
    async fn remove(&self, going: &Going) -> Option<Result<(), GaveUp>> {
        let confidential = Confidential(Zeroizing::default());
        let subject = Subject {
            app: &going.app,
            environment: &going.environment,
            make: &self.plan.make,
            confidential: &confidential,
        };
        let order = Remove {
            server: self.fly.server(),
            environment: &going.environment,
            keep: &[],
            upto: going.newest,
            all: true,
        };
        let unwanted = async || {
            let found = self.store.environment(&going.environment).await;
            found.is_ok_and(|found| found.is_none_or(|record| record.lifecycle.is_gone()))
        };
        self.fly.remove_while(&subject, &order, unwanted).await
    }
}

/// An unwanted app, for people.
fn left(one: &Sighting<'_>, removes: bool, cost: Option<Cost>) -> Left {
    let at = utc(one.goes_at).minute();
    let goes = if removes {
        format!("it is removed after {at} UTC, unless one does by then")
    } else {
        format!("it would be removed after {at} UTC, and stays as machines.fly.sweep is \"report\"")
    };
    let trouble = one.trouble.map(|why| {
        format!(". The last try did not end it ({why}), and it is tried again every 5 minutes")
    });
    Left {
        about: format!("{} at Fly", one.app),
        reason: format!(
            "this server made it for the environment {}, and no record of that wants it: {goes}{}",
            one.environment,
            trouble.unwrap_or_default()
        ),
        since: Some(one.since),
        cost,
    }
}

/// A pass that came to nothing, for people.
fn not_looked_for(why: String) -> Left {
    Left {
        about: "Fly".to_owned(),
        reason: format!(
            "what no record wants there was not looked for ({why}). Nothing is removed by such a look, and the next one is 5 minutes later"
        ),
        since: None,
        cost: None,
    }
}
