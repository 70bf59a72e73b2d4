//! What GitHub tells Apps, and how it sends it.

mod events;
mod sender;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    faults::Loss,
    keys, show,
    state::{Access, Author, Delivery, Sent, State},
};

pub(crate) use events::Moved;
pub use sender::Letter;
pub(crate) use sender::send_all;

/// Letters in the number of an event.
const GUID_LETTERS: usize = 32;
/// GitHub waits so long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The permission that an App needs to hear of an event, as GitHub documents it.
fn needs(event: &str) -> Access {
    match event {
        "pull_request" => Access::read(&["pull_requests"]),
        // Although those below pull requests may be read and written with the permission for these alone.
        "issue_comment" => Access::read(&["issues"]),
        "push" | "create" | "delete" => Access::read(&["contents"]),
        "check_suite" => Access::write(&["checks"]),
        "check_run" => Access::read(&["checks"]),
        _ => Access::read(&["metadata"]),
    }
}

/// Where deliveries wait for the one who sends them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    sender: Option<UnboundedSender<u64>>,
    /// On their way.
    pub(crate) under_way: usize,
    /// Kept back by order of a story.
    held: Vec<u64>,
    /// Waiting for a story that carries them itself.
    waiting: Vec<u64>,
    /// How long an answer is waited for, if a story has set it.
    patience: Option<Duration>,
}

impl Outbox {
    pub(crate) fn to(sender: UnboundedSender<u64>) -> Self {
        Outbox {
            sender: Some(sender),
            ..Outbox::default()
        }
    }

    fn put(&mut self, delivery: u64) {
        match &self.sender {
            Some(sender) => self.under_way += usize::from(sender.send(delivery).is_ok()),
            None => self.waiting.push(delivery),
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }
}

/// An event about a repository, before it is known who hears of it.
pub(crate) struct News {
    pub(crate) event: &'static str,
    pub(crate) repository: u64,
    pub(crate) sender: Author,
    pub(crate) payload: Value,
}

impl State {
    /// Tells every App that is installed for the repository and wants to know.
    pub(crate) fn announce(&mut self, news: News) {
        let installations = self.installations_of(news.repository);
        self.announce_to(&installations, news);
    }

    /// Tells these installations, as far as they want to know.
    pub(crate) fn announce_to(&mut self, installations: &[u64], news: News) {
        let Some(repository) = self.repositories.get(&news.repository) else {
            return;
        };
        let mut payload = news.payload;
        if payload.get("repository").is_none() {
            payload["repository"] = self.show_repository(repository);
        }
        payload["sender"] = self.show_author(&news.sender);
        let owner = self.known_account(&repository.owner);
        if owner.is_ok_and(|owner| owner.organisation) {
            payload["organization"] = self.show_organisation(&repository.owner);
        }
        for id in installations {
            let Some(installation) = self.installations.get(id) else {
                continue;
            };
            let app = installation.app;
            let wants = self.apps.get(&app).is_some_and(|app| {
                // With the permission to write checks an App is subscribed to suites by itself.
                app.events.contains(news.event) || news.event == "check_suite"
            });
            if !wants || !needs(news.event).given_by(&installation.permissions) {
                continue;
            }
            payload["installation"] = json!({
                "id": id,
                "node_id": show::node("I_", *id),
            });
            self.deliver(
                app,
                news.event,
                Some(*id),
                Some(news.repository),
                payload.clone(),
            );
        }
    }

    /// Tells an App of its own installation: that it hears of, wanted or not.
    pub(crate) fn announce_installation(
        &mut self,
        event: &'static str,
        id: u64,
        by: &str,
        more: Value,
    ) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let app = installation.app;
        let mut payload = more;
        payload["installation"] = self.show_installation(installation);
        payload["sender"] = self.show_login(by);
        self.deliver(app, event, Some(id), None, payload);
    }

    fn deliver(
        &mut self,
        app: u64,
        event: &str,
        installation: Option<u64>,
        repository: Option<u64>,
        payload: Value,
    ) {
        let Some(to) = self.apps.get(&app) else {
            return;
        };
        if to.webhook_url.is_empty() {
            return;
        }
        if let Some(description) = self.description {
            let wrong = description.payload(event, &payload);
            self.ledger.violations.extend(wrong);
        }
        let loss = self.faults.for_event(event);
        if loss == Some(Loss::Silent) {
            return;
        }
        let letters = self.letters(GUID_LETTERS);
        let delivery = Delivery {
            id: self.next_id(),
            guid: keys::guid(&letters),
            app,
            redelivery: false,
            event: event.to_owned(),
            action: payload
                .get("action")
                .and_then(Value::as_str)
                .map(str::to_owned),
            installation,
            repository,
            payload,
            delivered_at: self.now(),
            sent: (loss == Some(Loss::Failed)).then(lost),
        };
        let id = delivery.id;
        self.deliveries.insert(id, delivery);
        match loss {
            Some(Loss::Failed | Loss::Silent) => {}
            Some(Loss::Late) => self.outbox.held.push(id),
            Some(Loss::Twice) => {
                self.outbox.put(id);
                self.outbox.put(id);
            }
            None => self.outbox.put(id),
        }
    }

    /// Sends a delivery again, under the same number.
    pub(crate) fn send_again(&mut self, old: &Delivery) {
        let delivery = Delivery {
            id: self.next_id(),
            redelivery: true,
            delivered_at: self.now(),
            sent: None,
            ..old.clone()
        };
        let id = delivery.id;
        let loss = self.faults.for_event(&delivery.event);
        self.deliveries.insert(id, delivery);
        if matches!(loss, Some(Loss::Failed | Loss::Silent)) {
            if let Some(delivery) = self.deliveries.get_mut(&id) {
                delivery.sent = Some(lost());
            }
            return;
        }
        self.outbox.put(id);
    }

    /// Sends what was kept back, the newest first.
    pub fn release_webhooks(&mut self) {
        for id in std::mem::take(&mut self.outbox.held).into_iter().rev() {
            self.outbox.put(id);
        }
    }

    /// How long an answer to a webhook is waited for, instead of GitHub's 10 s.
    pub fn set_webhook_patience(&mut self, patience: Duration) {
        self.outbox.patience = Some(patience);
    }

    /// What waits to be carried, in its order: for a story in which the model has no socket.
    pub fn take_webhooks(&mut self) -> Vec<Letter> {
        let waiting = std::mem::take(&mut self.outbox.waiting);
        let letters = waiting.into_iter();
        letters.filter_map(|id| self.letter(id)).collect()
    }

    /// Puts into the log what a carried webhook was answered with, or that nobody did.
    pub fn carried(&mut self, letter: &Letter, status: Option<u16>) {
        let words = if status.is_some() { "" } else { "timed out" };
        if let Some(delivery) = self.deliveries.get_mut(&letter.delivery) {
            delivery.sent = Some(Sent {
                status,
                words: words.into(),
                headers: letter.headers.clone(),
                ..lost()
            });
        }
    }

    /// Whether no delivery is on its way.
    pub fn quiet(&self) -> bool {
        self.outbox.under_way == 0
    }

    pub(crate) fn show_organisation(&self, login: &str) -> Value {
        let shown = self.show_login(login);
        let url = format!("{}/orgs/{login}", self.base);
        json!({
            "login": login,
            "id": shown["id"],
            "node_id": shown["node_id"],
            "url": url,
            "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events"),
            "hooks_url": format!("{url}/hooks"),
            "issues_url": format!("{url}/issues"),
            "members_url": format!("{url}/members{{/member}}"),
            "public_members_url": format!("{url}/public_members{{/member}}"),
            "avatar_url": shown["avatar_url"],
            "description": "",
        })
    }
}

/// How GitHub records what did not get through.
fn lost() -> Sent {
    Sent {
        status: None,
        words: "failed to connect to host".into(),
        duration: 0.0,
        headers: Vec::new(),
        answer: String::new(),
    }
}
