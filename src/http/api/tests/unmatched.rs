//! What is asked that nobody answers, and `HEAD`.

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::http::world::World;

#[actix::test]
async fn what_is_not_there_is_a_problem_and_a_wrong_method_names_the_right_ones() {
    let world = World::start().await;
    let ask = async |method: Method, path: &str| {
        let reply = world.people.send(method, path, Bytes::new()).await;
        let kind = reply.header("content-type").to_owned();
        assert_eq!(kind, "application/problem+json", "{}", reply.text());
        (
            reply.status,
            reply.header("allow").to_owned(),
            reply.detail(),
        )
    };
    let (status, _, detail) = ask(Method::GET, "/v1/nosuch").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(detail.contains("/v1/openapi.json"), "{detail}");
    let app = "/v1/apps/local/shop";
    for (method, path, allowed) in [
        (Method::PUT, "/v1/apps", "GET, HEAD, POST"),
        (Method::OPTIONS, app, "DELETE, GET, HEAD, PATCH"),
        (
            Method::GET,
            "/v1/apps/local/shop/environments/pr-1/stop",
            "POST",
        ),
    ] {
        let (status, allow, detail) = ask(method.clone(), path).await;
        assert_eq!(
            (status, allow.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, allowed)
        );
        assert_eq!(detail, format!("{path} answers {allowed}, not {method}"));
    }
    let (status, ..) = ask(Method::GET, "/v1/apps/local//environments").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "no part of a path is empty");
    world.stop().await;
}

#[actix::test]
async fn head_is_answered_like_get_without_its_body() {
    let world = World::start().await;
    for path in ["/v1/apps", "/v1/nosuch", "/healthz"] {
        let got = world.people.get(path).await;
        let head = world.people.send(Method::HEAD, path, Bytes::new()).await;
        let about = |reply: &crate::http::world::Reply| {
            (reply.status, reply.header("content-type").to_owned())
        };
        assert_eq!(about(&head), about(&got), "{path}");
        assert_eq!(head.text(), "", "{path}");
    }
    world.stop().await;
}
