//! A redeploy is not noticed by those who visit meanwhile, also when it fails.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    server::{SOON, Server, commit, free_port, get, pause, sample},
    visitors::{At, Visitor},
};

const PRODUCTION: &str = "local/node-notes/production";

/// More by `NESTLING_REDEPLOYS`, for a long run. Three of twenty fail.
fn redeploys() -> usize {
    std::env::var("NESTLING_REDEPLOYS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(20)
}

/// Breaks the sample, each time in another way: it cannot be built, is no app any more, or never starts.
fn break_it(repository: &Path, nth: usize) {
    let package = repository.join("package.json");
    let text = fs::read_to_string(&package).unwrap();
    match nth % 3 {
        0 => fs::write(
            package,
            text.replace(r#""test":"#, r#""build": "exit 1", "test":"#),
        ),
        1 => fs::write(package, text.replace(r#""start":"#, r#""begin":"#)),
        _ => fs::write(repository.join("server.js"), "throw new Error('never')"),
    }
    .unwrap();
}

/// The Node sample, in production.
fn notes(folder: &Path) -> (Server, PathBuf, u16) {
    let repository = sample("node-notes", folder);
    commit(&repository, "Begin");
    let port = free_port();
    let command = ["up", "--repo", repository.to_str().unwrap()];
    let server = Server::start(&command, &folder.join("data"), port);
    server.until("it runs", SOON, |server| {
        server.status(PRODUCTION).0 == "running"
    });
    (server, repository, port)
}

#[test]
fn redeploys_fail_no_request_and_no_stream_also_when_they_fail_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let (server, repository, port) = notes(folder.path());
    let good: Vec<_> = ["package.json", "server.js"]
        .map(|file| (file, fs::read_to_string(repository.join(file)).unwrap()))
        .into();

    let label = "node-notes";
    let asks = Visitor::asking(At { label, port });
    let speaks = Visitor::speaking(At { label, port });
    let follows = Visitor::following(At { label, port });
    let (mut failed, mut served) = (0, 0);
    for redeploy in 1..=redeploys() {
        if redeploy % 7 == 5 {
            let before = server.serving(PRODUCTION).0;
            break_it(&repository, failed);
            commit(&repository, &format!("Break it, {redeploy}"));
            server.until("the failure is shown beside what serves", SOON, |server| {
                server.serving(PRODUCTION) == (before.clone(), true)
            });
            for (file, text) in &good {
                fs::write(repository.join(file), text).unwrap();
            }
            failed += 1;
            continue;
        }
        let newest = commit(&repository, &format!("Change {redeploy}"));
        server.until("the newest commit serves", SOON, |server| {
            server.serving(PRODUCTION) == (newest.clone(), false)
        });
        served += 1;
    }
    // Each switch tells both to connect again, once; a redeploy that fails is nothing to them.
    server.until("both streams have ended with the last switch", SOON, |_| {
        speaks.ends() >= served && follows.ends() >= served
    });
    let ends = (speaks.ends(), follows.ends());
    let (asked, spoke, followed) = (asks.end(), speaks.end(), follows.end());
    println!(
        "{served} served, {failed} failed; {} requests, {} echoes, {} events",
        asked.good, spoke.good, followed.good
    );
    assert_eq!(asked.wrong, Vec::<String>::new(), "of {}", asked.good);
    assert!(
        asked.good >= redeploys() * 10,
        "{} prove nothing",
        asked.good
    );
    assert_eq!(spoke.wrong, Vec::<String>::new());
    assert_eq!(followed.wrong, Vec::<String>::new());
    assert_eq!(ends, (served, served));
}

/// The sample reads its notes at its start and writes all of them back with each new one: two instances at once would undo each
/// other's.
#[test]
fn no_note_that_was_taken_is_lost_by_a_redeploy() {
    let folder = tempfile::tempdir().unwrap();
    let (server, repository, port) = notes(folder.path());
    let host = "node-notes.localhost";
    assert_eq!(take(host, port, "the first"), 201);

    let over = Arc::new(AtomicBool::new(false));
    let until = over.clone();
    let writer = std::thread::spawn(move || {
        let mut taken = vec!["the first".to_owned()];
        for number in 0.. {
            if until.load(Ordering::Relaxed) {
                break;
            }
            let note = format!("note {number}");
            if take(host, port, &note) == 201 {
                taken.push(note);
            }
            pause(Duration::from_millis(20));
        }
        taken
    });
    for change in 1..=3 {
        let newest = commit(&repository, &format!("Change {change}"));
        server.until("the newest commit serves", SOON, |server| {
            server.serving(PRODUCTION) == (newest.clone(), false)
        });
    }
    over.store(true, Ordering::Relaxed);
    let taken = writer.join().unwrap();
    assert!(taken.len() > 20, "{} prove nothing", taken.len());
    let (_, kept) = get(host, port, "/api");
    let lost: Vec<&String> = taken
        .iter()
        .filter(|note| !kept.contains(&format!("{note}\"")))
        .collect();
    assert_eq!(lost, Vec::<&String>::new(), "of {}", taken.len());
}

/// Hands a note in; the status of the answer, 0 when there was none.
fn take(host: &str, port: u16, note: &str) -> u16 {
    let body = format!(r#"{{"text":"{note}"}}"#);
    let request = format!(
        "POST /api HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let asked = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    };
    asked().unwrap_or_default()
}
