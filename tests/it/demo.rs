//! The main job: one command, two apps, four environments, a real browser; then a commit, then the end of a branch.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server of the real binary, on a data folder of its own. It is stopped, with all that runs, at the end.
struct Server {
    child: Child,
    data: PathBuf,
    port: u16,
}

/// The longest the first install of both apps may take on a busy machine.
const FIRST: Duration = Duration::from_mins(4);
/// What takes longer than this without an install is stuck.
const SOON: Duration = Duration::from_mins(1);

impl Server {
    fn start(data: &Path, port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_nestling"))
            .args(["demo", "--data"])
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Server { child, data: data.to_owned(), port }
    }

    /// What `nestling ps --json` answers; empty while there is no server yet.
    fn environments(&self) -> Vec<serde_json::Value> {
        let output = nestling(&["ps", "--json", "--closed", "--data", self.data.to_str().unwrap()]);
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { return Vec::new() };
        let list = answer.as_array().or_else(|| answer["environments"].as_array());
        list.cloned().unwrap_or_default()
    }

    fn status(&self, name: &str) -> (String, String) {
        let environments = self.environments();
        let found = environments.iter().find(|one| one["name"] == name);
        let text = |key: &str| found.and_then(|one| one[key].as_str()).unwrap_or_default().to_owned();
        let commit = found.and_then(|one| one["commit"]["id"].as_str()).unwrap_or_default().to_owned();
        (text("status"), commit)
    }

    fn until(&self, what: &str, within: Duration, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + within;
        while !so(self) {
            assert!(Instant::now() < deadline, "not within {within:?}: {what}\n{:#?}", self.environments());
            wait();
        }
    }

    fn link(&self) -> String {
        let token = std::fs::read_to_string(self.data.join("api-token")).unwrap();
        format!("http://nestling.localhost:{}/?token={}", self.port, token.trim())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ctrl-C stops what runs, too.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let _ = self.child.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "this looks at another process from outside")]
fn wait() {
    std::thread::sleep(Duration::from_millis(100));
}

fn nestling(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_nestling")).args(arguments).output().unwrap()
}

fn git(repository: &Path, arguments: &[&str]) {
    let identity = [("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "Ann"), ("GIT_COMMITTER_EMAIL", "a@b")];
    let status = Command::new("git").arg("-C").arg(repository).args(arguments).envs(identity).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Every process whose command line names this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let wanted = folder.to_str().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    texts.filter(|line| line.contains(wanted)).collect()
}

#[test]
fn demo_brings_four_environments_to_life_in_a_real_browser_and_follows_its_branch() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, free_port());

    let all = ["local/shop/production", "local/shop/pr-1", "local/node-notes/production", "local/node-notes/pr-1"];
    server.until("all four run", FIRST, |server| all.iter().all(|name| server.status(name).0 == "running"));

    browse(&server, folder.path());

    // A commit redeploys the environments of its branch, and no other.
    let repository = data.join("demo");
    let before = server.status("local/shop/production");
    git(&repository, &["switch", "--quiet", "try-a-new-greeting"]);
    std::fs::write(repository.join("notes/hello.txt"), "hello").unwrap();
    git(&repository, &["add", "--all"]);
    git(&repository, &["commit", "--quiet", "--no-gpg-sign", "--message", "Say hello"]);
    let head = head(&repository);
    git(&repository, &["switch", "--quiet", "main"]);
    let serves = |server: &Server, name: &str| server.status(name) == ("running".to_owned(), head.clone());
    server.until("the pull request runs the new commit", FIRST, |server| serves(server, all[1]) && serves(server, all[3]));
    assert_eq!(server.status("local/shop/production"), before, "production is none of that branch's business");

    // A deleted branch leaves nothing; its state folders go too.
    git(&repository, &["branch", "--quiet", "--delete", "--force", "try-a-new-greeting"]);
    server.until("the previews are stopped", SOON, |server| {
        server.status(all[1]).0 == "stopped" && server.status(all[3]).0 == "stopped"
    });
    let machines = data.join("machines/environments");
    let previews = || -> Vec<PathBuf> {
        let folders = std::fs::read_dir(&machines).unwrap().map(|entry| entry.unwrap().path());
        folders.filter(|path| path.to_str().unwrap().ends_with("-pr-1")).collect()
    };
    server.until("no process of the previews is left", Duration::from_secs(15), |_| {
        previews().iter().all(|folder| processes_of(folder).is_empty() && !folder.join("state").exists())
    });
    assert_eq!(server.status("local/node-notes/production").0, "running", "what else runs goes on");

    drop(server);
    assert_eq!(processes_of(&machines), Vec::<String>::new(), "Ctrl-C stops everything");
}

fn head(repository: &Path) -> String {
    let output = Command::new("git").arg("-C").arg(repository).args(["rev-parse", "HEAD"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Looks at all of it in a real browser; screenshots are kept beside the other test output.
fn browse(server: &Server, _folder: &Path) {
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(browser.join("node_modules/playwright-core").is_dir(), "run `make tools` first: it installs what drives the browser");
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let output = Command::new("node").arg(browser.join("demo.mjs")).arg(server.link()).arg(&shots).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
