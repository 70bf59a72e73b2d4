//! Secrets and variables.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use nestling_domain::{
    ids::{Class, Kind},
    record::Content,
};

use crate::http::{
    api::views::{PlainValue, ResealedView, ValuesPage},
    world::{World, app},
};

const SECRETS: &str = "/v1/apps/local/shop/secrets/preview";
const VARIABLES: &str = "/v1/apps/local/shop/variables/preview";

async fn put(world: &World, path: &str, value: &str) -> crate::http::world::Reply {
    let body = serde_json::json!({ "value": value }).to_string();
    let wire = world.people.with("content-type", "application/json");
    wire.send(Method::PUT, path, Bytes::from(body)).await
}

#[actix::test]
async fn a_secret_is_masked_in_lists_and_shown_only_at_its_own_address() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    let (key, mode) = (format!("{SECRETS}/API_KEY"), format!("{VARIABLES}/MODE"));
    assert_eq!(
        put(&world, &key, "a-secret-value").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        put(&world, &mode, "fast").await.status,
        StatusCode::NO_CONTENT
    );

    let listed = world.people.get(SECRETS).await;
    assert!(!listed.text().contains("a-secret-value"));
    let secrets: ValuesPage = listed.json();
    assert_eq!(
        (secrets.values.len(), secrets.values[0].name.as_str()),
        (1, "API_KEY")
    );
    let variables: ValuesPage = world.people.get(VARIABLES).await.json();
    assert_eq!(variables.values[0].value.as_deref(), Some("fast"));
    assert_eq!(variables.values.len(), 1);

    let revealed = world.people.get(&key).await;
    assert_eq!(revealed.header("cache-control"), "no-store");
    assert_eq!(revealed.json::<PlainValue>().value, "a-secret-value");
    let production = world
        .people
        .get("/v1/apps/local/shop/secrets/production/API_KEY")
        .await;
    assert_eq!(production.status, StatusCode::NOT_FOUND, "kinds are apart");
    let as_variable = world.people.get(&format!("{VARIABLES}/API_KEY")).await;
    assert_eq!(as_variable.status, StatusCode::NOT_FOUND, "{as_variable:?}");
    let overwrite = put(&world, &format!("{VARIABLES}/API_KEY"), "x").await;
    assert_eq!(
        overwrite.status,
        StatusCode::CONFLICT,
        "a secret never turns into what lists show"
    );

    let gone = world.people.send(Method::DELETE, &key, Bytes::new()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    let again = world.people.send(Method::DELETE, &key, Bytes::new()).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(
        again.detail(),
        "local/shop has no secret API_KEY for preview environments"
    );
    world.stop().await;
}

#[actix::test]
async fn values_that_cannot_be_are_refused_without_being_repeated() {
    let world = World::start().await;
    world.deploy(&app("shop"), Kind::Production, 1).await;
    for (path, value, says) in [
        (format!("{SECRETS}/API_KEY"), "tiny", "shorter than 6 bytes"),
        (
            format!("{SECRETS}/PORT"),
            "a-secret-value",
            "cannot be a variable's name",
        ),
        (
            format!("{SECRETS}/a%20b"),
            "a-secret-value",
            "cannot be a variable's name",
        ),
        (
            format!("{VARIABLES}/BIG"),
            &"x".repeat(65 * 1024),
            "the most is 65536",
        ),
    ] {
        let reply = put(&world, &path, value).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(reply.detail().contains(says), "{path}: {reply:?}");
        assert!(!reply.text().contains("a-secret-value"));
    }
    world.stop().await;
}

#[actix::test]
async fn everything_is_sealed_anew_and_what_cannot_be_opened_is_named_and_left() {
    let world = World::start().await;
    let shop = app("shop");
    world.deploy(&shop, Kind::Production, 1).await;
    for name in ["API_KEY", "OTHER_KEY"] {
        put(&world, &format!("{SECRETS}/{name}"), "a-secret-value").await;
    }
    put(&world, &format!("{VARIABLES}/MODE"), "fast").await;
    let store = &world.services.store;
    let values = async || store.values(&shop.id, Class::Preview).await.unwrap();
    let mut broken = values().await.swap_remove(2);
    assert_eq!(broken.name.as_str(), "OTHER_KEY");
    broken.content = Content::Secret {
        envelope: b"no envelope".to_vec(),
    };
    store.put_value(&broken).await.unwrap();
    let before = values().await;

    let reply = world
        .people
        .send(Method::POST, "/v1/secrets/reseal", Bytes::new())
        .await;
    let resealed: ResealedView = reply.json();
    assert_eq!(resealed.secrets, 1);
    assert_eq!(resealed.left[0].name, "local/shop preview/OTHER_KEY");
    assert!(
        resealed.left[0].reason.contains("set the secret again"),
        "{resealed:?}"
    );
    let after = values().await;
    assert!(after[0].content != before[0].content, "sealed anew");
    assert!(after[1..] == before[1..], "as they were");
    let revealed = world.people.get(&format!("{SECRETS}/API_KEY")).await;
    assert_eq!(revealed.json::<PlainValue>().value, "a-secret-value");
    world.stop().await;
}
