//! What a server that waits answers, and what it says to the rest.

use nestling_protocol::path;

use super::*;
use crate::http::world::World;

#[actix::test]
async fn a_server_that_waits_answers_what_is_read_and_says_when_to_come_back_for_the_rest() {
    let mut world = World::start().await;
    let beside = world.beside("the first");
    for read in ["/healthz", "/v1/apps", "/v1/queue", "/v1/openapi.json", "/"] {
        let reply = beside.get(read).await;
        let said = (reply.status.as_u16(), reply.header(STANDING));
        assert_eq!(said, (200, "waits"), "{read}: {reply:?}");
    }
    let troubles = beside.get("/v1/troubles").await.text();
    assert!(
        troubles.contains("the first acts on these tables"),
        "{troubles}"
    );

    let log = "/v1/apps/local/shop/environments/production/deployments/1/logs?follow=true";
    let proposals = "/v1/repositories/local/shop/proposals";
    for needs_actors in ["/readyz", "/v1/live", path::BUNDLE, proposals, log] {
        is_told_to_come_back(&beside.get(needs_actors).await);
    }
    for order in [webhook::PATH, path::HEARTBEAT, "/v1/secrets/reseal"] {
        is_told_to_come_back(&beside.order(order).await);
    }
    let stop = beside.order("/local/shop/production/stop").await;
    assert_eq!(
        (stop.status.as_u16(), stop.header("retry-after")),
        (503, "5")
    );
    assert!(stop.text().contains(WORDS), "{stop:?}");

    // The one that acts is as ever.
    let ready = world.people.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.header(STANDING)), (200, ""));
    world.stop().await;
}

/// A program is.
fn is_told_to_come_back(reply: &crate::http::world::Reply) {
    assert_eq!(reply.status.as_u16(), 503, "{reply:?}");
    assert_eq!(reply.header("retry-after"), COME_BACK);
    assert_eq!(reply.json::<Problem>().kind, "urn:nestling:waits");
}
