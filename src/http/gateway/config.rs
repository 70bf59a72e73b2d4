//! What the gateway is told, and the number on every wait and queue.

use std::time::Duration;

use crate::{config::Proxies, http::Addresses};

/// How the gateway answers for one server.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The dashboard's address, and the domain under which environments answer.
    pub addresses: Addresses,
    /// Further hosts (names or addresses, without port) at which the dashboard answers.
    pub dashboard_hosts: Vec<String>,
    /// Whether `localhost`, `127.0.0.1` and `[::1]` mean the dashboard, for programs on this box.
    pub loopback: bool,
    /// Proxies in front of us whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Proxies,
    /// Whether another server acts, and visitors are told to come again, whatever they ask for.
    pub waits: bool,
    /// Bounds on waits and queues.
    pub bounds: Bounds,
}

impl GatewayConfig {
    /// For a server on this box, with the usual bounds.
    pub fn new(addresses: Addresses) -> Self {
        GatewayConfig {
            addresses,
            dashboard_hosts: Vec::new(),
            loopback: true,
            trusted_proxies: Proxies::default(),
            waits: false,
            bounds: Bounds::default(),
        }
    }
}

/// Bounds on waits and queues; the defaults are the product's, tests take shorter ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// How long a request waits while an exclusive app is being replaced.
    pub switching: Duration,
    /// How long a program's request waits for a first deployment or for one that wakes.
    pub coming: Duration,
    /// Held requests of one environment.
    pub held: usize,
    /// Held requests of all environments: each may keep a read buffer full of an unread body.
    pub held_in_all: usize,
    /// Requests under way of one environment, WebSockets among them.
    pub inside: usize,
    /// How long a connection to an app may take to open.
    pub connect: Duration,
    /// How long an app may take to begin its answer.
    pub first_byte: Duration,
    /// How long an answer may pause.
    pub pause: Duration,
    /// How long a WebSocket may be silent in both directions.
    pub silence: Duration,
    /// How long an unused connection to an app is kept.
    pub idle: Duration,
    /// How long requests in flight may go on after the switch, before they are cut.
    pub drain: Duration,
    /// How long one probe may wait for its answer.
    pub probe: Duration,
    /// Bytes in the head of a request, names and values.
    pub head: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            // A Wing app compiles and boots its simulator in about 12 s; a browser gives up after minutes.
            switching: Duration::from_secs(30),
            // A first deployment takes longer than a program likes to wait: it hears when to come back.
            coming: Duration::from_secs(10),
            held: 256,
            held_in_all: 4096,
            // Far above what a preview sees, far below what one file descriptor table holds.
            inside: 1024,
            // A socket on this box accepts in microseconds; a full backlog drains within a second or the app hangs.
            connect: Duration::from_secs(5),
            // Slow reports exist; past this a person has gone.
            first_byte: Duration::from_mins(2),
            // Event streams without a heartbeat are ended here and reconnect.
            pause: Duration::from_mins(10),
            silence: Duration::from_hours(1),
            // Below the 5 s after which Node closes an unused connection by itself: closing first avoids the race.
            idle: Duration::from_secs(4),
            // An effect of an environment may take 10 s in all; half a second is for the goodbye.
            drain: Duration::from_millis(9500),
            probe: Duration::from_secs(2),
            // Node itself takes 16 KiB; cookies of several apps on one box add up.
            head: 64 * 1024,
        }
    }
}

/// An environment that is not serving is asked to wake at most once in this time.
pub(super) const WAKE_PAUSE: Duration = Duration::from_secs(2);
/// Unused connections kept per endpoint and worker; what is above is closed after its answer.
pub(super) const IDLE_CONNECTIONS: usize = 64;
/// A request that must not be sent twice takes a connection that was in use so lately that the app
/// will not just have closed it.
pub(super) const FRESH: Duration = Duration::from_millis(500);
/// What is read ahead of a slow client, per answer.
pub(super) const READ_AHEAD: usize = 128 * 1024;
/// Bytes in the head of an app's answer: twice what browsers accept.
pub(super) const ANSWER_HEAD: usize = 64 * 1024;
/// Header lines of an app's answer.
pub(super) const ANSWER_HEADERS: usize = 128;
/// How long a WebSocket that is told to end may take to finish the frame it is in.
pub(super) const FRAME_END: Duration = Duration::from_millis(400);
/// How long we wait for the client's half of the closing handshake.
pub(super) const CLOSE_REPLY: Duration = Duration::from_secs(1);
/// How long an app may go on sending after the client of its WebSocket is gone.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);
/// What `Retry-After` says, in seconds.
pub(super) const RETRY_AFTER: &str = "2";
/// The same of what only a person or a push changes.
pub(super) const RETRY_STOPPED_AFTER: &str = "60";
