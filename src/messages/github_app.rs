//! How a person makes the GitHub App that the server is, told to the actor that keeps its keys.

use actix::prelude::*;

/// A person wants an App made. Nothing is made before they agree on GitHub's own page.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Proposal, NotMade>")]
pub struct Propose {
    /// Which sign-in they have: only the same one may bring the answer.
    pub by: String,
    /// What the App is to be called.
    pub name: String,
    /// The organisation that is to own it; empty for whoever is signed in at GitHub.
    pub owner: String,
}

/// What their browser sends to GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Where to.
    pub address: String,
    /// The field `manifest`.
    pub manifest: String,
}

/// Their browser is back from GitHub, where the App was made.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), NotMade>")]
pub struct Take {
    /// Which sign-in they have.
    pub by: String,
    /// What came back of the state in the proposal's address.
    pub state: String,
    /// What GitHub gives the App's keys for, once.
    pub code: String,
}

/// Their browser is back from GitHub, where the App was installed: look at what it covers. Answered once that was looked at.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Installed;

/// Which App is in use?
#[derive(Debug, Clone, Message)]
#[rtype(result = "Standing")]
pub struct Which;

/// Which App is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// None: there is none yet.
    None,
    /// None: one was made here, and its keys cannot be opened.
    Lost(Lost),
    /// The one that the configuration names.
    Configured {
        /// Its number.
        number: u64,
    },
    /// The one that was made here.
    Made(Made),
}

/// An App that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// The address of its page at GitHub.
    pub page: String,
}

/// An App that was made here, whose keys cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub app: Made,
    /// Why, and what to do.
    pub reason: String,
    /// Whether another one could be made now: its keys could be kept.
    pub may_be_replaced: bool,
}

/// Why there is no App.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// What was sent does not do; nothing has changed. For people.
    #[error("{0}")]
    Refused(String),
    /// GitHub or the store did not do it. For people.
    #[error("{0}")]
    Failed(String),
}

/// The way to the actor.
#[derive(Clone)]
pub struct Handle {
    /// Ask for an App.
    pub propose: Recipient<Propose>,
    /// Take its keys.
    pub take: Recipient<Take>,
    /// Look at where it was installed.
    pub installed: Recipient<Installed>,
    /// Which one is in use.
    pub which: Recipient<Which>,
}
