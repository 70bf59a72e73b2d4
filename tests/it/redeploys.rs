//! A redeploy is not noticed by those who visit meanwhile, also when it fails.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::server::{SOON, Server, free_port, git, head, pause};

/// More by `NESTLING_REDEPLOYS`, for a long run. Every fourth fails.
fn redeploys() -> usize {
    std::env::var("NESTLING_REDEPLOYS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(6)
}

/// The Node sample, as its author would have it.
fn repository(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("notes");
    fs::create_dir_all(&path).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/node-notes");
    for entry in fs::read_dir(sample).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
    }
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    commit(&path, "Begin");
    path
}

fn commit(repository: &Path, message: &str) -> String {
    git(repository, &["add", "--all"]);
    git(
        repository,
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-gpg-sign",
            "--message",
            message,
        ],
    );
    head(repository)
}

/// Asks for a megabyte twenty times a second until it is told to end; says how often, and what went wrong.
struct Prober {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Prober {
    fn start(port: u16) -> Self {
        let (ends, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (told, counts) = (ends.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let mut wrong = Vec::new();
            while !told.load(Ordering::Relaxed) {
                if let Err(reason) = ask(port) {
                    wrong.push(reason);
                }
                counts.fetch_add(1, Ordering::Relaxed);
                pause(Duration::from_millis(50));
            }
            wrong
        });
        Prober {
            ends,
            asked,
            thread,
        }
    }

    fn end(self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let wrong = self.thread.join().unwrap();
        (self.asked.load(Ordering::Relaxed), wrong)
    }
}

fn ask(port: u16) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(said)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .map_err(said)?;
    let request = format!(
        "GET /big HTTP/1.1\r\nHost: node-notes.localhost:{port}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(said)?;
    let text = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    if text.starts_with("HTTP/1.1 200") && answer.len() > 1_000_000 {
        return Ok(());
    }
    Err(format!("{} bytes: {text}", answer.len()))
}

#[test]
fn demo_app_answers_every_request_while_it_is_redeployed_and_redeploys_fail() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let repository = repository(folder.path());
    let port = free_port();
    let server = Server::start(&["up", "--repo", repository.to_str().unwrap()], &data, port);
    let name = "local/node-notes/production";
    server.until("it runs", SOON, |server| server.status(name).0 == "running");
    let good = fs::read_to_string(repository.join("server.js")).unwrap();

    let prober = Prober::start(port);
    for redeploy in 1..=redeploys() {
        if redeploy % 4 == 0 {
            fs::write(
                repository.join("server.js"),
                "throw new Error('this one never starts');",
            )
            .unwrap();
            let before = server.serving(name).0;
            commit(&repository, "Break it");
            server.until("the failure is shown beside what serves", SOON, |server| {
                server.serving(name) == (before.clone(), true)
            });
            fs::write(repository.join("server.js"), &good).unwrap();
        }
        let newest = commit(&repository, &format!("Change {redeploy}"));
        server.until("the newest commit serves", SOON, |server| {
            server.serving(name) == (newest.clone(), false)
        });
    }
    let (asked, wrong) = prober.end();
    assert!(asked > 20, "{asked} requests are no proof");
    assert_eq!(wrong, Vec::<String>::new(), "of {asked} requests");
}
