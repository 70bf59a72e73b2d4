//! The App's webhook, and what became of what it sent.

use nestling_domain::github::Attempt;
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, GitHubError, paths::path, reading::MOST_PAGES, request::Asked};

/// An attempt to deliver a webhook, as GitHub's log shows it.
#[derive(Deserialize)]
struct Shown {
    id: u64,
    guid: String,
    /// 0 when there was no answer.
    status_code: u16,
}

/// How many pages of a hundred are read of the log, whatever became of what is in it.
const NEWEST_PAGES: usize = 10;

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

    /// The attempts to deliver webhooks, newest first: all back to this number, or the newest thousand and, of the days that GitHub keeps, those that were
    /// answered with an error. Whether those without any answer are among the latter GitHub's description does not say.
    pub async fn attempts(&self, back_to: Option<u64>) -> Result<Vec<Attempt>, GitHubError> {
        let is_known = |oldest: &Shown| back_to.is_some_and(|known| oldest.id <= known);
        let (mut found, whole) = self.log("", NEWEST_PAGES, is_known).await?;
        if !whole {
            let (failed, _) = self.log("&status=failure", MOST_PAGES, |_| false).await?;
            found.extend(failed);
        }
        let attempt = |shown: Shown| Attempt {
            id: shown.id,
            guid: shown.guid,
            status: shown.status_code,
        };
        Ok(found.into_iter().map(attempt).collect())
    }

    /// Pages of the log, until one ends with what is looked for; and whether one did, or the log ended.
    async fn log(
        &self,
        which: &str,
        most: usize,
        ends: impl Fn(&Shown) -> bool,
    ) -> Result<(Vec<Shown>, bool), GitHubError> {
        let log = path(&["app", "hook", "deliveries"]);
        let first = format!("{log}?per_page=100{which}");
        let mut route = first.clone();
        let mut attempts: Vec<Shown> = Vec::new();
        for _ in 0..most {
            let asked = Asked::get("the log of webhooks".to_owned(), route);
            let reply = self.request(None, &asked).await?;
            attempts.extend(reply.read::<Vec<Shown>>(&asked)?);
            let is_end = attempts.last().is_none_or(&ends);
            match reply.next_cursor().filter(|_| !is_end) {
                Some(cursor) => route = format!("{first}&cursor={cursor}"),
                None => return Ok((attempts, true)),
            }
        }
        Ok((attempts, false))
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
