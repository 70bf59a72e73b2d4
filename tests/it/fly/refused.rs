//! What Fly refuses while the server works: it is named where people look, and nothing is lost.

use std::{fs, process::Stdio};

use nestling_world::fly::State;

use super::{IMAGE, fly, settings};
use crate::server::{SOON, Server, commit, free_port, get, head, quiet_site};

const SITE: &str = "local/site/production";
const PAGE: &str = "/local/site/production";

#[test]
fn what_fly_refuses_meanwhile_is_on_the_page_and_in_the_log_and_what_serves_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (model, token) = fly(folder.path());
    let token_file = folder.path().join("token");
    fs::write(&token_file, &token).unwrap();
    let repository = quiet_site(folder.path());
    let (data, port) = (folder.path().join("data"), free_port());
    let settings = settings(&model, &token_file, port);
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let log_file = folder.path().join("log");
    let log = fs::File::create(&log_file).unwrap();
    let mut server = Server::start_with(&order, &data, port, &settings, Stdio::from(log));
    let serves = |server: &Server, commit: &str| server.serving(SITE).0 == commit;
    let first = head(&repository);
    server.until("it runs", SOON, |server| serves(server, &first));

    // What is pushed while it is refused, and what serves then.
    let refused = |server: &Server, fault: &dyn Fn(&mut State), serving: &str, words: &str| {
        model.act(|fly| fault(fly));
        let pushed = commit(&repository, words);
        server.until(words, SOON, |server| {
            let failure = &server.view(SITE)["failure"]["reason"];
            failure.as_str().is_some_and(|said| said.contains(words))
        });
        let page = server.text(PAGE).unwrap();
        assert!(page.contains(words), "{words}: {page}");
        let log = fs::read_to_string(&log_file).unwrap();
        assert!(log.contains(words), "{words}: {log}");
        assert!(serves(server, serving), "{:#?}", server.view(SITE));
        let answer = get("site.localhost", port, "/");
        assert_eq!(answer, (200, "a quiet site".to_owned()));
        pushed
    };
    let full = |fly: &mut State| {
        for region in ["ams", "fra"] {
            fly.set_capacity(region, Some(0)).unwrap();
        }
    };
    let words = "Fly has no room for its machine in any of its regions (machines.fly.regions, or those of [policy.machine]): ams (could not find a candidate host), fra (could not find a candidate host)";
    let second = refused(&server, &full, &first, words);
    // Room comes and goes: it is asked for again by itself.
    model.act(|fly| fly.set_capacity("fra", None).unwrap());
    server.until("there is room again", SOON, |server| {
        serves(server, &second)
    });

    let reached = |fly: &mut State| {
        fly.set_capacity("ams", None).unwrap();
        fly.set_memory_quota("acme", Some(512)).unwrap();
    };
    let words = "a quota of the organisation at Fly is reached";
    refused(&server, &reached, &second, words);
    let missing = |fly: &mut State| {
        fly.set_memory_quota("acme", None).unwrap();
        fly.remove_image(IMAGE);
    };
    let words = "Fly refuses it: failed to get manifest registry.fly.io/nestling-runner:v1";
    refused(&server, &missing, &second, words);
    let ended = |fly: &mut State| {
        fly.missing_images.clear();
        fly.expire_token(&token, 0).unwrap();
    };
    let words = "Fly does not take machines.fly.token for machines.fly.organisation";
    refused(&server, &ended, &second, words);

    // With a token that holds, the server takes up what ran, and what is pushed next is deployed.
    server.die();
    let renewed = model.act(|fly| fly.issue_token("acme"));
    fs::write(&token_file, renewed).unwrap();
    server.rise();
    server.until("it is taken up", SOON, |server| serves(server, &second));
    let last = commit(&repository, "Push it again");
    server.until("what was pushed serves", SOON, |server| {
        serves(server, &last)
    });
}
