//! What an answer of Fly means, or the lack of one.
//!
//! Fly says the same with several status codes, and different things with one: so a refusal is known by the code together with `status` and
//! the words of `error` (schema `ErrorResponse`; the words as Fly's own client knows them, <https://github.com/superfly/fly-go>).

use std::time::Duration;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It was not done, and why.
    Refused(Refusal),
    /// It was not begun, and may be said again after this long.
    Later(Duration),
    /// It may or may not have been done: look before anything else is asked.
    Unknown(String),
}

/// Why Fly did not do what was asked, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such app, machine or address.
    #[error("Fly finds no such thing")]
    NotFound,
    /// Somebody has a thing of that name; perhaps we do, by a request whose answer was lost.
    #[error("somebody has that name at Fly")]
    Taken,
    /// There is no room for it in this region now.
    #[error("Fly has no room for it: {0}")]
    NoCapacity(String),
    /// The organisation may have no more.
    #[error(
        "a quota of the organisation at Fly is reached: {0}; ask Fly for more, or close something"
    )]
    Quota(String),
    /// The token is wrong, has expired, or belongs to another organisation.
    #[error(
        "Fly does not take machines.fly.token for machines.fly.organisation: {0}; make one with `fly tokens create org`"
    )]
    NotAllowed(String),
    /// Another machine mounts the volume, or did a moment ago.
    #[error("another machine still mounts its volume")]
    Mounted,
    /// Somebody else works on the machine.
    #[error("somebody else holds the machine's lease")]
    Leased,
    /// It is asked wrongly, or its image is missing: the same request gets the same answer.
    #[error(
        "Fly refuses it: {0}; look at machines.fly.image, machines.fly.regions and the size of machines"
    )]
    Invalid(String),
}

/// How long to wait when Fly says "too many" and not until when: its limits are per second.
const TOO_MANY: Duration = Duration::from_secs(1);
/// The longest that we let Fly make us wait: beyond that the plan decides anew.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How much of Fly's words is kept, in characters.
const LONGEST_WORDS: usize = 300;

/// What an answer means: its status code, the fields `error` and `status` of its body where it has such, and how long `Retry-After` asks to wait.
pub fn judge(code: u16, (error, status): (&str, &str), retry_after: Option<Duration>) -> Outcome {
    let said: String = error
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_WORDS)
        .collect();
    let lower = said.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let refused = |why| Outcome::Refused(why);
    // Before the codes: these come with 400, 409, 412, 422 and 503.
    let crowded = says(&[
        "insufficient resources",
        "insufficient memory",
        "could not reserve resource",
        "no capacity",
        "no available capacity",
    ]);
    if code >= 400 && (status == "insufficient_capacity" || crowded) {
        return refused(Refusal::NoCapacity(said));
    }
    if (400..500).contains(&code)
        && says(&["over the allowed quota", "quota exceeded", "machine limit"])
    {
        return refused(Refusal::Quota(said));
    }
    if code >= 400 && says(&["currently bound to machine"]) {
        return refused(Refusal::Mounted);
    }
    let taken =
        status == "name_taken" || says(&["already been taken", "already exists", "already_exists"]);
    match code {
        200..=299 => Outcome::Done,
        400 | 409 | 412 | 422 if taken => refused(Refusal::Taken),
        401 | 403 => refused(Refusal::NotAllowed(said)),
        // The machine is there, and the lease that we show has run out.
        404 if says(&["lease"]) => refused(Refusal::Leased),
        404 | 410 => refused(Refusal::NotFound),
        409 if says(&["lease", "locked"]) => refused(Refusal::Leased),
        // Something of it changed meanwhile.
        409 | 412 => Outcome::Unknown(said),
        429 => Outcome::Later(retry_after.unwrap_or(TOO_MANY).min(LONGEST_WAIT)),
        400 | 405..=407 | 411 | 413..=428 | 431 | 451 => refused(Refusal::Invalid(said)),
        // 408, 5xx, and whatever a proxy between us may answer.
        _ => Outcome::Unknown(format!("{code} {said}").trim_end().to_owned()),
    }
}
