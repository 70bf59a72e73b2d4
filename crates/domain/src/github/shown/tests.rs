//! What people read on GitHub, told as the life of a pull request.

use insta::assert_snapshot;
use nestling_protocol::test::Counts;

use super::*;
use crate::{
    announcement::sample::*,
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase},
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind},
    lifecycle::{State, Waits, Why},
};

/// GitHub as far as we know it, and the setting of the app.
struct Page {
    ledger: Ledger,
    comments: Comments,
    head: Option<Commit>,
    next: u64,
}

impl Page {
    fn new() -> Self {
        Page {
            ledger: Ledger {
                complete: true,
                ..Ledger::default()
            },
            comments: Comments::Always,
            head: None,
            next: 1,
        }
    }

    fn wanted(&self, environment: &Environment) -> Wanted {
        let announcement = announcement(vec![section(environment)]);
        Wanted::of_pull_request(&announcement, self.head.as_ref(), self.comments, &SITE)
    }

    /// Writes all that is to be written; what that was, a line each.
    fn tell(&mut self, state: State) -> String {
        self.tell_of(&environment("shop", state))
    }

    fn tell_of(&mut self, environment: &Environment) -> String {
        let wanted = self.wanted(environment);
        let writes = self.ledger.plan(&wanted);
        self.ledger.begin(&writes);
        for write in &writes {
            if write.known() == Known::New {
                self.ledger.found(write, self.next);
                self.next += 1;
            }
            self.ledger.shows(write);
        }
        self.ledger.settle(&wanted);
        assert_eq!(
            self.ledger.plan(&wanted),
            [],
            "the same again writes nothing"
        );
        let lines: Vec<String> = writes.iter().map(line).collect();
        lines.join("\n")
    }

    fn outcome(&self, commit: char) -> Option<Outcome> {
        let mut checks = self.ledger.checks.iter();
        let check = checks.find(|check| check.head.as_str().starts_with(commit));
        check.unwrap().outcome
    }
}

fn line(write: &Write) -> String {
    let how = match write.known() {
        Known::Number(number) => format!("{number}:"),
        Known::Maybe => "perhaps".to_owned(),
        Known::New => "new".to_owned(),
    };
    match write {
        Write::Comment { body, .. } => {
            let row = body.lines().find(|line| line.starts_with("| [shop]"));
            let status = row.and_then(|row| row.split('|').nth(2));
            format!("{how} comment:{}", status.unwrap_or_default().trim_end())
        }
        Write::Check { run, .. } => {
            let (name, state) = (&run.name, run.state.name());
            let buttons = run.buttons.iter().map(|button| button.label.as_str());
            let buttons: Vec<&str> = buttons.collect();
            let (head, title) = (run.head.short(), &run.title);
            format!("{how} check {name} at {head}: {state}, {title} {buttons:?}")
        }
        Write::Deployment { deployed, .. } => {
            let Deployed { ours, stage, .. } = deployed;
            let (at, state) = (&stage.environment, deployed.state.name());
            format!("{how} deployment {ours} in {at}: {state}")
        }
    }
}

fn running(generation: u32, digit: char) -> State {
    State::Running {
        serving: Box::new(deployment(generation, digit, Phase::Serving)),
        failed: None,
    }
}

/// One whose tests passed.
fn green(generation: u32, digit: char) -> State {
    let passed = Counts {
        passed: 3,
        failed: 0,
        skipped: 0,
    };
    State::Running {
        serving: Box::new(Deployment {
            tests: Tests::Ran(passed),
            ..deployment(generation, digit, Phase::Serving)
        }),
        failed: None,
    }
}

fn restarting(serving: Option<Deployment>, next: Deployment) -> State {
    State::Restarting {
        serving: serving.map(Box::new),
        next: Box::new(next),
        rollback: None,
        failed: None,
    }
}

fn because(cause: Cause, generation: u32, digit: char) -> Deployment {
    Deployment {
        cause,
        ..deployment(generation, digit, Phase::Testing)
    }
}

fn check_of(state: State) -> CheckRun {
    let environment = environment("shop", state);
    let mut checks = check::checks(&section(&environment), None, &SITE);
    checks.remove(0).run
}

#[test]
fn a_pull_request_lives_from_its_place_in_the_queue_to_its_close() {
    let mut page = Page::new();
    assert_snapshot!(page.tell(State::Creating { next: None }), @"");
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
    2: check Nestling / shop at aaaaaaa: success, Running; 3 tests passed ["Redeploy", "Stop"]
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
fn a_check_run_says_what_a_reviewer_needs() {
    assert_snapshot!(check_of(coming(Phase::Queued)).summary, @r"
    - **Status:** ⏳ Waits for a build slot: [its page](http://nestling.localhost:4100/local/shop/pr-12) shows each step
    - **Commit:** `aaaaaaa` Sort the cart by price
    ");
    assert_snapshot!(check_of(green(1, 'a')).summary, @r"
    - **Status:** ✅ Running
    - **Address:** [http://pr-12--shop.localhost:4100](http://pr-12--shop.localhost:4100)
    - **Commit:** `aaaaaaa` Sort the cart by price
    - **Tests:** [3 passed](http://nestling.localhost:4100/local/shop/pr-12/tests)
    ");
    let run = check_of(stopped(Why::Failed(failed(1, 'a'))));
    assert_eq!(run.title, "Failed while starting (exit code 1)");
    assert_snapshot!(run.summary.replace("line ", "l"), @r"
    - **Status:** ❌ Failed
    - **Commit:** `aaaaaaa` Break the start

    **shop** failed while starting (exit code 1): the app exited before it listened; its log says why · [Log](http://nestling.localhost:4100/local/shop/pr-12/logs)

    <details>
    <summary>shop: the last 40 lines of the log</summary>

    ```text
    l11
    l12
    l13
    l14
    l15
    l16
    l17
    l18
    l19
    l20
    l21
    l22
    l23
    l24
    l25
    l26
    l27
    l28
    l29
    l30
    l31
    l32
    l33
    l34
    l35
    l36
    l37
    l38
    l39
    l40
    l41
    l42
    l43
    l44
    l45
    l46
    l47
    l48
    l49
    l50
    ```

    </details>
    ");
    assert_eq!(
        run.details_url.as_deref(),
        Some("http://nestling.localhost:4100/local/shop/pr-12")
    );
}

#[test]
fn tests_that_failed_or_could_not_run_are_never_green() {
    let mut page = Page::new();
    let told = page.tell(running(1, 'a'));
    assert!(
        told.contains("failure, Running, but 1 of 3 tests failed"),
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
            .matches("failure, Running, but its tests could not run")
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
        restarting(None, because(Cause::Reopened, 4, 'a')),
        green(4, 'a'),
    ] {
        page.tell(state);
        assert_eq!(page.outcome('a'), Some(Outcome::Success));
    }
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
    assert_snapshot!(page.tell(stopped(Why::Person)), @r"
    1: comment: ⏸ Stopped: a person stopped it, and can start it again
    2: check Nestling / shop at aaaaaaa: cancelled, Stopped []
    3: deployment 0123456789abcdef-pr-12/1 in shop preview: inactive
    ");
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
    1: comment: ⏸ Waiting: it has the label \`no-preview\`
    3: check Nestling / shop at ccccccc: skipped, Waiting []
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
    let wanted = Wanted::of_production(&sections, &SITE);
    let ledger = Ledger::default();
    let lines: Vec<String> = ledger.plan(&wanted).iter().map(line).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    perhaps check Nestling / shop production at aaaaaaa: success, Running; 3 tests passed ["Redeploy", "Stop"]
    perhaps deployment 0123456789abcdef-production/1 in shop production: success
    "#);
    assert!(wanted.deployments[0].stage.production);
    let address = wanted.deployments[0].address.as_deref();
    assert_eq!(address, Some("http://shop.localhost:4100"));
}

#[test]
fn a_comment_is_made_as_the_setting_says_and_never_goes_stale() {
    let made = |comments, states: Vec<State>| {
        let mut page = Page {
            comments,
            ..Page::new()
        };
        let told = states.into_iter().map(|state| page.tell(state));
        let told: Vec<bool> = told.map(|told| told.contains("comment")).collect();
        told
    };
    let life = || {
        let failed = stopped(Why::Failed(failed(1, 'a')));
        vec![coming(Phase::Testing), failed, green(2, 'b')]
    };
    assert_eq!(made(Comments::Always, life()), [true, true, true]);
    assert_eq!(made(Comments::Failures, life()), [false, true, true]);
    assert_eq!(made(Comments::Failures, vec![running(1, 'a')]), [true]);
    assert_eq!(made(Comments::Off, life()), [false, false, false]);
    assert_eq!(
        made(Comments::Always, vec![stopped(Why::Closed)]),
        [false],
        "nobody has to read that nothing is closed"
    );
    assert!(Comments::Off < Comments::Failures && Comments::Failures < Comments::Always);
}

#[test]
fn what_was_begun_and_not_heard_of_is_looked_for_before_it_is_made() {
    let mut page = Page::new();
    let shop = environment("shop", coming(Phase::Testing));
    let wanted = page.wanted(&shop);
    let writes = page.ledger.plan(&wanted);
    assert!(writes.iter().all(|write| write.known() == Known::New));
    page.ledger.begin(&writes);
    let again = page.ledger.plan(&wanted);
    assert_eq!(again.len(), writes.len());
    assert!(
        again
            .iter()
            .all(|write| write.known() == Known::Maybe && write.makes())
    );

    // It closes meanwhile: what may be there is looked for, and nothing is made to say that it is over.
    let closed = page.wanted(&environment("shop", stopped(Why::Closed)));
    let ending = page.ledger.plan(&closed);
    let makes: Vec<(Known, bool)> = ending
        .iter()
        .map(|write| (write.known(), write.makes()))
        .collect();
    let maybe = Known::Maybe;
    assert_eq!(makes, [(maybe, true), (maybe, false), (maybe, false)]);
    for write in &ending {
        page.ledger.absent(write);
    }
    assert_eq!(page.ledger, Page::new().ledger);

    let unknown = Ledger::default().plan(&wanted);
    assert!(unknown.iter().all(|write| write.known() == Known::Maybe));
}

#[test]
fn a_comment_that_a_person_deleted_is_made_once_more() {
    let mut page = Page::new();
    let testing = environment("shop", coming(Phase::Testing));
    page.tell_of(&testing);
    let wanted = page.wanted(&environment("shop", green(1, 'a')));
    let writes = page.ledger.plan(&wanted);
    page.ledger.absent(&writes[0]);
    let again = page.ledger.plan(&wanted);
    assert_eq!(line(&again[0]), "new comment: ✅ Running");
}

#[test]
fn words_about_something_under_way_may_wait_and_nothing_else_may() {
    let mut page = Page::new();
    let plan = |page: &Page, state| {
        let wanted = page.wanted(&environment("shop", state));
        page.ledger.plan(&wanted)
    };
    assert!(!is_patient(&plan(&page, coming(Phase::SettingUp))));
    page.tell(coming(Phase::SettingUp));
    assert!(is_patient(&plan(&page, coming(Phase::Testing))));
    assert!(!is_patient(&plan(&page, green(1, 'a'))));
}

#[test]
fn what_is_remembered_is_bounded_and_what_was_forgotten_is_looked_for() {
    let mut page = Page::new();
    for generation in 1..=150 {
        let commit = CommitInfo {
            id: Commit::parse(&format!("{generation:040}")).unwrap(),
            ..commit('a', "one more")
        };
        let next = Deployment {
            commit,
            ..deployment(generation, 'a', Phase::Testing)
        };
        page.tell(State::Creating {
            next: Some(Box::new(next)),
        });
    }
    assert_eq!(page.ledger.checks.len(), 100);
    assert_eq!(page.ledger.deployments.len(), 1);
    assert!(!page.ledger.complete);
    let text = serde_json::to_string(&page.ledger).unwrap();
    assert!(text.len() < 50_000, "{}", text.len());
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), page.ledger);
}

#[test]
fn nothing_from_outside_acts_in_a_check_run() {
    // What keeps GitHub from seeing a name is not seen.
    let seen = |text: &str| text.replace('\u{200b}', "·");
    let hostile =
        "<img src=x onerror=y> @octocat #1 | `a` [x](javascript:y) \u{1b}[31m\u{202e}GH-1";
    let failed = Failed {
        reason: hostile.to_owned(),
        commit: commit('a', hostile),
        tail: vec![
            hostile.to_owned(),
            "```".to_owned(),
            "<!-- nestling -->".to_owned(),
        ],
        ..*failed(1, 'a')
    };
    let run = check_of(stopped(Why::Failed(Box::new(failed))));
    assert_snapshot!(seen(&run.summary), @r"
    - **Status:** ❌ Failed
    - **Commit:** `aaaaaaa` &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| \`a\` \[x\]\(javascript\:y\) GH·\-1

    **shop** failed while starting (exit code 1): &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| \`a\` \[x\]\(javascript\:y\) GH·\-1 · [Log](http://nestling.localhost:4100/local/shop/pr-12/logs)

    <details>
    <summary>shop: the last 3 lines of the log</summary>

    ````text
    <img src=x onerror=y> @octocat #1 | `a` [x](javascript:y) GH-1
    ```
    <!·-- nestling -->
    ````

    </details>
    ");
    let mut next = deployment(1, 'a', Phase::Serving);
    next.commit.message = hostile.to_owned();
    next.tests = Tests::Broken(hostile.to_owned());
    let run = check_of(State::Running {
        serving: Box::new(next),
        failed: None,
    });
    assert_snapshot!(seen(&run.summary), @r"
    - **Status:** ⚠️ Running
    - **Address:** [http://pr-12--shop.localhost:4100](http://pr-12--shop.localhost:4100)
    - **Commit:** `aaaaaaa` &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| \`a\` \[x\]\(javascript\:y\) GH·\-1
    - **Tests:** could not run: &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| \`a\` \[x\]\(javascript\:y\) GH·\-1
    ");
    assert_eq!(run.title, "Running, but its tests could not run");
}

#[test]
fn all_is_as_long_as_github_takes() {
    let long = "<".repeat(100_000);
    let failed = Failed {
        reason: long.clone(),
        commit: commit('a', &long),
        tail: vec![long; 100],
        ..*failed(1, 'a')
    };
    let failed = check_of(stopped(Why::Failed(Box::new(failed))));
    let waits = check_of(stopped(Why::Waits(Waits {
        reason: "approve it".to_owned(),
        approval: Some(commit('b', "").id),
        place: false,
    })));
    for run in [failed, waits, check_of(green(1, 'a'))] {
        assert!(run.summary.len() <= 65_535, "{}", run.summary.len());
        assert!(run.title.chars().count() <= 80);
        assert!(run.buttons.len() <= 3);
        for button in &run.buttons {
            assert!(button.identifier.len() <= 20 && button.label.len() <= 20);
            assert!(button.description.len() <= 40);
        }
        let (environment, head) = subject(&run.external_id).unwrap();
        assert_eq!(environment.0, "0123456789abcdef-pr-12");
        assert_eq!(head, run.head);
    }
    for foreign in ["", "shop/pr-1/1", "/0000", "a"] {
        assert_eq!(subject(foreign), None);
    }
}
