//! A server without a wildcard record: it makes a name for each environment in a zone at DNSimple, whatever goes wrong with that, and removes it with the environment.

use std::process::Stdio;

use nestling_world::dnsimple::{Fault, Model, State, Times};

use crate::server::{SOON, Server, commit, free_port, get, git, quiet_site};

pub(crate) const ZONE: &str = "example.com";
pub(crate) const TARGET: &str = "nestling.example.com";
pub(crate) const ACCOUNT: u64 = 1010;

/// A zone in which somebody has other records; and a token of its account.
pub(crate) fn zone() -> (Model, String) {
    let model = Model::start().unwrap();
    let token = model.act(|dns| {
        dns.create_zone(ACCOUNT, ZONE);
        dns.add(ACCOUNT, ZONE, ("www", "CNAME", "shop.example.net"));
        dns.add(ACCOUNT, ZONE, ("", "TXT", "v=spf1 -all"));
        dns.issue_token(ACCOUNT)
    });
    (model, token)
}

/// All records that somebody made, a line each.
pub(crate) fn records(dns: &State) -> Vec<String> {
    let all = dns.records(ZONE).into_iter();
    let mut all: Vec<String> = all
        .map(|one| format!("{} {} {}", one.name, one.kind, one.content))
        .collect();
    all.sort();
    all
}

fn leads(dns: &State, label: &str) -> bool {
    let host = format!("{label}.preview.example.com");
    dns.leads_to(&host).as_deref() == Some(TARGET)
}

#[test]
fn each_environment_has_a_name_until_it_is_closed_whatever_is_lost_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let (model, token) = zone();
    let theirs = model.look(records);
    let repository = quiet_site(folder.path());
    git(&repository, &["checkout", "--quiet", "-b", "change"]);
    commit(&repository, "Open it");
    model.act(|dns| {
        let records = "POST /v2/*/zones/*/records";
        dns.goes_wrong(records, Fault::LostAnswer, Times::Only(1));
        dns.goes_wrong_later(records, 1, Fault::Status(503));
    });
    let settings = [
        ("SERVER__PREVIEW_DOMAIN", "preview.example.com".to_owned()),
        ("DNS__DRIVER", "dnsimple".to_owned()),
        ("DNS__TARGET", TARGET.to_owned()),
        ("DNS__DNSIMPLE__API_URL", model.api()),
        ("DNS__DNSIMPLE__ACCOUNT", ACCOUNT.to_string()),
        ("DNS__DNSIMPLE__ZONE", ZONE.to_owned()),
        ("DNS__DNSIMPLE__TOKEN", token),
    ];
    let settings = settings.map(|(name, value)| (format!("NESTLING__{name}"), value));
    let (data, port) = (folder.path().join("data"), free_port());
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let mut server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    server.until("production and the preview have names", SOON, |_| {
        model.look(|dns| leads(dns, "site") && leads(dns, "pr-1--site"))
    });
    assert!(model.look(State::is_spent));
    server.until("the preview answers by its name", SOON, |_| {
        get("pr-1--site.preview.example.com", port, "/").0 == 200
    });

    // A person stops it: its page is still there by its name.
    let stop = "/v1/apps/local/site/environments/pr-1/stop";
    assert_eq!(server.order("POST", stop, "").0, 200);
    server.until("it is stopped", SOON, |server| {
        server.status("local/site/pr-1").0 == "stopped"
    });
    assert!(model.look(|dns| leads(dns, "pr-1--site")));

    // The server dies as somebody closes the pull request and somebody else takes the next one's name.
    server.die();
    git(&repository, &["checkout", "--quiet", "-b", "next", "main"]);
    commit(&repository, "Another");
    git(&repository, &["branch", "--quiet", "-D", "change"]);
    let taken = ("pr-2--site.preview", "A", "10.0.0.1");
    model.act(|dns| dns.add(ACCOUNT, ZONE, taken));
    server.rise();
    server.until("the name of what is closed is gone", SOON, |_| {
        model.look(|dns| dns.leads_to("pr-1--site.preview.example.com").is_none())
    });
    server.until("people are told of the other one", SOON, |server| {
        let told = server.get("/v1/troubles").to_string();
        told.contains("pr-2--site.preview.example.com") && told.contains("10.0.0.1")
    });
    let page = server.text("/local/site/pr-2").unwrap();
    let told = "pr-2--site.preview.example.com does not lead here";
    assert!(page.contains(told), "{page}");

    git(&repository, &["checkout", "--quiet", "main"]);
    git(&repository, &["branch", "--quiet", "-D", "next"]);
    server.until("nobody is told of it any more", SOON, |server| {
        !server
            .get("/v1/troubles")
            .to_string()
            .contains("pr-2--site")
    });
    let alone: Vec<String> = model.look(records);
    let ours: Vec<&String> = alone.iter().filter(|one| !theirs.contains(one)).collect();
    assert_eq!(ours.len(), 3, "{ours:#?}");
    assert_eq!(
        ours.iter()
            .filter(|one| one.contains("-production"))
            .count(),
        1
    );
    assert!(ours.contains(&&"pr-2--site.preview A 10.0.0.1".to_owned()));
    assert!(ours.contains(&&format!("site.preview CNAME {TARGET}")));
    assert!(theirs.iter().all(|one| alone.contains(one)));
}
