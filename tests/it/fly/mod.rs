//! Machines at Fly: the whole server, a model of Fly, and the real runner in each of its machines.

mod host;
mod refused;
mod volume;

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    process::Stdio,
};

use hyper::{HeaderMap, Method, header::AUTHORIZATION};
use nestling_protocol::network::PROXY_PORT;
use nestling_world::fly::{AddressKind, Fault, Model, Phase, Request, State};
use serde_json::{Value, json};

use crate::{
    server::{SOON, Server, commit, free_port, get, git, quiet_site, sample},
    visitors::{At, Visitor},
};
use host::Runners;

const PREVIEW: &str = "local/node-notes/pr-1";
const LABEL: &str = "pr-1--node-notes";
pub(crate) const IMAGE: &str = "registry.fly.io/nestling-runner:v1";

/// Fly, whose machines have their disks in this folder and where somebody else has an app, too; and a token of our organisation.
pub(crate) fn fly(folder: &Path) -> (Model, String) {
    let model = Model::start().unwrap();
    let token = model.act(|fly| {
        fly.create_organisation("acme");
        fly.manners.loopback = true;
        fly.run_on(Runners::below(&folder.join("machines")));
        fly.issue_token("acme")
    });
    let config = json!({ "image": IMAGE, "restart": { "policy": "no" } });
    let machine = json!({ "name": "theirs", "region": "ams", "config": config });
    let app = json!({ "name": "theirs", "org_slug": "acme" });
    for (path, body) in [("/v1/apps", app), ("/v1/apps/theirs/machines", machine)] {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {token}").parse().unwrap();
        headers.insert(AUTHORIZATION, bearer);
        let body = body.to_string();
        drop(model.ask(&Request::new(Method::POST, path, headers, body.into())));
    }
    (model, token)
}

/// What the server's environment says of it.
pub(crate) fn settings(model: &Model, token: &Path, port: u16) -> Vec<(String, String)> {
    let settings = [
        ("DRIVER", "fly".to_owned()),
        ("FLY__API_URL", format!("{}/v1", model.base())),
        ("FLY__ORGANISATION", "acme".to_owned()),
        ("FLY__TOKEN__FILE", token.display().to_string()),
        ("FLY__IMAGE", IMAGE.to_owned()),
        ("FLY__REGIONS", r#"["ams", "fra"]"#.to_owned()),
        ("FLY__SERVER_URL", format!("http://127.0.0.1:{port}")),
    ];
    let named = settings.map(|(name, value)| (format!("NESTLING__MACHINES__{name}"), value));
    named.into()
}

/// The names of machines, with their states, and of secrets.
pub(crate) type There = (Vec<String>, Vec<String>);

/// What is there of the first pull request's preview; `None` without an app.
pub(crate) fn there(fly: &State) -> Option<There> {
    there_of(fly, 1)
}

/// What is there of the preview of a pull request.
pub(crate) fn there_of(fly: &State, number: u32) -> Option<There> {
    let of_it = format!("-pr-{number}-");
    let app = fly.apps.keys().find(|name| name.contains(&of_it))?;
    let machines = fly.machines_of(app).into_iter();
    let machines = machines.filter(|one| one.phase != Phase::Destroyed);
    let machines = machines.map(|one| format!("{} {}", one.name, one.phase.name()));
    let secrets = fly.apps[app].secret_names().into_iter().map(str::to_owned);
    Some((machines.collect(), secrets.collect()))
}

/// All that was changed of what is not ours.
pub(crate) fn of_others(model: &Model) -> Vec<String> {
    model.look(|fly| {
        fly.ledger
            .foreign_writes(|write| write.app.starts_with("nestling-"))
    })
}

fn serves(server: &Server, commit: &str) -> bool {
    server.serving(PREVIEW) == (commit.to_owned(), false)
}

pub(crate) fn first(machines: &[&str], secrets: &[&str]) -> Option<There> {
    let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
    Some((owned(machines), owned(secrets)))
}

#[test]
fn a_pull_request_lives_at_fly_is_replaced_without_a_failed_request_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (model, token) = fly(folder.path());
    let theirs = of_others(&model);
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    let repository = sample("node-notes", folder.path());
    commit(&repository, "Begin");
    git(&repository, &["checkout", "--quiet", "-b", "change"]);
    let opened = commit(&repository, "Open it");
    // Fly makes the first machine and does not say so; an answer of another request is lost, too.
    model.act(|fly| {
        fly.faults
            .later("POST /apps/*/machines", 0, Fault::LostAnswer);
        fly.faults
            .later("POST /apps/*/secrets", 1, Fault::StatusAfter(504));
    });
    let (data, port) = (folder.path().join("data"), free_port());
    let settings = settings(&model, &token_file, port);
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let mut server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    server.until("the preview runs", SOON, |server| serves(server, &opened));
    assert!(model.look(|fly| fly.faults.is_spent()));
    assert_eq!(get(&format!("{LABEL}.localhost"), port, "/").0, 200);
    let alone = first(&["generation-1 started"], &["NESTLING_GENERATION_1"]);
    assert_eq!(model.look(there), alone);
    server.until("production runs", SOON, |server| {
        server.status("local/node-notes/production").0 == "running"
    });
    only_the_gateway_reaches_it(&model);

    // A push: those who visit do not notice, and the older machine goes with its secrets.
    let asks = Visitor::asking(At { label: LABEL, port });
    let speaks = Visitor::speaking(At { label: LABEL, port });
    let pushed = commit(&repository, "Push it");
    server.until("the push serves", SOON, |server| serves(server, &pushed));
    let replaced = first(&["generation-2 started"], &["NESTLING_GENERATION_2"]);
    server.until("the older machine is gone", SOON, |_| {
        model.look(there) == replaced
    });
    server.until("its stream has ended", SOON, |_| speaks.ends() == 1);
    let (asked, spoke) = (asks.end(), speaks.end());
    assert_eq!(asked.wrong, Vec::<String>::new(), "of {}", asked.good);
    assert_eq!(spoke.wrong, Vec::<String>::new());
    assert!(
        asked.good > 10 && spoke.good > 10,
        "{} {}",
        asked.good,
        spoke.good
    );

    // The server is killed once the next machine is asked for: it is taken up by the one that comes after.
    let last = commit(&repository, "Push it again");
    server.until("the third machine is made", SOON, |_| {
        model.look(there).is_some_and(|(all, _)| all.len() == 2)
    });
    server.die();
    assert_eq!(
        model.look(there).unwrap().0.len(),
        2,
        "they go on without it"
    );
    server.rise();
    server.until("what was pushed serves", SOON, |server| {
        serves(server, &last)
    });
    let replaced = first(&["generation-3 started"], &["NESTLING_GENERATION_3"]);
    server.until("only its machine is left", SOON, |_| {
        model.look(there) == replaced
    });
    assert_eq!(get(&format!("{LABEL}.localhost"), port, "/").0, 200);
    nothing_of_value_is_in_sight(&model, folder.path());

    // Closed: within a minute nothing of it is left at Fly, although Fly answers badly.
    model.act(|fly| {
        fly.faults.later("DELETE /apps/*", 0, Fault::Status(503));
    });
    git(&repository, &["checkout", "--quiet", "main"]);
    git(&repository, &["branch", "--quiet", "-D", "change"]);
    server.until("nothing is left of it", SOON, |_| {
        model.look(there).is_none()
    });
    server.until("it is closed", SOON, |server| {
        server.status(PREVIEW).0 == "stopped"
    });
    // Ended by hand, the server stops what runs.
    server.interrupt();
    let runs = |fly: &State| {
        let ours = fly.machines.values();
        let ours = ours.filter(|one| one.app.starts_with("nestling-"));
        ours.filter(|one| one.phase != Phase::Destroyed).count()
    };
    assert_eq!(model.look(runs), 0);
    assert_eq!(of_others(&model), theirs, "nothing of others was touched");
    model.look(|fly| {
        assert_eq!(fly.ledger.unleased_changes(), Vec::<String>::new());
        fly.finish().unwrap();
    });
}

/// The preview's machine is reached from the server's network alone, by the port of its generation at the app's private address: the machines of
/// another app reach nothing of it, and what was not let in is refused.
fn only_the_gateway_reaches_it(model: &Model) {
    let refused = model.look(|fly| {
        let app = |part: &str| {
            fly.apps
                .values()
                .find(|app| app.name.contains(part))
                .unwrap()
        };
        let (preview, other) = (app("-pr-1-"), app("-production-"));
        let mut addresses = preview.addresses.iter();
        let private = addresses.find(|one| one.kind == AddressKind::PrivateV6);
        let IpAddr::V6(private) = private.unwrap().ip else {
            panic!("{addresses:?}");
        };
        let machine = fly.machines_of(&preview.name)[0];
        let led = |network: &str, ip, port| fly.leads(("acme", network), ip, port);
        for network in ["default", other.network.as_str()] {
            assert_eq!(led(network, machine.private_ip, PROXY_PORT), None);
            assert_eq!(led(network, machine.private_ip, 3000), None);
        }
        assert_eq!(led(&other.network, private, 10_001), None);
        let gateway = led("default", private, 10_001);
        assert_eq!(gateway, Some((machine.id.as_str(), PROXY_PORT)));
        SocketAddr::new(private.to_canonical(), 10_002)
    });
    let refused = TcpStream::connect(refused).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// Neither the configuration of a machine nor its disk nor the list of processes shows what it was told in confidence.
fn nothing_of_value_is_in_sight(model: &Model, folder: &Path) {
    let configs: Vec<Value> = model.look(|fly| {
        let all = fly.machines.values();
        all.map(|one| one.config.clone()).collect()
    });
    // A token of ours begins so: it is a JWT.
    let token = "eyJ";
    assert!(configs.iter().all(|one| !one.to_string().contains(token)));
    let processes = crate::server::processes_of(folder);
    assert!(processes.iter().any(|line| line.contains("runner")));
    assert!(
        processes.iter().all(|line| !line.contains(token)),
        "{processes:#?}"
    );
    for disk in std::fs::read_dir(folder.join("machines")).unwrap() {
        assert!(!disk.unwrap().path().join("run/confidential").exists());
    }
}

#[test]
fn machines_reach_the_server_by_https() {
    let folder = tempfile::tempdir().unwrap();
    let (model, token) = fly(folder.path());
    let names = ["localhost".to_owned(), "*.preview.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("certificate.pem", &made.cert.pem());
    let key = file("key.pem", &made.signing_key.serialize_pem());
    let token_file = file("token", &token);
    model.act(|fly| {
        let runners = Runners::below(&folder.path().join("machines"));
        fly.run_on(runners.trusting(certificate.clone()));
    });
    let (data, port) = (folder.path().join("data"), free_port());
    let mut settings = settings(&model, &token_file, port);
    let at = [
        ("MACHINES__FLY__SERVER_URL", String::new()),
        ("SERVER__PUBLIC_URL", format!("https://localhost:{port}")),
        ("SERVER__PREVIEW_DOMAIN", "preview.test".to_owned()),
        ("SERVER__TLS_CERTIFICATE", certificate.display().to_string()),
        ("SERVER__TLS_KEY", key.display().to_string()),
    ];
    settings.extend(at.map(|(name, value)| (format!("NESTLING__{name}"), value)));
    let repository = quiet_site(folder.path());
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    // Proven through the gateway's own way to its machine.
    server.until("it runs", SOON, |server| {
        server.status("local/site/production").0 == "running"
    });
    drop(server);
}
