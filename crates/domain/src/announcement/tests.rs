//! The announcement, told as what a reviewer reads in every state of a preview.

use insta::assert_snapshot;

use super::{sample::*, *};
use crate::{
    deployment::{Cause, Deployment, Phase, Tests},
    ids::Generation,
    lifecycle::State,
    orders::Answered,
};

/// The row of a preview in this state.
fn row_of(state: State, ahead: Option<usize>) -> String {
    let environment = environment("shop", state);
    let section = Section {
        ahead,
        ..section(&environment)
    };
    row(&section, &SITE).trim_end().to_owned()
}

#[test]
fn a_commit_that_a_person_cancelled_is_named_beside_the_one_that_answers() {
    let running = State::Running {
        serving: Box::new(deployment(2, 'b', Phase::Serving)),
        failed: None,
    };
    let mut environment = environment("shop", running);
    environment.lifecycle.cancelled = Some(commit('c', "Begin the sale"));
    let row = row(&section(&environment), &SITE);
    let says =
        r"✅ Running: ccccccc was cancelled by a person; deployment 2 \(bbbbbbb\) still answers";
    assert!(row.contains(says), "{row}");
    assert!(row.contains("`ccccccc` Begin the sale"), "{row}");
}

/// Seals so that one sees whose it is.
#[derive(Debug)]
struct Sealing;

impl Seal for Sealing {
    fn seal(&self, environment: &EnvironmentId) -> String {
        format!("seal-of-{environment}")
    }
}

#[test]
fn whoever_reads_a_comment_has_a_link_to_the_log_and_the_tests_of_that_preview_and_no_other() {
    let site = Site {
        seal: Some(&Sealing),
        ..SITE
    };
    let results = results();
    let shop = environment(
        "shop",
        State::Running {
            serving: Box::new(deployment(2, 'b', Phase::Serving)),
            failed: Some(failed(3, 'c')),
        },
    );
    let section = Section {
        results: Some(&results),
        ..section(&shop)
    };
    let comment = announcement(vec![section]).markdown(&site);
    let (id, dashboard) = (&shop.id, SITE.dashboard);
    let sealed = format!("{dashboard}/-/read/{id}/seal-of-{id}");
    for link in [
        format!("[Log]({sealed}/logs)"),
        format!("[Log]({sealed}/tests#test-1)"),
        format!("| [shop]({sealed}/logs) |"),
    ] {
        assert!(comment.contains(&link), "{link} in {comment}");
    }

    let production = Environment {
        kind: Kind::Production,
        ..shop
    };
    assert_eq!(site.reading(&production), site.page(&production));
    assert_eq!(site.about(&production), site.page(&production));
}

#[test]
fn every_state_has_a_row_that_says_where_the_preview_stands() {
    let serving = || Box::new(deployment(2, 'b', Phase::Serving));
    let next = |phase| Box::new(deployment(3, 'c', phase));
    let retry = Box::new(Deployment {
        cause: Cause::Retry(Generation(3)),
        attempt: 2,
        ..deployment(4, 'c', Phase::Queued)
    });
    let rolled_back = Box::new(Deployment {
        cause: Cause::RolledBack(Generation(3)),
        ..deployment(4, 'b', Phase::Starting)
    });
    let restarting = |serving, next, failed| State::Restarting {
        serving,
        next,
        rollback: None,
        failed,
    };
    let rows = [
        row_of(State::default(), None),
        row_of(coming(Phase::Queued), None),
        row_of(coming(Phase::Queued), Some(0)),
        row_of(coming(Phase::Queued), Some(2)),
        row_of(coming(Phase::Launching), None),
        row_of(coming(Phase::Booting), None),
        row_of(coming(Phase::Cloning), None),
        row_of(coming(Phase::SettingUp), None),
        row_of(coming(Phase::Testing), None),
        row_of(coming(Phase::Prepared), None),
        row_of(coming(Phase::Starting), None),
        row_of(coming(Phase::Probing), None),
        row_of(
            State::Running {
                serving: serving(),
                failed: None,
            },
            None,
        ),
        row_of(
            State::Running {
                serving: serving(),
                failed: Some(failed(3, 'c')),
            },
            None,
        ),
        row_of(
            restarting(Some(serving()), next(Phase::SettingUp), None),
            None,
        ),
        row_of(restarting(None, next(Phase::Prepared), None), None),
        row_of(
            restarting(Some(serving()), retry, Some(failed(3, 'c'))),
            Some(1),
        ),
        row_of(restarting(None, rolled_back, Some(failed(3, 'c'))), None),
        row_of(stopped(Why::Closed), None),
        row_of(stopped(Why::Person), None),
        row_of(
            stopped(Why::Policy("nobody pushed to it for 14 days".to_owned())),
            None,
        ),
        row_of(stopped(Why::Idle), None),
        row_of(stopped(Why::Failed(failed(1, 'a'))), None),
    ];
    assert_snapshot!(rows.join("\n"), @r#"
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏳ Queued: asks the repository what to deploy | – | – | – | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏳ Queued: waits for a build slot | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏳ Queued: next in line for a build slot | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏳ Queued: 2 builds go before it | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Deploying: its machine is being made | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Deploying: its machine starts | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Deploying: fetches the commit | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Deploying: installs and builds | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Running tests | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Starting: waits until the older instance has ended | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Starting: waits until the app listens | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Starting: waits for three good answers in a row | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ✅ Running | [Open](http://pr-12--shop.localhost:4100) | 🛠 [console](http://console--pr-12--shop.localhost:4100) | `bbbbbbb` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⚠️ Running: deployment 3 \(ccccccc\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why; deployment 2 \(bbbbbbb\) still answers | [Open](http://pr-12--shop.localhost:4100) | 🛠 [console](http://console--pr-12--shop.localhost:4100) | `ccccccc` Break the start | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Deploying: installs and builds; deployment 2 \(bbbbbbb\) still answers | [Open](http://pr-12--shop.localhost:4100) | 🛠 [console](http://console--pr-12--shop.localhost:4100) | `ccccccc` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Starting: waits until the older instance has ended | – | – | `ccccccc` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏳ Queued: 1 build goes before it; try 2, after deployment 3 \(ccccccc\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why; deployment 2 \(bbbbbbb\) still answers | [Open](http://pr-12--shop.localhost:4100) | 🛠 [console](http://console--pr-12--shop.localhost:4100) | `ccccccc` Break the start | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🔨 Starting: waits until the app listens; deployment 3 \(ccccccc\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why, so the commit before it starts again | – | – | `ccccccc` Break the start | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🗑 Removed | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏸ Stopped: a person stopped it, and can start it again | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏸ Stopped: nobody pushed to it for 14 days | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏸ Asleep: the next visit or push wakes it | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ❌ Failed: deployment 1 \(aaaaaaa\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    "#);
}

#[test]
fn a_running_preview_of_two_apps_shows_both_with_their_tests_red_ones_first() {
    let shop = environment(
        "shop",
        State::Running {
            serving: Box::new(deployment(2, 'b', Phase::Serving)),
            failed: None,
        },
    );
    let docs = environment("docs", coming(Phase::SettingUp));
    let results = results();
    let sections = vec![
        Section {
            results: Some(&results),
            ..section(&shop)
        },
        section(&docs),
    ];
    let blog = environment("blog", coming(Phase::Queued));
    let left_out = vec![LeftOut {
        environment: &blog,
        reason: "nothing in its folder changed",
    }];
    let announcement = Announcement {
        left_out,
        ..announcement(sections)
    };
    assert_snapshot!(announcement.markdown(&SITE), @r#"
    <!-- nestling:7:12 -->
    **Nestling** · 1 of 2 previews of this pull request are up

    | App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |
    |---|---|---|---|---|---|
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ✅ Running | [Open](http://pr-12--shop.localhost:4100) | 🛠 [console](http://console--pr-12--shop.localhost:4100) | `bbbbbbb` Sort the cart by price | 2026-03-07 09:05 |
    | [docs](http://nestling.localhost:4100/local/docs/pr-12) | 🔨 Deploying: installs and builds | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    | blog | ⏭ Skipped: nothing in its folder changed | | | | |

    <details>
    <summary>shop tests: 2 passed, 1 failed</summary>

    | Test | Path | Result | Log |
    |---|---|---|---|
    | counts up | root/Default/test\:counts up | ❌ Failed | [Log](http://nestling.localhost:4100/local/shop/pr-12/tests#test-1) |
    | adds | root/Default/test\:adds | ✅ Passed | [Log](http://nestling.localhost:4100/local/shop/pr-12/tests#test-0) |
    | empties | root/Default/test\:empties | ✅ Passed | [Log](http://nestling.localhost:4100/local/shop/pr-12/tests#test-2) |

    </details>
    "#);
}

#[test]
fn a_failed_preview_quotes_the_last_forty_lines_of_its_log() {
    let shop = environment("shop", stopped(Why::Failed(failed(1, 'a'))));
    let text = announcement(vec![section(&shop)]).markdown(&SITE);
    assert!(
        text.contains("line 11\n") && text.contains("line 50\n") && !text.contains("line 10\n")
    );
    assert_snapshot!(text.lines().take(12).collect::<Vec<_>>().join("\n"), @r#"
    <!-- nestling:7:12 -->
    **Nestling** · 0 of 1 previews of this pull request are up, 1 failed

    | App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |
    |---|---|---|---|---|---|
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ❌ Failed: deployment 1 \(aaaaaaa\) failed while starting \(exit code 1\)\: the app exited before it listened; its log says why | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |

    **shop** failed while starting (exit code 1): the app exited before it listened; its log says why · [Log](http://nestling.localhost:4100/local/shop/pr-12/logs)

    <details>
    <summary>shop: the last 40 lines of the log</summary>
    "#);
}

#[test]
fn a_preview_whose_newest_commit_failed_is_up_and_not_up_to_date() {
    let runs = |failed| State::Running {
        serving: Box::new(deployment(2, 'b', Phase::Serving)),
        failed,
    };
    let mut first = failed(3, 'c');
    first.tail.truncate(1);
    let shop = environment("shop", runs(Some(first)));
    let docs = environment("docs", runs(None));
    let text = announcement(vec![section(&shop), section(&docs)]).markdown(&SITE);
    let headline = "**Nestling** · 1 of 2 previews of this pull request are up to date, 1 failed";
    assert_eq!(text.lines().nth(1), Some(headline));
    assert!(text.contains("<summary>shop: the last line of the log</summary>"));
}

#[test]
fn tests_that_could_not_run_say_why() {
    let mut serving = deployment(2, 'b', Phase::Serving);
    serving.tests = Tests::Broken("they hung for 600 s; see the log".to_owned());
    let shop = environment(
        "shop",
        State::Running {
            serving: Box::new(serving),
            failed: None,
        },
    );
    let text = announcement(vec![section(&shop)]).markdown(&SITE);
    assert!(
        text.contains("**shop** tests could not run: they hung for 600 s; see the log"),
        "{text}"
    );
}

#[test]
fn a_skipped_an_empty_a_closed_and_a_stopped_pull_request_each_say_so() {
    let closed = environment("shop", stopped(Why::Closed));
    let nothing = Announcement {
        left_out: vec![LeftOut {
            environment: &closed,
            reason: "a person removed it [here]",
        }],
        ..announcement(Vec::new())
    };
    let mut pushed_to = environment("shop", stopped(Why::Person));
    pushed_to.lifecycle.skipped = Some(commit('b', "Begin the sale"));
    let all = [
        nothing,
        announcement(Vec::new()),
        announcement(vec![section(&closed)]),
        announcement(vec![section(&pushed_to)]),
    ];
    assert_snapshot!(all.map(|one| one.markdown(&SITE)).join("---\n"), @r#"
    <!-- nestling:7:12 -->
    **Nestling** · this pull request deploys nothing

    | App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |
    |---|---|---|---|---|---|
    | shop | ⏭ Skipped: a person removed it \[here\] | | | | |
    ---
    <!-- nestling:7:12 -->
    **Nestling** · no app was found in this pull request
    ---
    <!-- nestling:7:12 -->
    **Nestling** · closed: its previews are removed, and come back if it is reopened

    | App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |
    |---|---|---|---|---|---|
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | 🗑 Removed | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    ---
    <!-- nestling:7:12 -->
    **Nestling** · 0 of 1 previews of this pull request are up

    | App | Status | Preview | Console and endpoints | Commit | Updated (UTC) |
    |---|---|---|---|---|---|
    | [shop](http://nestling.localhost:4100/local/shop/pr-12) | ⏸ Stopped: a person stopped it, and can start it again<br>⏭ Last push skipped: `bbbbbbb` came while it was stopped, and is deployed once somebody starts it | – | – | `aaaaaaa` Sort the cart by price | 2026-03-07 09:05 |
    "#);
}

#[test]
fn what_came_of_orders_stands_under_the_table_with_the_reason() {
    let shop = environment("shop", coming(Phase::Testing));
    let answered = |order: &str, outcome: &str, done| Answered {
        order: order.to_owned(),
        outcome: outcome.to_owned(),
        done,
        in_words: false,
    };
    let lines = [
        answered("/keep", "no age ends its previews", true),
        answered(
            "/stop till",
            "refused: there is no preview of app till",
            false,
        ),
    ];
    let answer = Answer::new(77, "ann", lines);
    let refused = "refused: eve may not write to acme/shop";
    let refusal = Answer::new(78, "eve", [answered("/stop", refused, false)]);
    let text = Announcement {
        answers: vec![&answer, &refusal],
        ..announcement(vec![section(&shop)])
    };
    let text = text.markdown(&SITE);
    let under = text.lines().skip(6).collect::<Vec<_>>().join("\n");
    assert_snapshot!(under, @r#"
    The last comment with orders, by ann:

    - 🚀 /keep: no age ends its previews
    - 😕 /stop till: refused\: there is no preview of app till

    The last comment with orders, by eve:

    - 😕 /stop: refused\: eve may not write to acme/shop
    "#);
}

#[test]
fn the_same_records_give_the_same_text_and_digest() {
    let shop = environment("shop", coming(Phase::Testing));
    let text = announcement(vec![section(&shop)]).markdown(&SITE);
    assert_eq!(
        digest(&text),
        digest(&announcement(vec![section(&shop)]).markdown(&SITE))
    );
    // For ever: a digest that changed with a release would write every comment anew.
    assert_eq!(digest("a nest"), 17_504_514_980_168_546_335);
    assert!(text.starts_with("<!-- nestling:7:12 -->\n"));
}
