//! Apps and repositories: what can be deployed.

use nestling_protocol::bundle;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AppId, RepositoryId, Timestamp},
    label::Slug,
    policy::Policy,
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
    /// The installation of the GitHub App through which it is reached; `None` for a local one.
    #[serde(default)]
    pub installation: Option<u64>,
    /// The branch whose environment is production. Stored at first sight and never changed by a checkout.
    pub default_branch: String,
    /// Why it cannot be read right now, for people; `None` while it can.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Whether we were told that it is not ours to reach any more: deleted, given away, or taken from the App. So an answer that it is not there is
    /// no surprise, and is believed sooner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Whether its owner has suspended the App there, as far as was told: nothing can be asked or said.
    #[serde(default)]
    pub suspended: bool,
}

impl Repository {
    /// Why nothing of it can be started now, and how it can again: the GitHub App is not there, as far as was told.
    pub fn away(&self) -> Option<String> {
        let Repository { owner, name, .. } = self;
        if self.left {
            return Some(format!(
                "the GitHub App is not installed on {owner}/{name} any more: install it there again, and what is open there starts by itself"
            ));
        }
        self.suspended.then(|| {
            format!(
                "the GitHub App is suspended at {owner}: what runs goes on, and nothing new begins until its owner lets the App go on, in the settings of {owner} under \"GitHub Apps\""
            )
        })
    }
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
    /// What its owners want to run; read from the default branch.
    #[serde(default)]
    pub policy: Policy,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// An app that a person removed. Remembered for as long as nobody brings it back, because its folder may still be in
/// its repository: finding it there changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedApp {
    /// The app as it was.
    pub app: App,
    /// When it was removed.
    pub removed_at: Timestamp,
}

/// The longest description of an app, in characters: two lines of its page.
pub const LONGEST_DESCRIPTION: usize = 200;

/// Why a text cannot describe an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotADescription {
    /// It is too long.
    #[error("a description has at most {LONGEST_DESCRIPTION} characters, and this one has {0}")]
    TooLong(usize),
    /// It holds what is no text.
    #[error("a description is one line of text: {0:?} cannot be part of it")]
    Control(char),
}

/// Reads what people say about an app: one line, without spaces around it. Empty for nothing.
pub fn description(text: &str) -> Result<String, NotADescription> {
    let text = text.trim();
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(NotADescription::Control(control));
    }
    match text.chars().count() {
        length if length > LONGEST_DESCRIPTION => Err(NotADescription::TooLong(length)),
        _ => Ok(text.to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_of_bounded_length() {
        assert_eq!(description("  Sells ünïcode \n").unwrap(), "Sells ünïcode");
        assert_eq!(description("").unwrap(), "");
        let longest = "ü".repeat(LONGEST_DESCRIPTION);
        assert_eq!(description(&longest).unwrap(), longest);
        let long = format!("{longest}.");
        assert_eq!(
            description(&long),
            Err(NotADescription::TooLong(LONGEST_DESCRIPTION + 1))
        );
        for control in ['\n', '\u{1b}', '\0', '\u{7f}', '\u{85}'] {
            let text = format!("a{control}b");
            assert_eq!(description(&text), Err(NotADescription::Control(control)));
        }
    }
}
