//! The ways in and out of a machine: repositories over HTTP, and the egress proxy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nestling_protocol::bundle::{Kind, SUBMODULES, Source};
use nestling_protocol::log::Log;
use nestling_protocol::report::Step;
use support::{NODE_SERVER, World, git};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const PACKAGE: &str = r#"{"scripts":{"start":"node server.js"}}"#;

/// A git host that wants a password, unless it is empty: git's own backend behind a few lines of Node.
const HOST: &str = r#"
const http = require("node:http"), { spawn, execFileSync } = require("node:child_process");
const backend = execFileSync("git", ["--exec-path"]).toString().trim() + "/git-http-backend";
const [root, password] = process.argv.slice(1);
const server = http.createServer((q, r) => {
  const given = Buffer.from((q.headers.authorization ?? "").replace("Basic ", ""), "base64").toString();
  if (password && given !== "x-access-token:" + password) { r.writeHead(401, { "www-authenticate": "Basic" }); return r.end(); }
  const url = new URL(q.url, "http://x");
  const env = { PATH: process.env.PATH, GIT_PROJECT_ROOT: root, GIT_HTTP_EXPORT_ALL: "1", PATH_INFO: url.pathname, QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: q.method, CONTENT_TYPE: q.headers["content-type"] ?? "", HTTP_CONTENT_ENCODING: q.headers["content-encoding"] ?? "",
    GIT_PROTOCOL: q.headers["git-protocol"] ?? "", GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "safe.directory", GIT_CONFIG_VALUE_0: "*" };
  const c = spawn(backend, { env });
  q.pipe(c.stdin);
  const all = [];
  c.stdout.on("data", (d) => all.push(d)).on("end", () => {
    const text = Buffer.concat(all), at = text.indexOf("\r\n\r\n");
    let status = 200;
    for (const line of text.subarray(0, at).toString().split("\r\n")) {
      const [name, value] = line.split(": ");
      if (name === "Status") status = parseInt(value); else r.setHeader(name, value);
    }
    r.writeHead(status); r.end(text.subarray(at + 4));
  });
}).listen(0, "127.0.0.1", () => console.log(server.address().port));
"#;

/// Ends with its test.
struct Host(Child, u16);

impl Host {
    fn start(root: &std::path::Path, password: &str) -> Self {
        let mut child = Command::new("node")
            .args(["-e", HOST])
            .arg(root)
            .arg(password)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Host(child, line.trim().parse().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn hosted(credential: &str) -> (World, Host) {
    let world = World::new(
        Kind::Node,
        &[("package.json", PACKAGE), ("server.js", NODE_SERVER)],
    )
    .await;
    let repository = world.folder.path().join("repository");
    let commit = git(&repository, &["rev-parse", "HEAD"]).trim().to_owned();
    // What the branch holds by now is not what was asked for.
    std::fs::write(repository.join("server.js"), "process.exit(1)").unwrap();
    git(
        &repository,
        &[
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=a@b.c",
            "commit",
            "--quiet",
            "-am",
            "Later",
        ],
    );
    let host = Host::start(world.folder.path(), "p4ssword-of-the-host");
    let url = format!("http://127.0.0.1:{}/repository/.git", host.1);
    let source = Source::Http {
        url,
        reference: "refs/heads/main".into(),
        commit,
        credential: Some(credential.into()),
    };
    (world.with(|bundle| bundle.source = source), host)
}

#[tokio::test]
async fn exactly_the_commit_comes_from_a_host_that_wants_a_password() {
    let (mut world, _host) = hosted("p4ssword-of-the-host").await;
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await,
        (200, "hello from the shop".into())
    );
    world.stop().await;
    let config = std::fs::read_to_string(world.options.work_dir.join("app/.git/config")).unwrap();
    assert!(!config.contains("p4ssword"), "{config}");
    let said = world.model.state(support::model::State::all_text);
    assert!(!said.contains("p4ssword"), "{said}");
}

#[tokio::test]
async fn a_refused_password_is_a_failed_clone_and_never_a_prompt() {
    let (mut world, _host) = hosted("wrong-password").await;
    let failure = world.run().until_failed().await;
    world.end().await;
    assert_eq!(failure.step, Step::Clone);
    assert_eq!(
        failure.reason,
        "fetching the source of app shop: `git fetch` ended with code 128"
    );
    assert!(!format!("{failure:?}").contains("wrong-password"));
}

#[tokio::test]
async fn a_submodule_that_did_not_come_along_is_fetched_by_the_machine() {
    let server = r#"
        const words = require("./public/words.js") + require("./private/words.js");
        require("node:http").createServer((_, response) => response.end(words)).listen(process.env.PORT);
    "#;
    let files = [("package.json", PACKAGE), ("server.js", server)];
    let mut world = World::new(Kind::Node, &files).await;
    for name in ["public", "private"] {
        let path = world.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "-b", "main"]);
        let words = format!("module.exports = \"{name} words, \";");
        support::commit(&path, &[("words.js", &words)]);
    }
    let host = Host::start(world.folder.path(), "");
    let repository = world.repository();
    let address = format!("http://127.0.0.1:{}/public/.git", host.1);
    let add = ["submodule", "--quiet", "add"];
    git(repository, &[&add[..], &[&address, "public"]].concat());
    let trusting = ["-c", "protocol.file.allow=always"];
    let private = [&trusting[..], &add, &["../private", "private"]].concat();
    git(repository, &private);
    world.commit(&[]);
    // The server packs what is on its computer, and this one is there alone.
    let place = world.folder.path().join("private");
    let head = git(&place, &["rev-parse", "HEAD"]);
    let reference = format!("+HEAD:{SUBMODULES}{}", head.trim());
    let fetch = ["fetch", "--quiet", "--no-recurse-submodules", "../private"];
    git(repository, &[&fetch[..], &[&reference]].concat());
    std::fs::remove_dir_all(place).unwrap();
    world.commit(&[]);

    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await.1,
        "public words, private words, "
    );
    world.stop().await;
}

#[tokio::test]
async fn what_the_app_asks_of_the_world_goes_through_the_servers_proxy() {
    let server = r#"
        const proxy = new URL(process.env.HTTP_PROXY);
        require("node:net").connect(proxy.port, proxy.hostname, function () {
            this.write("CONNECT registry.example.com:443\n");
            this.on("data", (said) => console.log("proxy said " + said + " " + process.env.no_proxy));
        });
    "#;
    let package = r#"{"scripts":{"test":"node ask.js","start":"node server.js"}}"#;
    let files = [
        ("package.json", package),
        ("server.js", NODE_SERVER),
        ("ask.js", server),
    ];
    let mut world = World::new(Kind::Node, &files).await;
    let proxy = UnixListener::bind(world.options.server_dir.join("egress.sock")).unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut asked = vec![0; 33];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"no").await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    world.run().until_running().await;
    assert_eq!(asked.await.unwrap(), "CONNECT registry.example.com:443\n");
    world.stop().await;
    let log = world.model.state(|state| state.log(Log::Deployment));
    assert!(
        log.contains(&"proxy said no localhost,127.0.0.1,::1".to_owned()),
        "{log:?}"
    );
}
