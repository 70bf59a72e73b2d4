//! A model of everything outside one environment: a forge, machines with runners, and what is in flight.

mod machines;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nestling_domain::{
    deployment::{CommitInfo, Phase},
    ids::{Commit, Generation, Timestamp},
    lifecycle::{
        Command, Effect, Event, Found, Lifecycle, Observation, State, Step, Times, Trigger, Why,
    },
};
use nestling_protocol::report::{Address, Endpoint, EndpointKind};

use machines::{Runner, SCRIPT};

pub(crate) fn commit(n: u8) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&format!("{n:040x}")).unwrap(),
        message: format!("change {n}"),
        author: "ann".into(),
        trust: nestling_domain::deployment::Trust::Member,
    }
}

/// Where previews answer.
pub(crate) fn reached(port: u8) -> String {
    format!("http://*.localhost:410{port}")
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint {
        name: "app".into(),
        label: "app".into(),
        kind: EndpointKind::App,
        primary: true,
        browser: true,
        address: Address::Unix("app.sock".into()),
    }
}

/// How an effect ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    Twice,
    Failed,
    /// It happened, and nobody was told.
    AnswerLost,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) times: Times,
    pub(crate) record: Lifecycle,
    pub(crate) exclusive: bool,
    /// Its machines mount a disk, which one of them has at a time.
    pub(crate) on_disk: bool,
    head: CommitInfo,
    open: bool,
    machines: BTreeMap<Generation, Runner>,
    folder: bool,
    shown: u32,
    /// What is on its way to the environment, in no particular order.
    arriving: Vec<Event>,
    launched: BTreeSet<Generation>,
}

impl World {
    pub(crate) fn new(exclusive: bool) -> Self {
        let now = Timestamp(1_000_000);
        let head = commit(2);
        World {
            now,
            times: Times::default(),
            record: Lifecycle::new(now, Some(head.id.clone())),
            exclusive,
            on_disk: false,
            head,
            open: true,
            machines: BTreeMap::new(),
            folder: false,
            shown: 0,
            arriving: Vec::new(),
            launched: BTreeSet::new(),
        }
    }

    /// Decides and remembers; checks what must hold at every step.
    pub(crate) fn apply(&mut self, event: &Event) -> Option<Step> {
        let before = self.record.clone();
        let step = self.record.step(event, self.now, &self.times).ok()?;
        assert!(
            before.generation <= step.next.generation,
            "generations only grow"
        );
        if step.next == before {
            assert!(
                step.owed(&before, self.now).is_empty(),
                "an unchanged state orders nothing new"
            );
        } else {
            assert_eq!(
                step.owed(&before, self.now),
                step.next.owed(self.now),
                "a step orders exactly what its state owes"
            );
        }
        self.record = step.next.clone();
        self.known(event);
        Some(step)
    }

    /// Whatever may exist outside is known to the record.
    fn known(&self, after: &impl std::fmt::Debug) {
        for machine in self.machines.keys() {
            assert!(
                self.record.world.machines.contains(machine),
                "machine {machine} exists and the record does not know it: {after:?}"
            );
        }
    }

    pub(crate) fn push(&mut self, n: u8, told: bool) {
        self.head = commit(n);
        if told && self.open {
            self.arriving.push(Event::Hint {
                commit: Some(self.head.id.clone()),
                trigger: Trigger::Push,
            });
        }
    }

    pub(crate) fn set_open(&mut self, open: bool, told: bool) {
        self.open = open;
        if told {
            let trigger = if open {
                Trigger::Reopen
            } else {
                Trigger::Close
            };
            self.arriving.push(Event::Hint {
                commit: None,
                trigger,
            });
        }
    }

    pub(crate) fn command(&mut self, n: u8) {
        let command = match n % 6 {
            0 => Command::Redeploy,
            1 => Command::Cancel,
            2 => Command::Stop,
            3 => Command::Start,
            4 => Command::Sleep,
            _ => Command::Suspend("over budget".into()),
        };
        self.apply(&Event::Command(command));
    }

    /// The server starts, and previews answer at this port.
    pub(crate) fn reach(&mut self, port: u8) {
        let at = reached(port);
        self.apply(&Event::Observed(Observation::Reached { at }));
    }

    /// One of the things on their way arrives.
    pub(crate) fn arrive(&mut self, n: usize, keep: bool) {
        if self.arriving.is_empty() {
            return;
        }
        let place = n % self.arriving.len();
        let event = if keep {
            self.arriving[place].clone()
        } else {
            self.arriving.remove(place)
        };
        self.apply(&event);
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.apply(&Event::Tick);
    }

    /// One owed effect is performed.
    pub(crate) fn perform(&mut self, n: usize, fate: Fate) {
        let owed = self.record.owed(self.now);
        if owed.is_empty() {
            return;
        }
        let effect = owed[n % owed.len()].clone();
        if fate == Fate::Failed {
            let refused = self.refused(&effect);
            self.arriving.extend(refused.map(Event::Observed));
            return;
        }
        let mut observed = self.happen(&effect);
        if fate == Fate::Twice {
            observed = self.happen(&effect);
        }
        self.known(&effect);
        if fate != Fate::AnswerLost {
            self.arriving.push(Event::Observed(observed));
        }
    }

    fn happen(&mut self, effect: &Effect) -> Observation {
        match effect {
            Effect::Admit(generation) => Observation::Admitted(*generation),
            Effect::Launch(generation) => {
                let next = self
                    .record
                    .next()
                    .expect("launched though nothing is next")
                    .clone();
                assert_eq!(
                    next.generation, *generation,
                    "a superseded deployment is launched"
                );
                let others = self.machines.keys().any(|other| other != generation);
                if self.on_disk && others && !self.launched.contains(generation) {
                    return Observation::Occupied(*generation);
                }
                // A machine runs once: asked for again after its end, it is not made again.
                if self.launched.insert(*generation) {
                    let runner = Runner {
                        commit: next.commit,
                        at: 0,
                        seq: 0,
                        started: false,
                    };
                    self.machines.insert(*generation, runner);
                    self.folder = true;
                }
                Observation::launched(*generation)
            }
            Effect::Probe(generation) => match self.machines.get(generation) {
                Some(runner) if runner.at >= SCRIPT => Observation::Healthy(*generation),
                _ => Observation::Unhealthy {
                    generation: *generation,
                    reason: "connection refused".into(),
                },
            },
            Effect::Drain(generation) => Observation::Drained(*generation),
            Effect::Destroy { keep, upto, erase } => {
                for generation in keep {
                    let named = self.record.named(*generation).is_some()
                        || self.record.world.draining == Some(*generation);
                    assert!(named, "keeps a machine that nothing names");
                }
                self.machines
                    .retain(|generation, _| *generation > *upto || keep.contains(generation));
                if *erase {
                    assert!(
                        self.machines.is_empty(),
                        "erases the folder under a machine"
                    );
                    self.folder = false;
                }
                Observation::Absent {
                    keep: keep.clone(),
                    upto: *upto,
                    erased: *erase,
                }
            }
            Effect::Look(look) => {
                let found = if self.open {
                    Found::Open(self.head.clone())
                } else {
                    Found::Closed
                };
                Observation::Found { look: *look, found }
            }
            Effect::Announce(edition) => {
                // It shows what the records say, whichever edition it was told of.
                self.shown = self.record.world.edition;
                Observation::Announced(*edition)
            }
        }
    }

    fn refused(&self, effect: &Effect) -> Option<Observation> {
        let reason = || "the outside is down".to_owned();
        match effect {
            Effect::Admit(_) | Effect::Drain(_) => None,
            Effect::Launch(generation) => Some(Observation::NotLaunched {
                generation: *generation,
                reason: reason(),
                retry: true,
            }),
            Effect::Probe(generation) => Some(Observation::Unhealthy {
                generation: *generation,
                reason: reason(),
            }),
            Effect::Destroy { .. } => Some(Observation::NotAbsent { reason: reason() }),
            Effect::Look(look) => Some(Observation::NotFound {
                look: *look,
                reason: reason(),
            }),
            Effect::Announce(_) => Some(Observation::NotAnnounced { reason: reason() }),
        }
    }

    /// The server dies and starts again: what was in flight is forgotten, the record is not, and every
    /// machine that the record names is watched again.
    pub(crate) fn crash(&mut self) {
        self.arriving
            .retain(|event| matches!(event, Event::Hint { .. }));
        self.record = self.record.clone().resumed(self.now, &self.times);
        let named: Vec<Generation> = self.record.world.machines.iter().copied().collect();
        for generation in named {
            let launched = self
                .record
                .named(generation)
                .is_some_and(|d| d.phase > Phase::Launching);
            if launched && !self.machines.contains_key(&generation) {
                self.lost(generation);
            }
        }
    }

    /// Faults stop, and everything owed is paid; then the refresh loop looks once more, where it did not come out right.
    pub(crate) fn settle(&mut self) {
        self.settled(true);
    }

    /// The same, without a refresh loop: whatever changed, somebody told of it.
    pub(crate) fn settle_by_hints(&mut self) {
        self.settled(false);
    }

    fn settled(&mut self, refreshes: bool) {
        for round in 0..2_000 {
            while let Some(event) = self.arriving.pop() {
                self.apply(&event);
            }
            for _ in 0..self.record.owed(self.now).len() {
                self.perform(round, Fate::Done);
                while let Some(event) = self.arriving.pop() {
                    self.apply(&event);
                }
            }
            for n in 0..self.machines.len() {
                self.run(n);
            }
            if self.record.due_at().is_none()
                && self.arriving.is_empty()
                && self.machines.values().all(|runner| runner.at >= SCRIPT)
            {
                if self.agrees_with_forge() {
                    return;
                }
                assert!(refreshes, "a hint came to nothing: {:#?}", self.record);
                self.apply(&Event::Hint {
                    commit: None,
                    trigger: Trigger::Refresh,
                });
            }
            self.pass(Duration::from_secs(1));
        }
        panic!(
            "does not settle: {:#?}\nowes {:?}",
            self.record,
            self.record.owed(self.now)
        );
    }

    fn agrees_with_forge(&self) -> bool {
        match (&self.record.state, self.open) {
            (State::Stopped { why, .. }, open) => {
                matches!(why, Why::Closed) != open
                    || matches!(why, Why::Person | Why::Policy(_) | Why::Waits(_)) && open
            }
            (_, false) => false,
            (_, true) => self
                .record
                .newest_commit()
                .is_some_and(|newest| newest.id == self.head.id),
        }
    }

    /// The world holds exactly what the record says.
    pub(crate) fn check(&self) {
        let machines: Vec<Generation> = self.machines.keys().copied().collect();
        assert_eq!(
            self.shown, self.record.world.edition,
            "the forge shows something else"
        );
        assert_eq!(self.record.owed(self.now), [], "something is owed");
        match &self.record.state {
            State::Running { serving, failed } => {
                assert_eq!(machines, [serving.generation]);
                assert_eq!(serving.phase, Phase::Serving);
                assert!(self.open);
                // Which newer commit is meant is the newest that was asked for, and settling has seen that it is the head.
                let says_why = failed.is_some() || self.record.cancelled.is_some();
                if !says_why {
                    assert_eq!(
                        serving.commit, self.head,
                        "an old commit serves and the page does not say why"
                    );
                }
            }
            State::Stopped { why, .. } => {
                assert!(
                    machines.is_empty(),
                    "a stopped environment has machines {machines:?}"
                );
                assert_eq!(self.open, !matches!(why, Why::Closed));
                if matches!(why, Why::Closed) {
                    assert!(!self.folder, "a closed environment leaves its folder");
                }
            }
            other => panic!("settled in {other:?}"),
        }
        assert_eq!(
            self.record
                .world
                .machines
                .iter()
                .copied()
                .collect::<Vec<_>>(),
            machines
        );
    }
}
