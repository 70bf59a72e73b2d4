//! The App's webhook, and what became of what it sent.

use serde::Deserialize;
use serde_json::json;

use super::{GitHub, GitHubError, paths::path, reading::MOST_PAGES, request::Asked};

/// An attempt to deliver a webhook that did not get through, as GitHub's log has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FailedAttempt {
    /// Its number.
    pub id: u64,
    /// The delivery: the same for all attempts of one.
    pub guid: String,
    /// What we answered; 0 when there was no answer.
    pub status_code: u16,
}

#[derive(Deserialize)]
struct Hook {
    #[serde(default)]
    url: String,
}

impl GitHub {
    /// Where GitHub sends the App's webhooks; empty for nowhere.
    pub async fn hook_address(&self) -> Result<String, GitHubError> {
        let route = path(&["app", "hook", "config"]);
        let asked = Asked::get("the address of webhooks".to_owned(), route);
        let hook: Hook = self.ask(None, &asked).await?;
        Ok(hook.url)
    }

    /// Has GitHub send the App's webhooks there, signed as the App was given to.
    pub async fn set_hook_address(&self, url: &str) -> Result<(), GitHubError> {
        let route = path(&["app", "hook", "config"]);
        let mut body = json!({ "url": url, "content_type": "json" });
        let me = self.me.get();
        if let Some(secret) = me.and_then(|me| me.webhook_secret.as_ref()) {
            body["secret"] = json!(secret.as_str());
        }
        let asked = Asked::set(
            "a change of the address of webhooks".to_owned(),
            route,
            body,
        );
        self.request(None, &asked).await.map(drop)
    }

    /// The attempts that did not get through, of the days that GitHub keeps, newest first.
    pub async fn failed_attempts(&self) -> Result<Vec<FailedAttempt>, GitHubError> {
        let what = "the log of webhooks".to_owned();
        let log = path(&["app", "hook", "deliveries"]);
        let first = format!("{log}?per_page=100&status=failure");
        let mut route = first.clone();
        let mut attempts: Vec<FailedAttempt> = Vec::new();
        for _ in 0..MOST_PAGES {
            let asked = Asked::get(what.clone(), route);
            let reply = self.request(None, &asked).await?;
            attempts.extend(reply.read::<Vec<FailedAttempt>>(&asked)?);
            match reply.next_cursor() {
                Some(cursor) => route = format!("{first}&cursor={cursor}"),
                None => break,
            }
        }
        Ok(attempts)
    }

    /// Has GitHub deliver once more what this attempt did not get through.
    pub async fn deliver_again(&self, attempt: u64) -> Result<(), GitHubError> {
        let what = format!("another attempt of webhook {attempt}");
        let id = attempt.to_string();
        let route = path(&["app", "hook", "deliveries", &id, "attempts"]);
        let asked = Asked::create(what, route, json!({})).harmless();
        self.request(None, &asked).await.map(drop)
    }
}
