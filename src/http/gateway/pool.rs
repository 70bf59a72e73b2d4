//! Connections to apps that wait for their next request: one pool per worker, so that nothing is locked.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::client::conn::http1::{Builder, SendRequest};

use super::{
    body::Carried,
    config::{ANSWER_HEAD, ANSWER_HEADERS, Bounds, IDLE_CONNECTIONS, READ_AHEAD},
    link,
};
use crate::messages::routes::{Ending, Flights, Route, Serving, Target, To};

/// How often connections that were unused for too long, or belong to a deployment that is over, are closed.
const SWEEP: Duration = Duration::from_secs(1);

/// The endpoint that a request goes to.
#[derive(Debug, Clone)]
pub(super) struct Goal {
    pub(super) route: Arc<Route>,
    endpoint: usize,
    pub(super) flights: Arc<Flights>,
}

impl Goal {
    pub(super) fn new(route: Arc<Route>, endpoint: usize, flights: Arc<Flights>) -> Self {
        Goal {
            route,
            endpoint,
            flights,
        }
    }

    pub(super) fn serving(&self) -> Option<&Serving> {
        match &self.route.to {
            To::Serving(serving) => Some(serving),
            To::Switching | To::Coming { .. } | To::Again { .. } | To::Stopped { .. } => None,
        }
    }

    pub(super) fn target(&self) -> Option<&Target> {
        self.serving()?.endpoints.get(self.endpoint)
    }
}

/// The unused connections of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    bounds: Bounds,
}

#[derive(Debug)]
struct Idle {
    goal: Goal,
    sender: SendRequest<Carried>,
    since: Instant,
}

/// A connection in use by one request.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) sender: SendRequest<Carried>,
    /// Whether it carried a request before: then the app may be closing it at this moment.
    pub(super) reused: bool,
    /// Whether the request's body has been sent to its end; a connection is not used again before.
    pub(super) sent: Rc<Cell<bool>>,
    goal: Goal,
    pool: Weak<Pool>,
}

impl Lease {
    /// Keeps the connection for the next request: its answer has been read to the end.
    pub(super) fn give_back(self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        if self.sent.get() && !self.sender.is_closed() {
            pool.put(self.goal, self.sender);
        }
    }
}

impl Pool {
    /// A pool with its sweeper, which ends with it. Needs a runtime with local tasks.
    pub(super) fn new(bounds: Bounds) -> Rc<Self> {
        let pool = Rc::new(Pool {
            idle: RefCell::default(),
            bounds,
        });
        let swept = Rc::downgrade(&pool);
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(pool) = swept.upgrade() else { return };
                pool.sweep();
            }
        });
        pool
    }

    /// A connection to an endpoint: an unused one that carried its last request at most `lately` ago, or a new one.
    pub(super) async fn lease(
        self: &Rc<Self>,
        goal: &Goal,
        lately: Option<Duration>,
    ) -> Result<Lease, String> {
        let lease = |sender, reused| Lease {
            sender,
            reused,
            sent: Rc::default(),
            goal: goal.clone(),
            pool: Rc::downgrade(self),
        };
        while let Some(mut sender) = lately.and_then(|lately| self.unused(goal, lately)) {
            // It takes the next request as soon as its own task has seen the end of the last answer.
            if sender.ready().await.is_ok() {
                return Ok(lease(sender, true));
            }
        }
        // Seldom needed, and far larger than all the rest of a request's future: kept out of it, which is made anew for
        // each request and then fits into what the allocator keeps at hand.
        Ok(lease(Box::pin(self.open(goal)).await?, false))
    }

    /// A new connection.
    async fn open(&self, goal: &Goal) -> Result<SendRequest<Carried>, String> {
        let upstream = &goal
            .target()
            .ok_or("the deployment has no such endpoint")?
            .upstream;
        let io = link::connect(upstream, self.bounds.connect)
            .await
            .map_err(|error| error.to_string())?;
        let opened = builder().handshake(io).await;
        let (sender, connection) = opened.map_err(|error| error.to_string())?;
        // How it ends is told to whoever waits for an answer on it.
        actix_web::rt::spawn(async move { connection.with_upgrades().await.ok() });
        Ok(sender)
    }

    fn unused(&self, goal: &Goal, lately: Duration) -> Option<SendRequest<Carried>> {
        let mut idle = self.idle.borrow_mut();
        let all = idle.get_mut(&goal.flights.id())?;
        let same = |kept: &Idle| {
            Arc::ptr_eq(&kept.goal.route, &goal.route) || kept.goal.target() == goal.target()
        };
        loop {
            let at = all
                .iter()
                .rposition(|kept| kept.goal.endpoint == goal.endpoint && same(kept))?;
            let kept = all.swap_remove(at);
            if kept.since.elapsed() <= lately.min(self.bounds.idle) && !kept.sender.is_closed() {
                return Some(kept.sender);
            }
        }
    }

    fn put(&self, goal: Goal, sender: SendRequest<Carried>) {
        if goal.flights.ending() == Ending::All {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let all = idle.entry(goal.flights.id()).or_default();
        if all.len() < IDLE_CONNECTIONS {
            all.push(Idle {
                goal,
                sender,
                since: Instant::now(),
            });
        }
    }

    fn sweep(&self) {
        let fresh = |kept: &Idle| {
            kept.since.elapsed() < self.bounds.idle
                && !kept.sender.is_closed()
                && kept.goal.flights.ending() != Ending::All
        };
        self.idle.borrow_mut().retain(|_, all| {
            all.retain(fresh);
            !all.is_empty()
        });
    }
}

/// How we speak to apps.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_headers(ANSWER_HEADERS)
        .max_header_size(ANSWER_HEAD)
        .max_buf_size(READ_AHEAD);
    builder
}
