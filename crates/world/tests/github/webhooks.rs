//! What GitHub tells the App, and what becomes of it.

use anyhow::Result;
use nestling_world::github::{Change, Opening, Selection};
use serde_json::{Value, json};

use crate::support::{Came, SHOP, listening};

fn file(content: &str) -> [Change; 1] {
    [Change::file("index.html", content)]
}

#[tokio::test]
async fn every_act_on_a_pull_request_is_told() -> Result<()> {
    let (world, receiver) = listening().await?;
    let (first, second) = world.github.act(|github| -> Result<_> {
        let first = github.push(SHOP, "blue", "ann", &file("blue"))?;
        github.open_pull_request(SHOP, Opening::of("blue", "ann").draft())?;
        let second = github.push(SHOP, "blue", "ann", &file("bluer"))?;
        github.set_draft(SHOP, 1, "ann", false)?;
        github.set_draft(SHOP, 1, "ann", true)?;
        github.label(SHOP, 1, "ann", "preview")?;
        github.unlabel(SHOP, 1, "ann", "preview")?;
        github.retitle(SHOP, 1, "ann", "Blue")?;
        github.push(SHOP, "next", "ann", &file("next"))?;
        github.retarget(SHOP, 1, "ann", "next")?;
        github.close(SHOP, 1, "rob")?;
        github.reopen(SHOP, 1, "ann")?;
        github.delete_branch(SHOP, "blue", "ann")?;
        Ok((first, second))
    })?;
    world.github.settled().await?;
    let came = receiver.take();
    let names: Vec<String> = came.iter().map(Came::name).collect();
    assert_eq!(
        names,
        [
            "push",
            "check_suite.requested",
            "create",
            "pull_request.opened",
            "push",
            "check_suite.requested",
            "pull_request.synchronize",
            "pull_request.ready_for_review",
            "pull_request.converted_to_draft",
            "pull_request.labeled",
            "pull_request.unlabeled",
            "pull_request.edited",
            "push",
            "check_suite.requested",
            "create",
            "pull_request.edited",
            "pull_request.closed",
            "pull_request.reopened",
            "push",
            "delete",
            "pull_request.closed",
        ]
    );
    let synchronize = &came[6].payload;
    assert_eq!(
        (&synchronize["before"], &synchronize["after"]),
        (&json!(first), &json!(second))
    );
    assert_eq!(synchronize["pull_request"]["head"]["sha"], json!(second));
    assert_eq!(synchronize["installation"]["id"], world.installation);
    assert_eq!(
        came[11].payload["changes"]["title"]["from"],
        "Change by blue"
    );
    assert_eq!(came[15].payload["changes"]["base"]["ref"]["from"], "main");
    assert_eq!(came[16].payload["sender"]["login"], "rob");
    assert_eq!(
        (
            &came[18].payload["deleted"],
            &came[18].payload["head_commit"]
        ),
        (&json!(true), &Value::Null)
    );
    world.finish()
}

#[tokio::test]
async fn pushes_say_whether_they_are_new_forced_or_a_merge() -> Result<()> {
    let (world, receiver) = listening().await?;
    let commit = world.github.act(|github| -> Result<_> {
        github.push(SHOP, "blue", "ann", &file("blue"))?;
        github.force_push(
            SHOP,
            "blue",
            "ann",
            &[Change::file("b", "c"), Change::removal("index.html")],
        )?;
        github.open_pull_request(SHOP, Opening::of("blue", "ann"))?;
        github.merge(SHOP, 1, "rob")
    })?;
    world.github.settled().await?;
    let came = receiver.take();
    let pushes: Vec<&Value> = came
        .iter()
        .filter(|one| one.name() == "push")
        .map(|one| &one.payload)
        .collect();
    let flags = |push: &Value| (push["created"] == true, push["forced"] == true);
    assert_eq!(
        pushes.iter().map(|push| flags(push)).collect::<Vec<_>>(),
        [(true, false), (false, true), (false, false)]
    );
    assert_eq!(pushes[1]["head_commit"]["removed"], json!(["index.html"]));
    assert_eq!(
        (&pushes[2]["ref"], &pushes[2]["after"]),
        (&json!("refs/heads/main"), &json!(commit))
    );
    let closed = came.last().unwrap();
    assert_eq!(
        (
            closed.name().as_str(),
            &closed.payload["pull_request"]["merged"]
        ),
        ("pull_request.closed", &json!(true))
    );
    assert_eq!(
        closed.payload["pull_request"]["merge_commit_sha"],
        json!(commit)
    );
    world.finish()
}

#[tokio::test]
async fn installations_and_repositories_are_told() -> Result<()> {
    let (world, receiver) = listening().await?;
    world.github.act(|github| -> Result<()> {
        let notes = github.create_repository("ann/notes", false, &[("a", "b")])?;
        let installation = github.install(world.app, "ann", Selection::Selected([].into()))?;
        github.select(installation, notes)?;
        github.push("ann/notes", "next", "ann", &file("x"))?;
        github.set_default_branch("ann/notes", "next", "ann")?;
        github.rename("ann/notes", "diary", "ann")?;
        github.deselect(installation, notes)?;
        github.suspend(installation)?;
        github.unsuspend(installation)?;
        github.accept_permissions(installation)?;
        github.uninstall(installation)?;
        github.transfer(SHOP, "ann", "acme")?;
        github.transfer("ann/shop", "acme", "ann")?;
        github.delete_repository(SHOP, "ann")?;
        Ok(())
    })?;
    world.github.settled().await?;
    assert_eq!(
        receiver.names(),
        [
            "installation.created",
            "installation_repositories.added",
            "push",
            "check_suite.requested",
            "create",
            "repository.edited",
            "repository.renamed",
            "installation_repositories.removed",
            "installation.suspend",
            "installation.unsuspend",
            "installation.new_permissions_accepted",
            "installation.deleted",
            "repository.transferred",
            "repository.transferred",
            "repository.deleted",
        ]
    );
    world.finish()
}

#[tokio::test]
async fn comments_and_buttons_are_told_and_an_app_hears_itself() -> Result<()> {
    let (world, receiver) = listening().await?;
    world.github.act(|github| -> Result<()> {
        github.push(SHOP, "blue", "ann", &file("blue"))?;
        github.open_pull_request(SHOP, Opening::of("blue", "ann"))?;
        let comment = github.comment(SHOP, 1, "ann", "/redeploy")?;
        github.edit_comment(SHOP, comment, "ann", "/stop")?;
        github.delete_comment(SHOP, comment, "ann")?;
        Ok(())
    })?;
    let token = world.token().await?;
    let body = json!({ "body": "**shop** runs" });
    world
        .post(&format!("/repos/{SHOP}/issues/1/comments"), &token, body)
        .await?
        .expect(201);
    let run = json!({
        "name": "shop",
        "head_sha": world.github.act(|github| github.see_pull_request(SHOP, 1))?.head,
        "conclusion": "success",
        "actions": [{ "label": "Stop", "description": "Stop it", "identifier": "stop" }],
    });
    let run = world
        .post(&format!("/repos/{SHOP}/check-runs"), &token, run)
        .await?
        .expect(201);
    let run = run["id"].as_u64().unwrap();
    world.github.act(|github| github.rerun(SHOP, run, "ann"))?;
    world
        .github
        .act(|github| github.press_button(SHOP, run, "stop", "rob"))?;
    assert!(
        world
            .github
            .act(|github| github.press_button(SHOP, run, "explode", "rob"))
            .is_err()
    );
    world.github.settled().await?;
    let came = receiver.take();
    let told: Vec<String> = came[4..].iter().map(Came::name).collect();
    assert_eq!(
        told,
        [
            "issue_comment.created",
            "issue_comment.edited",
            "issue_comment.deleted",
            "issue_comment.created",
            "check_run.created",
            "check_run.rerequested",
            "check_run.requested_action",
        ]
    );
    assert_eq!(came[7].payload["sender"]["login"], "nestling[bot]");
    let pressed = &came[10].payload;
    assert_eq!(pressed["requested_action"]["identifier"], "stop");
    assert_eq!(
        (&pressed["check_run"]["id"], &pressed["sender"]["login"]),
        (&json!(run), &json!("rob"))
    );
    world.finish()
}

#[tokio::test]
async fn a_push_asks_for_checks_and_a_person_asks_again() -> Result<()> {
    let (world, receiver) = listening().await?;
    let head = world
        .github
        .act(|github| github.push(SHOP, "blue", "ann", &file("blue")))?;
    let token = world.token().await?;
    let run = json!({ "name": "shop", "head_sha": head, "conclusion": "failure" });
    let run = world
        .post(&format!("/repos/{SHOP}/check-runs"), &token, run)
        .await?
        .expect(201);
    world
        .github
        .act(|github| github.rerun_all(SHOP, &head, "rob"))?;
    world.github.settled().await?;
    let came = receiver.take();
    let suites: Vec<&Came> = came
        .iter()
        .filter(|one| one.name().starts_with("check_suite"))
        .collect();
    let names: Vec<String> = suites.iter().map(|one| one.name()).collect();
    assert_eq!(names, ["check_suite.requested", "check_suite.rerequested"]);
    let (asked, again) = (&suites[0].payload, &suites[1].payload);
    assert_eq!(
        (
            &asked["check_suite"]["status"],
            &asked["check_suite"]["head_branch"]
        ),
        (&json!("queued"), &json!("blue"))
    );
    assert_eq!(asked["check_suite"]["id"], run["check_suite"]["id"]);
    assert_eq!(
        (
            &again["check_suite"]["conclusion"],
            &again["sender"]["login"]
        ),
        (&json!("failure"), &json!("rob"))
    );
    world.finish()
}
