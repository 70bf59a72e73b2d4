//! Check runs and deployments, as people see them beside a pull request.

use anyhow::Result;
use nestling_world::github::Level;
use serde_json::json;

use crate::{
    conversation::with_pull_request,
    support::{SHOP, permissions},
};

#[tokio::test]
async fn a_check_run_goes_from_queued_to_its_end() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let head = world
        .github
        .act(|github| github.see_pull_request(SHOP, 1))?
        .head;
    let runs = format!("/repos/{SHOP}/check-runs");
    let body =
        json!({ "name": "shop", "head_sha": head, "external_id": "dep-1", "status": "queued" });
    let made = world.post(&runs, &token, body).await?.expect(201);
    assert_eq!(made["pull_requests"][0]["number"], 1);
    assert_eq!(world.github.look(|state| state.open_check_runs().len()), 1);
    assert!(world.finish().is_err(), "a check run was left open");
    let one = format!("{runs}/{}", made["id"]);
    let end = json!({
        "status": "completed",
        "conclusion": "action_required",
        "output": { "title": "Waits for approval", "summary": "From an outsider" },
        "actions": [{ "label": "Approve", "description": "Run this commit", "identifier": "approve" }],
    });
    let ended = world.patch(&one, &token, end).await?.expect(200);
    assert_eq!(
        (&ended["status"], &ended["conclusion"]),
        (&json!("completed"), &json!("action_required"))
    );
    let listed = world
        .get(
            &format!("/repos/{SHOP}/commits/{head}/check-runs?check_name=shop"),
            &token,
        )
        .await?;
    assert_eq!(listed.expect(200)["total_count"], 1);
    assert_eq!(
        world
            .github
            .act(|github| github.see_check_runs(SHOP, &head))?[0]
            .actions[0]
            .identifier,
        "approve"
    );
    world.finish()
}

#[tokio::test]
async fn only_the_newest_run_of_a_name_is_listed_unless_all_are_asked_for() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let body = json!({ "name": "shop", "head_sha": world.github.act(|github| github.see_pull_request(SHOP, 1))?.head, "conclusion": "success" });
    let mut last = json!(null);
    for _ in 0..2 {
        last = world
            .post(&format!("/repos/{SHOP}/check-runs"), &token, body.clone())
            .await?
            .expect(201);
    }
    let list = format!("/repos/{SHOP}/commits/blue/check-runs");
    let latest = world.get(&list, &token).await?.expect(200);
    assert_eq!(
        (&latest["total_count"], &latest["check_runs"][0]["id"]),
        (&json!(1), &last["id"])
    );
    assert_eq!(
        world
            .get(&format!("{list}?filter=all"), &token)
            .await?
            .expect(200)["total_count"],
        2
    );
    world.finish()
}

#[tokio::test]
async fn a_check_run_that_is_not_right_or_not_ones_own_is_refused() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let runs = format!("/repos/{SHOP}/check-runs");
    let head = world
        .github
        .act(|github| github.see_pull_request(SHOP, 1))?
        .head;
    let button = |label: &str| json!({ "label": label, "description": "d", "identifier": "i" });
    for wrong in [
        json!({ "head_sha": head }),
        json!({ "name": "shop", "head_sha": "0".repeat(40) }),
        json!({ "name": "shop", "head_sha": head, "status": "completed" }),
        json!({ "name": "shop", "head_sha": head, "status": "done" }),
        json!({ "name": "shop", "head_sha": head, "output": { "title": "no summary" } }),
        json!({ "name": "shop", "head_sha": head, "actions": [button("a"), button("b"), button("c"), button("d")] }),
        json!({ "name": "shop", "head_sha": head, "actions": [button("a label of 21 letters")] }),
    ] {
        let reply = world.post(&runs, &token, wrong.clone()).await?;
        assert_eq!(reply.status, 422, "{wrong}");
    }
    let body = json!({ "name": "shop", "head_sha": head, "conclusion": "neutral" });
    let ours = world.post(&runs, &token, body).await?.expect(201);
    // Another App comes and tries to change it.
    let (installation, jwt) = world.github.act(|github| -> Result<_> {
        let other = github.register_app("acme", "Other", permissions(), &[])?;
        let installation = github.install(other, "acme", nestling_world::github::Selection::All)?;
        let now = github.clock.now() / 1000;
        let jwt = github.sign(
            other,
            &json!({ "iss": other.to_string(), "iat": now, "exp": now + 60 }),
        )?;
        Ok((installation, jwt))
    })?;
    let path = format!("/app/installations/{installation}/access_tokens");
    let made = world.post(&path, &jwt, json!({})).await?.expect(201);
    let refused = world
        .patch(
            &format!("{runs}/{}", ours["id"]),
            made["token"].as_str().unwrap(),
            json!({ "name": "mine" }),
        )
        .await?;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .message()
            .contains("can only be modified by the GitHub App that created it")
    );
    world.finish()
}

#[tokio::test]
async fn a_deployment_goes_from_queued_to_inactive() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let head = world
        .github
        .act(|github| github.see_pull_request(SHOP, 1))?
        .head;
    let list = format!("/repos/{SHOP}/deployments");
    let body = json!({
        "ref": head,
        "environment": "shop (preview)",
        "transient_environment": true,
        "auto_merge": false,
        "required_contexts": [],
    });
    let made = world.post(&list, &token, body).await?.expect(201);
    assert_eq!(
        (&made["sha"], &made["production_environment"]),
        (&json!(head), &json!(false))
    );
    let statuses = format!("{list}/{}/statuses", made["id"]);
    for state in ["queued", "in_progress", "success"] {
        let body = json!({
            "state": state,
            "environment_url": "http://shop.localhost/",
            "log_url": "http://nest.localhost/log",
        });
        world.post(&statuses, &token, body).await?.expect(201);
    }
    let filtered = world
        .get(
            &format!("{list}?environment=shop%20%28preview%29&sha={head}"),
            &token,
        )
        .await?;
    assert_eq!(filtered.expect(200).as_array().unwrap().len(), 1);
    let told = world.get(&statuses, &token).await?.expect(200);
    assert_eq!(
        (&told[0]["state"], &told[2]["state"]),
        (&json!("success"), &json!("queued"))
    );
    world.github.act(|github| github.close(SHOP, 1, "ann"))?;
    let left = world.finish().unwrap_err().to_string();
    assert!(
        left.contains("deployment of shop (preview) of acme/shop"),
        "{left}"
    );
    world
        .post(&statuses, &token, json!({ "state": "inactive" }))
        .await?
        .expect(201);
    assert!(!world.github.act(|github| github.see_deployments(SHOP))?[0].active());
    world.finish()
}

#[tokio::test]
async fn a_success_retires_the_one_before_unless_it_is_transient_or_production() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/deployments");
    let deploy = async |environment: &str, transient: bool| {
        let body = json!({ "ref": "main", "environment": environment, "transient_environment": transient });
        let made = world.post(&list, &token, body).await?.expect(201);
        let statuses = format!("{list}/{}/statuses", made["id"]);
        world
            .post(&statuses, &token, json!({ "state": "success" }))
            .await?
            .expect(201);
        Ok::<_, anyhow::Error>(())
    };
    for (environment, transient) in [("staging", false), ("production", false), ("preview", true)] {
        deploy(environment, transient).await?;
        deploy(environment, transient).await?;
    }
    let states: Vec<String> = world
        .github
        .act(|github| github.see_deployments(SHOP))?
        .iter()
        .map(|one| one.state().to_owned())
        .collect();
    assert_eq!(
        states,
        [
            "inactive", "success", "success", "success", "success", "success"
        ]
    );
    let all = world.github.act(|github| github.see_deployments(SHOP))?;
    for one in all.iter().filter(|one| one.transient) {
        world
            .post(
                &format!("{list}/{}/statuses", one.id),
                &token,
                json!({ "state": "inactive" }),
            )
            .await?
            .expect(201);
    }
    world.finish()
}

#[tokio::test]
async fn github_does_not_deploy_what_is_behind_or_failing_unless_told_to() -> Result<()> {
    let world = with_pull_request()?;
    let token = world.token().await?;
    let list = format!("/repos/{SHOP}/deployments");
    let head = world
        .github
        .act(|github| github.see_pull_request(SHOP, 1))?
        .head;
    let run = json!({ "name": "tests", "head_sha": head, "conclusion": "failure" });
    world
        .post(&format!("/repos/{SHOP}/check-runs"), &token, run)
        .await?
        .expect(201);
    let conflict = world.post(&list, &token, json!({ "ref": "blue" })).await?;
    assert_eq!(
        (conflict.status, conflict.message()),
        (409, "Conflict: Commit status checks failed for blue.")
    );
    world.github.act(|github| {
        github.push(
            SHOP,
            "main",
            "ann",
            &[nestling_world::github::Change::file("new", "x")],
        )
    })?;
    let merged = world
        .post(
            &list,
            &token,
            json!({ "ref": "blue", "required_contexts": [] }),
        )
        .await?;
    assert_eq!(
        (merged.status, merged.message()),
        (202, "Auto-merged main into blue on deployment.")
    );
    let plain = json!({ "ref": "blue", "required_contexts": [], "auto_merge": false });
    world.post(&list, &token, plain.clone()).await?.expect(201);
    let mut weak = permissions();
    weak.insert("deployments".into(), Level::Read);
    world
        .github
        .act(|github| github.grant(world.installation, weak))?;
    assert_eq!(
        world
            .post(&list, &world.token().await?, plain)
            .await?
            .status,
        403
    );
    world.finish()
}
