//! An App proves who it is, and its tokens allow what they say.

use anyhow::Result;
use hyper::Method;
use nestling_world::github::{Level, Outcome, Request, Selection};
use serde_json::{Value, json};

use crate::support::{Reply, SHOP, World, permissions};

#[tokio::test]
async fn an_app_is_known_by_its_jwt() -> Result<()> {
    let world = World::start()?;
    let app = world.get("/app", &world.jwt()?).await?.expect(200);
    assert_eq!(
        (&app["slug"], &app["installations_count"]),
        (&json!("nestling"), &json!(1))
    );
    let list = world
        .get("/app/installations", &world.jwt()?)
        .await?
        .expect(200);
    assert_eq!(list[0]["id"], world.installation);
    let one = format!("/app/installations/{}", world.installation);
    assert_eq!(
        world.get(&one, &world.jwt()?).await?.expect(200)["account"]["login"],
        "acme"
    );
    let here = world
        .get(&format!("/repos/{SHOP}/installation"), &world.jwt()?)
        .await?
        .expect(200);
    assert_eq!(here["id"], world.installation);
    world.finish()
}

#[tokio::test]
async fn a_jwt_that_is_not_right_is_refused_in_githubs_words() -> Result<()> {
    let world = World::start()?;
    let now = world.github.look(|state| state.clock.now()) / 1000;
    let sign = |claims| world.github.act(|github| github.sign(world.app, &claims));
    let app = world.app;
    for (claims, status, words) in [
        (
            json!({ "iss": app, "iat": now, "exp": now + 3600 }),
            401,
            "too far in the future",
        ),
        (
            json!({ "iss": app, "iat": now - 700, "exp": now - 100 }),
            401,
            "must be a numeric value",
        ),
        (
            json!({ "iss": app, "iat": now + 300, "exp": now + 500 }),
            401,
            "'Issued at' claim",
        ),
        (
            json!({ "iss": 1, "iat": now, "exp": now + 60 }),
            404,
            "Integration not found",
        ),
    ] {
        let reply = world.get("/app", &sign(claims)?).await?;
        assert_eq!(reply.status, status);
        assert!(reply.message().contains(words), "{}", reply.body);
    }
    let old = world.jwt()?;
    world.github.act(|github| github.revoke_key(world.app))?;
    let reply = world.get("/app", &old).await?;
    assert_eq!(
        (reply.status, reply.message()),
        (401, "A JSON web token could not be decoded")
    );
    world.get("/app", &world.jwt()?).await?.expect(200);
    world.finish()
}

#[tokio::test]
async fn a_token_reaches_what_it_was_made_for_and_no_longer_than_an_hour() -> Result<()> {
    let world = World::start()?;
    let other = world
        .github
        .act(|github| github.create_repository("acme/other", true, &[("a", "b")]))?;
    let narrow = json!({ "repository_ids": [world.shop], "permissions": { "contents": "read" } });
    let token = world.narrowed(narrow).await?;
    world
        .get(&format!("/repos/{SHOP}/branches/main"), &token)
        .await?
        .expect(200);
    assert_eq!(world.get("/repos/acme/other", &token).await?.status, 404);
    assert_eq!(
        world
            .get(&format!("/repositories/{other}"), &token)
            .await?
            .status,
        404
    );
    let listed = world
        .get("/installation/repositories", &token)
        .await?
        .expect(200);
    assert_eq!(
        (&listed["total_count"], &listed["repositories"][0]["id"]),
        (&json!(1), &json!(world.shop))
    );
    let refused = world.get(&format!("/repos/{SHOP}/pulls"), &token).await?;
    assert_eq!(
        (refused.status, refused.message()),
        (403, "Resource not accessible by integration")
    );
    assert_eq!(
        refused.header("x-accepted-github-permissions"),
        "pull_requests=read"
    );

    world.github.act(|github| github.clock.advance(3_599_000));
    world
        .get(&format!("/repos/{SHOP}"), &token)
        .await?
        .expect(200);
    world.github.act(|github| github.clock.advance(1_000));
    let over = world.get(&format!("/repos/{SHOP}"), &token).await?;
    assert_eq!((over.status, over.message()), (401, "Bad credentials"));
    world.finish()
}

#[tokio::test]
async fn a_token_cannot_be_made_for_what_was_not_granted() -> Result<()> {
    let world = World::start()?;
    let stranger = world
        .github
        .act(|github| github.create_repository("rob/diary", true, &[("a", "b")]))?;
    let path = format!("/app/installations/{}/access_tokens", world.installation);
    for (body, words) in [
        (
            json!({ "permissions": { "contents": "write" } }),
            "The permissions requested are not granted",
        ),
        (
            json!({ "repository_ids": [stranger] }),
            "at least one repository that does not exist",
        ),
        (
            json!({ "repositories": ["diary"] }),
            "at least one repository that does not exist",
        ),
    ] {
        let reply = world.post(&path, &world.jwt()?, body).await?;
        assert_eq!(reply.status, 422);
        assert!(reply.message().contains(words), "{}", reply.body);
    }
    assert_eq!(
        world
            .get("/repos/rob/diary", &world.token().await?)
            .await?
            .status,
        404
    );
    world.finish()
}

#[tokio::test]
async fn a_suspended_or_removed_installation_allows_nothing() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let path = format!("/app/installations/{}/access_tokens", world.installation);
    world
        .github
        .act(|github| github.suspend(world.installation))?;
    for reply in [
        world.get(&format!("/repos/{SHOP}"), &token).await?,
        world.post(&path, &world.jwt()?, json!({})).await?,
    ] {
        assert_eq!(
            (reply.status, reply.message()),
            (403, "This installation has been suspended")
        );
    }
    world
        .github
        .act(|github| github.unsuspend(world.installation))?;
    world
        .get(&format!("/repos/{SHOP}"), &token)
        .await?
        .expect(200);
    world
        .github
        .act(|github| github.uninstall(world.installation))?;
    assert_eq!(
        world.get(&format!("/repos/{SHOP}"), &token).await?.status,
        401
    );
    assert_eq!(
        world.post(&path, &world.jwt()?, json!({})).await?.status,
        404
    );
    world.finish()
}

#[tokio::test]
async fn only_selected_repositories_are_reached() -> Result<()> {
    let world = World::start()?;
    let (other, second, installation) = world.github.act(|github| -> Result<_> {
        let other = github.create_repository("ann/notes", true, &[("a", "b")])?;
        let second = github.create_repository("ann/code", true, &[("a", "b")])?;
        let installation = github.install(world.app, "ann", Selection::Selected([other].into()))?;
        Ok((other, second, installation))
    })?;
    let path = format!("/app/installations/{installation}/access_tokens");
    let made = world
        .post(&path, &world.jwt()?, json!({}))
        .await?
        .expect(201);
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["repository_selection"], "selected");
    assert_eq!(world.get("/repos/ann/code", token).await?.status, 404);
    world
        .github
        .act(|github| github.select(installation, second))?;
    world.get("/repos/ann/code", token).await?.expect(200);
    world
        .github
        .act(|github| github.deselect(installation, other))?;
    assert_eq!(world.get("/repos/ann/notes", token).await?.status, 404);
    world.finish()
}

#[tokio::test]
async fn reading_is_not_writing() -> Result<()> {
    let world = World::start()?;
    let mut weak = permissions();
    weak.insert("checks".into(), Level::Read);
    world
        .github
        .act(|github| github.grant(world.installation, weak))?;
    let token = world.token().await?;
    let run = json!({ "name": "preview", "head_sha": "main" });
    let refused = world
        .post(&format!("/repos/{SHOP}/check-runs"), &token, run)
        .await?;
    assert_eq!(
        (refused.status, refused.message()),
        (403, "Resource not accessible by integration")
    );
    world.finish()
}

#[tokio::test]
async fn what_is_taken_from_an_installation_is_taken_from_its_tokens() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let path = format!("/repos/{SHOP}/branches/main");
    world.get(&path, &token).await?.expect(200);
    let mut weak = permissions();
    weak.remove("contents");
    world
        .github
        .act(|github| github.grant(world.installation, weak))?;
    assert_eq!(world.get(&path, &token).await?.status, 403);
    world.finish()
}

#[tokio::test]
async fn a_program_that_does_not_say_what_it_is_is_refused() -> Result<()> {
    let world = World::start()?;
    let mut headers = hyper::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", world.jwt()?).parse()?);
    let request = Request::new(Method::GET, "/app", headers, bytes::Bytes::new());
    let Outcome::Answered(answer) = world.github.ask(&request) else {
        panic!("no answer");
    };
    assert_eq!(answer.status, 403);
    world.finish()
}

/// Sends a form as a browser does.
async fn post(world: &World, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let request = hyper::Request::post(world.url(path));
    world.send(request.body(form.finish().into())?).await
}

/// Has a person agree to a manifest; answers the code that their browser brings back.
async fn agree(world: &World, manifest: &Value, name: &str) -> Result<String> {
    let manifest = manifest.to_string();
    let place = "/organizations/acme/settings/apps";
    let form = [("manifest", manifest.as_str())];
    let page = post(world, &format!("{place}/new?state=a%26b"), &form).await?;
    let text = String::from_utf8(page.raw.to_vec())?;
    assert!(text.contains("Create GitHub App for acme"), "{text}");
    assert!(text.contains("name=\"state\" value=\"a&amp;b\""), "{text}");
    let form = [
        ("manifest", manifest.as_str()),
        ("state", "a&b"),
        ("name", name),
    ];
    let sent = post(world, place, &form).await?;
    assert_eq!(sent.status, 302);
    let to = sent.header("location");
    assert!(
        to.starts_with("http://127.0.0.1:1/github/created?code="),
        "{to}"
    );
    assert!(to.ends_with("&state=a%26b"), "{to}");
    let code = to
        .split("code=")
        .nth(1)
        .and_then(|rest| rest.split('&').next());
    Ok(code.unwrap_or_default().to_owned())
}

fn a_manifest() -> Value {
    json!({
        "name": "Nest of Acme",
        "url": "https://nest.example",
        "hook_attributes": { "url": "https://nest.example/github/webhook" },
        "redirect_url": "http://127.0.0.1:1/github/created",
        "setup_url": "http://127.0.0.1:1/github/installed",
        "default_permissions": { "contents": "read", "checks": "write" },
        "default_events": ["pull_request"],
    })
}

#[tokio::test]
async fn a_manifest_that_github_would_not_take_makes_no_app() -> Result<()> {
    let world = World::start()?;
    let without = |field: &str| {
        let mut manifest = a_manifest();
        manifest.as_object_mut().unwrap().remove(field);
        manifest
    };
    let mut nowhere = a_manifest();
    nowhere["hook_attributes"] = json!({ "active": false });
    let odd = [
        without("url"),
        without("redirect_url"),
        without("hook_attributes"),
        nowhere,
    ];
    for manifest in odd {
        let form = [("manifest", manifest.to_string())];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let page = post(&world, "/settings/apps/new", &form).await?;
        assert_eq!(page.status, 422, "{manifest}");
    }
    let manifest = a_manifest().to_string();
    let taken = world
        .github
        .look(|state| state.apps.values().next().unwrap().name.clone());
    let form = [("manifest", manifest.as_str()), ("name", taken.as_str())];
    assert_eq!(post(&world, "/settings/apps", &form).await?.status, 422);
    world.finish()
}

#[tokio::test]
async fn a_code_is_good_for_an_hour() -> Result<()> {
    let world = World::start()?;
    let code = agree(&world, &a_manifest(), "Nest of Acme").await?;
    world.github.act(|state| state.clock.advance(3_600_000));
    let path = format!("/app-manifests/{code}/conversions");
    assert_eq!(
        world.ask(Method::POST, &path, None, None).await?.status,
        404
    );
    world.finish()
}

#[tokio::test]
async fn an_app_is_made_from_a_manifest_once() -> Result<()> {
    let world = World::start()?;
    let code = agree(&world, &a_manifest(), "Nest of Acme").await?;
    let path = format!("/app-manifests/{code}/conversions");
    let made = world
        .ask(Method::POST, &path, None, None)
        .await?
        .expect(201);
    assert_eq!(
        (&made["slug"], &made["owner"]["login"]),
        (&json!("nest-of-acme"), &json!("acme"))
    );
    assert!(
        made["pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN RSA PRIVATE KEY-----")
    );
    assert_eq!(
        world.ask(Method::POST, &path, None, None).await?.status,
        404
    );

    let page = world
        .ask(
            Method::GET,
            "/apps/nest-of-acme/installations/new",
            None,
            None,
        )
        .await?;
    let page = String::from_utf8(page.raw.to_vec())?;
    assert!(
        page.contains("<button name=\"account\" value=\"acme\">"),
        "{page}"
    );
    let pressed = hyper::Request::post(world.url("/apps/nest-of-acme/installations"));
    let sent = world.send(pressed.body("account=acme".into())?).await?;
    assert_eq!(sent.status, 302);
    let start = "http://127.0.0.1:1/github/installed?installation_id=";
    assert!(
        sent.header("location").starts_with(start),
        "{}",
        sent.header("location")
    );
    world.finish()
}
