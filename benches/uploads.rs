//! What a log costs on its way to be kept: how many bytes are put for what an app has said, by a real runner to a model of S3.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod common;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use common::{between_two_looks, note, repository, rounds, row, server::Server, table, until};
use nestling_world::aws::{ACCESS_KEY, Model, SECRET_KEY};

/// What is put of a log that is said at once, and of one that trickles, by what was said.
const AT_ONCE: f64 = 1.2;
const TRICKLE: f64 = 2.5;
/// What the big log says, in bytes.
const BIG: usize = 50_000_000;
/// Letters of a line, its end included.
const LINE: usize = 81;
/// Nothing more is put after so long: a runner puts what there is every five seconds.
const QUIET: Duration = Duration::from_secs(12);

/// Says so many lines: `kind` is what a server says of requests, or letters by chance, which nothing packs.
const APP: &str = r#"
const [lines, each, kind] = [LINES, EACH, "KIND"];
const chance = require("crypto");
const http = require("http");
const line = (n) => {
  const by_chance = () => chance.randomBytes(60).toString("base64");
  const request = () => `GET /products/${chance.randomInt(100000)} 200 in ${chance.randomInt(900)} ms, ${chance.randomInt(90000)} bytes, for customer ${chance.randomInt(9999)} by ${n}`;
  return (kind === "chance" ? by_chance() : request()).padEnd(80, ".").slice(0, 80) + "\n";
};
let said = 0;
const say = () => {
  while (said < lines) {
    said += 1;
    const more = process.stdout.write(line(said));
    if (each > 0) return setTimeout(say, each);
    if (!more) return process.stdout.once("drain", say);
  }
};
http.createServer((_, response) => response.end("well")).listen(process.env.PORT, say);
"#;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = rounds("NESTLING_TRICKLED", 120);
    table(
        "What is put of a log",
        &format!(
            "Bytes of all puts of the segments of an app's log to S3, by the bytes that the app has said in lines of {} letters: {BIG} bytes as fast as it can, of what a server says of requests and of letters by chance; and a line each second for {seconds} s.",
            LINE - 1
        ),
    );
    let lines = BIG / LINE;
    for (what, kind) in [("requests", "requests"), ("letters by chance", "chance")] {
        let put = put(folder.path(), kind, (lines, 0));
        shows(&format!("{BIG} bytes at once, {what}"), put, lines, AT_ONCE);
    }
    let put = put(folder.path(), "trickle", (seconds, 1000));
    shows("a line each second, requests", put, seconds, TRICKLE);
}

#[allow(clippy::cast_precision_loss, reason = "bytes of a log")]
fn shows(what: &str, put: u64, lines: usize, bound: f64) {
    let said = lines * LINE;
    let ratio = put as f64 / said as f64;
    let measured = format!("{ratio:.2} × ({put} of {said})");
    row(what, &measured, &format!("≤ {bound} ×"), ratio <= bound);
}

/// How many bytes are put of the log of an app that says so many lines, so many milliseconds apart.
fn put(folder: &Path, kind: &str, (lines, each): (usize, u64)) -> u64 {
    let aws = Model::start().unwrap();
    aws.act(|aws| {
        aws.create_bucket("logs", "eu-central-1");
        aws.create_bucket("artifacts", "eu-central-1");
    });
    let place = folder.join(kind);
    std::fs::create_dir(&place).unwrap();
    let app = APP
        .replace("LINES", &lines.to_string())
        .replace("EACH", &each.to_string())
        .replace("KIND", kind);
    std::fs::write(place.join("app.js"), app).unwrap();
    let start = "[start]\nrun = \"node app.js\"\n";
    std::fs::write(place.join("nestling.toml"), start).unwrap();
    repository(&place);
    let base = aws.base();
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("NESTLING__AWS__REGION", "eu-central-1"),
        ("NESTLING__AWS__ENDPOINT_URL", &base),
        ("NESTLING__BLOBS__DRIVER", "s3"),
        ("NESTLING__BLOBS__S3__LOGS_BUCKET", "logs"),
        ("NESTLING__BLOBS__S3__ARTIFACTS_BUCKET", "artifacts"),
    ];
    let data = folder.join(format!("{kind}-data"));
    let command = ["up", "--repo", place.to_str().unwrap()];
    let server = Server::start(&command, &data, &settings);
    server.answers();
    let until_said = Duration::from_millis(each) * u32::try_from(lines).unwrap();
    let put = || {
        aws.act(|aws| {
            let of_app = aws.put_bytes.iter();
            let of_app = of_app.filter(|(key, _)| key.contains("/logs/runtime/"));
            of_app.map(|(_, bytes)| bytes).sum::<u64>()
        })
    };
    let began = Instant::now();
    until("something is put", Duration::from_mins(1), || {
        (put() > 0).then_some(())
    });
    let (mut before, mut since) = (put(), Instant::now());
    while since.elapsed() < QUIET || began.elapsed() < until_said {
        between_two_looks();
        let now = put();
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
    note(
        &format!("{kind}: segments"),
        &aws.act(|aws| aws.put_bytes.len()).to_string(),
    );
    before
}
