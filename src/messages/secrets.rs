//! What the secrets actor is asked.

use std::collections::BTreeMap;

use actix::prelude::*;
use nestling_domain::{
    app::VariableName,
    ids::{AppId, Class, Timestamp},
};

/// The decrypted values of an app for one kind of environment. Never logged: it has no `Debug` of its content.
#[derive(Clone, Default)]
pub struct Revealed {
    /// Plain variables.
    pub variables: BTreeMap<String, String>,
    /// Secrets.
    pub secrets: BTreeMap<String, String>,
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} variables and {} secrets",
            self.variables.len(),
            self.secrets.len()
        )
    }
}

/// All values, in the clear, for a runner's bundle.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Revealed, SecretError>")]
pub struct Reveal {
    /// Of which app.
    pub app: AppId,
    /// For which kind.
    pub class: Class,
}

/// One value, in the clear, for a person.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Option<String>, SecretError>")]
pub struct RevealOne {
    /// Of which app.
    pub app: AppId,
    /// For which kind.
    pub class: Class,
    /// Which.
    pub name: VariableName,
}

/// Record a secret or a plain variable, replacing the one of that name.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), SecretError>")]
pub struct Put {
    /// Of which app.
    pub app: AppId,
    /// For which kind.
    pub class: Class,
    /// Its name.
    pub name: VariableName,
    /// What it holds, at most 64 KiB.
    pub text: String,
    /// Whether it is a secret.
    pub secret: bool,
}

/// Remove a value; whether there was one.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<bool, SecretError>")]
pub struct Delete {
    /// Of which app.
    pub app: AppId,
    /// For which kind.
    pub class: Class,
    /// Which.
    pub name: VariableName,
}

/// Open every secret there is and seal it anew, by the key that seals now: after that key was changed or turned over.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Resealed, SecretError>")]
pub struct Reseal;

/// What came of sealing everything anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many secrets were sealed anew.
    pub secrets: u64,
    /// Those that could not be, as `owner/app preview/NAME`, each with why. They are as they were.
    pub left: Vec<(String, String)>,
}

/// The names, masked.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<Listed>, SecretError>")]
pub struct List {
    /// Of which app.
    pub app: AppId,
    /// For which kind.
    pub class: Class,
}

/// A value as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: VariableName,
    /// A plain variable's text; `None` for a secret.
    pub text: Option<String>,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// Why the secrets actor did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It cannot be: for people.
    #[error("{0}")]
    Refused(String),
    /// It cannot be while something else is so: for people.
    #[error("{0}")]
    Conflict(String),
    /// Another try may help.
    #[error("{0}")]
    Failed(String),
}

/// The way for everybody else to reach the secrets actor.
#[derive(Clone)]
pub struct Handle {
    /// For a runner's bundle.
    pub reveal: Recipient<Reveal>,
    /// For a person.
    pub reveal_one: Recipient<RevealOne>,
    /// For a person.
    pub put: Recipient<Put>,
    /// For a person.
    pub delete: Recipient<Delete>,
    /// For a person.
    pub list: Recipient<List>,
    /// For the operator.
    pub reseal: Recipient<Reseal>,
}
