//! Static sites, as browsers ask for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use hyper::{Method, Response, StatusCode};
use nestling_protocol::bundle::Kind;
use support::World;

#[tokio::test]
async fn a_static_site_is_served_with_its_fallback_and_nothing_else() {
    let package = r#"{"scripts":{"build":"mkdir -p dist/deep && echo '<h1>built</h1>' > dist/index.html && echo 'x{}' > dist/deep/a.css && ln -s /etc/passwd dist/passwd"}}"#;
    let mut world = World::new(Kind::Static, &[("package.json", package)]).await;
    world.run().until_running().await;
    assert_eq!(
        world.get("app", "/").await,
        (200, "<h1>built</h1>\n".into())
    );
    assert_eq!(world.get("app", "/deep/a.css").await, (200, "x{}\n".into()));
    for page in ["/some/page", "/user/john.doe", "/releases/v1.2"] {
        let answer = world.get_as("app", page, "text/html").await;
        assert_eq!(answer, (200, "<h1>built</h1>\n".into()), "{page}");
    }
    assert_eq!(
        world.get_as("app", "/missing.png", "text/html").await.0,
        404
    );
    for hidden in [
        "/missing.png",
        "/passwd",
        "/../package.json",
        "/%2e%2e/package.json",
        "/..%2fpackage.json",
    ] {
        assert_eq!(world.get("app", hidden).await.0, 404, "{hidden}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_folder_without_its_slash_is_named_with_it_and_keeps_its_question() {
    let files = [("index.html", "front"), ("docs/index.html", "docs")];
    let mut world = World::new(Kind::Static, &files).await;
    world.run().until_running().await;
    for (asked, place) in [
        ("/docs", "/docs/"),
        ("/docs?x=1&y", "/docs/?x=1&y"),
        ("//docs", "/docs/"),
    ] {
        let moved = world.exchange(Method::GET, asked, &[]).await;
        assert_eq!(moved.status(), StatusCode::MOVED_PERMANENTLY, "{asked}");
        assert_eq!(said(&moved, "location"), place);
    }
    world.stop().await;
}

/// A header of an answer.
fn said<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("nothing", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_browser_gets_the_part_of_a_film_that_it_asks_for() {
    // Longer than what is read at once.
    let film = "0123456789".repeat(20_000);
    let files = [("index.html", "a film"), ("film.mp4", film.as_str())];
    let mut world = World::new(Kind::Static, &files).await;
    world.run().until_running().await;
    let get = |headers: &'static [(&str, &str)]| world.exchange(Method::GET, "/film.mp4", headers);

    let whole = get(&[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(said(&whole, "accept-ranges"), "bytes");
    assert_eq!(said(&whole, "content-type"), "video/mp4");
    assert_eq!(whole.body(), film.as_bytes());

    for (range, from, to) in [
        ("bytes=0-", 0, 199_999),
        ("bytes=100000-100009", 100_000, 100_009),
        ("bytes=1-199998", 1, 199_998),
        ("bytes=-5", 199_995, 199_999),
        ("bytes=199990-999999", 199_990, 199_999),
    ] {
        let headers = [("range", range)];
        let part = world.exchange(Method::GET, "/film.mp4", &headers).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(
            said(&part, "content-range"),
            format!("bytes {from}-{to}/200000")
        );
        assert_eq!(said(&part, "content-type"), "video/mp4");
        assert_eq!(part.body(), &film.as_bytes()[from..=to], "{range}");
    }

    let beyond = get(&[("range", "bytes=200000-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(said(&beyond, "content-range"), "bytes */200000");
    let several = get(&[("range", "bytes=0-1,5-6")]).await;
    assert_eq!(several.status(), StatusCode::OK);
    assert_eq!(several.body().len(), film.len());

    let range = [("range", "bytes=0-1")];
    let head = world.exchange(Method::HEAD, "/film.mp4", &range).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(said(&head, "content-length"), "200000");
    assert_eq!(said(&head, "accept-ranges"), "bytes");
    assert!(head.body().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_told_so_until_the_file_is_another() {
    let files = [
        ("index.html", "<h1>shop</h1>"),
        ("404.html", "not in this shop"),
    ];
    let mut world = World::new(Kind::Static, &files).await;
    world.run().until_running().await;
    let first = world.exchange(Method::GET, "/", &[]).await;
    let (tag, changed) = (said(&first, "etag"), said(&first, "last-modified"));
    for known in [("if-none-match", tag), ("if-modified-since", changed)] {
        for method in [Method::GET, Method::HEAD] {
            let again = world.exchange(method, "/", &[known]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known:?}");
            assert_eq!(said(&again, "etag"), tag);
            assert!(again.body().is_empty());
        }
    }
    let rest = [("range", "bytes=4-7"), ("if-range", tag)];
    let part = world.exchange(Method::GET, "/", &rest).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.body(), "shop");

    let index = world.options.work_dir.join("app/index.html");
    std::fs::write(index, "<h1>another shop</h1>").unwrap();
    for old in [&rest[..], &[("if-none-match", tag)]] {
        let new = world.exchange(Method::GET, "/", old).await;
        assert_eq!(new.status(), StatusCode::OK, "{old:?}");
        assert_eq!(new.body(), "<h1>another shop</h1>");
    }
    let old = world.exchange(Method::GET, "/", &[("if-match", tag)]).await;
    assert_eq!(old.status(), StatusCode::PRECONDITION_FAILED);

    // What says that something is missing is no file of which somebody has a part.
    let lost = [("range", "bytes=0-2"), ("if-none-match", "*")];
    let lost = world.exchange(Method::GET, "/lost", &lost).await;
    assert_eq!(lost.status(), StatusCode::NOT_FOUND);
    assert_eq!(lost.body(), "not in this shop");
    world.stop().await;
}
