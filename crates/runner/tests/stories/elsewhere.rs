//! Apps that listen on other ports than `PORT`: first, beside it, or instead of it.

use nestling_protocol::bundle::Kind;
use nestling_protocol::log::Log;
use nestling_protocol::report::{Phase, Step};

use crate::only_start;
use crate::support::World;
use crate::support::model::State;

/// Listens for metrics at once. The app comes at `PORT` a while later, and as soon as somebody asks for `/open`.
fn metrics_first(after_seconds: u32) -> String {
    r#"
const http = require("node:http");
const app = http.createServer((_, response) => response.end("the app"));
const open = () => app.listening || app.listen(process.env.PORT);
http.createServer((request, response) => {
  if (request.url === "/open") open();
  response.end("metrics");
}).listen(0, "127.0.0.1");
setTimeout(open, AFTER * 1000);
"#
    .replace("AFTER", &after_seconds.to_string())
}

async fn world(start: &str, server: &str) -> World {
    let package = only_start(start);
    World::new(
        Kind::Node,
        &[("package.json", &package), ("server.js", server)],
    )
    .await
}

fn notes(state: &State) -> Vec<String> {
    let reports = state.reports.iter();
    let noted = reports.filter_map(|report| {
        let Phase::Noted { text } = &report.phase else {
            return None;
        };
        Some(text.clone())
    });
    noted.collect()
}

#[tokio::test]
async fn an_app_that_opens_its_metrics_first_is_ready_when_port_is() {
    let mut world = world("node server.js", &metrics_first(5)).await;
    world.run().until_running().await;
    assert_eq!(world.get("app", "/").await, (200, "the app".into()));
    world.stop().await;
    assert_eq!(world.model.state(notes), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_behind_its_debugger_is_ready_when_port_is() {
    let late = r#"
setTimeout(() => require("node:http").createServer((_, r) => r.end("the app")).listen(process.env.PORT), 5000);
"#;
    let mut world = world("node --inspect=127.0.0.1:0 server.js", late).await;
    world.run().until_running().await;
    assert_eq!(world.get("app", "/").await, (200, "the app".into()));
    world.stop().await;
}

#[tokio::test]
async fn a_debugger_that_is_alone_is_never_served() {
    let mut world = world(
        "node --inspect-brk=127.0.0.1:0 server.js",
        &metrics_first(0),
    )
    .await
    .with(|bundle| bundle.limits.start = 3);
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Start);
    assert!(
        failure.reason.contains("only a debugger listens, on port ")
            && failure.reason.contains("--inspect-brk"),
        "{}",
        failure.reason
    );
}

#[tokio::test]
async fn an_app_that_ignores_port_is_found_where_it_listens() {
    let server =
        r#"require("node:http").createServer((_, r) => r.end("elsewhere")).listen(0, "::1");"#;
    let mut world = world("node server.js", server).await;
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
async fn an_app_that_was_served_elsewhere_is_served_at_port_once_it_is_there() {
    let mut world = world("node server.js", &metrics_first(100_000))
        .await
        .with(|bundle| bundle.limits.start = 2);
    world.run().until_running().await;
    assert_eq!(world.get("app", "/open").await, (200, "metrics".into()));
    let said = |text: &String| text.contains("is used from now on instead of");
    world
        .model
        .until("the switch is reported", |state| {
            notes(state).iter().any(said)
        })
        .await;
    assert_eq!(world.get("app", "/").await, (200, "the app".into()));
    world.stop().await;
    let notes = world.model.state(notes);
    assert_eq!(notes.len(), 2, "{notes:?}");
}
