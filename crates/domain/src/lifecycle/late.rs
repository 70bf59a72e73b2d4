//! What is not done in time has failed.

use super::draft::Draft;
use crate::deployment::{Deployment, Phase};

impl Draft<'_> {
    /// Time passed: looks at the deadlines of what serves, while its app is started again, and of what is on its way.
    pub(super) fn tick(&mut self) {
        let now = self.now;
        let late = |one: &&Deployment| one.deadline.is_some_and(|at| at <= now);
        if let Some(serving) = self.life().serving().filter(late).cloned() {
            let failed = serving.failed(late_again(&serving), now);
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
            Phase::Probing => {
                let trouble = next.trouble.as_deref().unwrap_or("no answer");
                (format!("it listens, but its health path did not answer well in time: {trouble}"), false)
            }
            Phase::Queued | Phase::Serving => return,
        };
        self.fail_next(next.failed(reason, now), retry);
    }
}

/// Why an app that was started again does not serve in time.
fn late_again(serving: &Deployment) -> String {
    match (serving.phase, &serving.trouble) {
        (Phase::Probing, trouble) => {
            let trouble = trouble.as_deref().unwrap_or("no answer");
            format!(
                "it was started again and listens, but its health path did not answer well in time: {trouble}"
            )
        }
        (..) => "it was started again and did not listen in time".to_owned(),
    }
}
