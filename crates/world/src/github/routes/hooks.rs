//! The App's webhook: where it goes, and what became of it.

use serde_json::json;

use super::{Asking, number, text};
use crate::github::{
    auth,
    show::show_delivery,
    state::{App, Delivery},
    wire::{Answer, Answered},
};

/// An older delivery cannot be asked for again.
const KEPT_MS: i64 = 3 * 24 * 3_600_000;
/// Page size if none is asked for, and at most.
const PAGE: (usize, usize) = (30, 100);

impl Asking<'_> {
    pub(super) fn hook_config(&self) -> Answered {
        let id = auth::app(&self.who)?;
        let app = self.state.apps.get(&id).ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(config(app)))
    }

    pub(super) fn change_hook_config(&mut self) -> Answered {
        let id = auth::app(&self.who)?;
        let body = self.request.json()?;
        let app = self.state.apps.get_mut(&id).ok_or_else(Answer::not_found)?;
        if let Some(url) = text(&body, "url") {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(Answer::invalid(
                    "Hook",
                    "url",
                    "custom",
                    "url is not a valid URL",
                ));
            }
            url.clone_into(&mut app.webhook_url);
        }
        if let Some(secret) = text(&body, "secret") {
            secret.clone_into(&mut app.webhook_secret);
        }
        Ok(Answer::ok(config(app)))
    }

    pub(super) fn deliveries(&self) -> Answered {
        let app = auth::app(&self.who)?;
        let size = self
            .request
            .parameter("per_page")
            .and_then(|size| size.parse().ok());
        let size = size.unwrap_or(PAGE.0).clamp(1, PAGE.1);
        let before = match self.request.parameter("cursor") {
            None => u64::MAX,
            Some(cursor) => {
                let at = cursor.trim_start_matches("v1_").parse();
                at.map_err(|_| Answer::error(400, "Invalid cursor"))?
            }
        };
        // By the ranges of the description: one without an answer is neither.
        let wanted = |delivery: &&Delivery| {
            let code = delivery.sent.as_ref().and_then(|sent| sent.status);
            match self.request.parameter("status") {
                Some("success") => code.is_some_and(|code| (200..400).contains(&code)),
                Some("failure") => code.is_some_and(|code| (400..600).contains(&code)),
                _ => true,
            }
        };
        let ours = self
            .state
            .deliveries
            .range(..before)
            .rev()
            .map(|(_, delivery)| delivery);
        // What is on its way is not in the log yet.
        let mut ours = ours
            .filter(|one| one.app == app && one.sent.is_some())
            .filter(wanted);
        let page: Vec<&Delivery> = ours.by_ref().take(size).collect();
        let more = ours.next().is_some();
        let last = page.last().map_or(0, |last| last.id);
        let shown = page.into_iter().map(show_delivery);
        let answer = Answer::ok(shown.collect());
        if !more {
            return Ok(answer);
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in self
            .request
            .query
            .iter()
            .filter(|(key, _)| *key != "cursor")
        {
            query.append_pair(key, value);
        }
        let query = query.append_pair("cursor", &format!("v1_{last}")).finish();
        let next = format!(
            "<{}/app/hook/deliveries?{query}>; rel=\"next\"",
            self.state.base
        );
        Ok(answer.with("link", next))
    }

    pub(super) fn delivery(&self, id: &str) -> Answered {
        let found = self.own_delivery(id)?;
        Ok(Answer::ok(self.state.show_full_delivery(found)))
    }

    pub(super) fn redeliver(&mut self, id: &str) -> Answered {
        let found = self.own_delivery(id)?.clone();
        if found.delivered_at < self.state.now() - KEPT_MS {
            return Err(Answer::unprocessable(
                "Delivery is too old to be redelivered",
            ));
        }
        self.state.send_again(&found);
        Ok(Answer::json(202, json!({})))
    }

    fn own_delivery(&self, id: &str) -> Result<&Delivery, Answer> {
        let app = auth::app(&self.who)?;
        let found = self.state.deliveries.get(&number(id)?);
        let found = found.filter(|delivery| delivery.app == app);
        found.ok_or_else(Answer::not_found)
    }
}

fn config(app: &App) -> serde_json::Value {
    let mut shown = json!({
        "url": app.webhook_url,
        "content_type": "json",
        "insecure_ssl": "0",
    });
    if !app.webhook_secret.is_empty() {
        shown["secret"] = json!("********");
    }
    shown
}
