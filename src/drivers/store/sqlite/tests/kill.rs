//! `kill -9` at any moment: what was acknowledged is there.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use nestling_domain::{
    environment::Environment,
    ids::{EnvironmentId, Version},
};

use super::*;

/// Names the database file, for the process that is to be killed.
const DATABASE: &str = "NESTLING_TEST_KILL_DATABASE";
/// How often it is killed.
const KILLS: u64 = 20;
/// Environments that it writes at once, so that there are groups to be cut in half.
const WRITERS: u32 = 8;

/// Writes and acknowledges on stderr until it is killed. Started by the test below only.
#[test]
#[ignore = "the process that the next test kills"]
fn writes_until_it_is_killed() {
    let Ok(path) = env::var(DATABASE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let store: AnyStore = Arc::new(Sqlite::open(Path::new(&path)).unwrap());
        let writers = (1..=WRITERS).map(|number| tokio::spawn(write(store.clone(), number)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write(store: AnyStore, number: u32) {
    let wanted = preview("shop", number);
    let there = store.environment(&wanted.id).await.unwrap();
    let mut environment = there.unwrap_or(Environment {
        version: Version(0),
        ..wanted
    });
    loop {
        environment.version.0 += 1;
        let mut save = save_of(&environment);
        save.happened = vec![skipped("again")];
        store.save(save).await.unwrap();
        // One write per line: a kill may not leave half an acknowledgement that reads as a whole one.
        let line = format!(
            "acknowledged {} {}\n",
            environment.id, environment.version.0
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

fn start(path: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("drivers::store::sqlite::tests::kill::writes_until_it_is_killed")
        .env(DATABASE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the process after so many acknowledgements, and answers the last version of each environment.
fn acknowledged_until_killed(path: &Path, after: u64) -> BTreeMap<String, u64> {
    let mut child = start(path);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut versions = BTreeMap::new();
    let mut seen = 0;
    // What is in the pipe when it dies was acknowledged too.
    for line in lines {
        let line = line.unwrap();
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("acknowledged"), "{line}");
        let id = words.next().unwrap().to_owned();
        versions.insert(id, words.next().unwrap().parse().unwrap());
        seen += 1;
        if seen == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= after, "it died by itself after {seen}");
    versions
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_in(&folder);
    let mut acknowledged = BTreeMap::new();
    for round in 1..=KILLS {
        // Spread over the first few hundred saves: from the very first to the middle of a checkpoint.
        let after = 1 + (round * round * 37) % 400;
        acknowledged.extend(acknowledged_until_killed(&path, after));
        check(&path, &acknowledged);
    }
    assert_eq!(acknowledged.len(), WRITERS as usize);
}

fn check(path: &Path, acknowledged: &BTreeMap<String, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let store = Sqlite::open(path).unwrap();
        let verdict = store
            .read(|database| {
                Ok(database
                    .pragma_query_value::<String, _>(None, "integrity_check", |row| row.get(0))?)
            })
            .await;
        assert_eq!(verdict.unwrap(), "ok");
        for (id, version) in acknowledged {
            let id = EnvironmentId(id.clone());
            let there = store.environment(&id).await.unwrap().expect("it is gone");
            assert!(
                there.version.0 >= *version,
                "{id} fell back from {version} to {:?}",
                there.version
            );
            let copies = store
                .environments_of_branch(&there.app, &there.branch)
                .await
                .unwrap();
            assert_eq!(
                copies,
                std::slice::from_ref(&there),
                "the three records are one"
            );
            let events = store.events_of(&id, None, usize::MAX).await.unwrap();
            let versions = events.iter().rev().map(|event| event.version.0);
            assert!(
                versions.eq(1..=there.version.0),
                "an event of {id} is missing"
            );
        }
    });
}
