//! Logins to consoles. The dashboard, which knows who is logged in, gives a grant; the browser carries it
//! to the console's own host, where it becomes a session of that host alone. Both live in memory only: a
//! restart of the server asks again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nestling_domain::ids::Timestamp;

/// How long a grant lives: long enough for one redirect.
pub const GRANT_LIFE: Duration = Duration::from_secs(30);
/// How long a login to a console lasts: a working day.
pub const CONSOLE_SESSION_LIFE: Duration = Duration::from_hours(12);
/// Grants and sessions kept, each; the eldest makes room. A person has a handful.
const MOST: usize = 10_000;
/// Random bytes in a token: 256 bits cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// The grants and console sessions of one server.
#[derive(Default)]
pub struct Grants {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    grants: HashMap<Digest, Login>,
    sessions: HashMap<Digest, Login>,
}

/// A token is stored as its digest only: a look-up by digest tells nothing about the token, however long it takes.
type Digest = [u8; 32];

struct Login {
    host: String,
    holder: String,
    until: Timestamp,
}

/// No secure random numbers could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers for a login token")]
pub struct NoRandomness;

impl Grants {
    /// A grant for `holder` (the dashboard's name for the logged-in session) to the console at `host`, a name in
    /// lower case without port. Good once, for [`GRANT_LIFE`].
    pub fn grant(&self, host: &str, holder: &str, now: Timestamp) -> Result<String, NoRandomness> {
        let login = Login {
            host: host.to_owned(),
            holder: holder.to_owned(),
            until: now.plus(GRANT_LIFE),
        };
        keep(&mut self.lock().grants, login, now)
    }

    /// Turns a grant into a session of the same host and holder. `None` when it is unknown, spent, expired or of
    /// another host; in each case it is spent now.
    pub fn redeem(&self, grant: &str, host: &str, now: Timestamp) -> Option<String> {
        let mut kept = self.lock();
        let login = kept.grants.remove(&digest_of(grant))?;
        if login.until <= now || login.host != host {
            return None;
        }
        let session = Login {
            until: now.plus(CONSOLE_SESSION_LIFE),
            ..login
        };
        keep(&mut kept.sessions, session, now).ok()
    }

    /// Whether a session is good at `host`.
    pub fn admits(&self, session: &str, host: &str, now: Timestamp) -> bool {
        let kept = self.lock();
        let login = kept.sessions.get(&digest_of(session));
        login.is_some_and(|login| login.until > now && login.host == host)
    }

    /// Ends every grant and session of `holder`, when it logs out of the dashboard.
    pub fn revoke(&self, holder: &str) {
        let mut kept = self.lock();
        kept.grants.retain(|_, login| login.holder != holder);
        kept.sessions.retain(|_, login| login.holder != holder);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grants").finish_non_exhaustive()
    }
}

/// Keeps a login under a new token, and makes room for it.
fn keep(
    all: &mut HashMap<Digest, Login>,
    login: Login,
    now: Timestamp,
) -> Result<String, NoRandomness> {
    if all.len() >= MOST {
        all.retain(|_, login| login.until > now);
        let eldest = all
            .iter()
            .min_by_key(|(_, login)| login.until)
            .map(|(digest, _)| *digest);
        if let Some(eldest) = eldest.filter(|_| all.len() >= MOST) {
            all.remove(&eldest);
        }
    }
    let mut bytes = [0; TOKEN_BYTES];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let token = URL_SAFE_NO_PAD.encode(bytes);
    all.insert(digest_of(&token), login);
    Ok(token)
}

fn digest_of(token: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "console--shop.localhost";

    #[test]
    fn a_grant_opens_one_host_once_within_half_a_minute() {
        let grants = Grants::default();
        let now = Timestamp(1_000_000);
        let grant = grants.grant(HOST, "ada", now).unwrap();
        let session = grants.redeem(&grant, HOST, now).unwrap();
        assert!(grants.admits(&session, HOST, now));
        assert!(!grants.admits(&session, "console--other.localhost", now));
        assert!(!grants.admits(&grant, HOST, now), "a grant is no session");
        assert_eq!(
            grants.redeem(&grant, HOST, now),
            None,
            "a grant is good once"
        );

        let late = grants.grant(HOST, "ada", now).unwrap();
        assert_eq!(grants.redeem(&late, HOST, now.plus(GRANT_LIFE)), None);
        let elsewhere = grants.grant(HOST, "ada", now).unwrap();
        assert_eq!(
            grants.redeem(&elsewhere, "console--other.localhost", now),
            None
        );
        assert_eq!(
            grants.redeem(&elsewhere, HOST, now),
            None,
            "a grant shown to the wrong host is spent"
        );
    }

    #[test]
    fn a_session_ends_with_its_time_or_its_holder() {
        let grants = Grants::default();
        let now = Timestamp(1_000_000);
        let session = |holder: &str| {
            let grant = grants.grant(HOST, holder, now).unwrap();
            grants.redeem(&grant, HOST, now).unwrap()
        };
        let (ada, bob) = (session("ada"), session("bob"));
        grants.revoke("ada");
        assert!(!grants.admits(&ada, HOST, now));
        assert!(grants.admits(&bob, HOST, now));
        assert!(!grants.admits(&bob, HOST, now.plus(CONSOLE_SESSION_LIFE)));
    }

    #[test]
    fn the_eldest_makes_room() {
        let grants = Grants::default();
        let first = grants.grant(HOST, "ada", Timestamp(0)).unwrap();
        for at in 1..=MOST as u64 {
            grants.grant(HOST, "ada", Timestamp(at)).unwrap();
        }
        assert_eq!(grants.lock().grants.len(), MOST);
        assert_eq!(grants.redeem(&first, HOST, Timestamp(1)), None);
    }
}
