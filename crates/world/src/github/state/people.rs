//! Who acts: people, organisations and bots.

use super::State;
use anyhow::{Context as _, Result};

/// What somebody may do in a repository, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May look and comment.
    Read,
    /// May also label and close.
    Triage,
    /// May push.
    Write,
    /// May also manage without what is sensitive.
    Maintain,
    /// May do everything.
    Admin,
}

impl Role {
    /// As `role_name` says it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Triage => "triage",
            Role::Write => "write",
            Role::Maintain => "maintain",
            Role::Admin => "admin",
        }
    }

    /// As `permission` says it: GitHub maps `maintain` to `write` and `triage` to `read` there.
    pub fn permission(self) -> &'static str {
        match self {
            Role::Read | Role::Triage => "read",
            Role::Write | Role::Maintain => "write",
            Role::Admin => "admin",
        }
    }
}

/// A user or an organisation.
#[derive(Clone, Debug)]
pub struct Account {
    /// Never changes.
    pub id: u64,
    /// May change.
    pub login: String,
    /// `Organization` instead of `User`.
    pub organisation: bool,
    /// A bot that belongs to no App of this model, such as one that updates dependencies.
    pub bot: bool,
}

/// Who wrote something: somebody with an account, or an App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// By login.
    Person(String),
    /// By the App's id.
    App(u64),
}

impl From<&str> for Author {
    fn from(login: &str) -> Self {
        Author::Person(login.into())
    }
}

impl State {
    /// The account with this login, made if there is none: a story need not introduce everybody.
    pub(crate) fn account(&mut self, login: &str) -> Account {
        if let Some(account) = self.accounts.get(login) {
            return account.clone();
        }
        let account = Account {
            id: self.next_id(),
            login: login.to_owned(),
            organisation: false,
            bot: login.ends_with("[bot]"),
        };
        self.accounts.insert(login.to_owned(), account.clone());
        account
    }

    pub(crate) fn known_account(&self, login: &str) -> Result<&Account> {
        let same = |account: &&Account| account.login.eq_ignore_ascii_case(login);
        let found = self.accounts.values().find(same);
        found.with_context(|| format!("nobody is called {login}"))
    }
}
