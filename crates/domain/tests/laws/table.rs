//! The one table of what brings a stopped environment back, in every cell.

use nestling_domain::{
    deployment::{Failed, Shown},
    ids::Generation,
    lifecycle::{Trigger, Why},
};

use crate::world::commit;

#[test]
fn what_brings_a_stopped_environment_back() {
    use Trigger::{Close, Push, Refresh, Reopen, Start, Visit};
    let failed = Failed {
        generation: Generation(1),
        commit: commit(1),
        phase: Shown::Deploying,
        reason: "npm install failed".into(),
        exit: None,
        tail: vec![],
        at: nestling_domain::ids::Timestamp(0),
        asked: false,
    };
    let triggers = [Push, Reopen, Visit, Refresh, Close, Start];
    let table = [
        (Why::Closed, [false, true, false, true, true, false]),
        (Why::Person, [false, true, false, false, false, true]),
        (
            Why::Policy("expired".into()),
            [true, true, false, false, false, true],
        ),
        (
            Why::Waits("ten are open".into()),
            [true, true, false, true, true, true],
        ),
        (Why::Idle, [true, true, true, false, false, true]),
        (
            Why::Failed(Box::new(failed)),
            [true, true, false, false, false, true],
        ),
    ];
    let names = ["closed", "by a person", "policy", "waits", "idle", "failed"];
    for ((why, row), name) in table.into_iter().zip(names) {
        assert_eq!(why.name(), name);
        for (trigger, revives) in triggers.into_iter().zip(row) {
            assert_eq!(
                why.revived_by(trigger),
                revives,
                "{} × {trigger:?}",
                why.name()
            );
        }
    }
}
