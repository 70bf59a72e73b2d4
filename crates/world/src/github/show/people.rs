//! Accounts and Apps as users.

use serde_json::{Value, json};

use super::node;
use crate::github::state::{App, Author, Repository, Role, State};

impl State {
    pub(crate) fn show_login(&self, login: &str) -> Value {
        let Ok(account) = self.known_account(login) else {
            return self.user("ghost", 10_137, "User");
        };
        let kind = match (account.organisation, account.bot) {
            (true, _) => "Organization",
            (_, true) => "Bot",
            _ => "User",
        };
        self.user(&account.login, account.id, kind)
    }

    pub(crate) fn show_author(&self, author: &Author) -> Value {
        match author {
            Author::Person(login) => self.show_login(login),
            Author::App(id) => match self.apps.get(id) {
                Some(app) => self.user(&bot_login(app), app.bot_id, "Bot"),
                None => self.show_login("ghost"),
            },
        }
    }

    fn user(&self, login: &str, id: u64, kind: &str) -> Value {
        let base = &self.base;
        let encoded = login.replace('[', "%5B").replace(']', "%5D");
        let url = format!("{base}/users/{encoded}");
        json!({
            "login": login,
            "id": id,
            "node_id": node("U_", id),
            "avatar_url": format!("{base}/avatars/u/{id}"),
            "gravatar_id": "",
            "url": url,
            "html_url": format!("{base}/{encoded}"),
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"),
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": kind,
            "user_view_type": "public",
            "site_admin": false,
        })
    }
}

/// What somebody is to a repository, as it stands beside what they write.
pub(crate) fn association(repository: &Repository, author: &Author) -> &'static str {
    let Author::Person(login) = author else {
        return "NONE";
    };
    if *login == repository.owner {
        return "OWNER";
    }
    match repository.roles.get(login) {
        Some(role) if *role >= Role::Read => "COLLABORATOR",
        _ => "NONE",
    }
}

/// Login of an App's bot.
pub(crate) fn bot_login(app: &App) -> String {
    format!("{}[bot]", app.slug)
}
