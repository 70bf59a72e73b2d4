//! Live lines and uploads.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use nestling_domain::ids::Kind;
use nestling_protocol::{
    log::{Line, Lines, Log, Source, Upload, UploadAddress},
    report::Phase,
};

use crate::{
    drivers::{
        aws::tests::account_at,
        blobs::s3::{self, S3},
    },
    http::world::{Reply, Runner, World, app, deploying},
    messages::logging::{LogId, Read},
};

fn lines(generation: u32, numbers: std::ops::Range<u64>) -> Lines {
    let line = |n| Line {
        n,
        at: 1,
        from: Source::Out,
        text: format!("line {n}"),
    };
    Lines {
        generation,
        log: Log::Runtime,
        lines: numbers.map(line).collect(),
    }
}

async fn address(runner: &Runner<'_>, name: &str, length: u64, sealed: bool) -> Reply {
    let upload = Upload {
        generation: runner.generation.0,
        name: name.to_owned(),
        length,
        sealed,
        direct: false,
    };
    runner.wire().post("/runner/v1/upload", &upload).await
}

async fn put(
    world: &World,
    runner: &Runner<'_>,
    name: &str,
    content: &'static str,
    sealed: bool,
) -> Reply {
    let given = address(runner, name, content.len() as u64, sealed).await;
    let url = given.json::<UploadAddress>().url;
    world
        .machines
        .send(Method::PUT, &url, Bytes::from_static(content.as_bytes()))
        .await
}

#[actix::test]
async fn live_lines_reach_the_log_and_a_flood_is_stopped_at_the_door() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let sent = runner.wire().post("/runner/v1/logs", &lines(1, 0..3)).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT);
    let read = Read {
        id: LogId {
            environment: runner.id.clone(),
            generation: runner.generation,
            log: Log::Runtime,
        },
        from: 1,
    };
    let kept = world.services.logging.read.send(read).await.unwrap();
    let texts: Vec<_> = kept.into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["line 1", "line 2"]);

    let mut refused = 0;
    for n in 1..50 {
        let reply = runner
            .wire()
            .post("/runner/v1/logs", &lines(1, n * 3..n * 3 + 3))
            .await;
        refused += u32::from(reply.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused >= 10, "{refused} of 49 batches were refused");
    world.stop().await;
}

#[actix::test]
async fn a_segment_grows_until_it_is_sealed_and_is_never_written_again() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let name = "logs/deployment/000001";
    let key = format!("environments/{}/1/{name}", runner.id);
    assert_eq!(
        put(&world, &runner, name, "one\n", false).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        put(&world, &runner, name, "one\ntwo\n", true).await.status,
        StatusCode::NO_CONTENT
    );
    let again = put(&world, &runner, name, "one\ntwo\n", true).await;
    assert_eq!(
        again.status,
        StatusCode::NO_CONTENT,
        "the answer may have been lost"
    );
    let other = put(&world, &runner, name, "forged!\n", false).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.detail().contains("is sealed"), "{other:?}");
    let stored = world.blobs.get(&key).await.unwrap().unwrap();
    assert_eq!(stored, "one\ntwo\n");
    world.stop().await;
}

#[actix::test]
async fn exactly_what_was_announced_can_be_put_and_nothing_else() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let given = address(&runner, "tests.json", 4, true).await;
    let url = given.json::<UploadAddress>().url;
    let forged = [
        (url.replace("length=4", "length=5"), "12345", 403),
        (
            url.replace("tests.json", "logs/runtime/000001"),
            "1234",
            403,
        ),
        (url.replace("sealed=true", "sealed=false"), "1234", 403),
        (url.replace("/1/tests.json", "/2/tests.json"), "1234", 403),
        (
            url.split("&signature").next().unwrap().to_owned(),
            "1234",
            400,
        ),
        (url.clone(), "123", 422),
        (url.clone(), "1234", 204),
    ];
    for (url, content, expected) in forged {
        let reply = world
            .machines
            .send(Method::PUT, &url, Bytes::from_static(content.as_bytes()))
            .await;
        assert_eq!(reply.status.as_u16(), expected, "{url}: {reply:?}");
    }
    for name in [
        "../../../etc/passwd",
        "logs/runtime/../../x",
        "sealed/tests.json",
    ] {
        let reply = address(&runner, name, 1, false).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    let long = address(&runner, "logs/runtime/000001", 2 << 20, false).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    world.stop().await;
}

#[actix::test]
async fn a_deployment_that_has_just_failed_still_says_its_last_words() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    runner.reports(deploying()).await;
    runner.fails("npm ci failed").await;
    let stale = runner.reports(Phase::Starting).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "{stale:?}");
    let last = put(&world, &runner, "logs/deployment/000001", "the end\n", true).await;
    assert_eq!(last.status, StatusCode::NO_CONTENT, "{last:?}");
    world.stop().await;
}

#[actix::test]
async fn a_runner_that_can_puts_past_the_server_and_what_is_sealed_stays() {
    let model = nestling_world::aws::Model::start().unwrap();
    model.act(|aws| aws.create_bucket("nestling", "eu-central-1"));
    let order = s3::Order {
        logs_bucket: "nestling".to_owned(),
        artifacts_bucket: "nestling".to_owned(),
        prefix: String::new(),
    };
    let account = account_at(&model.base()).await;
    let world = World::start_with(Arc::new(S3::new(&account, &order))).await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let name = "logs/deployment/000001";
    let ask = async |length, sealed| {
        let upload = Upload {
            generation: runner.generation.0,
            name: name.to_owned(),
            length,
            sealed,
            direct: true,
        };
        runner.wire().post("/runner/v1/upload", &upload).await
    };
    let given = ask(4, false).await.json::<UploadAddress>().url;
    assert!(given.starts_with(&model.base()), "{given}");
    assert!(!given.contains(nestling_world::aws::SECRET_KEY));
    let last = ask(8, true).await.json::<UploadAddress>().url;
    assert_ne!(last, given);
    // The put may have been lost: it can be made again, and no other.
    assert_eq!(ask(8, true).await.status, StatusCode::OK);
    for (length, sealed) in [(8, false), (9, true)] {
        let refused = ask(length, sealed).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(refused.detail().contains("is sealed"), "{refused:?}");
    }
    // It did not arrive: where the store cannot be reached it comes through the server, and nothing else does.
    for (text, sealed, status) in [
        ("nine of it", true, StatusCode::CONFLICT),
        ("the end\n", false, StatusCode::CONFLICT),
        ("the end\n", true, StatusCode::NO_CONTENT),
        ("the end\n", true, StatusCode::NO_CONTENT),
    ] {
        let reply = put(&world, &runner, name, text, sealed).await;
        assert_eq!(reply.status, status, "{text} {sealed}");
    }
    // A runner that cannot is given an address of the server's own.
    let name = "logs/deployment/000002";
    let reply = put(&world, &runner, name, "two\n", true).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let key = format!("environments/{}/1/{name}", runner.id);
    assert_eq!(world.blobs.get(&key).await.unwrap().unwrap(), "two\n");
    world.stop().await;
}
