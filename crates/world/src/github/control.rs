//! Acting by hand: `POST /_world/ACT` with a body of JSON, and pages of plain text for people.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    acts::Opening,
    faults::Fault,
    git::Change,
    state::{Role, State},
    wire::{Answer, Request},
};
use crate::orders::Times;

/// What can be done by hand, as `GET /_world` says it.
const HELP: &str = "\
POST /_world/ACT with JSON. Acts in a repository need \"repository\": \"owner/name\" and \"by\": \"login\".
  create         private
  push           branch, files {path: content or null}, force
  delete-branch  branch
  default-branch branch
  open           branch, title, body, draft, base, from (a fork): answers the number
  close, reopen, merge, ready, draft    number
  label, unlabel number, label
  retitle        number, title
  retarget       number, base
  comment        number, body
  fork           (into the account of \"by\")
  role           login, role (none, read, triage, write, maintain, admin)
  rename         to
  transfer       to
  delete
  rerun          check_run
  rerun-all      commit
  press          check_run, button
Acts anywhere:
  suspend, unsuspend, uninstall    installation
  advance        seconds
  fault          route (\"POST /repos/*/*/check-runs\"), status, times
GET /OWNER/NAME/pull/N shows what people see; git clones, fetches and pushes at /OWNER/NAME.git (user: a login, any password).
";
/// Those that concern one pull request.
const PULL_REQUEST_ACTS: [&str; 10] = [
    "comment", "close", "reopen", "merge", "ready", "draft", "label", "unlabel", "retitle",
    "retarget",
];

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

/// What a person wrote, with the fields that acts need.
struct Order<'a> {
    act: &'a str,
    body: &'a Value,
}

impl Order<'_> {
    fn said(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }

    fn text(&self, field: &str) -> Result<&str> {
        let said = self.said(field);
        said.with_context(|| format!("{} needs \"{field}\"", self.act))
    }

    fn number(&self, field: &str) -> Result<u64> {
        let said = self.body.get(field).and_then(Value::as_u64);
        said.with_context(|| format!("{} needs the number \"{field}\"", self.act))
    }

    fn flag(&self, field: &str) -> bool {
        self.body
            .get(field)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    fn changes(&self) -> Result<Vec<Change>> {
        let files = self.body.get("files").and_then(Value::as_object);
        let files = files.with_context(|| format!("{} needs \"files\"", self.act))?;
        let change = |(path, content): (&String, &Value)| match content.as_str() {
            Some(content) => Change::file(path, content),
            None => Change::removal(path),
        };
        Ok(files.iter().map(change).collect())
    }

    fn opening(&self) -> Result<Opening> {
        let mut opening = Opening::of(self.text("branch")?, self.text("by")?);
        if let Some(title) = self.said("title") {
            opening = opening.titled(title);
        }
        if let Some(words) = self.said("body") {
            opening = opening.saying(words);
        }
        if let Some(base) = self.said("base") {
            opening = opening.into(base);
        }
        if let Some(fork) = self.said("from") {
            opening = opening.from(fork);
        }
        Ok(if self.flag("draft") {
            opening.draft()
        } else {
            opening
        })
    }
}

fn perform(state: &mut State, act: &str, body: &Value) -> Result<Value> {
    let order = Order { act, body };
    match act {
        "advance" => {
            let seconds = i64::try_from(order.number("seconds")?)?;
            state.clock.advance(seconds * 1000);
        }
        "fault" => {
            let status = u16::try_from(order.number("status")?)?;
            let times = u32::try_from(order.number("times").unwrap_or(1))?;
            state.order(
                order.text("route")?,
                Fault::Status(status),
                Times::Only(times),
            );
        }
        "suspend" => state.suspend(order.number("installation")?)?,
        "unsuspend" => state.unsuspend(order.number("installation")?)?,
        "uninstall" => state.uninstall(order.number("installation")?)?,
        _ => return in_repository(state, &order),
    }
    Ok(json!({}))
}

fn in_repository(state: &mut State, order: &Order<'_>) -> Result<Value> {
    let (home, by) = (order.text("repository")?, order.text("by")?);
    match order.act {
        "create" => {
            let id = state.create_repository(home, order.flag("private"), &[])?;
            return Ok(json!({ "id": id }));
        }
        "push" => {
            let (branch, changes) = (order.text("branch")?, order.changes()?);
            let commit = if order.flag("force") {
                state.force_push(home, branch, by, &changes)?
            } else {
                state.push(home, branch, by, &changes)?
            };
            return Ok(json!({ "commit": commit }));
        }
        "open" => {
            let number = state.open_pull_request(home, order.opening()?)?;
            let page = format!("{}/{home}/pull/{number}", state.base);
            return Ok(json!({ "number": number, "page": page }));
        }
        "delete-branch" => state.delete_branch(home, order.text("branch")?, by)?,
        "default-branch" => state.set_default_branch(home, order.text("branch")?, by)?,
        "fork" => drop(state.fork(home, by)?),
        "role" => {
            let role = role(order.text("role")?)?;
            state.set_role(home, order.text("login")?, role)?;
        }
        "rename" => state.rename(home, order.text("to")?, by)?,
        "transfer" => state.transfer(home, order.text("to")?, by)?,
        "delete" => state.delete_repository(home, by)?,
        "rerun" => state.rerun(home, order.number("check_run")?, by)?,
        "rerun-all" => state.rerun_all(home, order.text("commit")?, by)?,
        "press" => {
            state.press_button(home, order.number("check_run")?, order.text("button")?, by)?;
        }
        _ => return on_pull_request(state, order, home, by),
    }
    Ok(json!({}))
}

fn on_pull_request(state: &mut State, order: &Order<'_>, home: &str, by: &str) -> Result<Value> {
    let known = PULL_REQUEST_ACTS.contains(&order.act);
    anyhow::ensure!(
        known,
        "there is no act {}; GET /_world lists them",
        order.act
    );
    let number = order.number("number")?;
    match order.act {
        "comment" => {
            let id = state.comment(home, number, by, order.text("body")?)?;
            return Ok(json!({ "id": id }));
        }
        "close" => state.close(home, number, by)?,
        "reopen" => state.reopen(home, number, by)?,
        "merge" => drop(state.merge(home, number, by)?),
        "ready" => state.set_draft(home, number, by, false)?,
        "draft" => state.set_draft(home, number, by, true)?,
        "label" => state.label(home, number, by, order.text("label")?)?,
        "unlabel" => state.unlabel(home, number, by, order.text("label")?)?,
        "retarget" => state.retarget(home, number, by, order.text("base")?)?,
        _ => state.retitle(home, number, by, order.text("title")?)?,
    }
    Ok(json!({}))
}

/// What somebody may do from now on; `none` is nothing.
fn role(name: &str) -> Result<Option<Role>> {
    if name == "none" {
        return Ok(None);
    }
    let roles = [
        Role::Read,
        Role::Triage,
        Role::Write,
        Role::Maintain,
        Role::Admin,
    ];
    let found = roles.into_iter().find(|role| role.name() == name);
    let found = found.with_context(|| format!("{name} is no role"))?;
    Ok(Some(found))
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
