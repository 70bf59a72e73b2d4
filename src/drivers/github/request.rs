//! One request: who asks, its deadline, its repetitions, and what its answer means.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, HeaderValue, IF_NONE_MATCH},
};
use octocrab::OctoBody;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::{GitHub, GitHubError, Me, Unreachable, limits::Who, memory::Before};
use crate::drivers::{chance, clock};

/// How long GitHub may take for one answer. It ends requests itself after 10 s.
const DEADLINE: Duration = Duration::from_secs(12);
/// How often a request is made that may be made again without harm.
const TRIES: u32 = 3;
/// The first pause between tries; each later one is twice as long, and each is cut by up to a half by chance.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest answer that is read: a page of a hundred pull requests is some 2 MB.
const LONGEST_ANSWER: usize = 16 << 20;
/// How much of GitHub's words is kept for people.
const LONGEST_WORDS: usize = 300;

/// What is asked.
pub(super) struct Asked {
    /// For people: `pull request 7 of acme/shop`.
    pub(super) what: String,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// Whether asking twice leaves GitHub as asking once does.
    repeatable: bool,
}

impl Asked {
    pub(super) fn get(what: String, path: String) -> Self {
        Asked {
            what,
            method: Method::GET,
            path,
            body: None,
            repeatable: true,
        }
    }

    /// Makes something new: with a lost answer nobody knows whether it is there.
    pub(super) fn create(what: String, path: String, body: Value) -> Self {
        Asked {
            what,
            method: Method::POST,
            path,
            body: Some(body),
            repeatable: false,
        }
    }

    /// Says how something that is there shall be.
    pub(super) fn set(what: String, path: String, body: Value) -> Self {
        Asked {
            what,
            method: Method::PATCH,
            path,
            body: Some(body),
            repeatable: true,
        }
    }

    /// Whether GitHub counts it as something written.
    fn writes(&self) -> bool {
        self.method != Method::GET
    }

    /// One more of it does no harm.
    pub(super) fn harmless(self) -> Self {
        Asked {
            repeatable: true,
            ..self
        }
    }
}

/// A good answer.
pub(super) struct Reply {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What came of one try.
enum Tried {
    Done(Result<Reply, GitHubError>),
    /// Nothing has happened, and the next try may be better.
    Again(GitHubError),
    /// The token is not taken any more.
    Token,
}

impl GitHub {
    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        who: Who,
        asked: &Asked,
    ) -> Result<T, GitHubError> {
        let reply = self.request(who, asked).await?;
        reply.read(asked)
    }

    /// Asks until there is an answer, or no sense in asking again.
    pub(super) async fn request(&self, who: Who, asked: &Asked) -> Result<Reply, GitHubError> {
        let mut renewed = false;
        let mut tries = 1;
        loop {
            if let Some(wait) = self.limits.wait(who, asked.writes()) {
                let asked = asked.what.clone();
                return Err(GitHubError::Limited { asked, wait });
            }
            let failed = match self.attempt(who, asked).await? {
                Tried::Done(done) => return done,
                Tried::Again(failed) => failed,
                // GitHub revokes tokens, and forgets a fresh one for a moment. Nothing has happened.
                Tried::Token if !renewed => {
                    renewed = true;
                    self.tokens.forget(who);
                    continue;
                }
                Tried::Token => return Err(self.not_taken(who, asked)),
            };
            if tries == TRIES {
                return Err(failed);
            }
            let pause = cut_by_chance(PAUSE * 2_u32.pow(tries - 1));
            debug!("asking again in {pause:?}: {failed}");
            sleep(pause).await;
            tries += 1;
        }
    }

    async fn attempt(&self, who: Who, asked: &Asked) -> Result<Tried, GitHubError> {
        let octocrab = &self.me(asked)?.octocrab;
        let mut request = self.signed(who, asked).await?;
        let before = self.before(who, asked);
        if let Some(etag) = before
            .as_ref()
            .and_then(|before| HeaderValue::from_str(&before.etag).ok())
        {
            request.headers_mut().insert(IF_NONE_MATCH, etag);
        }
        let exchange = async {
            let answer = match who {
                Some(_) => octocrab.send(request).await,
                None => octocrab.execute(request).await,
            };
            let answer = answer.map_err(|error| (never_sent(&error), words_of(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| (false, format!("its answer broke off: {error}")))?;
            Ok((head, body.to_bytes().to_vec()))
        };
        let (head, body) = match timeout(DEADLINE, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err((true, why))) => return Ok(Tried::Again(asked.failed(why))),
            Ok(Err((false, why))) => return Ok(asked.lost(why)),
            Err(_) => return Ok(asked.lost(format!("no answer within {} s", DEADLINE.as_secs()))),
        };
        self.date.heard(&head.headers, clock::now());
        let said = said(&body);
        let told = (head.status.as_u16(), said.as_str());
        let of = (who, asked.writes());
        let wait = self.limits.heard(of, told, &head.headers, clock::now());
        if let Some(wait) = wait {
            let asked = asked.what.clone();
            return Ok(Tried::Done(Err(GitHubError::Limited { asked, wait })));
        }
        match who {
            Some(installation) => self.note_reach(installation, head.status, &said),
            None if head.status.is_success() || head.status == StatusCode::NOT_MODIFIED => {
                self.reach.taken(Ok(()));
            }
            None => {}
        }
        Ok(match (head.status, before) {
            (StatusCode::NOT_MODIFIED, Some(before)) => {
                let Before { headers, body, .. } = before;
                Tried::Done(Ok(Reply { headers, body }))
            }
            (status, _) if status.is_success() => {
                let headers = head.headers;
                if asked.method == Method::GET {
                    self.memory.remember(who, &asked.path, &headers, &body);
                }
                Tried::Done(Ok(Reply { headers, body }))
            }
            (StatusCode::UNAUTHORIZED, _) => Tried::Token,
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
                let asked = asked.what.clone();
                Tried::Done(Err(GitHubError::Absent { asked }))
            }
            (status, _) if status.is_server_error() => asked.lost(format!("{said} ({status})")),
            (status, _) => {
                let asked = asked.what.clone();
                let status = status.as_u16();
                Tried::Done(Err(GitHubError::Refused {
                    asked,
                    status,
                    said,
                }))
            }
        })
    }

    /// Whom it is asked as.
    fn me(&self, asked: &Asked) -> Result<&Me, GitHubError> {
        let none = || asked.failed("the server is no GitHub App yet".to_owned());
        self.me.get().ok_or_else(none)
    }

    /// Remembers whether an installation can be used.
    fn note_reach(&self, installation: u64, status: StatusCode, said: &str) {
        if is_suspended(status.as_u16(), said) {
            self.reach.not_reached(installation, Unreachable::Suspended);
        } else if status.is_success() || status == StatusCode::NOT_MODIFIED {
            self.reach.reached(installation);
        }
    }

    /// What GitHub means with 401.
    fn not_taken(&self, who: Who, asked: &Asked) -> GitHubError {
        let said = match (who, self.skew().filter(|skew| skew.is_too_much())) {
            (Some(_), _) => {
                "it does not take the token that it made for this installation".to_owned()
            }
            (None, Some(skew)) => {
                format!("it does not take what the App's key signs: {skew}; set it right")
            }
            (None, None) => {
                "it does not take what the App's key signs: is it the key of this App, not revoked, and is this machine's clock right?".to_owned()
            }
        };
        if who.is_none() {
            self.reach.taken(Err(&said));
        }
        GitHubError::Refused {
            asked: asked.what.clone(),
            status: 401,
            said,
        }
    }

    /// What was answered before to a question of this one.
    fn before(&self, who: Who, asked: &Asked) -> Option<Before> {
        let asks = asked.method == Method::GET;
        asks.then(|| self.memory.before(who, &asked.path)).flatten()
    }

    async fn signed(&self, who: Who, asked: &Asked) -> Result<Request<OctoBody>, GitHubError> {
        let builder = Request::builder()
            .method(asked.method.clone())
            .uri(&asked.path)
            .header("x-github-api-version", "2022-11-28")
            .header("accept", "application/vnd.github+json");
        let request = self
            .me(asked)?
            .octocrab
            .build_request(builder, asked.body.as_ref());
        let mut request = request.map_err(|error| asked.failed(words_of(&error)))?;
        if let Some(installation) = who {
            let token = self.token(installation).await?;
            let value = format!("Bearer {}", token.as_str());
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| asked.failed("its token is not of printable letters".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

impl Asked {
    pub(super) fn failed(&self, why: String) -> GitHubError {
        let asked = self.what.clone();
        GitHubError::Failed { asked, why }
    }

    /// No answer, or one that says nothing: what is repeatable is asked for again, anything else may have happened.
    fn lost(&self, why: String) -> Tried {
        if self.repeatable {
            return Tried::Again(self.failed(why));
        }
        let asked = self.what.clone();
        Tried::Done(Err(GitHubError::Unknown { asked, why }))
    }
}

impl Reply {
    /// Whether a listing goes on on another page (RFC 8288, as GitHub uses it).
    pub(super) fn has_next(&self) -> bool {
        let link = self.headers.get("link").and_then(|link| link.to_str().ok());
        link.is_some_and(|link| link.contains("rel=\"next\""))
    }

    /// Where a listing by cursor goes on: letters that can be put into an address.
    pub(super) fn next_cursor(&self) -> Option<&str> {
        let link = self
            .headers
            .get("link")
            .and_then(|link| link.to_str().ok())?;
        let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
        let (_, cursor) = next.split_once("cursor=")?;
        let cursor = cursor.split(['&', '>']).next()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~%".contains(&byte);
        cursor.bytes().all(plain).then_some(cursor)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, asked: &Asked) -> Result<T, GitHubError> {
        serde_json::from_slice(&self.body).map_err(|error| GitHubError::Unreadable {
            asked: asked.what.clone(),
            why: error.to_string(),
        })
    }
}

/// Whether GitHub says that an installation is suspended.
pub(super) fn is_suspended(status: u16, said: &str) -> bool {
    status == 403 && said.contains("suspended")
}

/// Whether no byte of the request can have reached GitHub.
fn never_sent(error: &octocrab::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(known) = cause {
        let client = known.downcast_ref::<hyper_util::client::legacy::Error>();
        if client.is_some_and(hyper_util::client::legacy::Error::is_connect) {
            return true;
        }
        cause = known.source();
    }
    false
}

/// What went wrong, without octocrab's place in its source.
fn words_of(error: &octocrab::Error) -> String {
    let mut words = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(known) = cause {
        words.push(known.to_string());
        cause = known.source();
    }
    if words.is_empty() {
        words.push(error.to_string());
    }
    words.join(": ")
}

/// GitHub's own words in an answer that is no good one.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        message: String,
    }
    let said = serde_json::from_slice::<Said>(body).map(|said| said.message);
    let said = said.unwrap_or_else(|_| "it gives no reason".to_owned());
    said.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_WORDS)
        .collect()
}

/// Between a half of it and all of it, so that those who failed together do not come back together.
fn cut_by_chance(whole: Duration) -> Duration {
    whole.mul_f64(1.0 - f64::from(chance::byte()) / 512.0)
}
