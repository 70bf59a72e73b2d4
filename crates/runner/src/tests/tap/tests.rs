//! Reports as tools write them.

use super::*;

fn shown(text: &str) -> Vec<String> {
    let tests = parse(text).unwrap().tests;
    let shown = |test: TestRecord| {
        let log = match test.log.as_slice() {
            [] => String::new(),
            log => format!(" {log:?}"),
        };
        format!(
            "{} {:?} {} {:?}{log}",
            test.path, test.outcome, test.millis, test.error
        )
    };
    tests.into_iter().map(shown).collect()
}

#[test]
fn tap_of_both_versions_becomes_records() {
    let table = [
        (
            "TAP version 13\n1..2\nok 1 - one\nnot ok 2 - two\n  ---\n  error: 'no'\n  duration_ms: 1.6\n  ...\n",
            vec!["one Passed 0 None", "two Failed 2 Some(\"no\")"],
        ),
        (
            "ok 1 # skip later\nnot ok 2 - known # TODO fix\nok - C# works\n1..3\n",
            vec![
                "test 1 Skipped 0 None",
                "known Skipped 0 None",
                "C# works Passed 0 None",
            ],
        ),
        // The time of a sum is not that of its last part.
        (
            "TAP version 13\n# Subtest: suite\n    # Subtest: inner\n    ok 1 - inner\n      ---\n      duration_ms: 3\n      ...\n    1..1\nok 1 - suite\n  ---\n  duration_ms: 9\n  ...\n1..1\n# tests 2\n",
            vec!["suite › inner Passed 3 None"],
        ),
        // Subtests in braces, after their sum
        (
            "TAP version 14\nok 1 - suite # time=7ms {\n    ok 1 - inner # time=1.6ms\n    1..1\n}\n\nnot ok 2 - next\n{\n    not ok 1 - down\n    1..1\n}\nok 3 - last\n1..3\n",
            vec![
                "suite › inner Passed 2 None",
                "next › down Failed 0 None",
                "last Passed 0 None",
            ],
        ),
        // bats: what failed stands after the result; prints of others stand before
        (
            "1..3\nok 1 one\nnot ok 2 two\n# (in test file a.bats, line 3)\n#   `false' failed\nsaid by three\nok 3 three\n",
            vec![
                "one Passed 0 None",
                "two Failed 0 None [\"(in test file a.bats, line 3)\", \"`false' failed\", \"said by three\"]",
                "three Passed 0 None",
            ],
        ),
        // tape: the name of a group before its assertions; no message beside the stack
        (
            "TAP version 13\n# adds\nok 1 is two\nnot ok 2 is three\n  ---\n    operator: equal\n    expected: 3\n    stack: |-\n      Error: is three\n          at a.js:1\n  ...\n\n1..2\n# tests 2\n",
            vec![
                "is two Passed 0 None [\"adds\"]",
                "is three Failed 0 Some(\"Error: is three\\n    at a.js:1\")",
            ],
        ),
        // Two reports of one run
        (
            "TAP version 13\nok 1 - a\n1..1\nTAP version 13\nok 1 - b\n1..1\n",
            vec!["a Passed 0 None", "b Passed 0 None"],
        ),
        // A block of details that is never closed hides no test.
        (
            "TAP version 13\n1..2\nnot ok 1 - a\n  ---\n  error: no\nnot ok 2 - b\n",
            vec!["a Failed 0 Some(\"no\")", "b Failed 0 None"],
        ),
        ("1..0 # skip all\nTAP version 13\n", vec![]),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert!(parse("all fine\nok then\n").is_none());
    assert!(parse("counting 1..3\n1..5\n").is_none());
}

#[test]
fn a_run_that_ended_before_its_end_has_failed() {
    let table = [
        (
            "TAP version 14\n1..3\nok 1 - one\nBail out! disk full\n",
            "bail out Failed 0 Some(\"the test run gave up: disk full\")",
        ),
        (
            "TAP version 14\n1..3\nok 1 - one\n",
            "plan Failed 0 Some(\"3 tests were planned, 1 ran: the test run ended before its end\")",
        ),
        (
            "TAP version 14\nok 1 - one\n",
            "plan Failed 0 Some(\"the report ends after 1 tests without its plan (1..N): the test run ended before its end\")",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), ["one Passed 0 None", expected], "{text}");
    }
}

#[test]
fn what_nodes_own_reporter_writes_becomes_records() {
    let tests = parse(include_str!("../samples/node-20.tap")).unwrap().tests;
    let told = |test: &TestRecord| {
        let error = test.error.as_deref().unwrap_or_default();
        let begins: Vec<&str> = error.lines().take(6).collect();
        format!(
            "{} {:?} {} ms {begins:?} {:?}",
            test.path, test.outcome, test.millis, test.log
        )
    };
    assert_eq!(
        tests.iter().map(told).collect::<Vec<_>>(),
        [
            r#"adds Failed 4 ms ["Expected values to be strictly equal:", "", "2 !== 3", "", "TestContext.<anonymous> (/work/app/a.test.js:2:58)", "Test.runInAsyncScope (node:async_hooks:206:9)"] ["about to add", "fine so far", "on stderr", "sorting"]"#,
            "quiet Passed 4 ms [] []",
            "cart › sorts Passed 0 ms [] []",
            r#"cart › sums: all # of it Failed 0 ms ["one line", "", "TestContext.<anonymous> (/work/app/a.test.js:6:41)", "Test.runInAsyncScope (node:async_hooks:206:9)", "Test.run (node:internal/test_runner/test:796:25)", "Suite.processPendingSubtests (node:internal/test_runner/test:526:18)"] []"#,
            "cart › waits Skipped 0 ms [] []",
            "cart › later Skipped 0 ms [] []",
            r#"cart › deep › down Failed 0 ms ["a string", "", "new Promise (<anonymous>)", "Array.map (<anonymous>)"] []"#,
            r#"multi Failed 0 ms ["first", "", "third: line", "  indented", "", "TestContext.<anonymous> (/work/app/a.test.js:11:29)"] []"#,
            "diag Passed 0 ms [] []",
            r#"other file › sub Passed 1 ms [] ["said by diagnostic", "after sub"]"#,
        ]
    );
}
