//! Why an environment is stopped, and what may bring it back.

use serde::{Deserialize, Serialize};

use crate::{deployment::Failed, ids::Commit};

/// Why nothing runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", content = "detail", rename_all = "kebab-case")]
pub enum Why {
    /// Its pull request was closed, its branch or its app deleted. Its state folder goes too.
    Closed,
    /// A person stopped it, or cancelled its only deployment.
    Person,
    /// A policy stopped it, in words (expired, over budget).
    Policy(String),
    /// The forge says that its pull request may not run now. Whatever makes it look again brings it back once the forge
    /// says otherwise.
    Waits(Waits),
    /// Nobody visited it for a while; the next visit wakes it.
    Idle,
    /// Its newest deployment failed and no older one serves.
    Failed(Box<Failed>),
}

/// Why a pull request may not run now, as the forge says. A text becomes one that waits for no approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// In words (waits for an approval or a free place, nobody wants it).
    pub reason: String,
    /// The commit that somebody who may write has to approve first, when it waits for that.
    #[serde(default)]
    pub approval: Option<Commit>,
    /// Whether it waits for a place among the previews of its app.
    #[serde(default)]
    pub place: bool,
    /// The head that waits, where the forge named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Commit>,
}

impl<T: Into<String>> From<T> for Waits {
    fn from(reason: T) -> Self {
        Waits {
            reason: reason.into(),
            approval: None,
            place: false,
            head: None,
        }
    }
}

/// What might bring a stopped environment back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Its branch has a new head.
    Push,
    /// Its pull request was opened again.
    Reopen,
    /// Somebody asked for its address.
    Visit,
    /// The refresh loop compared it with the forge.
    Refresh,
    /// Its pull request was closed, as far as somebody says: a refresh, until the forge confirms it.
    Close,
    /// A person pressed start.
    Start,
    /// The forge may be asked and told again, after it was out of reach: a refresh, and whatever it shows is to be shown once more.
    Return,
}

impl Trigger {
    /// Whether it reaches even what a person or a policy has stopped, and brings nothing back by itself.
    pub fn refreshes(self) -> bool {
        matches!(self, Trigger::Refresh | Trigger::Close | Trigger::Return)
    }

    /// The one of two hints, settled by one answer, that may bring more back.
    pub(super) fn or(self, other: Trigger) -> Trigger {
        let rank = |trigger| match trigger {
            Trigger::Refresh | Trigger::Close | Trigger::Return => 0,
            Trigger::Visit => 1,
            Trigger::Push => 2,
            Trigger::Start => 3,
            Trigger::Reopen => 4,
        };
        if rank(self) >= rank(other) {
            self
        } else {
            other
        }
    }
}

impl Why {
    /// The one table of what brings a stopped environment back (provided that the forge says it is open).
    pub fn revived_by(&self, trigger: Trigger) -> bool {
        match (self, trigger) {
            // A closed one comes back when the forge says open again, however we learn it.
            (
                Why::Closed,
                Trigger::Reopen | Trigger::Refresh | Trigger::Close | Trigger::Return,
            ) => true,
            (Why::Closed, Trigger::Push | Trigger::Visit | Trigger::Start) => false,
            // What a person stopped, only a person starts.
            (Why::Person, Trigger::Start | Trigger::Reopen) => true,
            (
                Why::Person,
                Trigger::Push
                | Trigger::Visit
                | Trigger::Refresh
                | Trigger::Close
                | Trigger::Return,
            ) => false,
            // Nobody pushed to it: whoever pushes wants it.
            (Why::Policy(_), Trigger::Push | Trigger::Start | Trigger::Reopen) => true,
            (
                Why::Policy(_),
                Trigger::Visit | Trigger::Refresh | Trigger::Close | Trigger::Return,
            ) => false,
            // The forge is asked each time, and it was the forge's word. A stranger's visit is no reason to ask.
            (Why::Waits(_), Trigger::Visit) => false,
            (
                Why::Waits(_),
                Trigger::Push
                | Trigger::Reopen
                | Trigger::Refresh
                | Trigger::Close
                | Trigger::Return
                | Trigger::Start,
            ) => true,
            // A sleeping one wakes for whoever needs it.
            (Why::Idle, Trigger::Push | Trigger::Reopen | Trigger::Visit | Trigger::Start) => true,
            (Why::Idle, Trigger::Refresh | Trigger::Close | Trigger::Return) => false,
            // The push that fixes a failed one revives it; looking at it does not.
            (Why::Failed(_), Trigger::Push | Trigger::Reopen | Trigger::Start) => true,
            (
                Why::Failed(_),
                Trigger::Visit | Trigger::Refresh | Trigger::Close | Trigger::Return,
            ) => false,
        }
    }

    /// The one of two hints, settled by one answer, that brings this back, if one does.
    pub(super) fn revived_most_by(&self, one: Trigger, other: Trigger) -> Trigger {
        match (self.revived_by(one), self.revived_by(other)) {
            (true, false) => one,
            (false, true) => other,
            (true, true) | (false, false) => one.or(other),
        }
    }

    /// The word for pages, the API and the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Why::Closed => "closed",
            Why::Person => "by a person",
            Why::Policy(_) => "policy",
            Why::Waits(_) => "waits",
            Why::Idle => "idle",
            Why::Failed(_) => "failed",
        }
    }
}
