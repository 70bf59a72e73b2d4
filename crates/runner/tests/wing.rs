//! The Wing sample, really run. Slow where no story has kept an installed Wing yet: then it comes from the registry.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../../../tests/kept/mod.rs"]
mod kept;
mod support;

use nestling_protocol::bundle::{Bundle, Kind};
use nestling_protocol::log::Log;
use nestling_protocol::report::{Endpoint, EndpointKind, Phase};
use nestling_protocol::test::{Counts, Outcome};
use support::{World, sandbox_is_usable};

const MAIN: &str = include_str!("../../../examples/wing-shop/main.w");
const CHANGED: &str = include_str!("../../../examples/demo-pull-request/wing-shop/main.w");
const SITE: [(&str, &str); 3] = [
    (
        "website/index.html",
        include_str!("../../../examples/wing-shop/website/index.html"),
    ),
    (
        "website/shop.css",
        include_str!("../../../examples/wing-shop/website/shop.css"),
    ),
    (
        "website/shop.js",
        include_str!("../../../examples/wing-shop/website/shop.js"),
    ),
];
/// A secret that the app reads as a `cloud.Secret`, and says aloud.
const SECRET: &str = r#"
let key = new cloud.Secret(name: "API_KEY");
api.get("/secret", inflight () => {
  log("the key is {key.value()}");
  return { status: 200, body: "{key.value().length}" };
});
"#;

fn listed(phase: &Phase) -> Option<Vec<Endpoint>> {
    if let Phase::Running { endpoints } = phase {
        Some(endpoints.clone())
    } else {
        None
    }
}

fn api_key(bundle: &mut Bundle) {
    bundle
        .secrets
        .insert("API_KEY".into(), "k3y-of-the-shop".into());
}

#[tokio::test]
async fn wing_sample_is_tested_served_and_keeps_its_state() {
    let main = format!("{MAIN}\n{SECRET}");
    let mut files = vec![("main.w", main.as_str())];
    files.extend(SITE);
    let world = if sandbox_is_usable() {
        World::nested(Kind::Wing, &files).await
    } else {
        World::new(Kind::Wing, &files).await
    };
    let mut world = world.with(api_key);
    kept::lend(&world.options.cache_dir);
    world.run().until_running().await;
    tests_are_records(&world);
    endpoints_are_found(&world);
    the_shop_is_open(&world).await;
    assert_eq!(world.stop().await, 0);
    let log = world.model.state(|state| state.log(Log::Runtime));
    assert!(
        log.iter().any(|line| line.contains("the key is ***")),
        "{log:?}"
    );

    // The next commit of the pull request: a test fails, the state is still there, nothing is installed.
    world.next_machine();
    let changed = format!("{CHANGED}\n{SECRET}");
    world.commit(&[("main.w", &changed)]);
    world.run().until_running().await;
    one_test_fails(&world);
    assert_eq!(
        world.get("api", "/orders").await,
        (200, r#"{"count":1}"#.into())
    );
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(
        !log.iter()
            .any(|line| line.starts_with("installing winglang")),
        "{log:?}"
    );
}

fn tests_are_records(world: &World) {
    let results = world.model.state(support::model::State::results);
    assert_eq!(
        results.counts(),
        Counts {
            passed: 3,
            failed: 0,
            skipped: 0
        }
    );
    let counted = results
        .tests
        .iter()
        .find(|test| test.name == "an order is counted")
        .unwrap();
    assert_eq!(counted.path, "root/Default/test:an order is counted");
    assert_eq!(counted.log, ["order 1: mug", "order 2: lamp"]);
}

fn endpoints_are_found(world: &World) {
    let endpoints = world
        .model
        .state(|state| {
            state
                .reports
                .iter()
                .find_map(|report| listed(&report.phase))
        })
        .unwrap();
    let shown: Vec<_> = endpoints
        .iter()
        .map(|endpoint| (endpoint.name.as_str(), endpoint.kind, endpoint.primary))
        .collect();
    assert_eq!(
        shown,
        [
            ("api", EndpointKind::App, false),
            ("website", EndpointKind::App, true),
            ("console", EndpointKind::Console, false)
        ]
    );
    assert!(
        world
            .model
            .state(|state| state.said(|phase| *phase == Phase::Prepared { exclusive: true }))
    );
}

async fn the_shop_is_open(world: &World) {
    let (status, page) = world.get("website", "/").await;
    assert!(status == 200 && page.contains("The little shop"), "{page}");
    assert_eq!(
        world.get("website", "/config.json").await,
        (
            200,
            r#"{"api":"http://api--pr-12--shop.localhost:4100"}"#.into()
        )
    );
    assert!(world.get("api", "/products").await.1.contains("Enamel mug"));
    assert_eq!(world.get("api", "/secret").await, (200, "15".into()));
    assert_eq!(
        world.get("api", "/orders").await,
        (200, r#"{"count":0}"#.into())
    );
    assert_eq!(
        world.post("api", "/orders/mug").await,
        (201, r#"{"number":1}"#.into())
    );
    let (status, console) = world.get("console", "/").await;
    assert!(status == 200 && console.contains("<html"), "{console}");
}

fn one_test_fails(world: &World) {
    let results = world.model.state(support::model::State::results);
    assert_eq!(
        results.counts(),
        Counts {
            passed: 2,
            failed: 1,
            skipped: 0
        }
    );
    let failed = results
        .tests
        .iter()
        .find(|test| test.outcome == Outcome::Failed)
        .unwrap();
    assert_eq!(failed.name, "every product has a fair price");
    assert!(
        failed
            .error
            .as_ref()
            .unwrap()
            .contains("assertion failed: product.price < 50"),
        "{failed:?}"
    );
}
