//! What machines do by themselves: their runners report and obey, their apps end, they die.

use nestling_domain::{
    deployment::CommitInfo,
    ids::Generation,
    lifecycle::{Event, Observation},
};
use nestling_protocol::{
    report::{Exit, Failure, Next, Phase as Report, Step as At},
    test::Counts,
};

use super::{World, endpoint};

/// A runner follows this script; a commit whose number is odd fails while it is set up.
pub(super) const SCRIPT: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Runner {
    pub(super) commit: CommitInfo,
    pub(super) at: usize,
    pub(super) seq: u64,
    /// Past `go`: it uses the state folder.
    pub(super) started: bool,
}

impl World {
    /// A machine's runner goes on: its report is decided, and it obeys the answer.
    pub(crate) fn run(&mut self, n: usize) {
        let alive: Vec<Generation> = self.machines.keys().copied().collect();
        if alive.is_empty() {
            return;
        }
        let generation = alive[n % alive.len()];
        let Some(runner) = self.machines.get(&generation).cloned() else {
            return;
        };
        let odd = runner
            .commit
            .message
            .trim_start_matches("change ")
            .parse::<u8>()
            .unwrap()
            % 2
            == 1;
        let phase = match runner.at {
            0 => Report::Deploying {
                protocol: nestling_protocol::VERSION,
            },
            1 => Report::Cloned {
                commit: runner.commit.id.as_str().to_owned(),
            },
            2 if odd => Report::Failed(Failure {
                step: At::Setup,
                reason: "npm install failed".into(),
                exit: None,
                tail: vec![],
            }),
            2 => Report::SetUp { reused: false },
            3 => Report::RunningTests,
            4 => Report::Tested {
                counts: Counts {
                    passed: 3,
                    failed: 0,
                    skipped: 0,
                },
            },
            5 => Report::Prepared {
                exclusive: self.exclusive,
            },
            6 => Report::Starting,
            7 => Report::Running {
                endpoints: vec![endpoint()],
            },
            _ => return,
        };
        let failed = matches!(phase, Report::Failed(_));
        // While it waits for `go` it repeats the same report.
        let seq = if runner.at == 5 && runner.seq == 6 {
            6
        } else {
            runner.seq + 1
        };
        let Some(next) = self.tell(generation, seq, phase) else {
            return;
        };
        let Some(runner) = self.machines.get_mut(&generation) else {
            return;
        };
        runner.seq = seq;
        match next {
            Next::Go if failed => drop(self.machines.remove(&generation)),
            Next::Go => {
                runner.at += 1;
                if runner.at == 6 {
                    runner.started = true;
                    if self.exclusive {
                        assert_eq!(
                            self.machines.len(),
                            1,
                            "an exclusive app starts beside another machine"
                        );
                    }
                }
            }
            Next::Wait => {}
            Next::Stop => {
                self.machines.remove(&generation);
                self.lost(generation);
            }
        }
    }

    /// The app of a machine that serves ends, and its runner starts it again: it listens a little later.
    pub(crate) fn end_app(&mut self, n: usize) {
        let listens = |(_, runner): &(&Generation, &Runner)| runner.at >= SCRIPT;
        let up: Vec<_> = self.machines.iter().filter(listens).collect();
        let Some((generation, runner)) = up.get(n % up.len().max(1)) else {
            return;
        };
        let (generation, seq) = (**generation, runner.seq + 1);
        let exit = Exit::Memory;
        let next = self.tell(generation, seq, Report::Restarted { exit, times: 1 });
        let Some(runner) = self.machines.get_mut(&generation) else {
            return;
        };
        (runner.seq, runner.at) = (seq, SCRIPT - 1);
        if next == Some(Next::Stop) {
            self.machines.remove(&generation);
            self.lost(generation);
        }
    }

    /// A runner's report; what it is told.
    fn tell(&mut self, generation: Generation, seq: u64, phase: Report) -> Option<Next> {
        let event = Event::Observed(Observation::Reported {
            generation,
            boot: format!("boot {generation}"),
            seq,
            phase,
        });
        let step = self.apply(&event)?;
        Some(step.answer.expect("a report is answered"))
    }

    /// A machine ends by itself.
    pub(crate) fn die(&mut self, n: usize) {
        let alive: Vec<Generation> = self.machines.keys().copied().collect();
        if let Some(generation) = alive.get(n % alive.len().max(1)).copied() {
            self.machines.remove(&generation);
            self.lost(generation);
        }
    }

    pub(super) fn lost(&mut self, generation: Generation) {
        let lost = Observation::Lost {
            generation,
            reason: "it ended".into(),
            retry: true,
            exit: None,
            tail: Vec::new(),
        };
        self.arriving.push(Event::Observed(lost));
    }
}
