//! Webhooks and commands as GitHub and people write them.

mod ending;
mod meanings;
mod missing;

use super::*;

const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

fn pull_request(action: &str, head_repository: &str) -> String {
    format!(
        r#"{{"action":"{action}","number":2,"installation":{{"id":7}},"sender":{{"id":5,"login":"ann","type":"User"}},
        "repository":{{"id":186853002,"full_name":"Codertocat/Hello-World","default_branch":"master"}},
        "pull_request":{{"title":"Update the README","head":{{"ref":"changes","sha":"{HEAD}","repo":{head_repository}}},
        "base":{{"ref":"master","sha":"{HEAD}","repo":{{"id":186853002}}}}}}}}"#
    )
}

fn said(event: &str, body: &str) -> Says {
    read(event, body.as_bytes()).unwrap().says
}

#[test]
fn a_pull_request_is_known_by_numbers_and_its_names_are_only_told() {
    let webhook = read(
        "pull_request",
        pull_request("opened", r#"{"id":186853002}"#).as_bytes(),
    );
    let webhook = webhook.unwrap();
    let repository = webhook.repository.unwrap();
    assert_eq!(
        (
            repository.id.0,
            repository.owner.as_str(),
            repository.name.as_str()
        ),
        (186_853_002, "Codertocat", "Hello-World")
    );
    assert_eq!(webhook.installation, Some(7));
    assert_eq!(webhook.sender.unwrap().login, "ann");
    let Says::PullRequest {
        number,
        branch,
        fork,
        head,
        change,
        ..
    } = webhook.says
    else {
        panic!("{:?}", webhook.says);
    };
    assert_eq!(
        (number, branch.as_str(), fork, head.as_str(), change),
        (2, "changes", false, HEAD, PullRequestChange::Opened)
    );
}

#[test]
fn a_head_in_another_repository_or_in_one_that_is_gone_is_a_forks() {
    for (repository, is_fork, called) in [
        (r#"{"id":186853002}"#, false, "changes"),
        (r#"{"id":5},"user":{"login":"bob"}"#, true, "bob:changes"),
        (r#"null,"user":null"#, true, "ghost:changes"),
    ] {
        let says = said("pull_request", &pull_request("synchronize", repository));
        assert!(
            matches!(&says, Says::PullRequest { fork, branch, .. } if *fork == is_fork && branch == called),
            "{says:?}"
        );
    }
}

#[test]
fn every_action_of_a_pull_request_that_may_change_its_preview_is_told_and_no_other() {
    let change = |action: &str| {
        let says = said("pull_request", &pull_request(action, "null"));
        if let Says::PullRequest { change, .. } = says {
            return format!("{change:?}");
        }
        assert!(matches!(says, Says::Nothing { .. }), "{says:?}");
        "nothing".to_owned()
    };
    let told: Vec<String> = [
        "opened",
        "reopened",
        "synchronize",
        "closed",
        "edited",
        "converted_to_draft",
        "ready_for_review",
        "labeled",
        "unlabeled",
        "assigned",
    ]
    .map(change)
    .into();
    assert_eq!(
        told,
        [
            "Opened",
            "Reopened",
            "Pushed",
            "Closed",
            "Described",
            "Described",
            "Described",
            "Described",
            "Described",
            "nothing"
        ]
    );
}

#[test]
fn a_label_that_no_policy_reads_and_an_edit_of_the_text_concern_nobody() {
    let told = |action: &str, more: &str| {
        let body = pull_request(action, "null").replacen('{', &format!("{{{more},"), 1);
        let says = said("pull_request", &body);
        if let Says::Nothing { why } = says {
            return why;
        }
        let Says::PullRequest { change, .. } = &says else {
            panic!("{says:?}")
        };
        format!("{change:?}")
    };
    let label = |action, name: &str| told(action, &format!(r#""label":{{"name":"{name}"}}"#));
    let edited = |field: &str| told("edited", &format!(r#""changes":{{{field}}}"#));
    let lines = [
        label("labeled", "bug"),
        label("unlabeled", "bug"),
        label("labeled", "No-Preview"),
        label("unlabeled", "preview"),
        label("labeled", "keep"),
        edited(r#""body":{"from":"Hello"}"#),
        edited(""),
        edited(r#""title":{"from":"Red"}"#),
        edited(r#""body":{"from":""},"base":{"ref":{"from":"next"}}"#),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    the label `bug` means nothing here
    the label `bug` means nothing here
    Described
    Described
    Described
    neither the title nor the base of the pull request was changed
    neither the title nor the base of the pull request was changed
    Described
    Described
    "#);
}

#[test]
fn a_push_tells_a_head_a_deletion_or_that_a_tag_is_no_branch() {
    let push = |reference: &str, after: &str| {
        said(
            "push",
            &format!(r#"{{"ref":"{reference}","after":"{after}","deleted":false}}"#),
        )
    };
    assert!(
        matches!(push("refs/heads/feat/a", HEAD), Says::Push { branch, .. } if branch == "feat/a")
    );
    assert!(
        matches!(push("refs/heads/feat/a", &"0".repeat(40)), Says::BranchDeleted { branch } if branch == "feat/a")
    );
    assert_eq!(
        push("refs/tags/v1", HEAD),
        Says::Nothing {
            why: "`refs/tags/v1` is no branch".into()
        }
    );
}

#[test]
fn a_comment_is_kept_for_its_commands_alone() {
    let comment = |body: &str, on: &str| {
        let body = serde_json::json!(body);
        said(
            "issue_comment",
            &format!(
                r#"{{"action":"created","issue":{{"number":2{on}}},"comment":{{"id":9,"body":{body}}}}}"#
            ),
        )
    };
    let on = r#","pull_request":{"url":"x"}"#;
    let Says::Comment {
        number,
        comment: id,
        lines,
    } = comment(
        "Looks good!\n/redeploy shop\r\n> /stop\n/cc @bob\n/etc/passwd\n  /start\n/help",
        on,
    )
    else {
        panic!("no command");
    };
    assert_eq!((number, id), (2, 9));
    assert_eq!(lines, ["/redeploy shop", "/help"]);
    assert!(
        matches!(comment("/help", ""), Says::Nothing { why } if why.contains("no pull request"))
    );
    assert!(
        matches!(comment("secret words", on), Says::Nothing { why } if why == "a comment without a command")
    );
}

#[test]
fn what_a_comment_shows_as_code_or_hides_orders_nothing() {
    let comment = "<!-- write one of\n/redeploy\n/stop -->\n/Keep\n```\n/stop\n~~~\n/start\n```\n~~~sh\n/cancel\n~~~\n`/logs`\n```/help```\n<!-- /stop --> /stop\n<!--\n/stop";
    assert_eq!(command_lines(comment), ["/Keep", "/logs", "/help"]);
    let read: Vec<_> = commands(["/Keep", "/REDEPLOY shop"])
        .into_iter()
        .filter_map(|(_, read)| read.ok())
        .collect();
    let redeploy = Command::Redeploy {
        app: Some("shop".to_owned()),
    };
    assert_eq!(read, [Command::Keep, redeploy]);
}

#[test]
fn blocks_of_code_end_where_github_ends_them() {
    for code in [
        "~~~~\n~~~\n/stop\n~~~\n~~~~",
        "```\n```text\n/stop\n```",
        "````md\n```\n/stop\n```\n````",
        "<pre>\n/stop\n</pre>",
        "<code>\n/stop\n</code>",
        "as <code>\n/stop\n</code>",
        "as `\n/stop\n`",
        "```\n/stop\n    ```\n/stop",
    ] {
        assert_eq!(command_lines(code), [""; 0], "{code}");
        let after = format!("{code}\n```\n\n/keep");
        assert!(
            !command_lines(&after).contains(&"/stop".to_owned()),
            "{code}"
        );
    }
    let told = "Use `<!--` to comment out\n/redeploy\n\n> so?\n/keep\r\n/help\n\n    /stop";
    assert_eq!(command_lines(told), ["/redeploy", "/keep", "/help"]);
}

#[test]
fn commands_are_whole_lines_and_what_is_wrong_with_one_is_said() {
    let read: Vec<String> = commands([
        "/redeploy",
        "/redeploy shop",
        "/stop",
        "/approve 0123456789abcdef0123456789abcdef01234567",
        "/approve 1a2b3c4",
        "/approve",
        "/approve HEAD",
        "/keep it",
        "/redeploy all of it",
        "/stop <b>@team</b>",
        "/unknown",
    ])
    .into_iter()
    .map(|(_, read)| {
        read.map_or_else(
            |refused| refused.to_string(),
            |command| format!("{command:?}"),
        )
    })
    .collect();
    insta::assert_snapshot!(read.join("\n"), @r#"
    Redeploy { app: None }
    Redeploy { app: Some("shop") }
    Stop { app: None }
    Approve { commit: Commit("0123456789abcdef0123456789abcdef01234567") }
    `/approve 1a2b3c4` was not understood: say which commit you have read, by its whole name of 40 digits: a short one can be imitated
    `/approve` was not understood: say which commit you have read, by its whole name of 40 digits: a short one can be imitated
    `/approve HEAD` was not understood: say which commit you have read, by its whole name of 40 digits: a short one can be imitated
    `/keep it` was not understood: this command takes no further word
    `/redeploy all of it` was not understood: a command stands on a line of its own, with at most one word after it
    `/stop bteam/b` was not understood: a command stands on a line of its own, with at most one word after it
    "#);
}

#[test]
fn what_is_no_json_or_of_another_shape_is_named() {
    let bodies = [
        ("push", "{"),
        ("push", r#"{"ref":5}"#),
        ("pull_request", r#"{"action":"opened","number":2}"#),
        ("pull_request\n", "[]"),
        (
            "check_run",
            r#"{"action":"rerequested","check_run":{"head_sha":"main"}}"#,
        ),
    ];
    let refused = bodies.map(|(event, body)| read(event, body.as_bytes()).unwrap_err().to_string());
    insta::assert_snapshot!(refused.join("\n"), @r#"
    the body of this `push` webhook is not JSON: EOF while parsing an object at line 1 column 1
    this `push` webhook is not of the shape that GitHub documents: invalid type: integer `5`, expected a string at line 1 column 8
    this `pull_request` webhook is not of the shape that GitHub documents: missing field `pull_request` at line 1 column 30
    this `pull_request` webhook is not of the shape that GitHub documents: invalid length 0, expected struct Common with 4 elements at line 1 column 2
    this `check_run` webhook is not of the shape that GitHub documents: "main" is not a commit: a commit has 40 or 64 lower-case hex digits at line 1 column 55
    "#);
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_us_stumble(event in "[a-z_]{0,12}", body in proptest::collection::vec(0_u8.., 0..200)) {
        let _ = read(&event, &body);
    }

    #[test]
    fn no_line_that_is_written_makes_us_stumble(line in "/?(stop|approve|redeploy|help)?.{0,40}") {
        for (_, read) in commands([line.as_str()]) {
            // What is said about it is put into a comment: nothing in it may be active there.
            let said = read.map_or_else(|refused| refused.line, |_| String::new());
            assert!(!said.contains(['@', '<', '>', '`']) && !said.chars().any(char::is_control));
        }
    }
}

/// Every example that GitHub's own clients are tested with: event and body. They come from npm, see `scripts/tools.sh`.
fn examples() -> Option<Vec<(String, Vec<u8>)>> {
    let examples = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/github/node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    );
    let Ok(text) = std::fs::read_to_string(examples) else {
        eprintln!("skipped: {examples} is missing; `make tools` installs it");
        return None;
    };
    let events: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let of_event = |event: &serde_json::Value| -> Vec<(String, Vec<u8>)> {
        let name = event["name"].as_str().unwrap();
        let examples = event["examples"].as_array().unwrap().iter();
        let bodies = examples.map(|example| serde_json::to_vec(example).unwrap());
        bodies.map(|body| (name.to_owned(), body)).collect()
    };
    Some(events.iter().flat_map(of_event).collect())
}

#[test]
fn every_example_of_a_webhook_is_read_and_decided() {
    let Some(events) = examples() else {
        return;
    };
    let (mut examples, mut decided) = (0, std::collections::BTreeMap::<String, u32>::new());
    for (name, body) in &events {
        let webhook = read(name, body).unwrap_or_else(|error| panic!("{name}: {error}"));
        examples += 1;
        if !matches!(webhook.says, Says::Nothing { .. }) {
            *decided.entry(name.to_owned()).or_default() += 1;
        }
    }
    insta::assert_snapshot!(format!("{examples} examples, {decided:?}"), @r#"329 examples, {"check_suite": 2, "installation": 7, "installation_repositories": 3, "pull_request": 15, "push": 2, "repository": 6}"#);
}
