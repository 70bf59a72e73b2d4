//! Check runs of what is over: how it went stands in the history, also where GitHub was not told in time.

use super::{
    CheckRun, CheckState, Outcome,
    check::{failed_title, run, served_run, summary},
};
use crate::{
    announcement::{Mark, Section, Site},
    deployment::{Failed, Shown},
    record::DeploymentRecord,
};

/// The check run of a deployment which the record of its environment does not name any more; `None` when it ended before it was
/// through. It has no buttons: they are for what there is now.
pub fn past(section: &Section<'_>, of: &DeploymentRecord, site: &Site<'_>) -> Option<CheckRun> {
    let past = if let Some(failed) = &of.failed {
        failed_run(section, failed, site)
    } else {
        let mut phases = of.phases.iter();
        let served = phases.any(|(phase, _)| *phase == Shown::Running);
        served.then(|| served_run(section, (&of.commit, &of.tests), site))?
    };
    Some(CheckRun {
        buttons: Vec::new(),
        ..past
    })
}

/// Without the end of its log: that of the newest deployment is quoted only.
fn failed_run(section: &Section<'_>, failed: &Failed, site: &Site<'_>) -> CheckRun {
    let says = format!("{} Failed", Mark::Bad.sign());
    let state = CheckState::Completed(Outcome::Failure);
    CheckRun {
        title: failed_title(failed),
        summary: summary(section, (&says, Some(&failed.commit), None), site),
        ..run(section.environment, &failed.commit.id, state, site)
    }
}
