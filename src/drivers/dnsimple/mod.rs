//! DNSimple's API (<https://developer.dnsimple.com/v2/zones/records/>), as one account and one of its zones: makes one request of what the plan
//! ([`nestling_domain::dns`]) asks, and says what came of it. It decides nothing, and repeats nothing.

mod shapes;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use hyper::{StatusCode, header::RETRY_AFTER};
use nestling_domain::dns::{Ask, Came};
use reqwest::{Client, Method, Response, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use zeroize::Zeroizing;

use self::shapes::{Listed, Made, Problem};
use crate::drivers::clock;

/// Records of a page: the most that DNSimple shows at once (<https://developer.dnsimple.com/v2/#pagination>).
const PAGE: &str = "100";
/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWERING: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: a hundred records are some 30 kB.
const LONGEST_ANSWER: usize = 1 << 20;
/// How long to wait after "too many", where it is not said how long.
const TOO_MANY: Duration = Duration::from_mins(1);
/// The longest that we let ourselves be made to wait: its limit is one of each hour.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// When the hour is over, in seconds since 1970 (<https://developer.dnsimple.com/v2/#rate-limiting>).
const RESET: &str = "x-ratelimit-reset";

/// A zone of an account at DNSimple.
pub struct DnSimple {
    http: Client,
    /// `https://api.dnsimple.com/v2`, without a slash at its end.
    base: String,
    account: u64,
    zone: String,
    token: Zeroizing<String>,
    /// For how long resolvers may keep what is made, in seconds.
    ttl: u64,
}

/// What came of a request, for whoever asks next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It was about this request alone.
    Came(Came),
    /// It was not begun, and nothing is before this long.
    Later(Duration),
    /// Nothing that is asked is done, until a person has changed something: why.
    Not(String),
    /// It may or may not have been done, as DNSimple did not answer, or not as itself: how.
    Unknown(String),
}

impl fmt::Debug for DnSimple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnSimple")
            .field("base", &self.base)
            .field("account", &self.account)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

impl DnSimple {
    /// A client for a zone of an account, with a token that may change its records.
    pub fn new(
        base: &str,
        (account, zone): (u64, &str),
        token: Zeroizing<String>,
        ttl: Duration,
    ) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .user_agent(concat!("nestling/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECTING)
            // An answer that leads elsewhere would take the token along.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(DnSimple {
            http,
            base: base.to_owned(),
            account,
            zone: zone.to_owned(),
            token,
            ttl: ttl.as_secs(),
        })
    }

    /// The zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Makes one request.
    pub async fn ask(&self, ask: &Ask) -> Answered {
        match ask {
            Ask::List { page } => {
                let page = page.to_string();
                let query = [("sort", "id:asc"), ("per_page", PAGE), ("page", &page)];
                self.read(Method::GET, &query, None, |all: Listed| all.page())
                    .await
            }
            Ask::See { name } => {
                let query = [("name", name.as_str()), ("per_page", PAGE)];
                self.read(Method::GET, &query, None, |all: Listed| {
                    Came::Records(all.records())
                })
                .await
            }
            Ask::Create(new) => {
                let body = json!({
                    "name": new.name, "type": new.kind.name(), "content": new.content, "ttl": self.ttl,
                });
                let read = |made: Made| Came::Made(made.record());
                self.read(Method::POST, &[], Some(&body), read).await
            }
            Ask::Delete { id, .. } => {
                let answered = self
                    .send(Method::DELETE, &format!("/{id}"), &[], None)
                    .await;
                match answered {
                    Ok((status, _)) if status == StatusCode::NOT_FOUND || status.is_success() => {
                        Answered::Came(Came::Gone)
                    }
                    other => self.judge(other),
                }
            }
        }
    }

    /// How many records the zone has, or in words for people why that is not said.
    pub async fn look(&self) -> Result<u64, String> {
        let query = [("per_page", "1")];
        let answered = self.send(Method::GET, "", &query, None).await;
        match answered {
            Ok((status, body)) if status.is_success() => read::<Listed>(&body)
                .map(|all| all.total())
                .map_err(|why| format!("DNSimple's answer cannot be read: {why}")),
            other => Err(match self.judge(other) {
                Answered::Not(why) | Answered::Unknown(why) => why,
                Answered::Came(Came::Refused(why)) => why,
                Answered::Later(_) => "more was asked than DNSimple answers in an hour".to_owned(),
                Answered::Came(_) => "DNSimple answers something else".to_owned(),
            }),
        }
    }

    /// Asks something whose answer has a body.
    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        query: &[(&str, &str)],
        body: Option<&Value>,
        came: impl Fn(T) -> Came,
    ) -> Answered {
        match self.send(method, "", query, body).await {
            Ok((status, body)) if status.is_success() => match read(&body) {
                Ok(shape) => Answered::Came(came(shape)),
                Err(why) => Answered::Unknown(format!("DNSimple's answer cannot be read: {why}")),
            },
            other => self.judge(other),
        }
    }

    /// What an answer means that is no success.
    fn judge(&self, answered: Result<(StatusCode, Vec<u8>), Answered>) -> Answered {
        let (status, body) = match answered {
            Ok(answer) => answer,
            Err(other) => return other,
        };
        let problem: Problem = read(&body).unwrap_or_default();
        let said = problem.words();
        let said = said.as_str();
        match status.as_u16() {
            400 | 405..=411 | 413..=428 => Answered::Came(Came::Refused(said.to_owned())),
            401 => Answered::Not(format!(
                "DNSimple does not take dns.dnsimple.token ({said}): make an account token in its settings, and give that"
            )),
            402 => Answered::Not(format!(
                "DNSimple wants its account {} to be paid first ({said})",
                self.account
            )),
            403 | 412 => Answered::Not(format!(
                "DNSimple does not let dns.dnsimple.token change the records of {} ({said}): give the token of a user who may",
                self.zone
            )),
            404 => Answered::Not(format!(
                "DNSimple finds no zone {} in the account {} ({said}): look at dns.dnsimple.zone, dns.dnsimple.account and whose token dns.dnsimple.token is",
                self.zone, self.account
            )),
            code => Answered::Unknown(
                format!("DNSimple answers {code} {said}")
                    .trim_end()
                    .to_owned(),
            ),
        }
    }

    /// Sends one request about the zone's records, and reads the whole of its answer.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(StatusCode, Vec<u8>), Answered> {
        let (base, account, zone) = (&self.base, self.account, &self.zone);
        let place = format!("{base}/{account}/zones/{zone}/records{path}");
        let url = if query.is_empty() {
            Url::parse(&place)
        } else {
            Url::parse_with_params(&place, query)
        };
        let url = url.map_err(|error| Answered::Not(format!("{place} is no address: {error}")))?;
        let mut request = self.http.request(method, url).bearer_auth(&*self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let exchange = async {
            let answer = request.send().await.map_err(|error| unknown(&error))?;
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                return Err(Answered::Later(wait(&answer)));
            }
            whole(answer).await
        };
        let late = || {
            let waited = ANSWERING.as_secs();
            Answered::Unknown(format!("DNSimple has not answered within {waited} s"))
        };
        timeout(ANSWERING, exchange)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

async fn whole(mut answer: Response) -> Result<(StatusCode, Vec<u8>), Answered> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unknown(&error))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            let why = format!("DNSimple answers more than {LONGEST_ANSWER} bytes");
            return Err(Answered::Unknown(why));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), body))
}

/// How long DNSimple wants nothing more to be asked.
fn wait(answer: &Response) -> Duration {
    let number = |name: &str| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        value.trim().parse::<u64>().ok()
    };
    let until_reset = || {
        let now = clock::now().0 / 1000;
        number(RESET).map(|at| at.saturating_sub(now) + 1)
    };
    let seconds = number(RETRY_AFTER.as_str()).or_else(until_reset);
    let wait = seconds.map_or(TOO_MANY, Duration::from_secs);
    wait.clamp(Duration::from_secs(1), LONGEST_WAIT)
}

/// What went wrong on the way, without the address: it is said elsewhere.
fn unknown(error: &reqwest::Error) -> Answered {
    let how = if error.is_connect() {
        "DNSimple cannot be reached"
    } else if error.is_timeout() {
        "DNSimple did not answer in time"
    } else {
        "the connection to DNSimple broke"
    };
    let source = std::error::Error::source(error);
    let deepest = std::iter::successors(source, |error| error.source()).last();
    let why = deepest.map_or(how.to_owned(), |error| format!("{how}: {error}"));
    Answered::Unknown(why)
}

/// Reads an answer; what is wrong with it, in words without its contents.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{:?} at line {line} column {column}", error.classify())
    })
}
