//! Acting by hand: `POST /_world/ACT` with a body of JSON, and pages of plain text for people.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    acts::Opening,
    faults::{Fault, Times},
    git::Change,
    state::{Role, State},
    wire::{Answer, Request},
};

/// What can be done by hand, as `GET /_world` says it.
pub(crate) const HELP: &str = "\
POST /_world/ACT with JSON. Every act but `advance` and `fault` has \"repository\": \"owner/name\" and \"by\": \"login\".
  push           branch, files {path: content or null}, force
  delete-branch  branch
  open           branch, title, body, draft, base, from (a fork)     answers the number
  close, reopen, merge, ready, draft    number
  label, unlabel number, label
  retitle        number, title
  comment        number, body
  fork           (into the account of \"by\")
  role           login, role (read, triage, write, maintain, admin)
  rename         to
  rerun          check_run
  press          check_run, button
  advance        seconds
  fault          route (\"POST /repos/*/*/check-runs\"), status, times
GET /OWNER/NAME/pull/N shows what people see; git clones, fetches and pushes at /OWNER/NAME.git (user: a login, any password).
";

/// The answer to what only the model knows; `None` if it is for GitHub.
pub(crate) fn answer(state: &mut State, request: &Request) -> Option<Answer> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["_world"]) => Some(Answer::other("text/plain; charset=utf-8", HELP)),
        ("POST", ["_world", act]) => Some(done(state, request, act)),
        ("GET", [owner, name, "pull", number]) => {
            let page = page(state, &format!("{owner}/{name}"), number);
            Some(match page {
                Ok(page) => Answer::other("text/plain; charset=utf-8", page),
                Err(_) => Answer::not_found(),
            })
        }
        _ => None,
    }
}

fn done(state: &mut State, request: &Request, act: &str) -> Answer {
    let body = match request.json() {
        Ok(body) => body,
        Err(wrong) => return wrong,
    };
    match perform(state, act, &body) {
        Ok(result) => Answer::ok(result),
        Err(error) => Answer::json(422, json!({ "message": format!("{error:#}") })),
    }
}

fn perform(state: &mut State, act: &str, body: &Value) -> Result<Value> {
    let said = |field: &str| body.get(field).and_then(Value::as_str);
    let needed = |field: &str| said(field).with_context(|| format!("{act} needs \"{field}\""));
    let count = |field: &str| body.get(field).and_then(Value::as_u64);
    let number =
        |field: &str| count(field).with_context(|| format!("{act} needs the number \"{field}\""));
    if act == "advance" {
        let seconds = i64::try_from(number("seconds")?)?;
        state.clock.advance(seconds * 1000);
        return Ok(json!({}));
    }
    if act == "fault" {
        let status = u16::try_from(number("status")?)?;
        let times = u32::try_from(count("times").unwrap_or(1))?;
        state
            .faults
            .answer(needed("route")?, Fault::Status(status), Times::Only(times));
        return Ok(json!({}));
    }
    let (home, by) = (needed("repository")?, needed("by")?);
    match act {
        "push" => {
            let files = body
                .get("files")
                .and_then(Value::as_object)
                .context("push needs \"files\"")?;
            let change = |(path, content): (&String, &Value)| match content.as_str() {
                Some(content) => Change::file(path, content),
                None => Change::removal(path),
            };
            let changes: Vec<Change> = files.iter().map(change).collect();
            let force = body.get("force").and_then(Value::as_bool).unwrap_or(false);
            let branch = needed("branch")?;
            let commit = if force {
                state.force_push(home, branch, by, &changes)?
            } else {
                state.push(home, branch, by, &changes)?
            };
            return Ok(json!({ "commit": commit }));
        }
        "open" => {
            let number = state.open_pull_request(home, opening(body, needed("branch")?, by))?;
            let page = format!("{}/{home}/pull/{number}", state.base);
            return Ok(json!({ "number": number, "page": page }));
        }
        "comment" => {
            let id = state.comment(home, number("number")?, by, needed("body")?)?;
            return Ok(json!({ "id": id }));
        }
        "delete-branch" => state.delete_branch(home, needed("branch")?, by)?,
        "close" => state.close(home, number("number")?, by)?,
        "reopen" => state.reopen(home, number("number")?, by)?,
        "merge" => drop(state.merge(home, number("number")?, by)?),
        "ready" => state.set_draft(home, number("number")?, by, false)?,
        "draft" => state.set_draft(home, number("number")?, by, true)?,
        "label" => state.label(home, number("number")?, by, needed("label")?)?,
        "unlabel" => state.unlabel(home, number("number")?, by, needed("label")?)?,
        "retitle" => state.retitle(home, number("number")?, by, needed("title")?)?,
        "fork" => drop(state.fork(home, by)?),
        "role" => state.set_role(home, needed("login")?, Some(role(needed("role")?)?))?,
        "rename" => state.rename(home, needed("to")?, by)?,
        "rerun" => state.rerun(home, number("check_run")?, by)?,
        "press" => state.press_button(home, number("check_run")?, needed("button")?, by)?,
        _ => bail!("there is no act {act}; GET /_world lists them"),
    }
    Ok(json!({}))
}

fn opening(body: &Value, branch: &str, by: &str) -> Opening {
    let said = |field: &str| body.get(field).and_then(Value::as_str);
    let mut opening = Opening::of(branch, by);
    if let Some(title) = said("title") {
        opening = opening.titled(title);
    }
    if let Some(words) = said("body") {
        opening = opening.saying(words);
    }
    if let Some(base) = said("base") {
        opening = opening.into(base);
    }
    if let Some(fork) = said("from") {
        opening = opening.from(fork);
    }
    if body.get("draft").and_then(Value::as_bool) == Some(true) {
        opening = opening.draft();
    }
    opening
}

fn role(name: &str) -> Result<Role> {
    let roles = [
        Role::Read,
        Role::Triage,
        Role::Write,
        Role::Maintain,
        Role::Admin,
    ];
    let found = roles.into_iter().find(|role| role.name() == name);
    found.with_context(|| format!("{name} is no role"))
}

/// A pull request as people see it.
fn page(state: &State, home: &str, number: &str) -> Result<String> {
    let id = state.repository_id(home)?;
    let number: u64 = number.parse()?;
    let pull = state.see_pull_request(home, number)?;
    let word = match (&pull.merge_commit, pull.open) {
        (Some(_), _) => "merged",
        (None, true) if pull.draft => "draft",
        (None, true) => "open",
        (None, false) => "closed",
    };
    let mut page = format!(
        "{home}#{number} {}\n{word}: {}:{} at {} into {}\n",
        pull.title, pull.head_owner, pull.head_branch, pull.head, pull.base_branch
    );
    let labels: Vec<&str> = pull
        .labels
        .iter()
        .map(|label| label.name.as_str())
        .collect();
    if !labels.is_empty() {
        writeln!(page, "labels: {}", labels.join(", "))?;
    }
    for run in state.see_check_runs(home, &pull.head)? {
        let title = run.output.title.as_deref().unwrap_or_default();
        let end = run.conclusion.as_deref().unwrap_or(&run.status);
        writeln!(
            page,
            "\ncheck run {} ({}): {end}, {title}",
            run.name, run.id
        )?;
        for button in &run.actions {
            writeln!(
                page,
                "  [{}] {} ({})",
                button.label, button.description, button.identifier
            )?;
        }
    }
    for deployment in state.repository(id)?.deployments.values() {
        if deployment.sha == pull.head {
            let url = deployment
                .statuses
                .last()
                .map_or("", |last| last.environment_url.as_str());
            writeln!(
                page,
                "\ndeployment to {}: {} {url}",
                deployment.environment,
                deployment.state()
            )?;
        }
    }
    for comment in state.see_comments(home, number)? {
        let author = state.show_author(&comment.author);
        let login = author["login"].as_str().unwrap_or_default();
        writeln!(page, "\n---- {login} ({})\n{}", comment.id, comment.body)?;
        for reaction in &comment.reactions {
            writeln!(page, "  :{}:", reaction.content)?;
        }
    }
    Ok(page)
}
