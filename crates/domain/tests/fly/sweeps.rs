//! What goes because no record wants it, and what never does.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use nestling_domain::{
    budget::most,
    deployment::{Cause, CommitInfo, Deployment, Phase, Tests, Trust},
    environment::Environment,
    fly::{
        AppName, Holds, Incomplete, LOOKS, Listing, Machine, MachineState, Owner, Records, Sweep,
        UNWANTED_FOR, Verdict,
    },
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, RepositoryId, Timestamp, Version},
    label::Slug,
    lifecycle::{Lifecycle, State},
};
use proptest::prelude::*;

use crate::world::SERVER;

const PREFIX: &str = "nestling";
const BEGIN: Timestamp = Timestamp(1_800_000_000_000);

/// What an app is in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// Of an environment with a record.
    Wanted,
    /// The same, by a name of an earlier configuration.
    Renamed,
    /// Of an environment without one.
    Left,
    /// Another server's.
    Theirs,
    /// Left, but somebody has put a machine of his own into it.
    Shared,
    /// Without machines.
    Empty,
}

const TRUTHS: [Truth; 6] = [
    Truth::Wanted,
    Truth::Renamed,
    Truth::Left,
    Truth::Theirs,
    Truth::Shared,
    Truth::Empty,
];

fn record(number: u32) -> Environment {
    let app = AppId("shop".to_owned());
    let kind = Kind::Preview(number);
    Environment {
        id: EnvironmentId::derive(&app, kind),
        slug: Slug::of("shop"),
        app,
        owner: "local".to_owned(),
        repository: RepositoryId(7),
        kind,
        branch: "feature".to_owned(),
        title: "A feature".to_owned(),
        lifecycle: Lifecycle::new(BEGIN, None),
        version: Version(1),
        created_at: BEGIN,
        updated_at: BEGIN,
    }
}

fn name(record: &Environment, server: &str) -> AppName {
    AppName::of(PREFIX, server, (&record.id, &record.slug, record.kind)).unwrap()
}

fn machine(id: &str, owner: Option<(&str, &EnvironmentId, u32)>) -> Machine {
    Machine {
        id: id.to_owned(),
        owner: owner.map(|(server, environment, generation)| Owner {
            server: server.to_owned(),
            environment: environment.clone(),
            generation: Generation(generation),
        }),
        state: MachineState::Lives,
        volume: None,
    }
}

/// An organisation, and the records of one server: the app of each place is what it is in truth.
#[derive(Default)]
struct Town(BTreeMap<u32, Truth>);

impl Town {
    fn name(&self, number: u32) -> String {
        let truth = self.0[&number];
        let theirs = truth == Truth::Theirs;
        let name = name(&record(number), if theirs { "another" } else { SERVER });
        if truth == Truth::Renamed {
            name.as_str().replace("-shop-", "-basket-")
        } else {
            name.as_str().to_owned()
        }
    }

    fn machines(&self, number: u32) -> Vec<Machine> {
        let id = record(number).id;
        let ours = machine("ours", Some((SERVER, &id, 2)));
        match self.0[&number] {
            Truth::Wanted | Truth::Renamed | Truth::Left => vec![ours],
            Truth::Theirs => vec![machine("theirs", Some(("another", &id, 1)))],
            Truth::Shared => vec![ours, machine("somebody's", None)],
            Truth::Empty => Vec::new(),
        }
    }

    fn listing(&self) -> Listing {
        let apps = self.0.keys();
        Listing {
            apps: apps.map(|number| (self.name(*number), 1)).collect(),
            total: self.0.len() as u64,
        }
    }

    /// The store; one more environment is always there.
    fn records(&self) -> Records {
        let mut records = Records::default();
        let wanted = |truth: &Truth| matches!(truth, Truth::Wanted | Truth::Renamed);
        let wanted = self.0.iter().filter(|(_, truth)| wanted(truth));
        for number in wanted.map(|(number, _)| *number).chain([1_000_000]) {
            let record = record(number);
            records.add(&name(&record, SERVER), &record);
        }
        records
    }

    /// One pass over this listing, in which some looks bring nothing; answers which apps go, by their numbers.
    fn pass(
        &self,
        sweep: &mut Sweep,
        (listing, blind): (&Listing, bool),
        now: Timestamp,
    ) -> Result<BTreeSet<u32>, Incomplete> {
        let records = self.records();
        let pass = listing.against(PREFIX, &records)?;
        let numbers = self.0.keys().map(|number| (self.name(*number), *number));
        let numbers: BTreeMap<String, u32> = numbers.collect();
        let mut looked = Vec::new();
        let looks = sweep.looks(&pass, now);
        assert!(looks.len() <= LOOKS);
        for (place, app) in looks.into_iter().enumerate() {
            if blind && place % 2 == 0 {
                sweep.is_unseen(&app, "no answer".to_owned(), now);
                continue;
            }
            let machines = self.machines(numbers[&app]);
            let holds = Holds::of(&app, (PREFIX, SERVER), &machines);
            looked.push((app, holds));
        }
        let verdicts = sweep.judge(&pass, looked, (&records, now));
        let goes = |(app, verdict): (String, Verdict)| match verdict {
            Verdict::Goes(going) => {
                assert_eq!(going.app.as_str(), app);
                assert_eq!(going.newest, Generation(2));
                Some(numbers[&app])
            }
            _ => None,
        };
        Ok(verdicts.into_iter().filter_map(goes).collect())
    }
}

/// What happens in the world before a pass, and what Fly shows of it.
#[derive(Debug, Clone)]
enum Step {
    /// An app becomes another thing, or comes to be.
    Becomes(u32, Truth),
    /// It is gone.
    Gone(u32),
    /// All is listed, so many seconds after the pass before; or some looks bring nothing.
    Listed { later: u64, blind: bool },
    /// Fly lists a part.
    Partly { later: u64, skips: usize },
    /// Fly lists nothing.
    Empty { later: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let later = 1..900u64;
    let truth = (0..TRUTHS.len()).prop_map(|place| TRUTHS[place]);
    let step = prop_oneof![
        4 => (0..12u32, truth).prop_map(|(number, truth)| Step::Becomes(number, truth)),
        1 => (0..12u32).prop_map(Step::Gone),
        6 => (later.clone(), any::<bool>()).prop_map(|(later, blind)| Step::Listed { later, blind }),
        1 => (later.clone(), 2..5usize).prop_map(|(later, skips)| Step::Partly { later, skips }),
        1 => later.prop_map(|later| Step::Empty { later }),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever comes, nothing goes that is wanted, somebody else's, unproven or young, nor more than one pass may end.
    #[test]
    fn a_sweep_removes_only_what_was_unwanted_in_every_complete_listing_of_ten_minutes(steps in steps()) {
        let (mut town, mut sweep, mut now) = (Town::default(), Sweep::default(), BEGIN);
        // Since when each app that is left is in every complete listing.
        let mut listed: BTreeMap<u32, Timestamp> = BTreeMap::new();
        for step in steps {
            let (listing, later, blind) = match step {
                Step::Becomes(number, truth) => {
                    // What holds something is never empty again, and no name changes its server: those are other apps.
                    town.0.entry(number).or_insert(truth);
                    if matches!((town.0[&number], truth), (Truth::Left, Truth::Wanted | Truth::Shared) | (Truth::Wanted | Truth::Shared, Truth::Left)) {
                        town.0.insert(number, truth);
                    }
                    continue;
                }
                Step::Gone(number) => {
                    town.0.remove(&number);
                    continue;
                }
                Step::Listed { later, blind } => (town.listing(), later, blind),
                Step::Partly { later, skips } => {
                    let mut listing = town.listing();
                    let mut place = 0;
                    listing.apps.retain(|_, _| {
                        place += 1;
                        place % skips == 0
                    });
                    (listing, later, false)
                }
                Step::Empty { later } => (Listing { apps: BTreeMap::new(), ..town.listing() }, later, false),
            };
            now = now.plus(Duration::from_secs(later));
            let complete = listing == town.listing();
            let named = town.0.values().filter(|truth| **truth == Truth::Wanted).count();
            let gone = town.pass(&mut sweep, (&listing, blind), now);
            prop_assert_eq!(gone.is_ok(), complete);
            let Ok(gone) = gone else { continue };
            listed.retain(|number, _| town.0.get(number).is_some_and(|truth| *truth != Truth::Wanted));
            for (number, truth) in &town.0 {
                if *truth != Truth::Wanted {
                    listed.entry(*number).or_insert(now);
                }
            }
            prop_assert!(gone.len() <= most(named));
            for number in gone {
                prop_assert_eq!(town.0[&number], Truth::Left);
                prop_assert!(now.since(listed[&number]) >= UNWANTED_FOR);
                sweep.is_gone(&town.name(number));
                town.0.remove(&number);
                listed.remove(&number);
            }
        }
    }

    /// Honest listings find all that is left, however much of others stands beside it.
    #[test]
    fn a_sweep_ends_what_is_left_in_a_bounded_number_of_passes(
        truths in prop::collection::vec(0..TRUTHS.len(), 0..150),
    ) {
        let truths = truths.into_iter().map(|place| TRUTHS[place]);
        let mut town = Town((0..).zip(truths).collect());
        let is_left = |truth: &&Truth| **truth == Truth::Left;
        let left = town.0.values().filter(is_left).count();
        let others = town.0.len() - left;
        let (mut sweep, mut now) = (Sweep::default(), BEGIN);
        for _ in 0..(town.0.len() / (LOOKS / 2) + left / most(0) + 5) {
            for number in town.pass(&mut sweep, (&town.listing(), false), now).unwrap() {
                sweep.is_gone(&town.name(number));
                town.0.remove(&number);
            }
            now = now.plus(Duration::from_mins(5));
        }
        prop_assert_eq!(town.0.values().filter(is_left).count(), 0);
        prop_assert_eq!(town.0.len(), others);
        prop_assert_eq!(sweep.unwanted().count(), 0);
    }
}

#[test]
fn a_sweep_believes_no_listing_that_lacks_what_is_served_and_no_store_without_records() {
    let town = Town([(1, Truth::Left)].into());
    let (listing, mut records) = (town.listing(), town.records());
    assert!(listing.against(PREFIX, &records).is_ok());
    let short = Listing {
        total: 2,
        ..listing.clone()
    };
    let said = short.against(PREFIX, &records).unwrap_err().to_string();
    assert_eq!(said, "Fly counts 2 apps and lists 1");
    let mut sweep = Sweep::default();
    let pass = listing.against(PREFIX, &records).unwrap();
    let holds = Holds::of(&town.name(1), (PREFIX, SERVER), &town.machines(1));
    for minutes in [0, 10, 20] {
        let now = BEGIN.plus(Duration::from_mins(minutes));
        let looked = vec![(town.name(1), holds.clone())];
        let none = Records::default();
        let verdicts = sweep.judge(&pass, looked, (&none, now));
        assert_eq!(verdicts, [(town.name(1), Verdict::NoRecords(record(1).id))]);
    }
    assert_eq!(sweep.unwanted().count(), 0);
    let mut served = record(2);
    served.lifecycle.state = serving(IpAddr::V6(Ipv6Addr::LOCALHOST));
    records.add(&name(&served, SERVER), &served);
    let lacks = listing.against(PREFIX, &records).unwrap_err();
    assert!(matches!(lacks, Incomplete::Lacks { .. }), "{lacks}");
}

#[test]
fn a_sweep_begins_anew_when_the_clock_is_put_back_or_an_app_was_away() {
    let town = Town([(1, Truth::Left)].into());
    let mut sweep = Sweep::default();
    let at = |minutes| BEGIN.plus(Duration::from_mins(minutes));
    let mut goes = |listing: &Listing, now| {
        let gone = town.pass(&mut sweep, (listing, false), now);
        !gone.unwrap().is_empty()
    };
    let all = town.listing();
    assert!(!goes(&all, at(60)));
    assert!(!goes(&all, at(5)), "an hour ago");
    assert!(!goes(&all, at(14)));
    assert!(!goes(&Listing::default(), at(15)), "Fly has none at all");
    assert!(!goes(&all, at(20)));
    assert!(!goes(&all, at(29)));
    assert!(goes(&all, at(30)));
}

/// A machine at this address serves.
fn serving(address: IpAddr) -> State {
    let commit = CommitInfo {
        id: Commit::parse(&"a".repeat(40)).unwrap(),
        message: "Begin".to_owned(),
        author: "ada".to_owned(),
        trust: Trust::Member,
    };
    let serving = Box::new(Deployment {
        generation: Generation(1),
        commit,
        cause: Cause::Push,
        attempt: 1,
        phase: Phase::Serving,
        since: BEGIN,
        created_at: BEGIN,
        deadline: None,
        not_before: None,
        boot: None,
        exclusive: false,
        in_place: false,
        tests: Tests::Pending,
        endpoints: Vec::new(),
        trouble: None,
        notes: Vec::new(),
        again: None,
        address: Some(address),
    });
    State::Running {
        serving,
        failed: None,
    }
}
