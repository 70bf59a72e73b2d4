//! The API, one file per group of routes. Pure but for git: a request and the state give an answer.

mod app;
mod checks;
mod comments;
mod contents;
mod deployments;
mod hooks;
mod installing;
pub(crate) mod manifests;
mod pulls;
mod repositories;

use hyper::Method;
use serde_json::{Value, json};

use super::{
    auth::{self, Who},
    keys, ledger, limits,
    state::{Access, Author, Repository, State},
    wire::{Answer, Answered, Body, DOCUMENTATION, Request},
};

/// The least that a token has.
const METADATA: Access = Access::read(&["metadata"]);

/// Somebody asks something.
pub(crate) struct Asking<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) request: &'a Request,
    pub(crate) who: Who,
}

/// The whole way of a request: who asks, their limits, the route, the fingerprint of the answer.
pub(crate) fn answer(state: &mut State, request: &Request) -> (String, Answer) {
    if request.header("user-agent").is_none() {
        return ("nobody".into(), anonymous_program());
    }
    let now = state.now();
    let who = match auth::identify(state, request) {
        Ok(who) => who,
        Err(refused) => return ("nobody".into(), refused),
    };
    let name = who.name();
    let mut asking = Asking {
        state,
        request,
        who,
    };
    let free = request.path == "/rate_limit";
    let rate = asking.state.limits.rate(&name, now);
    if rate.remaining() == 0 && !free {
        return (name.clone(), limits::primary(&name, rate));
    }
    let answer = dispatch(&mut asking).unwrap_or_else(|refused| refused);
    let answer = fingerprinted(request, answer);
    // A conditional request that nothing is new for costs nothing.
    if answer.status != 304 && !free {
        state.limits.count(&name, now);
    }
    let answer = state.limits.rate(&name, now).onto(answer);
    (name, answer)
}

/// GitHub refuses programs that do not say what they are.
fn anonymous_program() -> Answer {
    let words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
    let answer = Answer::other("text/html; charset=utf-8", words);
    Answer {
        status: 403,
        ..answer
    }
}

fn dispatch(asking: &mut Asking<'_>) -> Answered {
    let request = asking.request;
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["app"]) => asking.app(),
        ("GET", ["app", "installations"]) => asking.installations(),
        ("GET", ["app", "installations", id]) => asking.installation(id),
        ("POST", ["app", "installations", id, "access_tokens"]) => asking.create_token(id),
        ("GET", ["installation", "repositories"]) => asking.installation_repositories(),
        ("DELETE", ["installation", "token"]) => asking.revoke_token(),
        ("GET", ["repos", _, _, "installation"]) => {
            asking.installation_of_repository(segments[1], segments[2])
        }
        ("GET", ["app", "hook", "config"]) => asking.hook_config(),
        ("PATCH", ["app", "hook", "config"]) => asking.change_hook_config(),
        ("GET", ["app", "hook", "deliveries"]) => asking.deliveries(),
        ("GET", ["app", "hook", "deliveries", id]) => asking.delivery(id),
        ("POST", ["app", "hook", "deliveries", id, "attempts"]) => asking.redeliver(id),
        ("GET", ["rate_limit"]) => asking.rate_limit(),
        ("POST", ["app-manifests", code, "conversions"]) => asking.convert_manifest(code),
        ("GET", ["apps", slug, "installations", "new"]) => asking.installing(slug),
        ("POST", ["apps", slug, "installations"]) => asking.install(slug),
        ("POST", ["settings", "apps", "new"]) => asking.propose_app(None),
        ("POST", ["organizations", login, "settings", "apps", "new"]) => {
            asking.propose_app(Some(login))
        }
        // Browsers ask for it beside any page.
        ("GET", ["favicon.ico"]) => Ok(Answer::other("image/x-icon", "")),
        ("POST", ["settings", "apps"]) => asking.agree_to_app(None),
        ("POST", ["organizations", login, "settings", "apps"]) => asking.agree_to_app(Some(login)),
        (_, ["repos", owner, name, rest @ ..]) => {
            let found = asking.state.named(owner, name).map(|found| found.id);
            match found {
                Some(id) => in_repository(asking, id, rest),
                None => asking.redirect(owner, name, rest),
            }
        }
        (_, ["repositories", id, rest @ ..]) => {
            let id = number(id)?;
            in_repository(asking, id, rest)
        }
        _ => Err(Answer::not_found()),
    }
}

fn in_repository(asking: &mut Asking<'_>, id: u64, rest: &[&str]) -> Answered {
    // Whoever may not see a repository does not learn what is in it.
    auth::admit(asking.state, &asking.who, id, METADATA)?;
    match (asking.request.method.as_str(), rest) {
        ("GET", []) => asking.repository(id),
        ("GET", ["branches"]) => asking.branches(id),
        ("GET", ["branches", name]) => asking.branch(id, name),
        ("GET", ["git", "ref", name @ ..]) => asking.git_ref(id, &name.join("/")),
        ("GET", ["commits", of, "check-runs"]) => asking.check_runs_of(id, of),
        ("GET", ["commits", of]) => asking.commit(id, of),
        ("GET", ["git", "trees", of]) => asking.tree(id, of),
        ("GET", ["contents", path @ ..]) => asking.contents(id, &path.join("/")),
        ("GET", ["collaborators", login, "permission"]) => asking.permission(id, login),
        ("GET", ["pulls"]) => asking.pulls(id),
        ("GET", ["pulls", n]) => asking.pull(id, number(n)?),
        ("GET", ["pulls", n, "files"]) => asking.files(id, number(n)?),
        ("GET", ["issues", "comments"]) => asking.all_comments(id),
        ("GET", ["issues", n, "comments"]) => asking.comments(id, number(n)?),
        ("POST", ["issues", n, "comments"]) => asking.create_comment(id, number(n)?),
        ("GET", ["issues", "comments", comment]) => asking.comment(id, number(comment)?),
        ("PATCH", ["issues", "comments", comment]) => asking.change_comment(id, number(comment)?),
        ("DELETE", ["issues", "comments", comment]) => asking.delete_comment(id, number(comment)?),
        ("GET", ["issues", "comments", comment, "reactions"]) => {
            asking.reactions(id, number(comment)?)
        }
        ("POST", ["issues", "comments", comment, "reactions"]) => {
            asking.react(id, number(comment)?)
        }
        ("DELETE", ["issues", "comments", comment, "reactions", reaction]) => {
            asking.take_back(id, number(comment)?, number(reaction)?)
        }
        ("POST", ["check-runs"]) => asking.create_check_run(id),
        ("GET", ["check-runs", run]) => asking.check_run(id, number(run)?),
        ("PATCH", ["check-runs", run]) => asking.change_check_run(id, number(run)?),
        ("GET", ["deployments"]) => asking.deployments(id),
        ("POST", ["deployments"]) => asking.create_deployment(id),
        ("GET", ["deployments", one]) => asking.deployment(id, number(one)?),
        ("GET", ["deployments", one, "statuses"]) => asking.deployment_statuses(id, number(one)?),
        ("POST", ["deployments", one, "statuses"]) => {
            asking.create_deployment_status(id, number(one)?)
        }
        _ => Err(Answer::not_found()),
    }
}

impl Asking<'_> {
    /// Whether the asker may do this here.
    pub(crate) fn admit(&self, repository: u64, access: Access) -> Result<(), Answer> {
        auth::admit(self.state, &self.who, repository, access)
    }

    /// The repository, which [`in_repository`] has seen to be there.
    pub(crate) fn at(&self, repository: u64) -> Result<&Repository, Answer> {
        let found = self.state.repositories.get(&repository);
        found.ok_or_else(Answer::not_found)
    }

    pub(crate) fn at_mut(&mut self, repository: u64) -> Result<&mut Repository, Answer> {
        let found = self.state.repositories.get_mut(&repository);
        found.ok_or_else(Answer::not_found)
    }

    /// The App that writes, as an author.
    pub(crate) fn author(&self) -> Result<Author, Answer> {
        let token = auth::installation(&self.who)?;
        let home = self.state.installations.get(&token.installation);
        let home = home.ok_or_else(|| Answer::error(401, "Bad credentials"))?;
        Ok(Author::App(home.app))
    }

    /// The number of the App that writes.
    pub(crate) fn writing_app(&self) -> Result<u64, Answer> {
        match self.author()? {
            Author::App(id) => Ok(id),
            Author::Person(_) => Err(auth::inaccessible()),
        }
    }

    /// Counts one write that people see; or what GitHub says to one too many.
    pub(crate) fn may_write(&mut self) -> Result<(), Answer> {
        let now = self.state.now();
        self.state.limits.content(&self.who.name(), now)
    }

    /// Puts a write that had its effect into the ledger.
    pub(crate) fn wrote(&mut self, repository: u64, what: &str, id: u64) {
        self.wrote_on(repository, what, id, true);
    }

    /// The same, of what may be somebody else's.
    pub(crate) fn wrote_on(&mut self, repository: u64, what: &str, id: u64, own: bool) {
        let body = serde_json::from_slice(&self.request.body).unwrap_or(Value::Null);
        let write = ledger::Write {
            at: self.state.now(),
            who: self.who.name(),
            repository,
            own,
            what: what.to_owned(),
            id,
            body,
        };
        self.state.ledger.writes.push(write);
    }

    fn redirect(&self, owner: &str, name: &str, rest: &[&str]) -> Answered {
        let moved = self.state.formerly_named(owner, name);
        let moved = moved.ok_or_else(Answer::not_found)?;
        auth::admit(self.state, &self.who, moved.id, METADATA)?;
        let mut to = format!("{}/repositories/{}", self.state.base, moved.id);
        for part in rest {
            to = format!("{to}/{}", part.replace('/', "%2F"));
        }
        let (status, message) = match self.request.method {
            Method::GET | Method::HEAD => (301, "Moved Permanently"),
            _ => (307, "Temporary Redirect"),
        };
        let body = json!({ "message": message, "url": to, "documentation_url": DOCUMENTATION });
        Ok(Answer::json(status, body).with("location", to))
    }

    fn rate_limit(&mut self) -> Answered {
        let now = self.state.now();
        let rate = self.state.limits.rate(&self.who.name(), now);
        let core = json!({
            "limit": rate.limit,
            "used": rate.used,
            "remaining": rate.remaining(),
            "reset": rate.reset,
        });
        let search = json!({ "limit": 30, "used": 0, "remaining": 30, "reset": rate.reset });
        Ok(Answer::ok(json!({
            "resources": { "core": core, "search": search },
            "rate": core,
        })))
    }
}

/// An id or a number out of a path.
pub(crate) fn number(text: &str) -> Result<u64, Answer> {
    text.parse().map_err(|_| Answer::not_found())
}

/// A field of a body that must be a text.
pub(crate) fn text<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get(field).and_then(Value::as_str)
}

/// With its `ETag`, and nothing but that if the asker has it already.
fn fingerprinted(request: &Request, answer: Answer) -> Answer {
    let Body::Json(body) = &answer.body else {
        return answer;
    };
    if request.method != Method::GET || answer.status != 200 {
        return answer;
    }
    let tag = format!("W/\"{}\"", keys::digest(body.to_string().as_bytes()));
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let had = request.header("if-none-match");
    if had.is_some_and(|had| had.split(',').any(|one| weak(one) == weak(&tag))) {
        let mut same = Answer::empty();
        same.status = 304;
        return same.with("etag", tag);
    }
    answer
        .with("etag", tag)
        .with("cache-control", "private, max-age=60, s-maxage=60")
}
