//! What a runner's report changes, and what it is answered.

use nestling_protocol::report::{Exit, Next, Phase as Reported, Step as At};

use super::{Lifecycle, draft::Draft};
use crate::{
    deployment::{Again, Boot, Deployment, Phase, Tests},
    ids::Generation,
};

impl Lifecycle {
    /// What a runner of this generation is to do now: the answer to its heartbeats and repeated reports.
    pub fn answer(&self, generation: Generation) -> Next {
        let Some(deployment) = self.named(generation) else {
            // What it has begun to answer it may finish.
            let drains = self.world.draining == Some(generation);
            return if drains { Next::Go } else { Next::Stop };
        };
        if deployment.phase == Phase::Prepared && !self.may_go(generation, deployment.exclusive) {
            return Next::Wait;
        }
        Next::Go
    }
}

impl Draft<'_> {
    pub(super) fn reported(
        &mut self,
        generation: Generation,
        boot: &str,
        seq: u64,
        phase: &Reported,
    ) {
        let Some(deployment) = self.life().named(generation).cloned() else {
            self.skip(format!(
                "deployment {generation} is neither serving nor next"
            ));
            self.step.answer = Some(self.life().answer(generation));
            return;
        };
        match fence(&deployment, boot, seq) {
            Fence::New => {
                self.accept(
                    &deployment,
                    Boot {
                        id: boot.to_owned(),
                        seq,
                    },
                );
                self.happened_inside(&deployment, phase);
                self.step.answer = Some(self.life().answer(generation));
            }
            Fence::Repeated => self.step.answer = Some(self.life().answer(generation)),
            Fence::Foreign => self.step.answer = Some(Next::Stop),
        }
    }

    fn accept(&mut self, deployment: &Deployment, boot: Boot) {
        if let Some(named) = self.named_mut(deployment.generation) {
            named.boot = Some(boot);
        }
    }

    /// What serves has nothing to report but what people should know, and the end of its app: the last one, or one after which
    /// it is started again.
    fn happened_while_serving(&mut self, deployment: &Deployment, report: &Reported) {
        let generation = deployment.generation;
        match report {
            Reported::Failed(failure) => {
                let failed = deployment.failed_as_reported(failure.clone(), self.now);
                self.lose_serving(failed, false);
            }
            Reported::Restarted { exit, times } => {
                self.ended(generation, *exit, *times);
                self.enter(generation, Phase::Starting);
            }
            Reported::Running { .. } if deployment.phase == Phase::Starting => {
                self.enter(generation, Phase::Probing);
            }
            Reported::Noted { text } => self.noted(generation, text),
            Reported::Running { .. }
            | Reported::Deploying { .. }
            | Reported::Cloned { .. }
            | Reported::SetUp { .. }
            | Reported::RunningTests
            | Reported::Tested { .. }
            | Reported::TestsBroken { .. }
            | Reported::Prepared { .. }
            | Reported::Starting => {}
        }
    }

    /// The app of this deployment ended, and is started again.
    fn ended(&mut self, generation: Generation, exit: Exit, times: u32) {
        let again = Again { exit, times };
        let Some(named) = self.named_mut(generation) else {
            return;
        };
        named.again = Some(again);
        named.trouble = None;
        self.say(super::Happened::Again { generation, again });
    }

    fn happened_inside(&mut self, deployment: &Deployment, report: &Reported) {
        let (generation, now) = (deployment.generation, self.now);
        if self.serving_mut(generation).is_some() {
            return self.happened_while_serving(deployment, report);
        }
        match report {
            Reported::Deploying { protocol } if *protocol != nestling_protocol::VERSION => {
                let reason = format!(
                    "its runner speaks protocol {protocol} and this server {}: use the runner of this server's version",
                    nestling_protocol::VERSION
                );
                self.fail_next(deployment.failed(reason, now), false);
            }
            Reported::Deploying { .. } => self.advance(deployment, Phase::Cloning),
            Reported::Cloned { commit } if commit != deployment.commit.id.as_str() => {
                let reason = format!(
                    "its runner checked out {commit} instead of {}",
                    deployment.commit.id
                );
                self.fail_next(deployment.failed(reason, now), true);
            }
            Reported::Cloned { .. } | Reported::SetUp { .. } => {
                self.advance(deployment, Phase::SettingUp);
            }
            Reported::RunningTests => self.advance(deployment, Phase::Testing),
            Reported::Tested { counts } => self.tested(generation, Tests::Ran(*counts)),
            Reported::TestsBroken { reason } => {
                self.tested(generation, Tests::Broken(reason.clone()));
            }
            Reported::Prepared { exclusive } => {
                if let Some(next) = self.next_mut(generation) {
                    next.exclusive = *exclusive;
                }
                self.advance(deployment, Phase::Prepared);
                self.make_way();
            }
            Reported::Starting => self.advance(deployment, Phase::Starting),
            Reported::Running { endpoints } => {
                if let Some(next) = self.next_mut(generation) {
                    next.endpoints.clone_from(endpoints);
                }
                self.advance(deployment, Phase::Probing);
            }
            Reported::Noted { text } => self.noted(generation, text),
            // It has listened before, or nobody would start it again: the probe goes on until it does.
            Reported::Restarted { exit, times } => self.ended(generation, *exit, *times),
            Reported::Failed(failure) => {
                // A commit that could not be fetched may be fetched in a moment; everything later is the app's.
                let retry = failure.step == At::Clone;
                self.fail_next(deployment.failed_as_reported(failure.clone(), now), retry);
            }
        }
    }

    /// Phases only go forward: a report that comes late does not set the deployment back.
    fn advance(&mut self, deployment: &Deployment, phase: Phase) {
        if rank(deployment.phase) < rank(phase) {
            self.enter(deployment.generation, phase);
        }
    }

    fn tested(&mut self, generation: Generation, tests: Tests) {
        if let Some(next) = self.next_mut(generation) {
            next.tests = tests;
            self.say(super::Happened::Tested { generation });
        }
    }

    pub(super) fn noted(&mut self, generation: Generation, text: &str) {
        let Some(named) = self.named_mut(generation) else {
            return;
        };
        if named.notes.len() >= MOST_NOTES || named.notes.iter().any(|known| known == text) {
            return;
        }
        named.notes.push(text.to_owned());
        let text = text.to_owned();
        self.say(super::Happened::Noted { generation, text });
    }
}

/// Enough for every package of a repository to have its lockfile named; more would bury them.
const MOST_NOTES: usize = 8;

enum Fence {
    New,
    Repeated,
    Foreign,
}

fn fence(deployment: &Deployment, boot: &str, seq: u64) -> Fence {
    match &deployment.boot {
        None => Fence::New,
        Some(known) if known.id == boot && seq > known.seq => Fence::New,
        Some(known) if known.id == boot => Fence::Repeated,
        // A machine runs its runner once. Another boot of the same generation is not the one we know.
        Some(_) => Fence::Foreign,
    }
}

fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Queued => 0,
        Phase::Launching => 1,
        Phase::Booting => 2,
        Phase::Cloning => 3,
        Phase::SettingUp => 4,
        Phase::Testing => 5,
        Phase::Prepared => 6,
        Phase::Starting => 7,
        Phase::Probing => 8,
        Phase::Serving => 9,
    }
}
