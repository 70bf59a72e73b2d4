//! A program that takes all it can get, in one machine: who visits its sibling notices nothing.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    server::{SOON, Server, commit, free_port, git, pause},
    visitors::At,
};

/// Of a hundred visits to the sibling, ninety-nine are answered within this while a bomb goes off.
const RESPONSIVE: Duration = Duration::from_secs(1);
/// Between two visits, however long an answer takes: enough of them also during a bomb of a second.
const VISIT_EVERY: Duration = Duration::from_millis(20);
/// Fewer visits prove nothing.
const FEWEST: usize = 20;
/// Small enough to be filled quickly, large enough for a Node app.
const LIMITS: [(&str, &str); 3] = [
    ("MEMORY_MIB", "512"),
    ("PROCESSES", "128"),
    ("DISK_MIB", "256"),
];

/// An app that serves well until somebody asks for `/light`. `/held` says whether the bomb came up against its limit and
/// lives, or the app was ended by it and is there again, which may be quicker than anybody looks.
const SERVER: &str = r#"
const fs = require("node:fs");
const { spawn } = require("node:child_process");
const held = process.env.NESTLING_STATE + "/held", begun = process.env.NESTLING_STATE + "/begun";
const again = fs.existsSync(begun);
try { fs.writeFileSync(begun, ""); } catch {}
const perl = (script) => spawn("perl", ["-e", script + ` open(F, '>', '${held}'); sleep 3600;`], { stdio: "inherit" });
const bombs = {
  memory: () => { const all = []; setInterval(() => all.push(Buffer.alloc(4 << 20, 1)), 1); },
  fork: () => perl("my $no = 0; while ($no < 2000) { my $p = fork(); if (!defined $p) { $no++; select(undef, undef, undef, 0.001); next } if ($p == 0) { sleep 3600; exit } }"),
  disk: () => perl(`my $n = 0; while (1) { open(F, '>', '${process.env.NESTLING_STATE}/' . $n++) and print F 'x' x (1 << 20); close F; select(undef, undef, undef, 0.002); }`),
  log: () => perl("my $line = 'x' x 8191; print \"$line\\n\" for 1..20000;"),
};
require("node:http").createServer((request, response) => {
  if (request.url === "/light") bombs[process.env.NESTLING_APP]();
  response.end(request.url === "/held" ? String(again || fs.existsSync(held)) : "hello");
}).listen(process.env.PORT);
"#;

const BOMBS: [&str; 4] = ["memory", "fork", "disk", "log"];

#[test]
fn visitors_of_a_sibling_do_not_notice_a_bomb() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let repositories: Vec<String> = ["sibling"]
        .iter()
        .chain(&BOMBS)
        .map(|name| repository(folder.path(), name))
        .collect();
    let mut command = vec!["up"];
    command.extend(repositories.iter().flat_map(|path| ["--repo", path]));
    let limit = |(name, value): (&str, &str)| {
        let name = format!("NESTLING__MACHINES__LOCAL__{name}");
        (name, value.to_owned())
    };
    let limits = LIMITS.map(limit);
    let data = folder.path().join("data");
    let server = Server::start_with(&command, &data, port, &limits, Stdio::inherit());
    let name = |app: &str| format!("local/{app}/production");
    for app in ["sibling"].iter().chain(&BOMBS) {
        server.until("it runs", SOON, |server| {
            server.status(&name(app)).0 == "running"
        });
    }

    for kind in BOMBS {
        let bomb = At { label: kind, port };
        let (over, visits) = visits(At {
            label: "sibling",
            port,
        });
        assert_eq!(ask(&bomb, "/light").unwrap().1, "hello");
        server.until("the bomb met its limit", SOON, |server| {
            let view = server.view(&name(kind));
            let gone = !view["failure"].is_null() || view["serving"]["number"] != 1;
            let again = view["reason"].to_string().contains("started again");
            gone || again || ask(&bomb, "/held").is_ok_and(|(_, held)| held == "true")
        });
        over.store(true, Ordering::Relaxed);
        let visits = visits.join().unwrap();
        let wrong: Vec<_> = visits
            .iter()
            .filter_map(|visit| visit.as_ref().err())
            .collect();
        assert_eq!(wrong, Vec::<&String>::new(), "during the {kind} bomb");
        let mut times: Vec<Duration> = visits.into_iter().filter_map(Result::ok).collect();
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        println!(
            "{kind}: {} visits, p99 {p99:?}, longest {:?}",
            times.len(),
            times.last()
        );
        assert!(times.len() >= FEWEST, "{kind}: {} visits", times.len());
        assert!(p99 <= RESPONSIVE, "{kind}: p99 {p99:?}");
    }
}

fn repository(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    fs::create_dir(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    let package = serde_json::json!({"name": name, "scripts": {"start": "node server.js"}});
    fs::write(path.join("package.json"), package.to_string()).unwrap();
    fs::write(path.join("server.js"), SERVER).unwrap();
    commit(&path, "Begin");
    path.to_str().unwrap().to_owned()
}

type Visits = JoinHandle<Vec<Result<Duration, String>>>;

/// Visits again and again, at least [`FEWEST`] times; how long each took.
fn visits(at: At) -> (Arc<AtomicBool>, Visits) {
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let all = move || {
        let (began, mut visits) = (Instant::now(), Vec::new());
        while !told.load(Ordering::Relaxed) || visits.len() < FEWEST {
            let at = at.clone();
            visits.push(std::thread::spawn(move || visit(&at)));
            let due = VISIT_EVERY * u32::try_from(visits.len()).unwrap();
            pause(due.saturating_sub(began.elapsed()));
        }
        visits
            .into_iter()
            .map(|visit| visit.join().unwrap())
            .collect()
    };
    (over, std::thread::spawn(all))
}

fn visit(at: &At) -> Result<Duration, String> {
    let began = Instant::now();
    let (status, body) = ask(at, "/").map_err(|error| error.to_string())?;
    let good = (status.as_str(), body.as_str()) == ("HTTP/1.1 200 OK", "hello");
    good.then(|| began.elapsed())
        .ok_or(format!("{status}: {body}"))
}

/// The first line and the body of an answer.
fn ask(at: &At, path: &str) -> io::Result<(String, String)> {
    let mut stream = at.connect(&format!("GET {path} HTTP/1.1\r\nConnection: close"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.lines().next().unwrap_or_default();
    Ok((status.to_owned(), body.to_owned()))
}
