//! GitHub as the forge, and machines on this box: a team installs the App, confirms an app, and lives with it.

mod appless;
mod team;
mod wing;

use std::io::Read as _;

use flate2::read::GzDecoder;
use nestling_world::github::{Change, Loss, Opening, State, Times};

use crate::server::{SOON, get};
use team::SECRET;
pub(crate) use team::{Place, SHOP, Team};

pub(crate) const PRODUCTION: &str = "acme/shop/production";
pub(crate) const PREVIEW: &str = "acme/shop/pr-1";

fn change(to: &str) -> [Change; 1] {
    [Change::file("index.html", to)]
}

#[test]
fn a_pull_request_lives_from_its_opening_to_its_end() {
    let team = Team::new();
    // A pull request that was open before there was an app.
    let first = team.act(|state| {
        let head = state.push(SHOP, "basket", "ann", &change("<h1>Basket</h1>"))?;
        state.open_pull_request(SHOP, Opening::of("basket", "ann").titled("A basket"))?;
        Ok(head)
    });
    let page = team.server.answer("GET", "/", "").unwrap().1;
    assert!(page.contains("Find apps"), "{page}");
    let found = team.server.get("/v1/repositories/acme/shop/proposals");
    assert_eq!(found["apps"][0]["kind"], "static", "{found}");
    assert_eq!(found["apps"][0]["app"], serde_json::Value::Null, "{found}");
    let (status, app) = team.add_app();
    assert_eq!((status, &app["app"]), (201, &"shop".into()), "{app}");
    let main = team.head("main");
    team.serves(PRODUCTION, &main);
    team.serves(PREVIEW, &first);
    assert_eq!(
        get("pr-1--shop.localhost", team.port, "/"),
        (200, "<h1>Basket</h1>".to_owned())
    );
    assert_eq!(team.server.view(PREVIEW)["title"], "A basket");
    team.until_github("shows a comment, a green check and a deployment", |state| {
        let comments = state.see_comments(SHOP, 1).unwrap();
        let checks = state.see_check_runs(SHOP, &first).unwrap();
        let deployments = state.see_deployments(SHOP).unwrap();
        let green = |conclusion: &Option<String>| conclusion.as_deref() == Some("success");
        comments.len() == 1
            && comments[0].body.contains("pr-1--shop.localhost")
            && checks.iter().filter(|one| green(&one.conclusion)).count() == 1
            && deployments
                .iter()
                .filter(|one| one.state() == "success")
                .count()
                == 2
    });

    let metrics = team.server.text("/metrics").unwrap();
    assert!(
        metrics.contains("nestling_github_requests_remaining{installation="),
        "{metrics}"
    );

    let second = team.act(|state| state.push(SHOP, "basket", "ann", &change("<h1>Two</h1>")));
    team.serves(PREVIEW, &second);
    let merged = team.act(|state| state.push(SHOP, "main", "ann", &change("<h1>New</h1>")));
    team.serves(PRODUCTION, &merged);

    team.act(|state| state.label(SHOP, 1, "ann", "no-preview"));
    team.stops(PREVIEW, "no-preview");
    team.act(|state| state.unlabel(SHOP, 1, "ann", "no-preview"));
    team.serves(PREVIEW, &second);
    team.act(|state| state.close(SHOP, 1, "ann"));
    team.stops(PREVIEW, "closed");
    team.until_github("shows that it is gone", |state| {
        let active = state.see_deployments(SHOP).unwrap();
        let active = active.iter().filter(|one| one.active()).count();
        state.open_check_runs().is_empty() && state.doubled_comments().is_empty() && active == 1
    });
    team.act(|state| state.reopen(SHOP, 1, "ann"));
    team.serves(PREVIEW, &second);

    team.act(|state| state.rename(SHOP, "store", "ann"));
    let third = team.act(|state| state.push("acme/store", "basket", "ann", &change("<h1>3</h1>")));
    team.serves(PREVIEW, &third);

    team.act(|state| state.uninstall(team.installation));
    team.stops(PRODUCTION, "its repository is gone, or cannot be reached");
    team.stops(PREVIEW, "its pull request is closed, or its branch is gone");
}

#[test]
fn people_order_in_comments_and_an_outsiders_commit_waits_until_it_is_approved() {
    let team = Team::new();
    let head = team.act(|state| {
        state.fork(SHOP, "eve")?;
        // Called as production is, of which it must touch nothing.
        let head = state.push("eve/shop", "main", "eve", &change("<h1>Eve</h1>"))?;
        state.open_pull_request(SHOP, Opening::of("main", "eve").from("eve/shop"))?;
        Ok(head)
    });
    let (status, app) = team.add_app();
    assert_eq!(status, 201, "{app}");
    let main = team.head("main");
    team.serves(PRODUCTION, &main);
    team.stops(PREVIEW, "/approve");
    let approve = format!("I have read it.\n/approve {head}");
    let by_eve = team.act(|state| state.comment(SHOP, 1, "eve", &approve));
    team.shows(by_eve, "confused");
    team.stops(PREVIEW, "/approve");
    let by_ann = team.act(|state| state.comment(SHOP, 1, "ann", &approve));
    team.serves(PREVIEW, &head);
    team.shows(by_ann, "rocket");
    assert_eq!(team.server.status(PRODUCTION).1, main);

    team.act(|state| state.comment(SHOP, 1, "ann", "/stop"));
    team.stops(PREVIEW, "by a person");
    let nonsense = team.act(|state| state.comment(SHOP, 1, "ann", "/start till"));
    team.shows(nonsense, "confused");
    team.until_github("says why in the one comment", |state| {
        let comments = state.see_comments(SHOP, 1).unwrap();
        let mut ours = comments
            .iter()
            .filter(|one| one.body.starts_with("<!-- nestling"));
        let (first, second) = (ours.next(), ours.next());
        second.is_none() && first.is_some_and(|one| one.body.contains("no preview of app till"))
    });
    team.act(|state| state.comment(SHOP, 1, "ann", "/start"));
    team.serves(PREVIEW, &head);
    team.act(|state| state.push("eve/shop", "main", "eve", &change("<h1>Evil</h1>")));
    team.stops(PREVIEW, "/approve");
}

#[test]
fn whoever_reads_the_pull_request_reads_the_log_of_its_preview_without_signing_in() {
    let mut team = Team::new();
    team.server.die();
    team.server.says_all();
    team.server.until("it answers", SOON, |server| {
        server.answer("GET", "/", "").is_some()
    });
    let broken = "[setup]\nrun = \"echo the till is stuck; exit 3\"\n";
    team.act(|state| {
        let change = [Change::file("nestling.toml", broken)];
        state.push(SHOP, "basket", "ann", &change)?;
        state.open_pull_request(SHOP, Opening::of("basket", "ann"))
    });
    let (status, app) = team.add_app();
    assert_eq!(status, 201, "{app}");
    let comment = |state: &State| {
        let comments = state.see_comments(SHOP, 1).unwrap();
        comments.first().map(|comment| comment.body.clone())
    };
    team.until_github("links the log of what failed", |state| {
        comment(state).is_some_and(|body| body.contains(" · [Log]("))
    });
    let body = team.github.look(comment).unwrap();
    let link = body.split(" · [Log](").nth(1).unwrap();
    let link = link.split(')').next().unwrap();
    let (host, port) = ("nestling.localhost", team.port);
    let dashboard = format!("http://{host}:{port}");
    let path = link.strip_prefix(&dashboard).unwrap();
    let (status, page) = get(host, port, path);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("the till is stuck"), "{page}");
    for closed in ["/acme/shop/pr-1/logs", "/acme/shop/pr-1", "/"] {
        assert_eq!(get(host, port, closed).0, 401, "{closed}");
    }
    let main = team.head("main");
    team.serves(PRODUCTION, &main);
    team.until_github("shows production without a seal", |state| {
        let checks = state.see_check_runs(SHOP, &main).unwrap();
        let page = format!("{dashboard}/acme/shop/production");
        checks.len() == 1 && checks[0].details_url.as_ref() == Some(&page)
    });
    let seal = path.split('/').nth(4).unwrap();
    let said = std::fs::read_to_string(team.server.said()).unwrap();
    assert!(said.len() > 10_000, "it says all");
    assert!(!said.contains(seal), "the log of the server opens nothing");
}

/// What the server says of itself, and what lies in its folder, holds nothing that opens anything.
#[test]
fn w12_no_secret_reaches_a_log_a_page_or_a_file() {
    const VALUE: &str = "the-value-that-opens-the-till";
    let mut team = Team::new();
    team.server.die();
    team.server.says_all();
    team.server.until("it answers", SOON, |server| {
        server.answer("GET", "/", "").is_some()
    });
    let (status, app) = team.add_app();
    assert_eq!(status, 201, "{app}");
    let put = format!(r#"{{"value":"{VALUE}"}}"#);
    let till = "/v1/apps/acme/shop/secrets/preview/TILL";
    let said = team.server.answer("PUT", till, &put);
    assert!(
        said.as_ref().is_some_and(|(status, _)| *status < 300),
        "{said:?}"
    );
    let head = team.act(|state| {
        let head = state.push(SHOP, "basket", "ann", &change("<h1>Basket</h1>"))?;
        state.open_pull_request(SHOP, Opening::of("basket", "ann"))?;
        Ok(head)
    });
    team.serves(PREVIEW, &head);
    team.until_github("shows its comment", |state| {
        !state.see_comments(SHOP, 1).unwrap().is_empty()
    });
    // What goes wrong is told at length, and that is where secrets slip out.
    let mut secrets = vec![VALUE.to_owned(), SECRET.to_owned()];
    secrets.extend(team.github.look(State::see_tokens));
    team.github.act(State::revoke_tokens);
    let pushed = team.act(|state| state.push(SHOP, "basket", "ann", &change("<h1>More</h1>")));
    team.serves(PREVIEW, &pushed);

    secrets.extend(team.github.look(State::see_tokens));
    let key = team
        .github
        .look(|state| state.private_key(team.app))
        .unwrap();
    secrets.push(key.lines().nth(3).unwrap().to_owned());
    assert!(secrets.len() > 4, "GitHub made tokens: {secrets:?}");
    let pages = [
        "/",
        "/metrics",
        "/v1/deliveries",
        "/acme/shop",
        "/acme/shop/pr-1",
    ];
    let pages = pages.map(|page| team.server.answer("GET", page, "").unwrap().1);
    let said = std::fs::read(team.server.said()).unwrap();
    assert!(said.len() > 10_000, "it says all");
    let mut places: Vec<(String, Vec<u8>)> = vec![("its log".to_owned(), said)];
    places.extend(pages.map(|page| ("a page".to_owned(), page.into_bytes())));
    let mut folders = vec![team.server.data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = std::fs::read(entry.path()).unwrap_or_default();
                let mut unpacked = Vec::new();
                // Segments of logs are packed.
                let content = match GzDecoder::new(&*content).read_to_end(&mut unpacked) {
                    Ok(_) => unpacked,
                    Err(_) => content,
                };
                places.push((entry.path().display().to_string(), content));
            }
        }
    }
    for (place, content) in &places {
        for secret in &secrets {
            let letters = secret.as_bytes();
            let found = content.windows(letters.len()).any(|part| part == letters);
            assert!(!found, "{place} holds {secret}");
        }
    }
}

#[test]
fn what_was_missed_while_the_server_was_away_is_made_up_for_at_its_start() {
    let mut team = Team::new();
    let (status, app) = team.add_app();
    assert_eq!(status, 201, "{app}");
    let propose = |state: &mut State, branch: &str| {
        let head = state.push(SHOP, branch, "ann", &change(branch))?;
        state.open_pull_request(SHOP, Opening::of(branch, "ann"))?;
        anyhow::Ok(head)
    };
    let first = team.act(|state| propose(state, "one"));
    let second = team.act(|state| propose(state, "two"));
    team.serves(PREVIEW, &first);
    team.serves("acme/shop/pr-2", &second);

    team.server.die();
    // GitHub's log has what it could not deliver, and of some it has nothing.
    let pushed = team.act(|state| state.push(SHOP, "one", "ann", &change("more")));
    let (main, third) = team.act(|state| {
        state.faults.webhook("*", Loss::Silent, Times::Always);
        state.close(SHOP, 2, "ann")?;
        let main = state.push(SHOP, "main", "ann", &change("<h1>New</h1>"))?;
        let third = propose(state, "three")?;
        state.faults.clear();
        Ok((main, third))
    });
    team.server.rise();
    team.serves(PREVIEW, &pushed);
    team.stops("acme/shop/pr-2", "closed");
    team.serves("acme/shop/pr-3", &third);
    team.serves(PRODUCTION, &main);
    let log = team.server.get("/v1/deliveries");
    let log = log.to_string();
    assert!(log.contains("listed-"), "{log}");
}
