//! What an app keeps at Fly is on a volume: it outlives machines, moves from one to the next, and goes with the pull request.

use std::{path::Path, process::Stdio};

use nestling_world::fly::{Fault, Model, State};

use super::{fly, settings};
use crate::server::{SOON, Server, commit, free_port, get, git};

const PREVIEW: &str = "local/notes/pr-1";
const HOST: &str = "pr-1--notes.localhost";
const APP: &str = r#"
const fs = require("fs"), file = process.env.NESTLING_STATE + "/notes";
const notes = () => fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
require("http").createServer((request, response) => {
  if (request.url === "/add") fs.appendFileSync(file, "x");
  response.end("VERSION:" + notes());
}).listen(process.env.PORT);
"#;

/// A repository whose app is at this version.
fn at_version(repository: &Path, version: &str) -> String {
    let app = APP.replace("VERSION", version);
    std::fs::write(repository.join("app.js"), app).unwrap();
    commit(repository, &format!("Be {version}"))
}

/// The volumes of the preview's app, with the machines that mount them.
fn volumes(fly: &State) -> Vec<(String, Option<String>)> {
    let ours = fly.volumes.values();
    let ours = ours.filter(|volume| volume.app.contains("-pr-1-"));
    ours.map(|volume| {
        let mounting = volume.attached.as_ref();
        let name = mounting.map(|id| fly.machines[id].name.clone());
        (volume.id.clone(), name)
    })
    .collect()
}

fn mounting(model: &Model) -> Vec<Option<String>> {
    let all = model.look(volumes);
    all.into_iter().map(|(_, machine)| machine).collect()
}

#[test]
fn what_an_app_keeps_is_there_after_a_push_a_failure_and_a_stop_and_goes_with_its_pull_request() {
    let folder = tempfile::tempdir().unwrap();
    let (model, token) = fly(folder.path());
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    let repository = folder.path().join("notes");
    std::fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(
        repository.join("nestling.toml"),
        "[start]\nrun = \"node app.js\"\n[policy.machine]\nvolume_gib = 2\n",
    )
    .unwrap();
    at_version(&repository, "one");
    git(&repository, &["checkout", "--quiet", "-b", "change"]);
    let opened = at_version(&repository, "two");
    let (data, port) = (folder.path().join("data"), free_port());
    let mut settings = settings(&model, &token_file, port);
    let most = "NESTLING__MACHINES__FLY__LIMITS__VOLUME_GIB";
    settings.push((most.to_owned(), "5".to_owned()));
    // Fly makes the first volume and does not say so.
    model.act(|fly| {
        fly.faults
            .later("POST /apps/*/volumes", 0, Fault::LostAnswer);
    });
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    let serves = |commit: &str| {
        let commit = commit.to_owned();
        move |server: &Server| server.serving(PREVIEW) == (commit.clone(), false)
    };
    let page = || get(HOST, port, "/");
    server.until("the preview runs", SOON, serves(&opened));
    assert_eq!(get(HOST, port, "/add"), (200, "two:x".to_owned()));
    let first = model.look(volumes);
    assert_eq!(mounting(&model), [Some("generation-1".to_owned())]);
    assert_eq!(model.look(|fly| fly.volumes[&first[0].0].size_gb), 2);

    // Replaced in place: never two machines that mount it, and who asks meanwhile waits.
    let pushed = at_version(&repository, "three");
    server.until("the push serves", SOON, serves(&pushed));
    assert_eq!(page(), (200, "three:x".to_owned()));
    assert_eq!(mounting(&model), [Some("generation-2".to_owned())]);

    // A commit that fails is followed by the one before it, with what was kept.
    std::fs::write(repository.join("app.js"), "process.exit(1)").unwrap();
    commit(&repository, "Break it");
    server.until("the commit before it serves again", SOON, |server| {
        let view = server.view(PREVIEW);
        view["failure"].is_object() && server.serving(PREVIEW).0 == pushed
    });
    assert_eq!(get(HOST, port, "/add"), (200, "three:xx".to_owned()));

    // Stopped by a person it has no machine, and its volume stays.
    let stop = "/v1/apps/local/notes/environments/pr-1/stop";
    assert_eq!(server.order("POST", stop, "{}").0, 200);
    server.until("it has no machine", SOON, |_| mounting(&model) == [None]);
    let mended = at_version(&repository, "four");
    let start = "/v1/apps/local/notes/environments/pr-1/start";
    assert_eq!(server.order("POST", start, "{}").0, 200);
    server.until("it serves again", SOON, serves(&mended));
    assert_eq!(page(), (200, "four:xx".to_owned()));
    let last = model.look(volumes);
    assert_eq!((last.len(), &last[0].0), (1, &first[0].0), "the same one");

    git(&repository, &["checkout", "--quiet", "main"]);
    git(&repository, &["branch", "--quiet", "-D", "change"]);
    server.until("nothing is left of it", SOON, |_| {
        model.look(|fly| {
            volumes(fly).is_empty() && !fly.apps.keys().any(|name| name.contains("-pr-1-"))
        })
    });
    let kept = std::fs::read_dir(folder.path().join("machines/volumes")).unwrap();
    assert_eq!(kept.count(), 1, "that of production alone");
}
