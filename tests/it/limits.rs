//! Apps that want more than their machine has.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::Instant,
};

use crate::{
    server::{SOON, Server, commit, free_port, git, pause},
    sight,
};

const NAME: &str = "local/greedy/production";
/// How many numbered lines an app says before it takes too much: many more than its last words have.
const LINES: usize = 300;

/// A server on one app that is started by this script.
fn server(
    folder: &Path,
    (run, script): (&str, &str),
    port: u16,
    settings: &[(&str, &str)],
) -> Server {
    let repository = folder.join("greedy");
    fs::create_dir(&repository).unwrap();
    fs::write(repository.join("app"), script).unwrap();
    let start = format!("[start]\nrun = \"{run} app\"\n");
    fs::write(repository.join("nestling.toml"), start).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    commit(&repository, "Begin");
    let settings: Vec<(String, String)> = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let data = folder.join("data");
    Server::start_with(&order, &data, port, &settings, Stdio::inherit())
}

/// The texts of a log, whose lines are numbered without a gap and without a repeat.
fn texts(server: &Server, name: &str, number: u64, log: &str) -> Vec<String> {
    let lines = server.log(name, number, log);
    let numbers = lines.iter().map(|(n, _)| *n);
    assert!(numbers.eq(0..lines.len() as u64), "{lines:#?}");
    lines.into_iter().map(|(_, text)| text).collect()
}

/// The numbered lines among them.
fn said(texts: &[String]) -> Vec<usize> {
    let numbers = texts.iter().filter_map(|text| text.strip_prefix("line "));
    numbers.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn the_last_lines_of_a_machine_that_a_limit_ended_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "seq -f 'line %g' {LINES}\nfor n in 1 2 3 4 5 6; do head -c 8M /dev/zero >$NESTLING_STATE/$n; done\nsleep 600\n"
    );
    let disk = [("NESTLING__MACHINES__LOCAL__DISK_MIB", "24")];
    let mut server = server(folder.path(), ("sh", &script), free_port(), &disk);
    let deadline = Instant::now() + SOON;
    // Condemned, and dead within milliseconds: nobody has put its last lines yet.
    let condemned = || {
        let all = sight::folders(&server.data);
        all.iter().any(|machine| {
            sight::folder(&server.data, machine)
                .join("verdict")
                .exists()
        })
    };
    while !condemned() {
        assert!(Instant::now() < deadline, "its limit has not ended it");
        pause(std::time::Duration::from_millis(2));
    }
    server.die();

    // Twice: whatever was in a memory is gone.
    for _ in 0..2 {
        server.rise();
        server.until("it failed", SOON, |server| {
            server.status(NAME).0 == "failed"
        });
        let lines = said(&texts(&server, NAME, 1, "runtime"));
        assert!(lines.iter().copied().eq(1..=LINES), "{lines:?}");
        let failure = server.view(NAME)["failure"].clone();
        let tail = failure["tail"].as_array().unwrap();
        assert_eq!(tail.last().unwrap(), &format!("line {LINES}"), "{failure}");
        assert!(
            failure["reason"]
                .as_str()
                .unwrap()
                .contains("24 MiB of disk"),
            "{failure}"
        );
        server.die();
    }
    server.rise();
}

/// Says its lines, serves, and takes all the memory there is when it is asked to. Its second start waits for a word.
const EATER: &str = r#"
const fs = require("fs");
const at = (name) => process.env.NESTLING_STATE + "/" + name;
fs.appendFileSync(at("starts"), "x");
const starts = fs.readFileSync(at("starts")).length;
for (let n = 1; n <= 300; n++) console.log("line " + n);
const server = require("http").createServer((request, response) => {
    const score = fs.readFileSync("/proc/self/oom_score_adj", "utf8").trim();
    response.end(request.url === "/score" ? "score " + score : "start " + starts);
    const taken = [];
    const take = () => { taken.push(Buffer.alloc(16 << 20, 1)); setTimeout(take, 1); };
    if (request.url === "/eat") take();
});
const serve = () => {
    if (starts === 2 && !fs.existsSync(at("go"))) return setTimeout(serve, 20);
    server.listen(process.env.PORT, "127.0.0.1");
};
serve();
"#;

/// What a browser is answered.
fn visit(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: greedy.localhost:{port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn an_app_that_is_killed_for_its_memory_is_started_again_and_loses_no_line() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let memory = [("NESTLING__MACHINES__LOCAL__MEMORY_MIB", "256")];
    let mut server = server(folder.path(), ("node", EATER), port, &memory);
    let is = |status: &'static str| move |server: &Server| server.status(NAME).0 == status;
    server.until("it runs", SOON, is("running"));
    let score = visit(port, "/score");
    assert!(
        score.ends_with("score 1000"),
        "its runner would go first: {score}"
    );

    visit(port, "/eat");
    server.until("it is said to start", SOON, is("starting"));
    let why = "its app ended (used more memory than it may) and is started again (restart 1 of 3 in 5 minutes)";
    let view = server.view(NAME);
    assert_eq!(view["reason"], why, "{view:#}");
    assert_eq!(
        (&view["state"], &view["serves"]),
        (&"running".into(), &false.into())
    );
    let page = visit(port, "/");
    assert!(
        page.starts_with("HTTP/1.1 503") && page.contains("retry-after: 2"),
        "{page}"
    );
    assert!(page.contains(&why[1..]), "{page}");
    server.die();
    server.rise();
    server.until("it is still said to start", SOON, is("starting"));
    let machines = sight::folders(&server.data);
    let [machine] = &machines.iter().collect::<Vec<_>>()[..] else {
        panic!("{machines:?}");
    };
    let state = sight::folder(&server.data, machine)
        .parent()
        .unwrap()
        .join("state");
    fs::write(state.join("go"), "").unwrap();
    server.until("it runs again", SOON, is("running"));
    assert!(visit(port, "/").ends_with("start 2"));

    for start in 3..=4 {
        visit(port, "/eat");
        let again = format!("start {start}");
        server.until("it runs once more", SOON, |_| {
            visit(port, "/").ends_with(&again)
        });
    }
    visit(port, "/eat");
    let eater = || {
        let alive = sight::alive(&server.data);
        let all = alive.values().flatten();
        all.filter(|one| one.command.contains("node app")).count()
    };
    let deadline = Instant::now() + SOON;
    while eater() > 0 {
        assert!(Instant::now() < deadline, "it lives on");
        pause(std::time::Duration::from_millis(2));
    }
    server.die();
    server.rise();
    server.until("it failed", SOON, is("failed"));

    let view = server.view(NAME);
    let failure = &view["failure"];
    assert_eq!(
        (&failure["exit"], &failure["phase"]),
        (&"memory".into(), &"running".into())
    );
    let tail = failure["tail"].as_array().unwrap();
    assert_eq!(tail.last().unwrap(), &format!("line {LINES}"), "{failure}");
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("after 3 restarts in 5 minutes"), "{reason}");
    assert_eq!(
        server.deployments(NAME).len(),
        1,
        "in one machine all the time"
    );
    let said = said(&texts(&server, NAME, 1, "runtime"));
    let expected: Vec<usize> = (0..4).flat_map(|_| 1..=LINES).collect();
    assert_eq!(said, expected);
}
