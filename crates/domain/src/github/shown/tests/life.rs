//! What is written, step by step.

use super::*;
use crate::orders::{Answer, Answered};

#[test]
fn a_pull_request_lives_from_its_place_in_the_queue_to_its_close() {
    let mut page = Page::new();
    assert_snapshot!(page.tell(State::default()), @"");
    assert_snapshot!(page.tell(coming(Phase::Queued)), @r#"
    new comment: ⏳ Queued: waits for a build slot
    new check Nestling / shop at aaaaaaa: queued, Queued ["Stop"]
    new deployment 0123456789abcdef-pr-12/1 in shop preview: queued
    "#);
    assert_snapshot!(page.tell(coming(Phase::SettingUp)), @r#"
    1: comment: 🔨 Deploying: installs and builds
    2: check Nestling / shop at aaaaaaa: in_progress, In progress ["Stop"]
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: in_progress
    "#);
    assert_snapshot!(page.tell(coming(Phase::Testing)), @"1: comment: 🔨 Running tests");
    assert_snapshot!(page.tell(green(1, 'a')), @r#"
    1: comment: ✅ Running
    2: check Nestling / shop at aaaaaaa: success, Deployed; 3 tests passed ["Redeploy", "Stop"]
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: success
    "#);
    let serving = || Some(deployment(1, 'a', Phase::Serving));
    let next = |generation, digit| deployment(generation, digit, Phase::Testing);
    assert_snapshot!(page.tell(restarting(serving(), next(2, 'b'))), @r#"
    1: comment: 🔨 Running tests: deployment 1 \(aaaaaaa\) still answers
    new check Nestling / shop at bbbbbbb: in_progress, In progress ["Stop"]
    new deployment 0123456789abcdef-pr-12/2 in shop preview: in_progress
    "#);
    assert_snapshot!(page.tell(restarting(serving(), next(3, 'c'))), @r#"
    1: comment: 🔨 Running tests: deployment 1 \(aaaaaaa\) still answers
    new check Nestling / shop at ccccccc: in_progress, In progress ["Stop"]
    4: check Nestling / shop at bbbbbbb: cancelled, Cancelled []
    new deployment 0123456789abcdef-pr-12/3 in shop preview: in_progress
    5: deployment 0123456789abcdef-pr-12/2 in shop preview: inactive
    "#);
    let failed = State::Running {
        serving: Box::new(deployment(1, 'a', Phase::Serving)),
        failed: Some(failed(3, 'c')),
    };
    assert_snapshot!(page.tell(failed), @r#"
    1: comment: ⚠️ Running: deployment 3 \(ccccccc\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why; deployment 1 \(aaaaaaa\) still answers
    6: check Nestling / shop at ccccccc: failure, Failed while starting (exit code 1) ["Redeploy", "Stop"]
    7: deployment 0123456789abcdef-pr-12/3 in shop preview: failure
    "#);
    assert_snapshot!(page.tell(stopped(Why::Closed)), @r"
    1: comment: 🗑 Removed
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: inactive
    ");
    let ended = |shown: &CheckShown| shown.outcome.is_some();
    assert!(page.ledger.checks.iter().all(ended));
    assert_eq!(page.ledger.deployments, []);
}

#[test]
fn tests_that_failed_or_could_not_run_are_never_green() {
    let mut page = Page::new();
    let told = page.tell(running(1, 'a'));
    assert!(
        told.contains("failure, Deployed, but 1 of 3 tests failed"),
        "{told}"
    );
    let broken = Deployment {
        tests: Tests::Broken("no such script: test".to_owned()),
        ..deployment(2, 'b', Phase::Serving)
    };
    let broken = State::Running {
        serving: Box::new(broken),
        failed: None,
    };
    assert_eq!(
        page.tell(broken)
            .matches("failure, Deployed, but its tests could not run")
            .count(),
        1
    );
    page.tell(stopped(Why::Idle));
    assert_eq!(page.outcome('a'), Some(Outcome::Failure));
    assert_eq!(page.outcome('b'), Some(Outcome::Failure));
}

#[test]
fn what_ran_once_stays_green_until_somebody_asks_for_it_anew() {
    let mut page = Page::new();
    page.tell(green(1, 'a'));
    let lost = || because(Cause::Lost(Generation(1)), 2, 'a');
    for state in [
        restarting(None, lost()),
        stopped(Why::Failed(failed(2, 'a'))),
        stopped(Why::Person),
        restarting(None, because(Cause::Start, 3, 'a')),
        green(3, 'a'),
        stopped(Why::Idle),
        stopped(Why::Policy("expired".to_owned())),
        stopped(Why::Waits("ten are open".into())),
    ] {
        page.tell(state);
        assert_eq!(page.outcome('a'), Some(Outcome::Success));
    }
    page.tell(restarting(None, because(Cause::Reopened, 4, 'a')));
    assert_eq!(page.outcome('a'), None, "somebody opened it again");
    page.tell(green(4, 'a'));
    assert_eq!(page.outcome('a'), Some(Outcome::Success));
    let again = because(Cause::Redeploy, 5, 'a');
    page.tell(restarting(Some(deployment(4, 'a', Phase::Serving)), again));
    assert_eq!(page.outcome('a'), None, "a re-run shows that it runs");
    page.tell(stopped(Why::Failed(failed(5, 'a'))));
    assert_eq!(page.outcome('a'), Some(Outcome::Failure));
    page.tell(stopped(Why::Person));
    assert_eq!(page.outcome('a'), Some(Outcome::Failure));
    page.tell(green(6, 'a'));
    assert_eq!(page.outcome('a'), Some(Outcome::Success));
}

#[test]
fn a_commit_that_came_to_serve_unseen_is_green_although_a_newer_one_comes() {
    let mut page = Page::new();
    page.tell(coming(Phase::Testing));
    let served = Deployment {
        tests: Tests::Ran(Counts::default()),
        ..deployment(1, 'a', Phase::Serving)
    };
    page.tell(restarting(Some(served), because(Cause::Push, 2, 'b')));
    assert_eq!(page.outcome('a'), Some(Outcome::Success));
    assert_eq!(page.outcome('b'), None);
}

#[test]
fn what_a_person_stops_on_its_way_is_cancelled() {
    let mut page = Page::new();
    page.tell(coming(Phase::Testing));
    assert_snapshot!(page.tell(stopped(Why::Person)), @r#"
    1: comment: ⏸ Stopped: a person stopped it, and can start it again
    2: check Nestling / shop at aaaaaaa: cancelled, Stopped ["Start"]
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: inactive
    "#);
}

#[test]
fn the_check_of_an_app_that_a_person_removed_offers_nothing_any_more() {
    for (state, told) in [
        (
            green(1, 'a'),
            "2: check Nestling / shop at aaaaaaa: success, It was deployed; now: its app was removed []",
        ),
        (
            stopped(Why::Failed(failed(1, 'a'))),
            "2: check Nestling / shop at aaaaaaa: failure, It failed; now: its app was removed []",
        ),
        (
            coming(Phase::Testing),
            "2: check Nestling / shop at aaaaaaa: cancelled, Its app was removed []",
        ),
    ] {
        let mut page = Page::new();
        page.tell(coming(Phase::Queued));
        page.tell(state);
        let removed = environment("shop", stopped(Why::Closed));
        let left_out = vec![LeftOut {
            environment: &removed,
            reason: "a person removed this app from Nestling",
        }];
        let announcement = Announcement {
            left_out,
            ..announcement(vec![])
        };
        let wanted = Wanted::of_pull_request(&announcement, None, Comments::Off, &SITE);
        let lines = page.write(&wanted);
        let mut check = lines.lines().filter(|line| line.contains("check"));
        assert_eq!(check.next(), Some(told));
    }
    let never = environment("shop", stopped(Why::Closed));
    let left_out = [LeftOut {
        environment: &never,
        reason: "a person removed this app from Nestling",
    }];
    let wanted = Wanted::of_production(&[], &left_out, &SITE);
    assert_eq!(
        Page::new().write(&wanted),
        "",
        "what was never shown stays so"
    );
}

#[test]
fn a_check_that_has_ended_keeps_its_result_and_says_and_offers_what_fits_now() {
    let mut page = Page::new();
    page.tell(green(1, 'a'));
    let mut check = |state| {
        let told = page.tell(state);
        let mut lines = told.lines().filter(|line| line.contains("check"));
        let line = lines.next().unwrap_or("nothing");
        line.replace("1: comment", "")
            .replace("2: check Nestling / shop at aaaaaaa: ", "")
    };
    let place = Waits {
        place: true,
        ..Waits::from("ten run")
    };
    let lines = [
        check(stopped(Why::Idle)),
        check(restarting(None, because(Cause::Visit, 2, 'a'))),
        check(green(2, 'a')),
        check(stopped(Why::Person)),
        check(stopped(Why::Policy("expired".to_owned()))),
        check(stopped(Why::Waits(place))),
        check(stopped(Why::Waits("it has the label `no-preview`".into()))),
        check(restarting(
            None,
            because(Cause::Lost(Generation(2)), 3, 'a'),
        )),
        check(stopped(Why::Failed(failed(3, 'a')))),
        check(green(4, 'a')),
    ];
    assert_snapshot!(lines.join("\n"), @r#"
    success, It was deployed; now: asleep ["Start", "Stop"]
    nothing
    success, Deployed; 3 tests passed ["Redeploy", "Stop"]
    success, It was deployed; now: stopped ["Start"]
    success, It was deployed; now: stopped ["Start"]
    success, It was deployed; now: waiting []
    success, It was deployed; now: skipped []
    nothing
    success, It was deployed; now: failed while starting (exit code 1) ["Redeploy"]
    success, Deployed; 3 tests passed ["Redeploy", "Stop"]
    "#);
}

#[test]
fn a_redeploy_that_fails_before_its_beginning_was_shown_turns_a_green_check_red() {
    let mut page = Page::new();
    page.tell(green(1, 'a'));
    let asked = Failed {
        asked: true,
        ..*failed(2, 'a')
    };
    page.tell(stopped(Why::Failed(Box::new(asked))));
    assert_eq!(page.outcome('a'), Some(Outcome::Failure));
}

#[test]
fn a_commit_that_waits_for_an_approval_asks_for_one_and_any_other_is_skipped() {
    let mut page = Page::new();
    let commit = |digit| commit(digit, "").id;
    let never_ran = |waits: Waits| State::Stopped {
        why: Why::Waits(waits),
        last: None,
        since: NOW,
    };
    let approval = |digit| {
        never_ran(Waits {
            reason: "somebody who may write has to approve it".to_owned(),
            approval: Some(commit(digit)),
            place: false,
            head: None,
        })
    };
    page.head = Some(commit('b'));
    assert_snapshot!(page.tell(approval('b')), @r#"
    new comment: ⏸ Waiting: somebody who may write has to approve it
    new check Nestling / shop at bbbbbbb: action_required, Waits for an approval of this commit ["Approve"]
    "#);
    page.head = Some(commit('c'));
    assert_snapshot!(page.tell(approval('c')), @r#"
    new check Nestling / shop at ccccccc: action_required, Waits for an approval of this commit ["Approve"]
    2: check Nestling / shop at bbbbbbb: cancelled, Cancelled []
    "#);
    let unwanted = "it has the label `no-preview`";
    assert_snapshot!(page.tell(never_ran(unwanted.into())), @r"
    1: comment: ⏸ Skipped: it has the label `no-preview`
    3: check Nestling / shop at ccccccc: skipped, Skipped []
    ");
    assert_snapshot!(page.tell(restarting(None, because(Cause::Push, 1, 'c'))), @r#"
    1: comment: 🔨 Running tests
    3: check Nestling / shop at ccccccc: in_progress, In progress ["Stop"]
    new deployment 0123456789abcdef-pr-12/1 in shop preview: in_progress
    "#);
}

#[test]
fn a_roll_back_leaves_the_new_commit_red_and_the_old_one_green() {
    let mut page = Page::new();
    page.tell(green(1, 'a'));
    let rolled_back = State::Restarting {
        serving: None,
        next: Box::new(because(Cause::RolledBack(Generation(2)), 3, 'a')),
        rollback: None,
        failed: Some(failed(2, 'b')),
    };
    assert_snapshot!(page.tell(rolled_back), @r#"
    1: comment: 🔨 Running tests: deployment 2 \(bbbbbbb\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why, so the commit before it starts again
    new check Nestling / shop at bbbbbbb: failure, Failed while starting (exit code 1) ["Redeploy"]
    new deployment 0123456789abcdef-pr-12/2 in shop preview: failure
    new deployment 0123456789abcdef-pr-12/3 in shop preview: in_progress
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: inactive
    "#);
    assert_eq!(page.outcome('a'), Some(Outcome::Success));
}

#[test]
fn production_has_checks_and_deployments_of_its_own_and_no_comment() {
    let mut production = environment("shop", green(1, 'a'));
    production.kind = Kind::Production;
    production.id = EnvironmentId::derive(&production.app, Kind::Production);
    let sections = [section(&production)];
    let wanted = Wanted::of_production(&sections, &[], &SITE);
    let ledger = Ledger::default();
    let lines: Vec<String> = ledger.plan(&wanted).iter().map(line).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    perhaps check Nestling / shop production at aaaaaaa: success, Deployed; 3 tests passed ["Redeploy", "Stop"]
    perhaps deployment 0123456789abcdef-production/1 in shop production: success
    "#);
    assert!(wanted.deployments[0].stage.production);
    let address = wanted.deployments[0].address.as_deref();
    assert_eq!(address, Some("http://shop.localhost:4100"));
}

#[test]
fn a_head_that_came_while_it_was_stopped_has_a_check_that_says_so() {
    let mut page = Page::new();
    page.tell(green(1, 'a'));
    let mut environment = environment("shop", stopped(Why::Person));
    page.tell_of(&environment);
    environment.lifecycle.skipped = Some(commit('b', "Begin the sale"));
    assert_snapshot!(page.tell_of(&environment), @r#"
    1: comment: ⏸ Stopped: a person stopped it, and can start it again<br>⏭ Last push skipped: `bbbbbbb` came while it was stopped, and is deployed once somebody starts it
    new check Nestling / shop at bbbbbbb: skipped, Skipped: it is stopped ["Start"]
    "#);
}

#[test]
fn what_waits_has_its_check_at_the_head_that_waits() {
    let mut page = Page::new();
    let skipped = |digit| State::Stopped {
        why: Why::Waits(Waits {
            head: Some(commit(digit, "").id),
            ..Waits::from("it has the label `no-preview`")
        }),
        last: None,
        since: NOW,
    };
    assert_snapshot!(page.tell(skipped('a')), @r"
    new comment: ⏸ Skipped: it has the label `no-preview`
    new check Nestling / shop at aaaaaaa: skipped, Skipped []
    ");
    assert_snapshot!(page.tell(skipped('b')), @"new check Nestling / shop at bbbbbbb: skipped, Skipped []");
}

#[test]
fn an_order_that_was_refused_is_answered_whatever_comments_are_wished() {
    let stopped = environment("shop", stopped(Why::Closed));
    let line = |done, in_words| Answered {
        order: "/start".to_owned(),
        outcome: "refused: rita may not write to acme/shop".to_owned(),
        done,
        in_words,
    };
    // Who asks for help asks to be answered here.
    for (done, in_words, makes) in [
        (false, false, true),
        (true, false, false),
        (true, true, true),
    ] {
        let answer = Answer::new(7, "rita", [line(done, in_words)]);
        let announcement = Announcement {
            answers: vec![&answer],
            ..announcement(vec![section(&stopped)])
        };
        let wanted = Wanted::of_pull_request(&announcement, None, Comments::Off, &SITE);
        assert_eq!(wanted.comment.unwrap().makes, makes);
    }
}

#[test]
fn an_order_by_a_button_that_was_refused_is_told_there_until_the_next_deployment() {
    let mut page = Page::new();
    let mut shop = environment("shop", green(1, 'a'));
    page.tell_of(&shop);
    let mut refuse = |why: Option<&str>| {
        shop.lifecycle.refused = why.map(str::to_owned);
        let told = page.tell_of(&shop);
        (told, page.wanted(&shop).checks[0].run.summary.clone())
    };
    let (told, says) = refuse(Some("who pressed it may not write, @here"));
    assert_snapshot!(told, @r#"2: check Nestling / shop at aaaaaaa: success, Deployed; 3 tests passed ["Redeploy", "Stop"]"#);
    assert!(says.contains("😕 who pressed it may not write"), "{says}");
    assert!(!says.contains(" @here"), "{says}");
    let (told, says) = refuse(None);
    assert_snapshot!(told, @r#"2: check Nestling / shop at aaaaaaa: success, Deployed; 3 tests passed ["Redeploy", "Stop"]"#);
    assert!(!says.contains('😕'), "{says}");
}
