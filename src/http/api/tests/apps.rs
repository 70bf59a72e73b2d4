//! Apps: removed, brought back, described.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use nestling_domain::{
    discovery::{Discovery, FoundApp, NotTaken},
    ids::{EnvironmentId, Kind},
    lifecycle::State,
};
use nestling_protocol::bundle;
use serde_json::{Value, json};

use crate::http::{
    api::views::{AppRemovedView, AppView, AppsPage, ProposalsView, ValuesPage},
    world::{Reply, World, app},
};

const SHOP: &str = "/v1/apps/local/shop";

async fn running() -> World {
    let world = World::start().await;
    let found = |root: &str| FoundApp {
        root: root.into(),
        kind: bundle::Kind::Wing,
        name: root.into(),
        health: Some("/health".into()),
        policy: None,
    };
    *world.outside.found.borrow_mut() = Discovery {
        apps: vec![found("shop"), found("blog")],
        not_taken: vec![NotTaken {
            path: "notes/package.json".into(),
            reason: "it has no start or build script".into(),
            meant: true,
        }],
    };
    for name in ["shop", "blog"] {
        let runner = world.deploy(&app(name), Kind::Production, 1).await;
        runner.comes_up().await;
    }
    world
}

async fn send(world: &World, method: Method, path: &str, body: &Value) -> Reply {
    let wire = world.people.with("content-type", "application/json");
    wire.send(method, path, Bytes::from(body.to_string())).await
}

async fn delete(world: &World, path: &str) -> Reply {
    world.people.send(Method::DELETE, path, Bytes::new()).await
}

#[actix::test]
async fn an_app_is_removed_for_good_and_brought_back_under_its_name() {
    let world = running().await;
    let secret = format!("{SHOP}/secrets/production");
    let value = json!({ "value": "a-secret-value" });
    send(&world, Method::PUT, &format!("{secret}/API_KEY"), &value).await;
    let mut watching = world.people.upgrade("/v1/live").await.unwrap();
    watching.say(r#"{"subscribe": ["local/shop"]}"#).await;
    watching.json().await;

    let removed = delete(&world, SHOP).await;
    assert_eq!(removed.status, StatusCode::OK, "{removed:?}");
    let removed: AppRemovedView = removed.json();
    assert_eq!(removed.closing, ["local/shop/production"]);
    assert!(
        removed
            .decision
            .contains("secrets and variables are deleted")
    );
    let id = EnvironmentId::derive(&app("shop").id, Kind::Production);
    let closed = |record: &nestling_domain::environment::Environment| record.lifecycle.is_closed();
    world.until(&id, "closed", closed).await;
    loop {
        let frame = watching.json().await;
        if frame["touched"] == "local/shop" {
            break;
        }
        assert_eq!(frame["event"]["environment"], "local/shop/production");
    }

    let says = "app local/shop is removed: bring it back at the end of the page of apps, or by POST /v1/apps with {\"repository\":\"shop\",\"root\":\"shop\"}";
    for reply in [
        delete(&world, SHOP).await,
        world.people.get(SHOP).await,
        world.people.get(&secret).await,
        world
            .people
            .order(&format!("{SHOP}/environments/production/start"))
            .await,
    ] {
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{reply:?}");
        assert_eq!(reply.detail(), says);
    }
    let apps: AppsPage = world.people.get("/v1/apps").await.json();
    let names: Vec<_> = apps.apps.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["local/blog"]);
    let gone = &apps.removed[0];
    assert_eq!(
        (gone.name.as_str(), gone.root.as_str()),
        ("local/shop", "shop")
    );

    let order = json!({ "repository": gone.repository, "root": gone.root });
    let back = send(&world, Method::POST, "/v1/apps", &order).await;
    assert_eq!(
        (back.status, back.header("location")),
        (StatusCode::CREATED, SHOP)
    );
    let view: AppView = back.json();
    assert_eq!(
        (
            view.name.as_str(),
            view.kind.as_str(),
            view.health.as_deref()
        ),
        ("local/shop", "wing", Some("/health")),
        "as its folder says now"
    );
    world
        .until(&id, "began again", |record| {
            matches!(&record.lifecycle.state, State::Restarting { next, .. } if next.generation.0 == 2)
        })
        .await;
    let values: ValuesPage = world.people.get(&secret).await.json();
    assert_eq!(values.values, [], "what was deleted does not come back");
    let again = send(&world, Method::POST, "/v1/apps", &order).await;
    assert_eq!(
        (again.status, again.json::<AppView>()),
        (StatusCode::OK, view)
    );
    world.stop().await;
}

#[actix::test]
async fn what_a_repository_holds_is_listed_before_it_is_added() {
    let world = running().await;
    let path = "/v1/repositories/local/shop/proposals";
    world.outside.found.borrow_mut().apps.push(FoundApp {
        root: "tools/Price List".into(),
        kind: bundle::Kind::Static,
        name: "Price List".into(),
        health: None,
        policy: None,
    });
    delete(&world, "/v1/apps/local/blog").await;
    let reply = world.people.get(path).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let found: ProposalsView = reply.json();
    assert_eq!(found.place, "branch `main` of /home/ann/shop");
    let apps = found.apps.iter();
    let apps = apps.map(|one| (one.called.as_str(), one.app.as_deref(), one.removed));
    assert_eq!(
        apps.collect::<Vec<_>>(),
        [
            ("shop", Some("local/shop"), false),
            ("blog", None, true),
            ("price-list", None, false),
        ]
    );
    assert_eq!(found.not_taken[0].path, "notes/package.json");
    // It changes nothing.
    let apps: AppsPage = world.people.get("/v1/apps").await.json();
    assert_eq!(apps.apps.len(), 1);

    let other = "/v1/repositories/local/till/proposals";
    let missing = world.people.get(other).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "{missing:?}");
    *world.outside.head.borrow_mut() = None;
    let empty = world.people.get(path).await;
    assert_eq!(empty.status, StatusCode::SERVICE_UNAVAILABLE, "{empty:?}");
    assert!(empty.detail().contains("the model has no commit"));
    world.stop().await;
}

#[actix::test]
async fn what_cannot_be_recorded_is_refused_with_what_there_is() {
    let world = running().await;
    for (body, status, says) in [
        (
            json!({ "repository": "shop", "root": "notes" }),
            422,
            "there is no app in folder notes of branch `main` of /home/ann/shop; not taken: notes/package.json (it has no start or build script); apps were found in shop, blog",
        ),
        (
            json!({ "repository": "/home/ann/shop" }),
            422,
            "there is no app in folder . of branch `main` of /home/ann/shop; apps were found in shop, blog",
        ),
        (
            json!({ "repository": "elsewhere", "root": "notes" }),
            404,
            "no repository \"elsewhere\" is watched, only /home/ann/shop",
        ),
        (
            json!({ "repository": "shop", "root": "a\nb" }),
            422,
            "root must be a folder of the repository: at most 1024 bytes, without control characters",
        ),
        (
            json!({ "repository": "shop", "folder": "notes" }),
            400,
            "the body cannot be read as JSON: Json deserialize error: unknown field `folder`, expected `repository` or `root` at line 1 column 9",
        ),
    ] {
        let reply = send(&world, Method::POST, "/v1/apps", &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.detail().as_str()),
            (status, says)
        );
    }
    let there = json!({ "repository": "local/shop", "root": "./blog/" });
    let reply = send(&world, Method::POST, "/v1/apps", &there).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    world.stop().await;
}

#[actix::test]
async fn a_description_is_changed_and_nothing_else() {
    let world = running().await;
    let says = json!({ "description": " The shop, with <b>ünïcode</b> " });
    let changed = send(&world, Method::PATCH, SHOP, &says).await;
    let view: AppView = changed.json();
    assert_eq!(view.description, "The shop, with <b>ünïcode</b>");
    assert_eq!(world.people.get(SHOP).await.json::<AppView>(), view);

    let long = "x".repeat(201);
    for (body, says) in [
        (
            json!({ "description": "x", "health": "/" }),
            "health cannot be changed here: it is read from nestling.toml in the app's folder, on the default branch",
        ),
        (
            json!({ "kind": "node" }),
            "kind cannot be changed: it follows from the repository. Only description can be",
        ),
        (
            json!({ "colour": "red" }),
            "\"colour\" is not known of an app: only description can be changed",
        ),
        (
            json!({}),
            "description is missing: send {\"description\": \"…\"}, a text",
        ),
        (
            json!({ "description": null }),
            "description is missing: send {\"description\": \"…\"}, a text",
        ),
        (
            json!({ "description": long }),
            "a description has at most 200 characters, and this one has 201",
        ),
        (
            json!({ "description": "red \u{1b}[31m" }),
            "a description is one line of text: '\\u{1b}' cannot be part of it",
        ),
    ] {
        let reply = send(&world, Method::PATCH, SHOP, &body).await;
        assert_eq!(
            (reply.status, reply.detail().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, says)
        );
    }
    assert_eq!(world.people.get(SHOP).await.json::<AppView>(), view);
    let nobody = send(&world, Method::PATCH, "/v1/apps/local/nobody", &says).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);

    let described: Value = world.people.get("/v1/openapi.json").await.json();
    let paths = &described["paths"];
    for (path, method, schema) in [
        ("/v1/apps", "post", "NewApp"),
        ("/v1/apps/{owner}/{app}", "patch", "AppChange"),
    ] {
        assert_eq!(
            paths[path][method]["requestBody"]["content"]["application/json"]["schema"]["$ref"],
            format!("#/components/schemas/{schema}")
        );
    }
    assert!(paths["/v1/apps/{owner}/{app}"]["delete"]["responses"]["200"].is_object());
    world.stop().await;
}
