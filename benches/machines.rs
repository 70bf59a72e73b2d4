//! Machines on other hosts: how soon one is asked for after a commit, with a Fly that takes its time; and how soon lines of
//! a hundred logs are on their pages, with what that costs the server. The runners are this program's own: they say what
//! real ones say, as often.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    commit, median, note, quantile, repository, rounds, row, run, server::Server, table, until,
};
use nestling::{domain::ids::Timestamp, drivers::clock};
use nestling_protocol::{
    VERSION,
    log::{Line, Lines, Log, Source, Upload, UploadAddress, segment},
    network::{Confidential, SERVER_URL},
    path,
    report::{Heartbeat, Phase, Report},
};
use nestling_world::fly::{Asked, Boot, Check, Ended, Health, Host, Model};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// From the listing that shows a commit until Fly is asked for its machine, without what Fly takes to answer.
const ASKED_MS: f64 = 100.0;
const LATENCY: Duration = Duration::from_millis(50);
/// Environments that log, as the bound says: apps of repositories with ten each.
const LOGS: usize = 100;
const APPS: usize = 10;
/// Lines a second of each.
const RATE: u64 = 200;
/// As a runner does: how often it sends what was said, and puts it as a segment.
const SEND_EVERY: Duration = Duration::from_millis(200);
const SENT_UNTIL_PUT: u64 = 25;
/// As a runner does, too: the server takes whoever says nothing for a minute as lost.
const SENT_UNTIL_BEAT: u64 = 50;
const BOOT: &str = "bench";
/// Until a line is on its page.
const PAGE_MS: f64 = 1_000.0;
/// How much more memory the server may have at the end than half-way: measuring it twice differs by as much.
const FLAT: f64 = 1.1;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    asked(folder.path());
    logs(folder.path());
}

/// A server whose machines are at a Fly of which this runs what machines run.
struct Fly {
    model: Model,
    token: String,
}

impl Fly {
    fn start(host: impl Host + 'static) -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|fly| {
            fly.create_organisation("acme");
            fly.manners.loopback = true;
            fly.run_on(host);
            fly.issue_token("acme")
        });
        Fly { model, token }
    }

    fn serve(&self, repositories: &[PathBuf], data: &Path) -> Server {
        let mut command = vec!["up"];
        for place in repositories {
            command.extend(["--repo", place.to_str().unwrap()]);
        }
        let api = format!("{}/v1", self.model.base());
        // Where machines reach the server is known once it listens: runners of this program are told its port.
        let settings = [
            ("NESTLING__MACHINES__DRIVER", "fly"),
            ("NESTLING__MACHINES__FLY__API_URL", &api),
            ("NESTLING__MACHINES__FLY__ORGANISATION", "acme"),
            ("NESTLING__MACHINES__FLY__TOKEN", &self.token),
            (
                "NESTLING__MACHINES__FLY__IMAGE",
                "registry.fly.io/nestling-runner:v1",
            ),
            ("NESTLING__MACHINES__FLY__REGIONS", r#"["ams"]"#),
            ("NESTLING__MACHINES__FLY__SERVER_URL", "http://127.0.0.1:1"),
            ("NESTLING__BUILDS__AT_ONCE", "200"),
        ];
        let server = Server::start(&command, data, &settings);
        server.answers();
        server
    }
}

/// What runs in machines is told here, and nothing else of it is true.
#[derive(Debug)]
struct Told(mpsc::UnboundedSender<Boot>);

impl Host for Told {
    fn start(&mut self, boot: &Boot) -> Result<(), String> {
        let _ = self.0.send(boot.clone());
        Ok(())
    }
    fn signal(&mut self, _machine: &str, _signal: &str) {}
    fn halt(&mut self, _machine: &str) {}
    fn suspend(&mut self, _machine: &str) {}
    fn resume(&mut self, _machine: &str) -> Result<(), String> {
        Ok(())
    }
    fn destroy(&mut self, _machine: &str) {}
    fn destroy_volume(&mut self, _volume: &str) {}
    fn address(&self, _machine: &str, _port: u16) -> Option<SocketAddr> {
        None
    }
    fn health(&self, _machine: &str, _check: &Check) -> Health {
        Health::Passing
    }
    fn ended(&mut self) -> Vec<Ended> {
        Vec::new()
    }
}

fn asked(folder: &Path) {
    let site = folder.join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "a site").unwrap();
    repository(&site);
    let (told, mut booted) = mpsc::unbounded_channel();
    let fly = Fly::start(Told(told));
    fly.model.act(|state| state.faults.latency = LATENCY);
    let server = fly.serve(std::slice::from_ref(&site), &folder.join("asked"));
    let pushes = rounds("NESTLING_PUSHES", 40);
    table(
        "Commit → machine asked for at Fly",
        &format!(
            "From the listing that shows the commit until Fly is asked for the machine of its preview, less what Fly takes for the requests until then (the app, its address, its secret), {} ms each; {pushes} branches of a static site.",
            LATENCY.as_millis()
        ),
    );
    booted.blocking_recv().unwrap();
    let mut times = Vec::new();
    for n in 0..pushes {
        let before = server.log().len();
        let branch = format!("change-{n}");
        run(
            &site,
            "git",
            &["checkout", "--quiet", "-b", &branch, "main"],
        );
        std::fs::write(site.join("index.html"), n.to_string()).unwrap();
        commit(&site, &branch);
        let boot = preview(&mut booted);
        let seen = until("the commit was noticed", Duration::from_secs(10), || {
            let log = server.log().split_off(before);
            let line = log
                .iter()
                .find(|line| line.message.starts_with("noticed"))?;
            let ago = line.fields["seen_ms"].to_string();
            let ago: f64 = ago.trim_matches('"').parse().unwrap();
            Some(line.at * 1000.0 - ago)
        });
        times.push(share(&fly.model, &boot.app, seen));
        run(&site, "git", &["checkout", "--quiet", "main"]);
        run(&site, "git", &["branch", "--quiet", "-D", &branch]);
        until("nothing is left of it", Duration::from_mins(1), || {
            let gone = fly.model.look(|fly| !fly.apps.contains_key(&boot.app));
            gone.then_some(())
        });
    }
    let p99 = quantile(&times, 0.99);
    row(
        "p99",
        &format!("{p99:.0} ms"),
        &format!("≤ {ASKED_MS} ms"),
        p99 <= ASKED_MS,
    );
    note("p50", &format!("{:.0} ms", median(&times)));
}

/// The next machine of a preview: production, whose runner says nothing, is given a new one every minute or so.
fn preview(booted: &mut mpsc::UnboundedReceiver<Boot>) -> Boot {
    std::iter::repeat_with(|| booted.blocking_recv().unwrap())
        .find(|boot| !boot.app.contains("-production-"))
        .unwrap()
}

/// Milliseconds since `seen`, in those of the day, until the machine of an app was asked for, without Fly's own.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of a day")]
fn share(model: &Model, app: &str, seen: f64) -> f64 {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    model.look(|fly| {
        // An app that is made is not there when that is asked.
        let makes = |asked: &Asked| {
            let of_day = (asked.at % DAY) as f64;
            asked.method == "POST" && asked.target == "/apps" && of_day > seen
        };
        let of_it = |asked: &&Asked| asked.app.as_deref() == Some(app) || makes(asked);
        let requests: Vec<&Asked> = fly.ledger.requests.iter().filter(of_it).collect();
        let is_creation =
            |asked: &&Asked| asked.method == "POST" && asked.target.ends_with("/machines");
        // Noted once Fly has taken its time.
        let place = requests.iter().position(is_creation).unwrap();
        let took = LATENCY.as_secs_f64() * 1000.0 * (place + 1) as f64;
        (requests[place].at % DAY) as f64 - seen - took
    })
}

fn logs(folder: &Path) {
    let places: Vec<PathBuf> = (0..LOGS / APPS)
        .map(|n| {
            let place = folder.join(format!("many-{n}"));
            for app in 0..APPS {
                let app = place.join(format!("log-{n}-{app}"));
                std::fs::create_dir_all(&app).unwrap();
                std::fs::write(app.join("nestling.toml"), "[start]\nrun = \"true\"\n").unwrap();
            }
            repository(&place);
            place
        })
        .collect();
    let seconds = u64::try_from(rounds("NESTLING_LOGGED", 120)).unwrap();
    table(
        "A hundred logs",
        &format!(
            "{LOGS} environments say {RATE} lines a second each for {seconds} s, of 80 letters, through one server; a reader follows each log. Runners send what was said every {} ms and put it as segments; from the moment at which a line was said until its reader has it. All of them run on the same machine.",
            SEND_EVERY.as_millis()
        ),
    );
    let (told, booted) = mpsc::unbounded_channel();
    let fly = Fly::start(Told(told));
    let server = fly.serve(&places, &folder.join("logs"));
    let token = std::fs::read_to_string(server.data.join("api-token")).unwrap();
    let measured = Measured {
        port: server.port,
        token: token.trim().to_owned(),
        ages: Arc::default(),
        over: Arc::default(),
    };
    let (half, end) = measured.run(booted, seconds, || server.kib("VmRSS"));
    let ages = std::mem::take(&mut *measured.ages.lock().unwrap());
    let p99 = quantile(&ages, 0.99);
    row(
        "p99 of all lines",
        &format!("{p99:.0} ms"),
        &format!("≤ {PAGE_MS} ms"),
        p99 <= PAGE_MS,
    );
    let all = RATE * seconds * LOGS as u64;
    note(
        "p50, and lines read of those said",
        &format!("{:.0} ms, {} of {all}", median(&ages), ages.len()),
    );
    row(
        "memory of the server at the end",
        &format!(
            "{:.2} × that half-way ({:.0} MiB)",
            end / half,
            half / 1024.0
        ),
        &format!("≤ {FLAT} ×"),
        end / half <= FLAT,
    );
}

struct Measured {
    port: u16,
    token: String,
    /// Milliseconds of each line.
    ages: Arc<Mutex<Vec<f64>>>,
    over: Arc<AtomicBool>,
}

impl Measured {
    /// Everybody says and reads for so long; what `memory` was half-way, and at the end.
    fn run(
        &self,
        mut booted: mpsc::UnboundedReceiver<Boot>,
        seconds: u64,
        memory: impl Fn() -> f64,
    ) -> (f64, f64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut boots = Vec::new();
            while boots.len() < LOGS {
                boots.push(booted.recv().await.unwrap());
            }
            let begin = Instant::now() + Duration::from_secs(2);
            let mut speaking = Vec::new();
            for boot in boots {
                let speaker = Speaker::of(&boot, self.port).await;
                speaking.push(tokio::spawn(speaker.speak(begin, seconds)));
            }
            for n in 0..LOGS {
                let app = format!("local/log-{}-{}", n / APPS, n % APPS);
                let (port, token) = (self.port, self.token.clone());
                let (ages, over) = (self.ages.clone(), self.over.clone());
                tokio::spawn(async move { follow(port, &token, &app, &ages, &over).await });
            }
            sleep_until(begin + Duration::from_secs(seconds) / 2).await;
            let half = memory();
            sleep_until(begin + Duration::from_secs(seconds)).await;
            let end = memory();
            for speaker in speaking {
                speaker.await.unwrap();
            }
            // What was said last is on its way.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            self.over.store(true, Ordering::Relaxed);
            (half, end)
        })
    }
}

/// One runner, which has begun its deployment and says lines.
struct Speaker {
    port: u16,
    token: String,
    generation: u32,
}

impl Speaker {
    async fn of(boot: &Boot, port: u16) -> Self {
        assert!(boot.env.contains_key(SERVER_URL));
        let told: Confidential = serde_json::from_slice(&boot.files[0].contents).unwrap();
        let generation = boot.metadata["nestling_generation"].parse().unwrap();
        let speaker = Speaker {
            port,
            token: told.token,
            generation,
        };
        let phase = Phase::Deploying { protocol: VERSION };
        let report = Report {
            generation,
            boot: BOOT.to_owned(),
            seq: 1,
            phase,
        };
        speaker
            .ask("POST", path::REPORT, &serde_json::to_vec(&report).unwrap())
            .await;
        speaker
    }

    async fn speak(self, begin: Instant, seconds: u64) {
        let each = RATE * u64::try_from(SEND_EVERY.as_millis()).unwrap() / 1000;
        let batches = seconds * 1000 / u64::try_from(SEND_EVERY.as_millis()).unwrap();
        let (mut n, mut unput) = (0, Vec::new());
        for batch in 0..batches {
            let due = begin + SEND_EVERY * u32::try_from(batch + 1).unwrap();
            sleep_until(due).await;
            let now = clock::now().0;
            let lines: Vec<Line> = (0..each)
                .map(|place| Line {
                    n: n + place,
                    // Said since the batch before, at even steps.
                    at: now
                        - u64::try_from(SEND_EVERY.as_millis()).unwrap() * (each - place) / each,
                    from: Source::Out,
                    text: format!("{:=<80}", n + place),
                })
                .collect();
            n += each;
            for line in &lines {
                serde_json::to_writer(&mut unput, line).unwrap();
                unput.push(b'\n');
            }
            let body = Lines {
                generation: self.generation,
                log: Log::Deployment,
                lines,
            };
            self.ask("POST", path::LOGS, &serde_json::to_vec(&body).unwrap())
                .await;
            if (batch + 1) % SENT_UNTIL_PUT == 0 {
                let number = u32::try_from((batch + 1) / SENT_UNTIL_PUT).unwrap();
                self.put(number, std::mem::take(&mut unput)).await;
            }
            if (batch + 1) % SENT_UNTIL_BEAT == 0 {
                let beat = Heartbeat {
                    generation: self.generation,
                    boot: BOOT.to_owned(),
                };
                let beat = serde_json::to_vec(&beat).unwrap();
                self.ask("POST", path::HEARTBEAT, &beat).await;
            }
        }
    }

    async fn put(&self, number: u32, content: Vec<u8>) {
        let upload = Upload {
            generation: self.generation,
            name: segment(Log::Deployment, number),
            length: content.len() as u64,
            sealed: true,
            direct: false,
        };
        let given = self
            .ask("POST", path::UPLOAD, &serde_json::to_vec(&upload).unwrap())
            .await;
        let given: UploadAddress = serde_json::from_slice(&given).unwrap();
        self.ask("PUT", &given.url, &content).await;
    }

    /// On a connection of its own, as a runner does.
    async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            self.token,
            body.len()
        );
        stream
            .write_all(&[head.as_bytes(), body].concat())
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 2"),
            "{method} {path}: {}",
            String::from_utf8_lossy(&answer)
        );
        let at = answer
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap();
        answer.split_off(at + 4)
    }
}

/// Follows the log of an app's first deployment, and notes how old each line is when it is read.
async fn follow(port: u16, token: &str, app: &str, ages: &Mutex<Vec<f64>>, over: &AtomicBool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "GET /v1/apps/{app}/environments/production/deployments/1/logs/deployment?follow=true HTTP/1.1\r\nHost: nestling.localhost:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut have = Vec::new();
    while stream.read_buf(&mut have).await.unwrap_or_default() > 0 {
        let now = clock::now();
        while let Some(end) = have.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = have.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line);
            if over.load(Ordering::Relaxed) {
                return;
            }
            ages.lock().unwrap().extend(age(&text, now));
        }
    }
}

/// Milliseconds since this line of an event stream was said.
fn age(text: &str, now: Timestamp) -> Option<f64> {
    let (_, rest) = text.strip_prefix("data:")?.split_once("\"at\":")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let at = Timestamp(digits.parse().ok()?);
    Some(now.since(at).as_secs_f64() * 1000.0)
}
