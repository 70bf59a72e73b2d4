//! What a check run reads.

use super::*;

#[test]
fn a_check_run_says_what_a_reviewer_needs() {
    assert_snapshot!(check_of(coming(Phase::Queued)).summary, @r"
    - **Status:** ⏳ Waits for a build slot: [its page](http://nestling.localhost:4100/local/shop/pr-12) shows each step
    - **Commit:** `aaaaaaa` Sort the cart by price
    ");
    assert_snapshot!(check_of(green(1, 'a')).summary, @r"
    - **Status:** ✅ Deployed
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
    - **Commit:** `aaaaaaa` &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| `a` \[x\]\(javascript\:y\) GH·\-1

    **shop** failed while starting (exit code 1): &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| `a` \[x\]\(javascript\:y\) GH·\-1 · [Log](http://nestling.localhost:4100/local/shop/pr-12/logs)

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
    - **Status:** ⚠️ Deployed
    - **Address:** [http://pr-12--shop.localhost:4100](http://pr-12--shop.localhost:4100)
    - **Commit:** `aaaaaaa` &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| `a` \[x\]\(javascript\:y\) GH·\-1
    - **Tests:** could not run: &lt;img src\=x onerror\=y&gt; \@·octocat \#·1 \| `a` \[x\]\(javascript\:y\) GH·\-1
    ");
    assert_eq!(run.title, "Deployed, but its tests could not run");
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
        head: None,
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
