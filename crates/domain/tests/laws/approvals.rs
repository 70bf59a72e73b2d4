//! X2: an approval and a push race, ten thousand times in any order, with answers that arrive late, twice or never.

use std::{collections::BTreeSet, time::Duration};

use nestling_domain::{
    deployment::{CommitInfo, Trust},
    ids::{Commit, Timestamp},
    lifecycle::{Command, Effect, Event, Found, Lifecycle, Observation, Times, Trigger, Waits},
    policy::{Author, Policy, PullRequest, Verdict},
};
use proptest::prelude::*;

use crate::{convergence::cases, world::commit};

#[derive(Debug, Clone)]
enum Move {
    /// The outsider pushes, and GitHub tells of it or not.
    Push {
        told: bool,
    },
    /// A member approves the head, or what was the head when they read it.
    Approve {
        read: usize,
    },
    /// A member comments, labels, reruns: whatever makes the environment look.
    Hint(Trigger),
    Redeploy,
    Stop,
    /// The forge is asked; its answer is on its way.
    Ask,
    /// An answer arrives, whichever.
    Answer {
        which: usize,
        keep: bool,
    },
    /// What is on its way begins, if it may.
    Admit,
    /// What was launched runs, and its machine is lost.
    Lost,
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    let trigger = prop_oneof![
        Just(Trigger::Push),
        Just(Trigger::Reopen),
        Just(Trigger::Refresh),
        Just(Trigger::Return),
        Just(Trigger::Close),
        Just(Trigger::Start),
        Just(Trigger::Visit)
    ];
    prop_oneof![
        3 => any::<bool>().prop_map(|told| Move::Push { told }),
        4 => (0usize..3).prop_map(|read| Move::Approve { read }),
        2 => trigger.prop_map(Move::Hint),
        2 => Just(Move::Redeploy),
        1 => Just(Move::Stop),
        6 => Just(Move::Ask),
        6 => (0usize..6, prop::bool::weighted(0.2)).prop_map(|(which, keep)| Move::Answer { which, keep }),
        4 => Just(Move::Admit),
        1 => Just(Move::Lost),
        2 => (0u64..40_000).prop_map(Move::Pass),
    ]
}

/// A pull request of an outsider, and the environment of an app that wants each commit approved.
struct Race {
    now: Timestamp,
    life: Lifecycle,
    /// All heads that there ever were, the present one last.
    heads: Vec<CommitInfo>,
    /// What GitHub keeps: the newest approval.
    approved: Option<Commit>,
    ever_approved: BTreeSet<Commit>,
    answers: Vec<Observation>,
}

impl Race {
    fn new() -> Self {
        let now = Timestamp(1_000_000);
        Race {
            now,
            life: Lifecycle::new(now, None),
            heads: vec![commit(1)],
            approved: None,
            ever_approved: BTreeSet::new(),
            answers: Vec::new(),
        }
    }

    fn apply(&mut self, event: &Event) {
        // An order may be refused.
        if let Ok(step) = self.life.step(event, self.now, &Times::default()) {
            self.life = step.next;
        }
        let named = [self.life.serving(), self.life.next()];
        for deployment in named.into_iter().flatten() {
            let commit = &deployment.commit;
            assert!(
                self.ever_approved.contains(&commit.id),
                "{} was never approved, and is {}",
                commit.id,
                deployment.phase.shown().name()
            );
            assert_eq!(commit.trust, Trust::Outsider, "and sees no secret");
        }
    }

    /// What the forge says now.
    fn found(&self) -> Found {
        let head = self.heads.last().expect("there is a head");
        let verdict = Policy::default().verdict(&PullRequest {
            head: &head.id,
            title: "Add a basket",
            message: &head.message,
            draft: false,
            labels: &[],
            bot: false,
            author: Author::Outsider,
            files: None,
            approved: self.approved.as_ref(),
            asked_for: false,
        });
        match verdict {
            Verdict::Run { trust } => Found::Open(CommitInfo {
                trust,
                ..head.clone()
            }),
            Verdict::Approval { commit } => Found::Waiting(Waits {
                reason: "it waits for its approval".to_owned(),
                approval: Some(commit),
                place: false,
                head: None,
            }),
            Verdict::Skip { why } => panic!("nobody said so: {why}"),
        }
    }

    fn happen(&mut self, one: &Move) {
        match one {
            Move::Push { told } => {
                let n = u8::try_from(self.heads.len() % 250).unwrap_or_default() + 1;
                self.heads.push(commit(n));
                let commit = self.heads.last().map(|head| head.id.clone());
                if *told {
                    let trigger = Trigger::Push;
                    self.apply(&Event::Hint { commit, trigger });
                }
            }
            Move::Approve { read } => {
                let place = self.heads.len().saturating_sub(1 + read);
                let read = self.heads[place].id.clone();
                self.ever_approved.insert(read.clone());
                self.approved = Some(read);
                self.apply(&Event::Hint {
                    commit: None,
                    trigger: Trigger::Refresh,
                });
            }
            Move::Hint(trigger) => self.apply(&Event::Hint {
                commit: None,
                trigger: *trigger,
            }),
            Move::Redeploy => self.apply(&Event::Command(Command::Redeploy)),
            Move::Stop => self.apply(&Event::Command(Command::Stop)),
            Move::Ask => {
                let owed = self.life.owed(self.now);
                let looks = owed.iter().filter_map(|effect| match effect {
                    Effect::Look(look) => Some(*look),
                    _ => None,
                });
                let found = self.found();
                let told = looks.map(|look| Observation::Found {
                    look,
                    found: found.clone(),
                });
                self.answers.extend(told);
            }
            Move::Answer { which, keep } => {
                if self.answers.is_empty() {
                    return;
                }
                let place = which % self.answers.len();
                let answer = if *keep {
                    self.answers[place].clone()
                } else {
                    self.answers.remove(place)
                };
                self.apply(&Event::Observed(answer));
            }
            Move::Admit => {
                for effect in self.life.owed(self.now) {
                    let observed = match effect {
                        Effect::Admit(generation) => Observation::Admitted(generation),
                        Effect::Launch(generation) => Observation::launched(generation),
                        _ => continue,
                    };
                    self.apply(&Event::Observed(observed));
                }
            }
            Move::Lost => {
                let Some(generation) = self.life.next().map(|next| next.generation) else {
                    return;
                };
                self.apply(&Event::Observed(Observation::Lost {
                    generation,
                    reason: "the host was restarted".to_owned(),
                    retry: true,
                    exit: None,
                    tail: Vec::new(),
                }));
            }
            Move::Pass(millis) => {
                self.now = self.now.plus(Duration::from_millis(*millis));
                self.apply(&Event::Tick);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10_000)))]

    #[test]
    fn x2_whatever_runs_was_approved_however_an_approval_and_a_push_race(moves in prop::collection::vec(moves(), 0..60)) {
        let mut race = Race::new();
        for one in &moves {
            race.happen(one);
        }
    }
}
