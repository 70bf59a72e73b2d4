//! Stories of the operator's browser, and the matrix of everybody else.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use nestling_domain::ids::Kind;

use crate::{
    drivers::{clock, keys::signing::AUDIENCE},
    http::{
        api,
        auth::{Auth, COOKIE},
        world::{Reply, TOKEN, Wire, World, app},
    },
};

/// A browser that opened the printed link, and its session's form token.
async fn browser(world: &World) -> (Wire, String) {
    let page = world
        .people
        .without("authorization")
        .with("accept", "text/html");
    let signed_in = page.get(&format!("/?tab=logs&token={TOKEN}")).await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER, "{signed_in:?}");
    assert_eq!(signed_in.header("location"), "/?tab=logs");
    let cookie = signed_in.header("set-cookie").to_owned();
    for part in [COOKIE, "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(
        !cookie.contains(TOKEN) && !cookie.contains("Domain"),
        "{cookie}"
    );
    let browser = page.with("cookie", cookie.split(';').next().unwrap());
    let csrf = browser.get("/").await.text();
    assert_eq!(csrf.len(), 43, "a form's token: {csrf}");
    (browser, csrf)
}

fn own(world: &World) -> String {
    world.services.addresses.dashboard()
}

#[actix::test]
async fn the_printed_link_signs_a_browser_in_once_and_its_forms_need_their_token() {
    let world = World::start().await;
    let stranger = world
        .people
        .without("authorization")
        .with("accept", "text/html");
    let asked = stranger.get("/").await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(
        asked.text().starts_with("Sign in to Nestling."),
        "{asked:?}"
    );
    let wrong = stranger.get("/?token=guess").await;
    assert!(
        wrong
            .text()
            .starts_with("This link is not, or no longer, good."),
        "{wrong:?}"
    );

    let (browser, csrf) = browser(&world).await;
    let page = browser.with("origin", &own(&world));
    let form = page.with("content-type", "application/x-www-form-urlencoded");
    let send = |body: String| form.send(Method::POST, "/forms/rename", Bytes::from(body));
    let renamed = send(format!("title=a+b%26c&csrf={csrf}")).await;
    assert_eq!(renamed.text(), "renamed to a b&c");
    for body in ["title=x".to_owned(), "title=x&csrf=forged".to_owned()] {
        let refused = send(body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.detail().contains("load its page again"),
            "{refused:?}"
        );
    }
    let out = form.send(Method::POST, "/sign-out", Bytes::new()).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{out:?}");
    assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}

#[actix::test]
async fn a_chosen_token_survives_the_link() {
    let world = World::start().await;
    let link = Auth::link(&world.services.addresses, "a+b&c=d%e");
    assert!(link.ends_with("/?token=a%2Bb%26c%3Dd%25e"), "{link}");
    world.stop().await;
}

#[actix::test]
async fn a_page_elsewhere_cannot_act_in_the_operators_name() {
    let world = World::start().await;
    world
        .deploy(&app("shop"), Kind::Production, 1)
        .await
        .comes_up()
        .await;
    let (browser, _) = browser(&world).await;
    let order = "/v1/apps/local/shop/environments/production/stop";
    let json = browser.with("content-type", "application/json");
    let own = own(&world);
    let preview = world.services.addresses.of("shop");
    for (why, wire) in [
        ("no word of where it comes from", json.clone()),
        ("a preview", json.with("origin", &preview)),
        ("a frame without an origin", json.with("origin", "null")),
        (
            "a sibling by the browser's word",
            json.with("sec-fetch-site", "same-site"),
        ),
        ("another port", json.with("origin", &format!("{own}1"))),
        (
            "text, as a form can send it",
            browser
                .with("origin", &own)
                .with("content-type", "text/plain"),
        ),
        (
            "a form",
            browser
                .with("origin", &own)
                .with("content-type", "application/x-www-form-urlencoded"),
        ),
        (
            "a rebound name",
            json.with("origin", &own).with("host", "evil.example"),
        ),
    ] {
        let reply = wire.order(order).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{why}: {reply:?}");
    }
    // Cookies ignore ports and come with every name that they were set for: ours counts at its own only.
    let loopback = json
        .with("origin", "http://127.0.0.1:1")
        .with("host", "127.0.0.1:1");
    assert_eq!(loopback.order(order).await.status, StatusCode::UNAUTHORIZED);
    let opened = browser.with("origin", &preview).upgrade("/v1/live").await;
    assert!(opened.is_err_and(|head| head.starts_with("HTTP/1.1 403")));
    let ours = json
        .with("origin", &own)
        .with("sec-fetch-site", "same-origin");
    let stopped = ours.order(order).await;
    assert_eq!(stopped.status, StatusCode::OK, "{stopped:?}");
    world.stop().await;
}

/// Every documented route with its methods, and those beside them.
fn routes() -> Vec<(Method, String)> {
    let described = serde_json::to_value(api::description()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let path = path
            .replace("{owner}", "local")
            .replace("{app}", "shop")
            .replace("{environment}", "production")
            .replace("{number}", "1")
            .replace("{log}", "runtime")
            .replace("{kind}", "preview")
            .replace("{name}", "API_KEY");
        assert!(
            !path.contains('{'),
            "{path} has a parameter that this matrix does not know"
        );
        for method in methods.as_object().unwrap().keys() {
            if let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) {
                routes.push((method, path.clone()));
            }
        }
    }
    for beside in [
        "/",
        "/v1/live",
        "/v1/openapi.json",
        "/metrics",
        "/v1/not-there",
        "/admin/v1/anything",
        "/assets/shop/settings",
        "/runner/v1/production/stop",
        "/healthz/",
    ] {
        routes.push((Method::GET, beside.to_owned()));
    }
    routes
}

#[actix::test]
async fn no_route_answers_whoever_is_not_the_operator() {
    let world = World::start().await;
    let runner = world.deploy(&app("shop"), Kind::Production, 1).await;
    let (now, day) = (clock::now(), Duration::from_hours(24));
    let old = nestling_domain::ids::Timestamp(now.0 - 30 * 3_600_000);
    let other = nestling_domain::ids::EnvironmentId("other-production".into());
    let sign = |id, generation, from: nestling_domain::ids::Timestamp, audience| {
        let generation = nestling_domain::ids::Generation(generation);
        world
            .tokens
            .sign_for(id, generation, from, from.plus(day), audience)
    };
    let people = &world.people;
    let own = own(&world);
    let strangers = [
        ("nobody", people.without("authorization")),
        (
            "a wrong token",
            people.bearing("an-operators-token-of-forty-characters-01"),
        ),
        ("an empty token", people.bearing("")),
        (
            "the token as a password",
            people.with("authorization", &format!("Basic {TOKEN}")),
        ),
        (
            "the token as a cookie",
            people
                .without("authorization")
                .with("cookie", &format!("{COOKIE}={TOKEN}")),
        ),
        (
            "a made-up session",
            people
                .without("authorization")
                .with("cookie", &format!("{COOKIE}={}", "A".repeat(43))),
        ),
        ("a runner", people.bearing(&runner.token)),
        (
            "a runner of another environment",
            people.bearing(&sign(&other, 1, now, AUDIENCE)),
        ),
        (
            "a runner of an old generation",
            people.bearing(&sign(&runner.id, 7, now, AUDIENCE)),
        ),
        (
            "a runner whose token has expired",
            people.bearing(&sign(&runner.id, 1, old, AUDIENCE)),
        ),
        (
            "a token for another purpose",
            people.bearing(&sign(&runner.id, 1, now, "nestling-operator")),
        ),
    ];
    let (browser, _) = browser(&world).await;
    let elsewhere = browser
        .with("origin", "http://shop.localhost")
        .with("content-type", "application/json");
    let routes = routes();
    assert!(routes.len() > 25, "{routes:?}");
    for (method, path) in &routes {
        let send = |wire: &Wire| {
            let wire = wire.clone();
            async move { wire.send(method.clone(), path, Bytes::new()).await }
        };
        for (who, wire) in &strangers {
            let wire = wire.with("origin", &own);
            let reply: Reply = send(&wire).await;
            assert_eq!(
                reply.status,
                StatusCode::UNAUTHORIZED,
                "{method} {path} for {who}: {reply:?}"
            );
            assert!(!reply.text().contains(TOKEN));
        }
        if *method != Method::GET {
            let reply = send(&elsewhere).await;
            assert_eq!(
                reply.status,
                StatusCode::FORBIDDEN,
                "{method} {path} from elsewhere: {reply:?}"
            );
        }
        let rebound = send(&people.with("host", "evil.example:4100")).await;
        assert_eq!(
            rebound.status,
            StatusCode::FORBIDDEN,
            "{method} {path} by another name"
        );
        let operator = send(people).await;
        assert!(
            ![401, 403].contains(&operator.status.as_u16()),
            "{method} {path} for the operator: {operator:?}"
        );
    }
    world.stop().await;
}
