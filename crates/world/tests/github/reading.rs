//! What an App reads: repositories, branches, files and pull requests.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::Request;
use nestling_world::github::{Change, Opening, Role};
use serde_json::{Value, json};

use crate::support::{SHOP, World};

#[tokio::test]
async fn a_repository_is_found_by_name_number_and_former_name() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let named = world
        .get(&format!("/repos/{SHOP}"), &token)
        .await?
        .expect(200);
    assert_eq!(
        (&named["id"], &named["private"]),
        (&json!(world.shop), &json!(true))
    );
    world
        .github
        .act(|github| github.rename(SHOP, "store", "ann"))?;
    let moved = world
        .get(&format!("/repos/{SHOP}/pulls?state=all"), &token)
        .await?;
    assert_eq!((moved.status, moved.message()), (301, "Moved Permanently"));
    let to = format!("{}/repositories/{}/pulls", world.github.base(), world.shop);
    assert_eq!(moved.header("location"), to);
    let pushed = world
        .post(
            &format!("/repos/{SHOP}/deployments"),
            &token,
            json!({ "ref": "main" }),
        )
        .await?;
    assert_eq!(pushed.status, 307);
    let by_number = world
        .get(&format!("/repositories/{}", world.shop), &token)
        .await?
        .expect(200);
    assert_eq!(by_number["full_name"], "acme/store");
    world.finish()
}

#[tokio::test]
async fn an_answer_that_is_known_costs_nothing() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let path = format!("/repos/{SHOP}/branches/main");
    let first = world.get(&path, &token).await?;
    let again = || {
        let request = Request::get(world.url(&path))
            .header("authorization", format!("token {token}"))
            .header("if-none-match", first.header("etag"));
        request.body(bytes::Bytes::new().into())
    };
    let same = world.send(again()?).await?;
    assert_eq!((same.status, same.raw.len()), (304, 0));
    assert_eq!(
        same.header("x-ratelimit-used"),
        first.header("x-ratelimit-used")
    );
    world
        .github
        .act(|github| github.push(SHOP, "main", "ann", &[Change::file("a", "b")]))?;
    assert_eq!(world.send(again()?).await?.status, 200);
    world.finish()
}

#[tokio::test]
async fn branches_commits_trees_and_files_are_those_of_git() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let files = [
        Change::file("docs/a page.md", "# Page"),
        Change::file("app/main.js", "1"),
    ];
    let commit = world.github.act(|github| {
        github.push_saying(SHOP, "feature/x", "ann", "Say more\n\nMuch more", &files)
    })?;
    let get = async |path: &str| world.get(&format!("/repos/{SHOP}/{path}"), &token).await;

    let branch = get("branches/feature%2Fx").await?.expect(200);
    assert_eq!(
        (&branch["name"], &branch["commit"]["sha"]),
        (&json!("feature/x"), &json!(commit))
    );
    let missing = get("branches/none").await?;
    assert_eq!(
        (missing.status, missing.message()),
        (404, "Branch not found")
    );
    assert_eq!(
        get("branches").await?.expect(200).as_array().unwrap().len(),
        2
    );
    let named = get("git/ref/heads/feature/x").await?.expect(200);
    assert_eq!(
        (&named["ref"], &named["object"]["sha"]),
        (&json!("refs/heads/feature/x"), &json!(commit))
    );
    let told = get(&format!("commits/{commit}")).await?.expect(200);
    assert_eq!(told["commit"]["message"], "Say more\n\nMuch more");
    assert_eq!(
        (&told["author"]["login"], &told["commit"]["author"]["name"]),
        (&json!("ann"), &json!("ann"))
    );
    assert_eq!(
        get("commits/feature%2Fx").await?.expect(200)["sha"],
        json!(commit)
    );
    assert_eq!(
        get(&format!("commits/{}", "0".repeat(40))).await?.status,
        422
    );

    let tree = get(&format!("git/trees/{commit}?recursive=1"))
        .await?
        .expect(200);
    let paths: Vec<&str> = tree["tree"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["app", "app/main.js", "docs", "docs/a page.md", "index.html"]
    );
    assert_eq!(
        get("git/trees/main").await?.expect(200)["tree"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let page = get("contents/docs/a%20page.md?ref=feature/x")
        .await?
        .expect(200);
    let content = page["content"].as_str().unwrap().replace('\n', "");
    assert_eq!(STANDARD.decode(content)?, b"# Page");
    let folder = get(&format!("contents/docs?ref={commit}"))
        .await?
        .expect(200);
    assert_eq!(folder[0]["path"], "docs/a page.md");
    assert_eq!(get("contents/docs").await?.status, 404);
    assert_eq!(
        get("contents/?ref=main").await?.expect(200)[0]["name"],
        "index.html"
    );
    let raw = Request::get(world.url(&format!("/repos/{SHOP}/contents/index.html")))
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "application/vnd.github.raw+json");
    assert_eq!(
        world.send(raw.body(bytes::Bytes::new().into())?).await?.raw,
        "<h1>Shop</h1>"
    );
    world.finish()
}

#[tokio::test]
async fn pull_requests_are_listed_page_by_page_and_by_what_they_are() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    world.github.act(|github| -> Result<()> {
        github.open_issue(SHOP, "Numbers are shared")?;
        for n in 1..=5 {
            let branch = format!("b{n}");
            github.push(SHOP, &branch, "ann", &[Change::file(&branch, "x")])?;
            assert_eq!(
                github.open_pull_request(SHOP, Opening::of(&branch, "ann"))?,
                n + 1
            );
        }
        github.close(SHOP, 4, "ann")?;
        github.fork(SHOP, "rob")?;
        github.push("rob/shop", "b1", "rob", &[Change::file("rob", "x")])?;
        github.open_pull_request(SHOP, Opening::of("b1", "rob").from("rob/shop"))?;
        Ok(())
    })?;
    let numbers = |list: &Value| -> Vec<u64> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|pull| pull["number"].as_u64().unwrap())
            .collect()
    };
    let list = async |query: &str| {
        world
            .get(&format!("/repos/{SHOP}/pulls?{query}"), &token)
            .await
    };
    let first = list("per_page=2").await?;
    assert_eq!(numbers(&first.body), [7, 6]);
    let next = format!(
        "<{}/repos/{SHOP}/pulls?per_page=2&page=2>; rel=\"next\"",
        world.github.base()
    );
    assert!(
        first.header("link").starts_with(&next),
        "{}",
        first.header("link")
    );
    assert!(first.header("link").contains("page=3>; rel=\"last\""));
    assert_eq!(numbers(&list("per_page=2&page=3").await?.body), [2]);
    assert_eq!(numbers(&list("state=closed").await?.body), [4]);
    assert_eq!(
        numbers(&list("state=all&sort=created&direction=asc").await?.body),
        [2, 3, 4, 5, 6, 7]
    );
    assert_eq!(numbers(&list("head=acme:b1").await?.body), [2]);
    assert_eq!(numbers(&list("head=rob:b1").await?.body), [7]);
    assert_eq!(numbers(&list("base=other").await?.body), [] as [u64; 0]);

    let of = async |n: u64| {
        Ok::<_, anyhow::Error>(
            world
                .get(&format!("/repos/{SHOP}/pulls/{n}"), &token)
                .await?
                .expect(200),
        )
    };
    let fork = of(7).await?;
    assert_eq!(
        (&fork["head"]["repo"]["full_name"], &fork["head"]["label"]),
        (&json!("rob/shop"), &json!("rob:b1"))
    );
    assert_eq!(
        (&fork["base"]["repo"]["id"], &fork["changed_files"]),
        (&json!(world.shop), &json!(2))
    );
    world
        .github
        .act(|github| github.delete_repository("rob/shop", "rob"))?;
    assert_eq!(of(7).await?["head"]["repo"], Value::Null);
    let number = world.get(&format!("/repos/{SHOP}/pulls/1"), &token).await?;
    assert_eq!(number.status, 404);
    world.finish()
}

#[tokio::test]
async fn a_pull_request_lists_at_most_3000_files() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    let many: Vec<Change> = (0..3_050)
        .map(|n| Change::file(&format!("f/{n:04}"), &n.to_string()))
        .collect();
    world
        .github
        .act(|github| github.push(SHOP, "many", "ann", &many))?;
    let number = world
        .github
        .act(|github| github.open_pull_request(SHOP, Opening::of("many", "ann")))?;
    let files = async |page: u32| {
        let path = format!("/repos/{SHOP}/pulls/{number}/files?per_page=100&page={page}");
        Ok::<_, anyhow::Error>(
            world
                .get(&path, &token)
                .await?
                .expect(200)
                .as_array()
                .unwrap()
                .len(),
        )
    };
    assert_eq!(
        (files(1).await?, files(30).await?, files(31).await?),
        (100, 100, 0)
    );
    world.finish()
}

#[tokio::test]
async fn what_somebody_may_do_is_asked_of_the_repository() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    world
        .github
        .act(|github| github.set_role(SHOP, "max", Some(Role::Maintain)))?;
    world.github.act(|github| github.fork(SHOP, "eve"))?;
    let permission = async |login: &str| {
        world
            .get(
                &format!("/repos/{SHOP}/collaborators/{login}/permission"),
                &token,
            )
            .await
    };
    for (login, permission_of, role) in [
        ("ann", "write", "write"),
        ("rob", "read", "read"),
        ("max", "write", "maintain"),
        ("eve", "none", "none"),
    ] {
        let answer = permission(login).await?.expect(200);
        assert_eq!(
            (&answer["permission"], &answer["role_name"]),
            (&json!(permission_of), &json!(role))
        );
    }
    assert_eq!(permission("nobody-at-all").await?.status, 404);
    world.finish()
}

#[tokio::test]
async fn an_hour_has_so_many_requests() -> Result<()> {
    let world = World::start()?;
    let token = world.token().await?;
    world.github.act(|github| github.set_rate_limit(2));
    let ask = async || world.get(&format!("/repos/{SHOP}"), &token).await;
    assert_eq!(ask().await?.header("x-ratelimit-remaining"), "1");
    assert_eq!(ask().await?.header("x-ratelimit-remaining"), "0");
    let over = ask().await?;
    assert_eq!(
        (over.status, over.header("x-ratelimit-remaining")),
        (403, "0")
    );
    assert!(
        over.message()
            .starts_with("API rate limit exceeded for installation"),
        "{}",
        over.body
    );
    let limit = world.get("/rate_limit", &token).await?.expect(200);
    assert_eq!(limit["rate"]["remaining"], 0);
    world.github.act(|github| github.clock.advance(3_600_000));
    let fresh = world.token().await?;
    assert_eq!(
        world.get(&format!("/repos/{SHOP}"), &fresh).await?.status,
        200
    );
    world.finish()
}
