//! Clones, fetches and pushes: git's own program behind HTTP, with GitHub's rules about who may.

use std::{io, process::Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    Shared,
    auth::{self, Who},
    faults::Fault,
    git::{Bare, plain_git},
    ledger::Asked,
    state::{Access, Author, Role, State},
    wire::{Answer, Request},
};
use crate::server::response;

const READ: Access = Access::read(&["contents"]);
const WRITE: Access = Access::write(&["contents"]);

/// What may be done, by whom and where.
struct Admitted {
    repository: u64,
    /// Whoever pushes.
    author: Option<Author>,
    git: Box<dyn Bare>,
}

/// What git wants.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    owner: String,
    name: String,
    /// `info/refs` and so on.
    rest: String,
    pushes: bool,
}

impl Order {
    /// Whether a request is one of git's.
    pub(crate) fn read(request: &Request) -> Option<Self> {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let (owner, name, rest) = match segments.as_slice() {
            [owner, name, "info", "refs"] => (owner, name, "info/refs"),
            [
                owner,
                name,
                service @ ("git-upload-pack" | "git-receive-pack"),
            ] => (owner, name, *service),
            _ => return None,
        };
        let service = request.query.get("service").map(String::as_str);
        Some(Order {
            owner: (*owner).to_owned(),
            name: name.trim_end_matches(".git").to_owned(),
            rest: rest.to_owned(),
            pushes: rest == "git-receive-pack" || service == Some("git-receive-pack"),
        })
    }
}

/// Does what git wants, or what a story ordered to go wrong with it.
pub(crate) async fn answer(
    shared: &Shared,
    request: &Request,
    order: Order,
) -> io::Result<Response<Full<Bytes>>> {
    let fault = shared
        .lock()
        .faults
        .for_request(request.method.as_str(), &request.path);
    match fault {
        None => Ok(serve(shared, request, order).await),
        Some(Fault::Status(status)) => Ok(response(said(status, "by order of the story"))),
        Some(Fault::SecondaryLimit(_) | Fault::PrimaryLimit) => {
            Ok(response(said(429, "Too many requests.")))
        }
        Some(Fault::NoAnswer) => std::future::pending().await,
        Some(Fault::Hangs) => {
            serve(shared, request, order).await;
            std::future::pending().await
        }
        Some(Fault::LostAnswer) => {
            serve(shared, request, order).await;
            Err(io::Error::other("cut by order of the story"))
        }
    }
}

async fn serve(shared: &Shared, request: &Request, order: Order) -> Response<Full<Bytes>> {
    let admitted = {
        let mut state = shared.lock();
        let admitted = admit(&state, request, &order);
        let status = admitted
            .as_ref()
            .map_or_else(|refused| refused.status, |_| 200);
        let asked = Asked {
            at: state.now(),
            method: request.method.to_string(),
            target: request.path.clone(),
            who: auth::identify(&state, request).map_or("nobody".into(), |who| who.name()),
            status,
        };
        state.ledger.requests.push(asked);
        admitted
    };
    let Admitted {
        repository,
        author,
        git,
    } = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => return response(refused),
    };
    let before = git.branches().unwrap_or_default();
    let served = backend(git.as_ref(), request, &order).await;
    let served = served.unwrap_or_else(|| response(Answer::error(500, "git did not start")));
    if order.pushes
        && let Some(author) = author
    {
        let moved = shared.lock().refs_moved(repository, &before, &author);
        if let Err(error) = moved {
            return response(Answer::error(500, &format!("{error:#}")));
        }
    }
    served
}

/// The repository, who pushes to it, and where it stands; or what GitHub says instead.
fn admit(state: &State, request: &Request, order: &Order) -> Result<Admitted, Answer> {
    let access = if order.pushes { WRITE } else { READ };
    let found = state.named(&order.owner, &order.name);
    if found.is_none()
        && let Some(moved) = state.formerly_named(&order.owner, &order.name)
    {
        let query = request
            .query
            .get("service")
            .map(|service| format!("?service={service}"));
        let to = format!(
            "{}.git/{}{}",
            state.html_url(moved),
            order.rest,
            query.unwrap_or_default()
        );
        let moved = Answer::other("text/plain", "");
        return Err(Answer {
            status: 301,
            ..moved
        }
        .with("location", to));
    }
    if let Some(found) = found
        && let Some(login) = person(state, request)
    {
        let role = found.role(&login);
        let least = if order.pushes {
            Role::Write
        } else {
            Role::Read
        };
        return match role {
            Some(role) if role >= least => Ok(Admitted {
                repository: found.id,
                author: Some(Author::Person(login)),
                git: state.git(found.id),
            }),
            Some(_) => Err(said(403, "Permission to the repository denied.")),
            None => Err(said(404, "Repository not found.")),
        };
    }
    let who = auth::identify(state, request).map_err(|_| asked_for_password())?;
    let anonymous = matches!(who, Who::Nobody);
    // Somebody without a name is asked for one before they learn that there is nothing.
    let found = found.filter(|found| !anonymous || !found.private && !order.pushes);
    let Some(found) = found else {
        return Err(if anonymous {
            asked_for_password()
        } else {
            said(404, "Repository not found.")
        });
    };
    let admitted = auth::admit(state, &who, found.id, access);
    admitted.map_err(|refused| match refused.status {
        404 => said(404, "Repository not found."),
        _ => said(403, "Write access to repository not granted."),
    })?;
    let author = match &who {
        Who::Installation(token) => {
            let home = state.installations.get(&token.installation);
            home.map(|home| Author::App(home.app))
        }
        Who::Nobody | Who::App(_) => None,
    };
    Ok(Admitted {
        repository: found.id,
        author,
        git: state.git(found.id),
    })
}

/// A person of this model by their login, with any password: for trying things by hand.
fn person(state: &State, request: &Request) -> Option<String> {
    let given = request.header("authorization")?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
    let (login, _) = pair.split_once(':')?;
    state
        .accounts
        .get(login)
        .map(|account| account.login.clone())
}

fn asked_for_password() -> Answer {
    said(401, "No anonymous access.").with("www-authenticate", "Basic realm=\"GitHub\"")
}

fn said(status: u16, words: &'static str) -> Answer {
    let answer = Answer::other("text/plain; charset=utf-8", words);
    Answer { status, ..answer }
}

/// Runs `git http-backend` for one request.
async fn backend(
    git: &dyn Bare,
    request: &Request,
    order: &Order,
) -> Option<Response<Full<Bytes>>> {
    let folder = git.folder()?;
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let mut command = Command::from(plain_git());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&request.query)
        .finish();
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder.parent()?)
        .env("PATH_INFO", format!("/{name}/{}", order.rest))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method.as_str())
        .env("QUERY_STRING", query)
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("CONTENT_LENGTH", request.body.len().to_string());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.header(header) {
            command.env(variable, value);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let body = request.body.clone();
    // Beside the reading: git may answer before it has read all.
    let writing = tokio::spawn(async move {
        let _ = stdin.write_all(&body).await;
    });
    let output = child.wait_with_output().await.ok()?;
    let _ = writing.await;
    translated(&output.stdout)
}

/// An answer of CGI as one of HTTP.
fn translated(output: &[u8]) -> Option<Response<Full<Bytes>>> {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut response = Response::builder().status(200);
    for line in head.lines() {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        response = match name.to_ascii_lowercase().as_str() {
            "status" => response.status(value.get(..3)?),
            _ => response.header(name, value),
        };
    }
    let body = Bytes::copy_from_slice(&output[end + 4..]);
    response.body(Full::from(body)).ok()
}
