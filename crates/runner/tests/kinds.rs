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
use nestling_protocol::report::Step;
use nestling_protocol::test::Counts;
use support::World;

fn only_start(start: &str) -> String {
    serde_json::json!({"name": "shop", "scripts": {"start": start}}).to_string()
}

#[tokio::test]
async fn an_app_that_ignores_port_is_found_where_it_listens() {
    let server =
        r#"require("node:http").createServer((_, r) => r.end("elsewhere")).listen(0, "::1");"#;
    let mut world = World::new(
        Kind::Node,
        &[
            ("package.json", &only_start("node server.js")),
            ("server.js", server),
        ],
    )
    .await;
    world.run().until_running().await;
    assert_eq!(world.get("app", "/").await, (200, "elsewhere".into()));
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Runtime));
    assert!(
        log.iter()
            .any(|line| line.contains("instead of the one in PORT")),
        "{log:?}"
    );
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
