//! Webhooks of GitHub: how many are recorded durably beside what a Probot app takes in memory, how soon each is
//! acknowledged, and how soon a machine is asked for. Needs wrk, Node and what `npm ci` puts into `tests/github`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use aws_lc_rs::hmac;
use common::{median, note, quantile, rounds, row, server::Server, table};
use nestling_world::github::{Change, Level, Model, Permissions, Selection, State};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep_until},
};

const SECRET: &str = "what-github-signs-webhooks-with";
const SHOP: &str = "acme/shop";
/// At once, as the bound says.
const CONNECTIONS: usize = 16;
/// How long each of a pair is asked.
const SECONDS: u32 = 8;
/// Of a server that keeps the decided fields alone, beside Probot.
const TIMES_PROBOT: f64 = 5.0;
/// Webhooks a second, and how soon 99 of 100 are acknowledged then.
const RATE: u32 = 500;
const ACKNOWLEDGED_MS: f64 = 5.0;
/// From a webhook to the order for a machine, with a GitHub that answers after `LATENCY`.
const ASKED_MS: f64 = 100.0;
const LATENCY: Duration = Duration::from_millis(20);
/// Requests to GitHub per deployment.
const CALLS: f64 = 12.0;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let github = Model::start().unwrap();
    let (app, key) = github.act(|state| prepare(state).unwrap());
    let key_file = folder.path().join("key.pem");
    std::fs::write(&key_file, key).unwrap();
    let settings = Settings::of(&github, app, &key_file, folder.path());
    acknowledge(folder.path(), &settings, &key_file);
    deploy(folder.path(), &settings, &github);
}

fn prepare(state: &mut State) -> anyhow::Result<(u64, String)> {
    state.create_organisation("acme");
    state.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
    let granted = [
        ("metadata", Level::Read),
        ("contents", Level::Read),
        ("pull_requests", Level::Write),
        ("checks", Level::Write),
        ("deployments", Level::Write),
    ];
    let granted: Permissions = granted.map(|(name, level)| (name.to_owned(), level)).into();
    let app = state.register_app("acme", "Nestling", granted, &["pull_request", "push"])?;
    if let Some(app) = state.apps.get_mut(&app) {
        SECRET.clone_into(&mut app.webhook_secret);
    }
    state.install(app, "acme", Selection::All)?;
    Ok((app, state.private_key(app)?))
}

/// What a server is told that is the App.
struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    fn of(github: &Model, app: u64, key: &Path, folder: &Path) -> Self {
        let secret = folder.join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let shown = |path: &Path| path.to_str().unwrap().to_owned();
        Settings(BTreeMap::from([
            ("NESTLING__FORGE__DRIVER", "github".to_owned()),
            ("NESTLING__FORGE__GITHUB__API_URL", github.base()),
            ("NESTLING__FORGE__GITHUB__WEB_URL", github.base()),
            ("NESTLING__FORGE__GITHUB__APP_ID", app.to_string()),
            ("NESTLING__FORGE__GITHUB__PRIVATE_KEY__FILE", shown(key)),
            (
                "NESTLING__FORGE__GITHUB__WEBHOOK_SECRET__FILE",
                shown(&secret),
            ),
            ("NESTLING__BUILDS__AT_ONCE", "4".to_owned()),
        ]))
    }

    fn serve(&self, data: &Path) -> Server {
        let settings: Vec<(&str, &str)> = self
            .0
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let server = Server::start(&["serve"], data, &settings);
        server.answers();
        server
    }
}

/// GitHub's example of an opened pull request, as it comes, with its signature.
struct Webhook {
    body: PathBuf,
    bytes: Vec<u8>,
    signature: String,
}

impl Webhook {
    fn opened(folder: &Path) -> Self {
        let examples =
            "tests/github/node_modules/@octokit/webhooks-examples/api.github.com/index.json";
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join(examples);
        let examples = std::fs::read(&examples).unwrap_or_else(|_| {
            panic!(
                "{} is missing: npm ci --prefix tests/github",
                examples.display()
            )
        });
        let examples: Vec<serde_json::Value> = serde_json::from_slice(&examples).unwrap();
        let named = |wanted: &&serde_json::Value| wanted["name"] == "pull_request";
        let mut of_pull_requests = examples.iter().find(named).unwrap()["examples"]
            .as_array()
            .unwrap()
            .iter();
        let opened = of_pull_requests
            .find(|example| example["action"] == "opened")
            .unwrap();
        let bytes = serde_json::to_vec(opened).unwrap();
        let body = folder.join("opened.json");
        std::fs::write(&body, &bytes).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let digits = hmac::sign(&key, &bytes);
        let digits: String = digits
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Webhook {
            body,
            bytes,
            signature: format!("sha256={digits}"),
        }
    }

    /// How many webhooks a second are answered well, and how many in all; each of them with an id that begins so.
    fn pour(&self, address: &str, ids: &str) -> (f64, u64) {
        let output = Command::new("wrk")
            .args([
                "-t",
                "1",
                "-c",
                &CONNECTIONS.to_string(),
                "-d",
                &format!("{SECONDS}s"),
            ])
            .args([
                "-s",
                concat!(env!("CARGO_MANIFEST_DIR"), "/benches/webhooks.lua"),
                address,
            ])
            .env("BODY", &self.body)
            .env("SIGNATURE", &self.signature)
            .env("IDS", ids)
            .output()
            .expect("wrk is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            !text.contains("Non-2xx") && !text.contains("Socket errors"),
            "{text}"
        );
        let number = |line: &str, place: usize| {
            let line = text.lines().find(|known| known.contains(line)).unwrap();
            line.split_whitespace().nth(place).unwrap().to_owned()
        };
        let per_second = number("Requests/sec:", 1).parse().unwrap();
        (per_second, number("requests in", 0).parse().unwrap())
    }

    /// The milliseconds until each of so many webhooks was acknowledged that come at a steady rate, whatever became of those
    /// before: one that has to wait for another has waited.
    async fn steadily(&self, port: u16, seconds: u32) -> Vec<f64> {
        let begin = Instant::now() + Duration::from_millis(100);
        let lanes = (0..CONNECTIONS).map(|lane| self.lane(port, (begin, seconds), lane));
        futures::future::join_all(lanes).await.concat()
    }

    async fn lane(&self, port: u16, (begin, seconds): (Instant, u32), lane: usize) -> Vec<f64> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut all = Vec::new();
        let mine = (0..RATE * seconds).skip(lane).step_by(CONNECTIONS);
        for number in mine {
            let due = begin + Duration::from_secs(1) * number / RATE;
            sleep_until(due).await;
            let head = format!(
                "POST /github/webhook HTTP/1.1\r\nHost: nestling.localhost:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-GitHub-Event: pull_request\r\nX-GitHub-Delivery: steady-{number}\r\nX-Hub-Signature-256: {}\r\n\r\n",
                self.bytes.len(),
                self.signature
            );
            let request = [head.as_bytes(), &self.bytes].concat();
            stream.write_all(&request).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                let read = stream.read_buf(&mut answer).await.unwrap();
                assert!(read > 0, "the server hung up");
            }
            assert!(
                answer.starts_with(b"HTTP/1.1 202"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            all.push(due.elapsed().as_secs_f64() * 1000.0);
        }
        all
    }
}

fn acknowledge(folder: &Path, settings: &Settings, key: &Path) {
    let webhook = Webhook::opened(folder);
    let probot = Probot::start(key);
    let data = folder.join("acknowledged");
    let mut server = settings.serve(&data);
    let ours = format!("http://127.0.0.1:{}/github/webhook", server.port);
    let pairs = rounds("NESTLING_WEBHOOKS", 3);
    table(
        "Webhooks beside Probot",
        &format!(
            "GitHub's example of an opened pull request ({} bytes) with a new delivery id each, {CONNECTIONS} connections of wrk; the decided fields recorded durably, against a Probot app that does nothing with it; median of {pairs} pairs of {SECONDS} s.",
            webhook.bytes.len()
        ),
    );
    let (mut ratios, mut acknowledged) = (Vec::new(), 0);
    for pair in 1..=pairs {
        let (theirs, _) = webhook.pour(&probot.address, "theirs");
        let (mine, all) = webhook.pour(&ours, &format!("ours-{pair}"));
        acknowledged += all;
        ratios.push(mine / theirs);
        note(
            &format!("pair {pair}: ours, Probot"),
            &format!("{mine:.0}/s, {theirs:.0}/s"),
        );
    }
    let ratio = median(&ratios);
    row(
        "recorded",
        &format!("{ratio:.2} × Probot"),
        &format!("≥ {TIMES_PROBOT} ×"),
        ratio >= TIMES_PROBOT,
    );

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let times = runtime.block_on(webhook.steadily(server.port, 10));
    acknowledged += u64::try_from(times.len()).unwrap();
    let p99 = quantile(&times, 0.99);
    row(
        &format!("acknowledged at {RATE}/s, p99"),
        &format!("{p99:.1} ms"),
        &format!("≤ {ACKNOWLEDGED_MS} ms"),
        p99 <= ACKNOWLEDGED_MS,
    );
    note("p50", &format!("{:.1} ms", median(&times)));

    server.dies();
    let database = rusqlite::Connection::open(data.join("nestling.db")).unwrap();
    let kept: i64 = database
        .query_row("SELECT count(*) FROM deliveries", [], |row| row.get(0))
        .unwrap();
    let kept = u64::try_from(kept).unwrap();
    row(
        "lost by kill -9",
        &format!("{} of {acknowledged}", acknowledged.saturating_sub(kept)),
        "0",
        kept >= acknowledged,
    );
}

/// A Probot app on a port of its own.
struct Probot {
    child: Child,
    address: String,
    /// Nobody reads on, but it may go on to write.
    _said: BufReader<ChildStdout>,
}

impl Probot {
    fn start(key: &Path) -> Self {
        let mut child = Command::new("node")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/github/acknowledge.mjs"
            ))
            .args([SECRET, key.to_str().unwrap()])
            .envs([("NODE_ENV", "production"), ("LOG_LEVEL", "fatal")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut lines = said.by_ref().lines().map(Result::unwrap);
        let address = lines.find(|line| line.starts_with("http://"));
        Probot {
            child,
            address: address.expect("a Probot app that listens"),
            _said: said,
        }
    }
}

impl Drop for Probot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From a push to the order for a machine.
fn deploy(folder: &Path, settings: &Settings, github: &Model) {
    const PRODUCTION: &str = "acme/shop/production";
    let server = settings.serve(&folder.join("deployed"));
    let hook = format!("http://127.0.0.1:{}/github/webhook", server.port);
    github.act(|state| {
        let app = *state.apps.keys().next().unwrap();
        state.set_webhook_url(app, &hook).unwrap();
    });
    common::until("the server takes the app", Duration::from_mins(1), || {
        let (status, _) = server.send(
            "POST",
            "/v1/apps",
            r#"{"repository":"acme/shop","root":""}"#,
        );
        (status == 201).then_some(())
    });
    let head = github
        .look(|state| state.see_branch(SHOP, "main"))
        .unwrap()
        .unwrap();
    server.runs(PRODUCTION, &head);
    github.act(|state| state.faults.latency = LATENCY);
    let pushes = rounds("NESTLING_PUSHES", 40);
    table(
        "Webhook → machine asked for",
        &format!(
            "GitHub answers after {} ms; {pushes} pushes to production, a static site.",
            LATENCY.as_millis()
        ),
    );
    let asked = || github.look(|state| state.ledger.requests.len());
    let before = asked();
    let mut times = Vec::new();
    for number in 0..pushes {
        let change = [Change::file("index.html", &number.to_string())];
        let pushed = github
            .act(|state| state.push(SHOP, "main", "ann", &change))
            .unwrap();
        server.runs(PRODUCTION, &pushed);
        times.push(from_webhook_to_launch(&server));
    }
    let calls = mean(asked() - before, pushes);
    let p99 = quantile(&times, 0.99);
    row(
        "p99",
        &format!("{p99:.0} ms"),
        &format!("≤ {ASKED_MS} ms"),
        p99 <= ASKED_MS,
    );
    note("p50", &format!("{:.0} ms", median(&times)));
    row(
        "requests to GitHub per deployment",
        &format!("{calls:.1}"),
        &format!("≤ {CALLS}"),
        calls <= CALLS,
    );

    let before = quiet(&asked);
    github
        .act(|state| {
            state.push(
                SHOP,
                "nobody-follows-this",
                "ann",
                &[Change::file("a", "1")],
            )
        })
        .unwrap();
    common::until("the webhook is done", Duration::from_mins(1), || {
        // GitHub tells of a push's checks, too.
        let newest = server.get("/v1/deliveries?limit=10");
        let newest = newest["deliveries"].as_array()?;
        let done = newest.iter().any(|one| {
            let says = one["says"].as_str().unwrap_or_default();
            says.contains("nobody-follows-this") && one["status"] == "done"
        });
        done.then_some(())
    });
    let caused = quiet(&asked) - before;
    row(
        "requests to GitHub per webhook that changes nothing",
        &caused.to_string(),
        "0",
        caused == 0,
    );
}

/// How many there are once nothing more is asked.
fn quiet(asked: &impl Fn() -> usize) -> usize {
    let (mut seen, mut same) = (asked(), 0);
    common::until("nobody asks GitHub", Duration::from_mins(2), || {
        let now = asked();
        same = if now == seen { same + 1 } else { 0 };
        seen = now;
        (same > 400).then_some(now)
    })
}

/// Milliseconds from the newest webhook of a push to the order for its machine, by the server's clock.
fn from_webhook_to_launch(server: &Server) -> f64 {
    let deliveries = server.get("/v1/deliveries?limit=10");
    let mut told = deliveries["deliveries"].as_array().unwrap().iter();
    let push = told
        .find(|one| one["says"].as_str().unwrap().contains("branch main is at"))
        .unwrap();
    let newest = server.get("/v1/apps/acme/shop/environments/production/deployments?limit=1");
    let phases = newest["deployments"][0]["phases"].as_array().unwrap();
    let launched = phases
        .iter()
        .find(|phase| phase["phase"] == "deploying")
        .unwrap();
    launched["from"].as_f64().unwrap() - push["at"].as_f64().unwrap()
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred")]
fn mean(all: usize, of: usize) -> f64 {
    all as f64 / of as f64
}
