//! Many environments: 100,000 stored ones under a server that starts, and 10,000 actors in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the stories of the crate use the rest"
)]
#[path = "../src/world/mod.rs"]
mod world;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use common::{
    note, rounds, row,
    server::{Server, kib},
    table, until,
};
use futures::future::join_all;
use nestling::{
    actors::environment::route,
    drivers::store::{Save, Store, sqlite::Sqlite},
    messages::{
        environments::{CountActors, InspectOne, Wake},
        routes::Place,
    },
};
use nestling_domain::{
    deployment::{Cause, Deployment, Phase, Tests},
    environment::Environment,
    ids::{EnvironmentId, Generation, Kind, Timestamp, Version},
    lifecycle::{Happened, Lifecycle, State, Why, World},
};
use nestling_protocol::report::{Address, Endpoint, EndpointKind};
use world::{House, app, commit};

// Where the models look for what they stand between.
use nestling::{actors, drivers, messages};

/// From the start of the process to the first answer.
const ANSWERS_IN: Duration = Duration::from_secs(3);
/// With all of them stored, once the server is idle.
const STORED_MIB: f64 = 300.0;
/// Of one environment's actor, its record included.
const ACTOR_KIB: f64 = 6.0;
/// Writes at once: what the store's writer gathers into one commit.
const GROUP: usize = 256;
/// Actors started at once: what one sweep of the server takes up.
const BATCH: usize = 500;
/// One in so many of the stored ones belongs to an app of its own; the rest are its pull requests.
const PER_APP: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["populate", database, count, what] => populate(
            Path::new(database),
            count.parse().unwrap(),
            what == "running",
        ),
        ["actors", database, count] => actors(Path::new(database), count.parse().unwrap()),
        _ => {
            table(
                "Many environments",
                "Records made by the real store, each with one deployment of its history; the memory is the resident set of the process.",
            );
            stored(rounds("NESTLING_STORED", 100_000));
            apart("actors", rounds("NESTLING_ACTORS", 10_000));
        }
    }
}

/// Runs a part of this program as a process of its own, so that what one part has freed does not hide what the next needs.
fn again(arguments: &[&str]) {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .status()
        .unwrap();
    assert!(ended.success(), "{arguments:?}");
}

fn stored(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let database = data.join("nestling.db");
    again(&[
        "populate",
        database.to_str().unwrap(),
        &count.to_string(),
        "stopped",
    ]);
    let server = Server::start(&["serve"], &data, &[]);
    let answered = server.answers();
    row(
        &format!("{count} stored environments: start → first answer"),
        &format!("{:.2} s", answered.as_secs_f64()),
        &format!("≤ {} s", ANSWERS_IN.as_secs()),
        answered <= ANSWERS_IN,
    );
    // A page of its own, and an address of a stopped one: both look something up.
    let page = server.ask("GET", "/");
    assert_eq!(page.0, 200, "the dashboard answers");
    let last = format!("app-{}", count / PER_APP - 1);
    until(
        "the address of a stopped environment says so",
        Duration::from_secs(30),
        || server.visit(&last).filter(|status| *status == 503),
    );
    let mut before = 0.0;
    let rss = until("the server is idle", Duration::from_mins(1), || {
        common::between_two_looks();
        let now = server.kib("VmHWM");
        let still =
            (now - before).abs() < 1.0 && server.started.elapsed() > Duration::from_secs(10);
        before = now;
        still.then_some(now)
    });
    let mib = rss / 1024.0;
    row(
        &format!("{count} stored environments: the most memory ever resident"),
        &format!("{mib:.0} MiB"),
        &format!("≤ {STORED_MIB} MB"),
        mib * 1.048_576 <= STORED_MIB,
    );
}

fn apart(part: &str, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("nestling.db");
    let database = database.to_str().unwrap();
    again(&["populate", database, &count.to_string(), "running"]);
    again(&[part, database, &count.to_string()]);
}

/// Wakes every environment, and says how much memory each took.
fn actors(database: &Path, count: usize) {
    actix::System::new().block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(database).unwrap());
        let house = House::start(store.clone(), Box::new(|_, _| "token".to_owned())).await;
        // What reading costs once (caches of the database, threads) is no actor's.
        for n in 0..count {
            let id = EnvironmentId::derive(&app(&name(n)).id, kind(n));
            let found = store.environment(&id).await.unwrap().unwrap();
            store.deployments(&id, None, 6).await.unwrap();
            // The gateway's table is loaded before any actor starts, and is there without them.
            let places = |id: &EnvironmentId, one: &Deployment| {
                Place::Folder(PathBuf::from(format!("/nowhere/{id}/{}", one.generation)))
            };
            if let Some(route) = route(&found, &places) {
                house.routes.set(route);
            }
            for generation in found.lifecycle.world.machines {
                house
                    .outside
                    .machines
                    .borrow_mut()
                    .insert((id.clone(), generation));
            }
        }
        let before = kib(std::process::id(), "VmRSS");
        // In batches, as the sweeper wakes them.
        for first in (0..count).step_by(BATCH) {
            let ids = (first..(first + BATCH).min(count))
                .map(|n| EnvironmentId::derive(&app(&name(n)).id, kind(n)));
            let ids: Vec<_> = ids.collect();
            for id in ids.clone() {
                house.environments.wake.do_send(Wake { id });
            }
            for id in ids {
                let seen = house.address.send(InspectOne { id }).await;
                let record = seen.unwrap().unwrap().environment;
                assert!(record.is_some(), "its record is in memory");
            }
        }
        let after = kib(std::process::id(), "VmRSS");
        assert_eq!(house.address.send(CountActors).await.unwrap(), count);
        #[allow(clippy::cast_precision_loss, reason = "a count of thousands")]
        let each = (after - before) / count as f64;
        row(
            &format!("{count} active environment actors: memory of each"),
            &format!("{each:.1} KiB"),
            &format!("≤ {ACTOR_KIB} KB"),
            each * 1.024 <= ACTOR_KIB,
        );
        note(
            "resident before and after",
            &format!("{:.0} MiB, {:.0} MiB", before / 1024.0, after / 1024.0),
        );
    });
}

fn populate(database: &Path, count: usize, running: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(database).unwrap();
        for first in (0..count).step_by(GROUP) {
            let places = first..(first + GROUP).min(count);
            let apps = places
                .clone()
                .filter(|n| n % PER_APP == 0)
                .map(|n| app(&name(n)));
            let apps: Vec<_> = apps.collect();
            for saved in join_all(apps.iter().map(|app| store.put_app(app))).await {
                saved.unwrap();
            }
            for saved in join_all(places.map(|n| store.save(record(n, running)))).await {
                saved.unwrap();
            }
        }
    });
}

/// The app of the environment of this number.
fn name(n: usize) -> String {
    format!("app-{}", n / PER_APP)
}

fn kind(n: usize) -> Kind {
    match n % PER_APP {
        0 => Kind::Production,
        number => Kind::Preview(u32::try_from(number).unwrap()),
    }
}

/// An environment that runs one commit, or was stopped by a person.
fn record(n: usize, running: bool) -> Save {
    let (app, kind) = (app(&name(n)), kind(n));
    let id = EnvironmentId::derive(&app.id, kind);
    let (now, generation) = (Timestamp(1_700_000_000_000), Generation(1));
    let commit = commit(n as u64);
    let deployment = Deployment {
        generation,
        commit: commit.clone(),
        cause: Cause::Push,
        attempt: 1,
        phase: Phase::Serving,
        since: now,
        created_at: now,
        deadline: None,
        not_before: None,
        boot: None,
        exclusive: false,
        in_place: false,
        tests: Tests::default(),
        notes: Vec::new(),
        again: None,
        address: None,
        endpoints: vec![Endpoint {
            name: "app".into(),
            label: "app".into(),
            kind: EndpointKind::App,
            primary: true,
            browser: true,
            address: Address::Unix("app.sock".into()),
        }],
        trouble: None,
    };
    let mut history = nestling_domain::history::History::default();
    let fresh = Lifecycle::new(now, None);
    let happened = vec![
        Happened::Queued {
            generation,
            commit: commit.clone(),
            cause: Cause::Push,
        },
        Happened::Serving { generation },
    ];
    let deployments = history.keep_up(&id, &fresh, &happened, now);
    let mut world = World {
        edition: 1,
        announced: 1,
        asked: generation,
        absent: 2,
        ..World::default()
    };
    let state = if running {
        world.machines.insert(generation);
        State::Running {
            serving: Box::new(deployment),
            failed: None,
        }
    } else {
        State::Stopped {
            why: Why::Person,
            last: Some(commit),
            since: now,
        }
    };
    let lifecycle = Lifecycle {
        cancelled: None,
        generation,
        state,
        world,
        look: None,
        ..fresh
    };
    let environment = Environment {
        id,
        app: app.id.clone(),
        owner: app.owner.clone(),
        slug: app.slug.clone(),
        repository: app.repository,
        kind,
        branch: format!("feature/number-{n}"),
        title: format!("What number {n} changes"),
        lifecycle,
        version: Version(1),
        created_at: now,
        updated_at: now,
    };
    Save {
        due_at: environment.lifecycle.due_at(),
        environment,
        expected: None,
        input: None,
        happened,
        by: "bench".into(),
        deployments,
    }
}
