//! Uploads: a runner asks for an address per put, and puts exactly what it announced there.
//!
//! The address is a ticket: the key, the exact length, whether the object is complete and when the ticket
//! ends, under a signature. The signing key is made at each start of the server; a ticket of before is
//! refused and the runner asks for another, as it does for every put.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use nestling_domain::{ids::Timestamp, text::clean};
use nestling_protocol::{
    log::{Upload, UploadAddress},
    test,
};
use serde::{Deserialize, Serialize};

use super::{
    Runners,
    identity::{self, Claims, GoodCaller},
};
use crate::{actors::logging::blob_key, drivers::clock, http::problem::Problem};

/// The longest segment of a log.
const LONGEST_SEGMENT: u64 = 1024 * 1024;
/// The longest test results.
const LONGEST_TESTS: u64 = 5 * 1024 * 1024;
/// The longest of them all, as a body.
pub(super) const LONGEST: usize = 5 * 1024 * 1024;
/// How long a ticket is good: a slow link takes a minute for a segment.
const TICKET: Duration = Duration::from_mins(5);
/// A runner whose deployment has ended still puts the end of its logs, for this long.
const LAST_WORDS: Duration = Duration::from_mins(2);

/// Signs tickets.
pub(super) struct Tickets {
    key: Option<hmac::Key>,
}

/// What a ticket says, as the query of its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    length: u64,
    sealed: bool,
    until: u64,
    signature: String,
}

impl Tickets {
    pub(super) fn new() -> Self {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Tickets {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &random).ok(),
        }
    }

    fn issue(&self, key: &str, upload: &Upload, until: Timestamp) -> Result<String, Problem> {
        let signing = self.key.as_ref().ok_or_else(no_randomness)?;
        let text = signed_text(key, upload.length, upload.sealed, until.0);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(signing, text.as_bytes()));
        Ok(format!(
            "/runner/v1/blobs/{key}?length={}&sealed={}&until={}&signature={signature}",
            upload.length, upload.sealed, until.0
        ))
    }

    fn check(&self, key: &str, ticket: &Ticket, now: Timestamp) -> Result<(), Problem> {
        let signing = self.key.as_ref().ok_or_else(no_randomness)?;
        let text = signed_text(key, ticket.length, ticket.sealed, ticket.until);
        let signed = URL_SAFE_NO_PAD
            .decode(&ticket.signature)
            .is_ok_and(|signature| hmac::verify(signing, text.as_bytes(), &signature).is_ok());
        if !signed {
            return Err(Problem::forbidden(
                "this upload address was not given for this: ask for another",
            ));
        }
        if now >= Timestamp(ticket.until) {
            return Err(Problem::forbidden(
                "this upload address is no longer good: ask for another",
            ));
        }
        Ok(())
    }
}

fn no_randomness() -> Problem {
    Problem::internal("the system gave no randomness for a key when the server started")
}

/// Fields are separated by a character that keys cannot hold.
fn signed_text(key: &str, length: u64, sealed: bool, until: u64) -> String {
    format!("{key}\n{length}\n{sealed}\n{until}")
}

pub(super) async fn upload(
    GoodCaller(caller): GoodCaller,
    runners: web::Data<Runners>,
    body: web::Json<Upload>,
) -> Result<web::Json<UploadAddress>, Problem> {
    let claims = &caller.claims;
    identity::same_generation(claims, body.generation)?;
    if !runners
        .uploads
        .allow(&claims.environment, claims.generation, caller.now)
    {
        return Err(Problem::too_many(
            "a machine may put 5 objects a second, and 40 at once",
        ));
    }
    bounded(&body)?;
    runners.may_put(claims, caller.now).await?;
    let key = blob_key(&claims.environment, claims.generation, &body.name);
    if body.direct
        && let Some(url) = direct(&runners, &key, &body).await?
    {
        return Ok(web::Json(UploadAddress { url }));
    }
    let url = runners
        .tickets
        .issue(&key, &body, caller.now.plus(TICKET))?;
    Ok(web::Json(UploadAddress { url }))
}

/// An address past the server, where blobs have such. The server does not see what is put there: so an object is sealed when
/// the address for its last put is given, and from then on only that put can be made again, with as many bytes.
async fn direct(runners: &Runners, key: &str, upload: &Upload) -> Result<Option<String>, Problem> {
    let blobs = &runners.services.blobs;
    let Some(url) = blobs.address(key, upload.length, TICKET).await? else {
        return Ok(None);
    };
    let (seal, length) = (seal_of(key), length_of(upload.length));
    match blobs.get(&seal).await? {
        Some(sealed) if upload.sealed && sealed == length => {}
        Some(_) => return Err(sealed(key)),
        None if upload.sealed => blobs.put(&seal, length).await?,
        None => {}
    }
    Ok(Some(url))
}

/// What a seal holds of an object that is put past the server.
fn length_of(length: u64) -> Bytes {
    Bytes::from(length.to_string())
}

fn sealed(key: &str) -> Problem {
    Problem::conflict(format!(
        "{key} is sealed: what is complete is never written again"
    ))
}

pub(super) async fn put(
    runners: web::Data<Runners>,
    key: web::Path<String>,
    ticket: web::Query<Ticket>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let (key, ticket) = (key.into_inner(), ticket.into_inner());
    runners.tickets.check(&key, &ticket, clock::now())?;
    if body.len() as u64 != ticket.length {
        return Err(Problem::unfit(format!(
            "{} bytes were put where {} were announced",
            body.len(),
            ticket.length
        )));
    }
    let blobs = &runners.services.blobs;
    let seal = seal_of(&key);
    if let Some(sealed_with) = blobs.get(&seal).await? {
        // The answer to the put that sealed it may have been lost: saying it again changes nothing.
        if blobs.get(&key).await?.as_ref() == Some(&body) {
            return Ok(HttpResponse::NoContent().finish());
        }
        // It was to be put past the server, which this machine could not.
        if !ticket.sealed || sealed_with != length_of(ticket.length) {
            return Err(sealed(&key));
        }
        blobs.put(&key, body).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    blobs.put(&key, body).await?;
    if ticket.sealed {
        blobs.put(&seal, Bytes::new()).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

impl Runners {
    /// A named generation may put; one that has just ended may say its last words.
    async fn may_put(&self, claims: &Claims, now: Timestamp) -> Result<(), Problem> {
        let Err(stale) = self.record(claims).await else {
            return Ok(());
        };
        let ended = self
            .services
            .store
            .deployment(&claims.environment, claims.generation)
            .await?
            .and_then(|deployment| deployment.ended_at);
        match ended {
            Some(at) if now.since(at) < LAST_WORDS => Ok(()),
            Some(_) | None => Err(stale),
        }
    }
}

/// Whether such an object may be put at all.
fn bounded(upload: &Upload) -> Result<(), Problem> {
    let longest = if upload.name == test::ARTIFACT {
        LONGEST_TESTS
    } else if is_segment(&upload.name) {
        LONGEST_SEGMENT
    } else {
        let shown = clean(&upload.name, 80);
        return Err(Problem::unfit(format!(
            "{shown:?} cannot be put: a runner puts logs/deployment/NNNNNN, logs/runtime/NNNNNN and {}",
            test::ARTIFACT
        )));
    };
    if upload.length > longest {
        return Err(Problem::too_large(format!(
            "{} has {} bytes; the most is {longest}",
            upload.name, upload.length
        )));
    }
    Ok(())
}

fn is_segment(name: &str) -> bool {
    let number = name
        .strip_prefix("logs/deployment/")
        .or_else(|| name.strip_prefix("logs/runtime/"));
    number.is_some_and(|number| number.len() == 6 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The mark beside an object that is complete; outside `logs/`, so that no reader of a log meets it.
fn seal_of(key: &str) -> String {
    let mut parts = key.splitn(4, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (root, environment, generation, name) = (part(), part(), part(), part());
    format!("{root}/{environment}/{generation}/sealed/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(name: &str, length: u64) -> Upload {
        Upload {
            generation: 3,
            name: name.to_owned(),
            length,
            sealed: false,
            direct: false,
        }
    }

    fn ticket_of(url: &str) -> (String, Ticket) {
        let (path, query) = url.split_once('?').unwrap();
        let key = path.strip_prefix("/runner/v1/blobs/").unwrap();
        let ticket = web::Query::<Ticket>::from_query(query).unwrap();
        (key.to_owned(), ticket.into_inner())
    }

    #[test]
    fn a_ticket_is_good_for_exactly_what_it_was_given_for() {
        let (tickets, now) = (Tickets::new(), Timestamp(1_000));
        let key = "environments/e/3/logs/runtime/000001";
        let url = tickets
            .issue(key, &upload("logs/runtime/000001", 10), now.plus(TICKET))
            .unwrap();
        let (named, ticket) = ticket_of(&url);
        assert_eq!(named, key);
        assert!(tickets.check(key, &ticket, now).is_ok());
        assert!(
            tickets.check(key, &ticket, now.plus(TICKET)).is_err(),
            "too late"
        );
        assert!(
            tickets
                .check("environments/f/3/logs/runtime/000001", &ticket, now)
                .is_err()
        );
        for changed in [
            Ticket {
                length: 11,
                ..ticket.clone()
            },
            Ticket {
                sealed: true,
                ..ticket.clone()
            },
            Ticket {
                until: ticket.until + 1,
                ..ticket.clone()
            },
            Ticket {
                signature: String::new(),
                ..ticket.clone()
            },
        ] {
            assert!(tickets.check(key, &changed, now).is_err(), "{changed:?}");
        }
        assert!(
            Tickets::new().check(key, &ticket, now).is_err(),
            "another server's"
        );
    }

    #[test]
    fn only_segments_and_test_results_can_be_put() {
        for (name, length, fits) in [
            ("logs/deployment/000001", 1024 * 1024, true),
            ("logs/runtime/999999", 0, true),
            ("tests.json", 5 * 1024 * 1024, true),
            ("logs/deployment/000001", 1024 * 1024 + 1, false),
            ("tests.json", 5 * 1024 * 1024 + 1, false),
            ("logs/deployment/1", 1, false),
            ("logs/deployment/../../../x", 1, false),
            ("logs/other/000001", 1, false),
            ("sealed/logs/runtime/000001", 1, false),
            ("", 1, false),
        ] {
            assert_eq!(
                bounded(&upload(name, length)).is_ok(),
                fits,
                "{name} {length}"
            );
        }
    }

    #[test]
    fn the_mark_of_a_sealed_segment_lies_outside_the_log() {
        assert_eq!(
            seal_of("environments/a-pr-1/3/logs/runtime/000001"),
            "environments/a-pr-1/3/sealed/logs/runtime/000001"
        );
    }
}
