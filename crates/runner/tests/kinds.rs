//! Every kind of app, and what is said when something of it is missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Phase, Step};
use nestling_protocol::test::{Counts, Outcome};
use support::World;

fn only_start(start: &str) -> String {
    serde_json::json!({"name": "shop", "scripts": {"start": start}}).to_string()
}

#[tokio::test]
async fn an_unknown_key_in_nestling_toml_names_the_line_and_the_right_one() {
    let config = "[start]\nrun = \"./serve\"\n\n[tests]\nrun = \"./t\"\n";
    let mut world = World::new(Kind::Any, &[("nestling.toml", config)]).await;
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Setup);
    assert_eq!(
        failure.reason,
        "app shop: nestling.toml line 4: unknown key `tests`, did you mean `test`?"
    );
}

#[tokio::test]
async fn an_app_of_its_own_kind_is_set_up_tested_and_started_as_it_says() {
    let config = r#"
        [setup]
        run = "echo made > made.txt"
        [test]
        run = ["sh", "./test.sh"]
        report = "out/report.tap"
        [start]
        run = "python3 serve.py"
        [[endpoint]]
        name = "admin"
        port = ADMIN
    "#;
    let admin = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let serve = r#"
import http.server, os, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(("%s %s" % (self.server.server_port == ADMIN, open("made.txt").read().strip())).encode())
    def log_message(self, *a): pass
for port in (int(os.environ["PORT"]), ADMIN):
    threading.Thread(target=http.server.HTTPServer(("127.0.0.1", port), Page).serve_forever).start()
"#;
    let files = [
        ("nestling.toml", config.replace("ADMIN", &admin)),
        ("test.sh", "mkdir -p out; printf 'TAP version 14\\n1..2\\nok 1 - one\\nnot ok 2 - two\\n' > out/report.tap; exit 1".into()),
        ("serve.py", serve.replace("ADMIN", &admin)),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, content)| (*name, content.as_str()))
        .collect();
    let mut world = World::new(Kind::Any, &files).await;
    world.run().until_running().await;
    assert_eq!(
        world.model.state(|state| state.results().counts()),
        Counts {
            passed: 1,
            failed: 1,
            skipped: 0
        }
    );
    assert_eq!(world.get("app", "/").await, (200, "False made".into()));
    assert_eq!(world.get("admin", "/").await, (200, "True made".into()));
    world.stop().await;
}

#[tokio::test]
async fn a_failed_test_run_is_never_green() {
    let named = "[test]\nrun = [\"node\", \"t.js\"]\nreport = \"j.xml\"\n";
    let output = "[test]\nrun = [\"node\", \"t.js\"]\n";
    let start = "[start]\nrun = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n";
    let write = |report: &str| {
        format!(
            "require('fs').writeFileSync('j.xml', {})",
            serde_json::json!(report)
        )
    };
    // The configuration, the script, how many passed and failed, and the last record's error.
    let table = [
        (
            output,
            "let o = 'TAP version 13\\n1..60000\\n'; for (let i = 1; i <= 60000; i++) o += (i === 59999 ? 'not ok ' : 'ok ') + i + ' - number ' + i + '\\n'; process.stdout.write(o, () => process.exit(1))".to_owned(),
            (59_999, 1),
            None,
        ),
        (
            output,
            "console.log('TAP version 13\\nok 1 - a\\n1..1'); process.exit(3)".to_owned(),
            (1, 1),
            Some("`node t.js` ended with code 3"),
        ),
        (
            output,
            "console.log('TAP version 13\\n1..2\\nok 1 - a')".to_owned(),
            (1, 1),
            Some("2 tests were planned, 1 ran: the test run ended before its end"),
        ),
        (
            named,
            write("\u{feff}<?xml version=\"1.0\"?><testsuite name='s'><testcase name='a'><failure message='no'/></testcase></testsuite>"),
            (0, 1),
            Some("no"),
        ),
        (
            named,
            write("<testsuite name='s'>\n<testcase name='a'/>\n<testcase na"),
            (1, 1),
            Some("test report j.xml of app shop could not be read to its end, line 3: "),
        ),
        (
            named,
            write("{\"failed\": 1}"),
            (0, 1),
            Some("test report j.xml of app shop could not be read to its end, line 1: it is neither JUnit XML nor TAP"),
        ),
    ];
    for (config, script, (passed, failed), error) in table {
        let config = format!("{config}{start}");
        let files = [("nestling.toml", config.as_str()), ("t.js", &script)];
        let mut world = World::new(Kind::Any, &files).await;
        world.run().until_running().await;
        let results = world.model.state(support::model::State::results);
        world.stop().await;
        let counts = Counts {
            passed,
            failed,
            skipped: 0,
        };
        assert_eq!(results.counts(), counts, "{script}");
        let red = results
            .tests
            .iter()
            .rfind(|test| test.outcome == Outcome::Failed);
        let said = red.and_then(|test| test.error.clone()).unwrap_or_default();
        assert!(said.starts_with(error.unwrap_or_default()), "{said}");
    }
}

#[tokio::test]
async fn of_several_runs_of_nodes_own_tests_none_hides_another() {
    let package = r#"{"scripts":{"test":"node --test a.test.js; node --test b.test.js","start":"node server.js"}}"#;
    let server =
        r#"require("node:http").createServer((_, r) => r.end("up")).listen(process.env.PORT);"#;
    let files = [
        ("package.json", package),
        ("server.js", server),
        (
            "a.test.js",
            r#"require("node:test")("unit", () => { throw new Error("no") });"#,
        ),
        ("b.test.js", r#"require("node:test")("whole", () => {});"#),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    let results = world.model.state(support::model::State::results);
    world.stop().await;
    let (passed, failed) = (results.counts().passed, results.counts().failed);
    assert!(passed >= 1 && failed >= 1, "{results:?}");
    assert!(results.tests.iter().any(|test| test.name.contains("unit")));
}

#[tokio::test]
async fn a_missing_entrypoint_is_said_before_anything_is_installed() {
    let cases = [
        (
            Kind::Wing,
            "app shop has no main.w in the root: commit it, or change the app's folder",
        ),
        (
            Kind::Node,
            "app shop has no readable package.json in the root: commit one, with a `start` script",
        ),
        (
            Kind::Static,
            "app shop has no index.html and no package.json with a `build` script: commit one of them",
        ),
        (
            Kind::Any,
            "app shop does not say how it starts: write `[start]` with `run = \"…\"` into nestling.toml",
        ),
    ];
    for (kind, reason) in cases {
        let mut world = World::new(kind, &[("README.md", "nothing here")]).await;
        let failure = world.run().until_failed().await;
        world.end().await;
        assert_eq!(
            (failure.step, failure.reason.as_str()),
            (Step::Setup, reason)
        );
    }
}

fn notes(world: &World) -> Vec<String> {
    let mut notes = Vec::new();
    world.model.state(|state| {
        for report in &state.reports {
            if let Phase::Noted { text } = &report.phase {
                notes.push(text.clone());
            }
        }
    });
    notes
}

#[tokio::test]
async fn the_output_of_a_build_is_found_wherever_it_is_and_never_taken_for_its_source() {
    let build = |script: &str| serde_json::json!({"scripts": {"build": script}}).to_string();
    let made = build("mkdir -p www && echo built > www/index.html");
    let files = [
        ("package.json", &*made),
        ("index.html", "source"),
        ("docs/index.html", "committed"),
    ];
    let mut world = World::new(Kind::Static, &files).await;
    world.run().until_running().await;
    assert_eq!(world.get("app", "/").await, (200, "built\n".into()));
    world.stop().await;
    assert_eq!(notes(&world), Vec::<String>::new());
    let log = world.model.state(|state| state.log(Log::Deployment));
    let said = "serving www, which the build made and which has an index.html".to_owned();
    assert!(log.contains(&said), "{log:?}");

    world.next_machine();
    world.commit(&[("package.json", &build("echo nothing > made.txt"))]);
    world.run().until_running().await;
    assert_eq!(world.get("app", "/").await, (200, "source".into()));
    world.stop().await;
    assert_eq!(
        notes(&world),
        [
            "the build of app shop left no index.html in dist, build, out, public, _site, nor in another folder of its own, so the app's own folder is served: let it write its output to one of them, or say with `[start] run` in nestling.toml how the app starts"
        ]
    );
}

#[tokio::test]
async fn the_build_script_runs_before_what_the_app_says_of_its_setup() {
    let package = r#"{"scripts":{"build":"echo build >> steps.txt","start":"node server.js"}}"#;
    let server = r#"require("node:http").createServer((_, r) => r.end(require("node:fs").readFileSync("steps.txt"))).listen(process.env.PORT);"#;
    let files = [
        ("package.json", package),
        ("server.js", server),
        ("wing.sh", "echo wing.sh >> steps.txt"),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "build\nwing.sh\n".into()));
    world.stop().await;

    world.next_machine();
    let config = "\u{feff}[setup]\nrun = \"echo own >> steps.txt\"\n";
    world.commit(&[("nestling.toml", config)]);
    world.run().until_running().await;
    let answer = world.get("app", "/").await;
    assert_eq!(answer, (200, "build\nown\n".into()));
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    let said = "wing.sh does not run: [setup] run in nestling.toml stands for it".to_owned();
    assert!(log.contains(&said), "{log:?}");
}

#[tokio::test]
async fn a_script_finds_what_npm_tells_it() {
    let package = "\u{feff}{\"name\":\"shop\",\"version\":\"1.2.3\",\"config\":{\"colour\":\"red\"},\"scripts\":{\"compile\":\"echo compiled > compiled.txt\",\"build\":\"$npm_execpath run compile\",\"prestart\":\"test $npm_lifecycle_event = prestart\",\"start\":\"node server.js\"}}";
    let server = r#"
require("node:fs").accessSync("compiled.txt");
const told = Object.entries(process.env).filter(([name]) => /^(npm_|INIT_CWD|NODE$)/.test(name));
require("node:http").createServer((_, response) => response.end(JSON.stringify(Object.fromEntries(told)))).listen(process.env.PORT);
"#;
    let files = [("package.json", package), ("server.js", server)];
    let mut world = World::new(Kind::Node, &files).await;
    world.run().until_running().await;
    let (_, told) = world.get("app", "/").await;
    world.stop().await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    for (name, value) in [
        ("npm_package_name", "shop"),
        ("npm_package_version", "1.2.3"),
        ("npm_package_config_colour", "red"),
        ("npm_lifecycle_event", "start"),
        ("npm_lifecycle_script", "node server.js"),
        ("npm_command", "start"),
    ] {
        assert_eq!(told[name], value, "{name} of {told:#}");
    }
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    assert!(
        text("npm_config_user_agent").starts_with("npm/1"),
        "{told:#}"
    );
    assert!(
        text("npm_config_user_agent").contains(" node/v"),
        "{told:#}"
    );
    assert!(text("npm_execpath").ends_with("npm-cli.js"), "{told:#}");
    assert!(text("npm_node_execpath").ends_with("node"), "{told:#}");
    assert!(
        text("npm_package_json").ends_with("/package.json"),
        "{told:#}"
    );
    assert!(text("INIT_CWD").ends_with("app"), "{told:#}");
}

#[tokio::test]
async fn an_app_on_two_ports_that_are_not_its_own_has_both_named_within_any_limit() {
    let server = "for (const port of [0, 0]) require('node:http').createServer(() => {}).listen(port, '127.0.0.1');";
    let package = only_start("node server.js");
    let files = [("package.json", &*package), ("server.js", server)];
    let mut world = World::new(Kind::Node, &files)
        .await
        .with(|bundle| bundle.limits.start = 2);
    let failure = world.run().until_failed().await;
    world.end().await;
    assert!(
        failure
            .reason
            .starts_with("app shop: it listens on several ports ("),
        "{}",
        failure.reason
    );
}
