//! What is not done in time has failed.

use super::draft::Draft;
use crate::{
    deployment::{Deployment, Phase},
    ids::Timestamp,
};

impl Draft<'_> {
    /// Time passed: looks at the deadlines of what serves, while its app is started again, and of what is on its way.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        let late = |one: &&Deployment| one.deadline.is_some_and(|at| at <= now);
        if let Some(serving) = self.life().serving().filter(late).cloned() {
            let failed = serving.failed(self.late_again(&serving), now);
            return self.lose_serving(failed, false);
        }
        let Some(next) = self.life().next().filter(late).cloned() else {
            return;
        };
        let (reason, retry) = match next.phase {
            Phase::Launching => ("its machine could not be started in time".to_owned(), true),
            Phase::Booting => ("its machine was started, but its runner has not reported in time".to_owned(), true),
            Phase::Cloning | Phase::SettingUp => ("cloning, installing and building took too long".to_owned(), false),
            Phase::Testing => ("its tests took too long, and its runner has not ended them".to_owned(), false),
            Phase::Prepared => ("it was ready, but the older machine that holds its state folder could not be removed in time".to_owned(), true),
            Phase::Starting => ("it was started and did not listen in time".to_owned(), false),
            Phase::Probing => (format!("it listens, but {}", self.unwell(&next)), false),
            Phase::Queued | Phase::Serving => return,
        };
        self.fail_next(next.failed(reason, now), retry);
    }
    /// Until when a phase that begins now may last.
    pub(super) fn deadline(&self, phase: Phase) -> Option<Timestamp> {
        let times = self.times;
        let limit = match phase {
            Phase::Queued | Phase::Serving => return None,
            Phase::Launching | Phase::Booting => times.launch,
            Phase::Cloning | Phase::SettingUp => times.setup + times.margin,
            Phase::Testing => times.test + times.margin,
            Phase::Prepared => times.prepared,
            Phase::Starting => times.start + times.margin,
            Phase::Probing => times.probe,
        };
        Some(self.now.plus(limit))
    }

    /// Why an app that was started again does not serve in time.
    fn late_again(&self, serving: &Deployment) -> String {
        if serving.phase == Phase::Probing {
            let unwell = self.unwell(serving);
            return format!("it was started again and listens, but {unwell}");
        }
        "it was started again and did not listen in time".to_owned()
    }

    /// What was wrong with the answers, which limit that reached, and what would be right.
    fn unwell(&self, deployment: &Deployment) -> String {
        let limit = self.times.probe.as_secs();
        let trouble = deployment.trouble.as_deref().unwrap_or("it gave no answer");
        format!(
            "did not answer well within {limit} s: {trouble}. Let it do so in time, or raise limits.healthy (NESTLING__LIMITS__HEALTHY of the server) and redeploy"
        )
    }
}
