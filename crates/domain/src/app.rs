//! Apps and repositories: what can be deployed.

use nestling_protocol::bundle;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AppId, RepositoryId, Timestamp},
    label::Slug,
};

/// A repository that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Its number.
    pub id: RepositoryId,
    /// Who owns it: `local`, or a GitHub login.
    pub owner: String,
    /// Its name, as people write it.
    pub name: String,
    /// Where a local one lies; `None` for one on GitHub.
    pub path: Option<String>,
    /// The branch whose environment is production. Stored at first sight and never changed by a checkout.
    pub default_branch: String,
    /// Why it cannot be read right now, for people; `None` while it can.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// One deployable entrypoint in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: AppId,
    /// Who owns it: `local`, or a GitHub login.
    pub owner: String,
    /// Its name in addresses, unique on this server.
    pub slug: Slug,
    /// The repository that holds it.
    pub repository: RepositoryId,
    /// Its folder there, with `/`, no leading one; empty for the root.
    pub root: String,
    /// What it is.
    pub kind: bundle::Kind,
    /// What people say about it.
    #[serde(default)]
    pub description: String,
    /// The path that the health probe asks for; `/` with any status below 500 when not configured.
    #[serde(default)]
    pub health: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A plain (not secret) variable or the name of a secret: what the app sees as an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

/// Why a text is not the name of a variable or secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be a variable's name: use A-Z, a-z, 0-9 and _, not beginning with a digit or NESTLING, at most 128, and not PORT"
)]
pub struct NotAVariableName(String);

impl VariableName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NotAVariableName> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && !text.starts_with("NESTLING")
            && text != "PORT";
        if fits {
            Ok(VariableName(text.to_owned()))
        } else {
            Err(NotAVariableName(text.chars().take(140).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = NotAVariableName;
    fn try_from(text: String) -> Result<Self, NotAVariableName> {
        VariableName::parse(&text)
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> String {
        name.0
    }
}
