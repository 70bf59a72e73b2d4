//! What GitHub is asked to make for a server: an App that may do what is needed, and no more. Also what an App is held against.

use serde_json::{Map, Value, json};

/// What the App must be allowed, by GitHub's names. Without `issues` it is told of no comment.
pub const PERMISSIONS: [(&str, &str); 6] = [
    ("metadata", "read"),
    ("contents", "read"),
    ("pull_requests", "write"),
    ("issues", "read"),
    ("checks", "write"),
    ("deployments", "write"),
];
/// What the App is told, beside what every App is told of itself and of its checks.
pub const EVENTS: [&str; 6] = [
    "pull_request",
    "push",
    "delete",
    "repository",
    "issue_comment",
    "check_run",
];
/// GitHub takes no longer name of an App, in characters.
pub const LONGEST_NAME: usize = 34;
/// GitHub takes no longer login, in characters.
pub const LONGEST_LOGIN: usize = 39;

/// What a person chose for the App, in a form that GitHub may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    name: String,
    /// The organisation that is to own it; `None` for whoever is signed in at GitHub.
    organisation: Option<String>,
}

/// Why GitHub would not take what a person chose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The name is none.
    #[error("the App needs a name of 1 to {LONGEST_NAME} characters")]
    Name,
    /// The owner is none.
    #[error(
        "the owner is no organisation of GitHub: give its name as in its address, such as acme, or nothing for your own account"
    )]
    Owner,
}

/// Where GitHub finds the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The dashboard.
    pub dashboard: &'a str,
    /// Where the browser is led when the App is made.
    pub created: &'a str,
    /// Where the browser is led when the App is installed.
    pub installed: &'a str,
    /// Where webhooks go; `None` when GitHub cannot reach the server.
    pub hook: Option<&'a str>,
}

impl Wanted {
    /// Reads what was typed; an empty owner is whoever is signed in at GitHub.
    pub fn parse(name: &str, owner: &str) -> Result<Self, Unfit> {
        let (name, owner) = (name.trim(), owner.trim());
        let length = name.chars().count();
        if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Unfit::Name);
        }
        // Nothing else may come into the address that the form is sent to.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if owner.len() > LONGEST_LOGIN || !owner.bytes().all(plain) {
            return Err(Unfit::Owner);
        }
        Ok(Wanted {
            name: name.to_owned(),
            organisation: (!owner.is_empty()).then(|| owner.to_owned()),
        })
    }

    /// Where the browser sends the manifest, at the GitHub whose pages are at `web`. `state` comes back with the answer, and
    /// must need no escaping.
    pub fn address(&self, web: &str, state: &str) -> String {
        let of = match &self.organisation {
            Some(organisation) => format!("/organizations/{organisation}"),
            None => String::new(),
        };
        format!("{web}{of}/settings/apps/new?state={state}")
    }

    /// The manifest, as GitHub documents it.
    pub fn manifest(&self, found: Found<'_>) -> Value {
        let permissions: Map<String, Value> = PERMISSIONS
            .iter()
            .map(|(name, level)| ((*name).to_owned(), json!(level)))
            .collect();
        let mut manifest = json!({
            "name": self.name,
            "url": found.dashboard,
            "redirect_url": found.created,
            "setup_url": found.installed,
            "public": false,
            "default_permissions": permissions,
        });
        // GitHub takes no webhook without an address, also not one that is switched off, none that only this machine reaches,
        // and no events without a webhook. So a server that it cannot reach asks for neither.
        if let Some(hook) = found.hook {
            manifest["hook_attributes"] = json!({ "url": hook, "active": true });
            manifest["default_events"] = json!(EVENTS);
        }
        manifest
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const FOUND: Found<'_> = Found {
        dashboard: "https://nest.example",
        created: "https://nest.example/-/github/created",
        installed: "https://nest.example/-/github/installed",
        hook: Some("https://nest.example/github/webhook"),
    };

    #[test]
    fn the_manifest_asks_for_what_is_needed_and_no_more() {
        let wanted = Wanted::parse(" Nestling of Acme ", "acme").unwrap();
        assert_snapshot!(format!("{:#}", wanted.manifest(FOUND)), @r#"
        {
          "default_events": [
            "pull_request",
            "push",
            "delete",
            "repository",
            "issue_comment",
            "check_run"
          ],
          "default_permissions": {
            "checks": "write",
            "contents": "read",
            "deployments": "write",
            "issues": "read",
            "metadata": "read",
            "pull_requests": "write"
          },
          "hook_attributes": {
            "active": true,
            "url": "https://nest.example/github/webhook"
          },
          "name": "Nestling of Acme",
          "public": false,
          "redirect_url": "https://nest.example/-/github/created",
          "setup_url": "https://nest.example/-/github/installed",
          "url": "https://nest.example"
        }
        "#);
    }

    #[test]
    fn a_server_that_github_cannot_reach_asks_for_no_webhook() {
        let wanted = Wanted::parse("Nestling", "").unwrap();
        let manifest = wanted.manifest(Found {
            hook: None,
            ..FOUND
        });
        assert_eq!(manifest.get("hook_attributes"), None);
        assert_eq!(manifest.get("default_events"), None);
    }

    #[test]
    fn an_app_belongs_to_an_organisation_or_to_whoever_makes_it() {
        let address = |owner| {
            Wanted::parse("Nestling", owner)
                .unwrap()
                .address("https://github.com", "abc")
        };
        assert_eq!(
            address(""),
            "https://github.com/settings/apps/new?state=abc"
        );
        assert_eq!(
            address(" acme-2 "),
            "https://github.com/organizations/acme-2/settings/apps/new?state=abc"
        );
    }

    #[test]
    fn what_github_would_not_take_is_refused() {
        for name in ["", "  ", "a\nb", &"n".repeat(LONGEST_NAME + 1)] {
            assert_eq!(Wanted::parse(name, ""), Err(Unfit::Name), "{name:?}");
        }
        for owner in [
            "../x",
            "a/b",
            "a?b",
            "a b",
            "ü",
            &"o".repeat(LONGEST_LOGIN + 1),
        ] {
            assert_eq!(Wanted::parse("n", owner), Err(Unfit::Owner), "{owner:?}");
        }
    }
}
