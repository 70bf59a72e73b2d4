//! GitHub's API, as far as Nestling asks it: plain async functions around one client.
//!
//! - Every request has a deadline, and what it could not do is said in one of few ways ([`GitHubError`]): above all, a
//!   write whose answer was lost is *unknown*, and is observed before it is repeated.
//! - GitHub's limits are obeyed here for everybody: whoever must wait is told so without a request.
//! - Tokens are made as narrow as they may be, live here only, and are never written anywhere.
//!
//! octocrab speaks HTTP and TLS and signs as the App; the requests are ours, because its own methods drop the headers
//! that say how long to wait. Paths and fields: GitHub's REST API description, version 2022-11-28.

mod date;
mod error;
mod hearing;
mod hooks;
mod limits;
mod making;
mod memory;
mod paths;
mod reach;
mod reading;
mod request;
mod shapes;
mod showing;
#[cfg(test)]
mod tests;
mod tokens;

use std::{sync::OnceLock, time::Duration};

use nestling_domain::ids::RepositoryId;
use octocrab::{Octocrab, models::AppId};
use zeroize::Zeroizing;

pub use date::{Skew, TOLERATED};
pub use error::GitHubError;
pub use hearing::Written;
pub use limits::Quota;
pub use making::{MadeApp, made_app};
pub use reach::Unreachable;
pub use reading::{AppShown, Committed, Installation, Level, PullRequest, Repository};
pub use showing::{Comment, FoundCheckRun};
pub use tokens::SourceToken;

use limits::Limits;
use memory::Memory;
use reach::Reach;
use tokens::Tokens;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The API, as one App sees it.
pub struct GitHub {
    address: String,
    /// Whom it asks as, once there is an App.
    me: OnceLock<Me>,
    tokens: Tokens,
    limits: Limits,
    memory: Memory,
    reach: Reach,
    date: date::Heard,
}

/// Whom the API is asked as.
struct Me {
    /// The number of the App.
    app: u64,
    octocrab: Octocrab,
    /// What GitHub is told to sign webhooks with, where that is ours to say.
    webhook_secret: Option<Zeroizing<String>>,
}

/// Why there can be no client, for whoever wrote the configuration.
#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    /// The key is none.
    #[error(
        "the private key of the GitHub App is not an RSA key in PEM: download one on the App's page, under \"Private keys\""
    )]
    Key,
    /// The address is none.
    #[error("{0:?} is no address of GitHub's API: give one like https://api.github.com")]
    Address(String),
    /// TLS cannot be used here.
    #[error(
        "there can be no connection to GitHub from this machine: {0}; are the system's certificates installed?"
    )]
    Tls(String),
}

/// A repository, as an installation of the App reaches it: by its number, because its name may be another one's by now. GitHub
/// describes names only, and leads to numbers itself: in the redirects of former names and in the links between pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The installation.
    pub installation: u64,
    /// The repository.
    pub repository: RepositoryId,
    /// The login of its owner, as it is known, for people.
    pub owner: String,
    /// Its name, as it is known, for people.
    pub name: String,
}

impl GitHub {
    /// The API at `address` (`https://api.github.com`, or `https://HOST/api/v3` of a server of one's own), as the App of
    /// this number, whose private key in PEM is `key`. Asks nothing yet. To be called inside a runtime.
    pub fn new(address: &str, app: u64, key: &[u8]) -> Result<Self, NotUsable> {
        let github = GitHub::without_app(address);
        github.be(app, key, None)?;
        Ok(github)
    }

    /// The same, of a server that is no App yet: whatever is asked fails and says so, until [`GitHub::be`].
    pub fn without_app(address: &str) -> Self {
        GitHub {
            address: address.trim_end_matches('/').to_owned(),
            me: OnceLock::new(),
            tokens: Tokens::default(),
            limits: Limits::default(),
            memory: Memory::default(),
            reach: Reach::default(),
            date: date::Heard::default(),
        }
    }

    /// Asks as this App from now on, unless there is one already. GitHub is told to sign webhooks with `webhook_secret`
    /// whenever it is told where they go. To be called inside the runtime of those who ask.
    pub fn be(
        &self,
        app: u64,
        key: &[u8],
        webhook_secret: Option<Zeroizing<String>>,
    ) -> Result<(), NotUsable> {
        let builder = Octocrab::builder()
            .base_uri(&self.address)
            .map_err(|_| NotUsable::Address(self.address.clone()))?
            .app_from_rsa_pem(AppId(app), key)
            .map_err(|_| NotUsable::Key)?
            .set_connect_timeout(Some(CONNECT));
        let octocrab = builder
            .build()
            .map_err(|error| NotUsable::Tls(error.to_string()))?;
        let me = Me {
            app,
            octocrab,
            webhook_secret,
        };
        // Whoever was first stays: nobody makes two at once.
        let _ = self.me.set(me);
        Ok(())
    }

    /// The API over a way to it that is there already.
    #[cfg(test)]
    pub(crate) fn over(app: u64, octocrab: Octocrab) -> Self {
        let github = GitHub::without_app("");
        let me = Me {
            app,
            octocrab,
            webhook_secret: None,
        };
        let _ = github.me.set(me);
        github
    }

    /// Whether there is an App to ask as.
    pub fn is_app(&self) -> bool {
        self.me.get().is_some()
    }

    /// By how much this machine's clock is wrong, as of GitHub's last answer.
    pub fn skew(&self) -> Option<Skew> {
        self.date.skew()
    }

    /// What each installation, and the App itself (`None`), may still ask, as of GitHub's last answer to it.
    pub fn quotas(&self) -> Vec<(Option<u64>, Quota)> {
        self.limits.quotas()
    }

    /// What an installation may still ask, as of GitHub's last answer to it.
    pub fn quota(&self, installation: u64) -> Option<Quota> {
        self.limits.quota(Some(installation))
    }
}
