//! Webhooks that were sent, as the App's delivery log shows them.

use serde_json::Value;

/// One attempt to deliver one event.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Of this attempt: a redelivery has a new one.
    pub id: u64,
    /// Of the event: a redelivery has the same one, as `X-GitHub-Delivery`.
    pub guid: String,
    /// The App's id.
    pub app: u64,
    /// Whether somebody asked for it again.
    pub redelivery: bool,
    /// Name of the event.
    pub event: String,
    /// Its action, if it has one.
    pub action: Option<String>,
    /// Which installation it concerns.
    pub installation: Option<u64>,
    /// Which repository it concerns.
    pub repository: Option<u64>,
    /// What was sent, byte for byte but for the order of keys.
    pub payload: Value,
    /// When it was made, in milliseconds since 1970.
    pub delivered_at: i64,
    /// How it went; nothing while it is on its way.
    pub sent: Option<Sent>,
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What the receiver answered; nothing if it did not.
    pub status: Option<u16>,
    /// In GitHub's words: `OK`, `timed out`, `failed to connect to host` and so on.
    pub words: String,
    /// In seconds.
    pub duration: f64,
    /// What was sent along.
    pub headers: Vec<(String, String)>,
    /// What the receiver said.
    pub answer: String,
}

impl Delivery {
    /// Whether the receiver took it.
    pub fn taken(&self) -> bool {
        let status = self.sent.as_ref().and_then(|sent| sent.status);
        status.is_some_and(|status| (200..300).contains(&status))
    }
}
