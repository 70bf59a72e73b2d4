//! Who may see a console: whoever the dashboard sent, and only the console's own pages.

use nestling_domain::ids::Timestamp;

use super::{World, serving, wire::Reply};
use crate::{drivers::clock, http::gateway::GRANT_LIFE};

const CONSOLE: &str = "console--pr-12--shop.localhost:4100";
const NAME: &str = "console--pr-12--shop.localhost";
const OWN: &str = "http://console--pr-12--shop.localhost:4100";

async fn ask(world: &World, method: &str, target: &str, fields: &[(&str, &str)]) -> Reply {
    world
        .client()
        .await
        .ask(super::request(method, target, CONSOLE, fields, ""))
        .await
}

/// Logs in as a browser does, and returns its cookie.
async fn login(world: &World) -> String {
    let grant = world.grants.grant(NAME, "ada", clock::now()).unwrap();
    let reply = ask(
        world,
        "GET",
        &format!("/.nestling/login?grant={grant}&to=%2Fseen"),
        &[],
    )
    .await;
    assert_eq!(
        (reply.status, reply.field("location")),
        (303, Some("/seen"))
    );
    let cookie = reply.field("set-cookie").unwrap();
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn a_console_sends_a_browser_to_the_login_and_refuses_programs() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let reply = ask(&world, "GET", "/a?b=c&d", &[("Accept", "text/html")]).await;
    let login = "http://nestling.localhost:4100/console-login?to=http%3A%2F%2Fconsole--pr-12--shop.localhost%3A4100%2Fa%3Fb%3Dc%26d";
    assert_eq!((reply.status, reply.field("location")), (303, Some(login)));
    for (method, fields) in [
        ("GET", vec![]),
        ("POST", vec![("Accept", "text/html")]),
        (
            "GET",
            vec![
                ("Cookie", "nestling_console=forged"),
                ("Authorization", "Bearer x"),
            ],
        ),
    ] {
        let reply = ask(&world, method, "/", &fields).await;
        assert_eq!(reply.status, 401, "{method} {fields:?}");
        assert!(reply.field("www-authenticate").is_some());
    }
    let (_, head) = world.websocket(CONSOLE, "/ws", &[("Origin", OWN)]).await;
    assert!(head.start.contains("401"), "{}", head.start);
    assert_eq!(app.requests(), 0, "the console saw none of it");
}

#[actix_web::test]
async fn who_was_sent_by_the_dashboard_gets_in_and_the_console_never_sees_the_cookie() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let cookie = login(&world).await;
    let reply = ask(
        &world,
        "GET",
        "/seen",
        &[("Cookie", &format!("{cookie}; a=1"))],
    )
    .await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("cookie: a=1\r\n"), "{}", reply.text());
    assert!(!reply.text().contains("nestling_console"));
    assert_eq!(
        reply.field("content-security-policy"),
        Some("frame-ancestors 'none'")
    );
    assert_eq!(
        ask(&world, "POST", "/", &[("Cookie", &cookie), ("Origin", OWN)])
            .await
            .status,
        200
    );

    world.grants.revoke("ada");
    assert_eq!(
        ask(&world, "GET", "/seen", &[("Cookie", &cookie)])
            .await
            .status,
        401
    );
}

#[actix_web::test]
async fn another_sites_page_cannot_speak_to_a_console() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let cookie = login(&world).await;
    let evil = "http://pr-13--shop.localhost:4100";
    for (method, fields) in [
        ("POST", vec![("Origin", evil)]),
        ("GET", vec![("Origin", evil)]),
        ("POST", vec![("Origin", "null")]),
        (
            "GET",
            vec![
                ("Sec-Fetch-Site", "same-site"),
                ("Sec-Fetch-Mode", "no-cors"),
            ],
        ),
        (
            "GET",
            vec![
                ("Sec-Fetch-Site", "cross-site"),
                ("Sec-Fetch-Mode", "navigate"),
                ("Sec-Fetch-Dest", "iframe"),
            ],
        ),
    ] {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend(&fields);
        assert_eq!(
            ask(&world, method, "/", &all).await.status,
            403,
            "{method} {fields:?}"
        );
    }
    let link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
        ("Cookie", &cookie),
    ];
    assert_eq!(
        ask(&world, "GET", "/", &link).await.status,
        200,
        "a link may lead there"
    );

    for (origin, status) in [(Some(OWN), "101"), (Some(evil), "403"), (None, "403")] {
        let mut fields = vec![("Cookie", cookie.as_str())];
        fields.extend(origin.map(|origin| ("Origin", origin)));
        let (_, head) = world.websocket(CONSOLE, "/ws", &fields).await;
        assert!(head.start.contains(status), "{origin:?}: {}", head.start);
    }
}

#[actix_web::test]
async fn a_grant_that_is_old_spent_or_for_another_host_asks_again() {
    let world = World::new();
    let app = world.app(1);
    world.shop(serving(&app, 1));
    let spent = world.grants.grant(NAME, "ada", clock::now()).unwrap();
    let reply = ask(
        &world,
        "GET",
        &format!("/.nestling/login?grant={spent}"),
        &[],
    )
    .await;
    assert_eq!(reply.field("location"), Some("/"));
    let long_ago = Timestamp(clock::now().0 - u64::try_from(GRANT_LIFE.as_millis()).unwrap() - 1);
    let old = world.grants.grant(NAME, "ada", long_ago).unwrap();
    let foreign = world
        .grants
        .grant("console--other.localhost", "ada", clock::now())
        .unwrap();
    for grant in [spent.as_str(), &old, &foreign, "", "x"] {
        let reply = ask(
            &world,
            "GET",
            &format!("/.nestling/login?grant={grant}"),
            &[],
        )
        .await;
        assert_eq!(reply.status, 303);
        assert!(
            reply
                .field("location")
                .unwrap()
                .starts_with("http://nestling.localhost:4100/console-login?to=")
        );
        assert_eq!(reply.field("set-cookie"), None);
    }
    let fresh = world.grants.grant(NAME, "ada", clock::now()).unwrap();
    let reply = ask(
        &world,
        "GET",
        &format!("/.nestling/login?grant={fresh}&to=//evil.example"),
        &[],
    )
    .await;
    assert_eq!(
        reply.field("location"),
        Some("/"),
        "a login leads nowhere else"
    );
    // The door stands at consoles only.
    assert_eq!(world.get("/.nestling/login?grant=x").await.status, 404);
    assert_eq!(app.requests(), 0);
}
