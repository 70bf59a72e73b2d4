//! Sessions of browsers, in memory, and the tokens of their forms.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web};
use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nestling_domain::ids::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Auth, CSRF_FIELD, Principal, sha256};
use crate::http::problem::Problem;

/// A session that was not used for this long ends: a week off.
const IDLE: Duration = Duration::from_hours(7 * 24);
/// No session lives longer than this, however much it is used.
pub(super) const LONGEST: Duration = Duration::from_hours(30 * 24);
/// Sessions at once; beyond it the one unused for longest ends. One operator has a handful of browsers.
const MOST: usize = 1_000;

/// A session, by the digest of its id: the table does not hold what a cookie holds.
pub(super) type SessionKey = [u8; 32];

#[derive(Debug, Clone, Copy)]
struct Session {
    began: Timestamp,
    used: Timestamp,
}

pub(super) struct Sessions {
    table: Mutex<HashMap<SessionKey, Session>>,
    /// Signs the forms' tokens; made at each start, as sessions are.
    forms: Option<hmac::Key>,
}

impl Session {
    fn lives(self, now: Timestamp) -> bool {
        now.since(self.used) < IDLE && now.since(self.began) < LONGEST
    }
}

impl Sessions {
    pub(super) fn new() -> Self {
        let random = rand::SystemRandom::new();
        Sessions {
            table: Mutex::default(),
            forms: hmac::Key::generate(hmac::HMAC_SHA256, &random).ok(),
        }
    }

    /// Begins a session; answers its id, which only the cookie will hold. `None` without randomness.
    pub(super) fn begin(&self, now: Timestamp) -> Option<String> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).ok()?;
        let id = URL_SAFE_NO_PAD.encode(bytes);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, session| session.lives(now));
        if table.len() >= MOST {
            let unused = table.iter().min_by_key(|(_, session)| session.used);
            if let Some(key) = unused.map(|(key, _)| *key) {
                table.remove(&key);
            }
        }
        table.insert(
            sha256(&id),
            Session {
                began: now,
                used: now,
            },
        );
        Some(id)
    }

    /// The session that a cookie names, which is thereby used.
    pub(super) fn used(&self, cookie: &str, now: Timestamp) -> Option<SessionKey> {
        let key = sha256(cookie);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let session = table.get_mut(&key)?;
        if !session.lives(now) {
            table.remove(&key);
            return None;
        }
        session.used = now;
        Some(key)
    }

    pub(super) fn lives(&self, key: &SessionKey, now: Timestamp) -> bool {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(key).is_some_and(|session| session.lives(now))
    }

    pub(super) fn end(&self, key: &SessionKey) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.remove(key);
    }

    pub(super) fn csrf(&self, key: &SessionKey) -> String {
        let Some(forms) = &self.forms else {
            return String::new();
        };
        URL_SAFE_NO_PAD.encode(hmac::sign(forms, key))
    }

    pub(super) fn is_csrf(&self, key: &SessionKey, token: &str) -> bool {
        let Some(forms) = &self.forms else {
            return false;
        };
        URL_SAFE_NO_PAD
            .decode(token)
            .is_ok_and(|tag| hmac::verify(forms, key, &tag).is_ok())
    }
}

/// A form of one of our own pages: taken only with the form's token, in the field [`CSRF_FIELD`].
#[derive(Debug)]
pub struct CsrfForm<T>(pub T);

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    csrf: String,
}

impl<T: DeserializeOwned + 'static> FromRequest for CsrfForm<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let auth = request.app_data::<web::Data<Auth>>().cloned();
        let principal = request.extensions().get::<Principal>().cloned();
        let body = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let (Some(auth), Some(principal)) = (auth, principal) else {
                return Err(Problem::unauthorised("sign in to send this form"));
            };
            let body = body
                .await
                .map_err(|error| Problem::malformed(format!("the form cannot be read: {error}")))?;
            let token: Token = read(&body)?;
            if let Principal::Session(session) = &principal
                && !auth.sessions.is_csrf(session, &token.csrf)
            {
                return Err(Problem::forbidden(format!(
                    "this form has no valid {CSRF_FIELD:?} field: load its page again, then send it"
                )));
            }
            Ok(CsrfForm(read(&body)?))
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::malformed("the form cannot be read: it is not UTF-8"))?;
    web::Query::<T>::from_query(text)
        .map(web::Query::into_inner)
        .map_err(|error| Problem::malformed(format!("the form cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let (sessions, start) = (Sessions::new(), Timestamp(1_000));
        let id = sessions.begin(start).unwrap();
        let day = Duration::from_hours(24);
        assert!(sessions.used("another", start).is_none());
        let mut now = start;
        for _ in 0..5 {
            now = now.plus(day * 5);
            assert!(sessions.used(&id, now).is_some(), "used every five days");
        }
        now = now.plus(day * 5);
        assert!(sessions.used(&id, now).is_none(), "thirty days old");

        let id = sessions.begin(now).unwrap();
        assert!(
            sessions.used(&id, now.plus(day * 8)).is_none(),
            "a week idle"
        );
    }

    #[test]
    fn a_forms_token_belongs_to_its_session() {
        let (sessions, now) = (Sessions::new(), Timestamp(1_000));
        let mine = sessions.used(&sessions.begin(now).unwrap(), now).unwrap();
        let yours = sessions.used(&sessions.begin(now).unwrap(), now).unwrap();
        assert!(sessions.is_csrf(&mine, &sessions.csrf(&mine)));
        assert!(!sessions.is_csrf(&yours, &sessions.csrf(&mine)));
        assert!(!sessions.is_csrf(&mine, ""));
    }

    #[test]
    fn sessions_beyond_the_most_push_out_the_one_unused_for_longest() {
        let sessions = Sessions::new();
        let first = sessions.begin(Timestamp(1)).unwrap();
        let second = sessions.begin(Timestamp(2)).unwrap();
        for n in 0..MOST as u64 - 1 {
            sessions.begin(Timestamp(10 + n)).unwrap();
        }
        assert!(sessions.used(&first, Timestamp(5_000)).is_none());
        assert!(sessions.used(&second, Timestamp(5_000)).is_some());
    }
}
