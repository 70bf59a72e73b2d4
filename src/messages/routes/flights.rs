//! Requests in flight: what a drain waits for, and how what will not end is told to.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
};

use nestling_domain::ids::{Generation, Timestamp};
use tokio::sync::Notify;

use crate::drivers::clock;

/// Numbers the flights of this process, so that a pool can tell two of one generation apart.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// How far the end of a deployment has come, for the requests in flight on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// It serves, or served and nobody drains it yet.
    No,
    /// Another serves: what never ends by itself (a WebSocket, an event stream) is to end now.
    Streams,
    /// Its time is over: everything is cut.
    All,
}

/// The requests in flight on one deployment. `count` and `ending` are sequentially consistent: either the
/// last request sees that somebody waits, or who waits sees that it was the last.
#[derive(Debug)]
pub(crate) struct Flights {
    id: u64,
    generation: Generation,
    count: AtomicUsize,
    ending: AtomicU8,
    told: Notify,
    landed: Notify,
}

impl Flights {
    pub(super) fn new(generation: Generation) -> Self {
        Flights {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            generation,
            count: AtomicUsize::new(0),
            ending: AtomicU8::new(Ending::No as u8),
            told: Notify::new(),
            landed: Notify::new(),
        }
    }

    /// Its number, unique in this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn has_landed(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::SeqCst) {
            0 => Ending::No,
            1 => Ending::Streams,
            _ => Ending::All,
        }
    }

    /// Tells what is in flight to end. Never goes back.
    pub(crate) fn end(&self, ending: Ending) {
        self.ending.fetch_max(ending as u8, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Completes when what is in flight was told to end, at least so far.
    pub(crate) async fn told(&self, ending: Ending) {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.ending() >= ending {
                return;
            }
            told.await;
        }
    }

    /// Completes when nothing is in flight.
    pub(crate) async fn landed(&self) {
        loop {
            let landed = self.landed.notified();
            tokio::pin!(landed);
            landed.as_mut().enable();
            if self.has_landed() {
                return;
            }
            landed.await;
        }
    }
}

/// What all requests for one environment pass, whichever deployment serves.
#[derive(Debug, Default)]
pub(crate) struct Door {
    inside: AtomicUsize,
    held: AtomicUsize,
    woken: AtomicU64,
    /// When a request last came or ended, in milliseconds; 0 before the first.
    visited: AtomicU64,
    pub(super) changed: Arc<Notify>,
}

impl Door {
    /// When somebody was here last: now, while somebody is; `None` when nobody was.
    pub(super) fn visited(&self, now: Timestamp) -> Option<Timestamp> {
        if self.inside.load(Ordering::Relaxed) > 0 {
            return Some(now);
        }
        let visited = self.visited.load(Ordering::Relaxed);
        (visited > 0).then_some(Timestamp(visited))
    }

    fn visit(&self) {
        self.visited.store(clock::now().0, Ordering::Relaxed);
    }

    /// Takes a place among the held requests; `None` when `most` wait already.
    pub(crate) fn hold(self: &Arc<Self>, most: usize) -> Option<Held> {
        let place = take(&self.held, most);
        place.then(|| Held(self.clone()))
    }

    /// Whether the environment is to be woken now: not again before `pause_ms` have passed.
    pub(crate) fn wakes(&self, now: Timestamp, pause_ms: u64) -> bool {
        let last = self.woken.load(Ordering::Relaxed);
        now.0 >= last.saturating_add(pause_ms)
            && self
                .woken
                .compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// A place among the held requests.
#[derive(Debug)]
pub(crate) struct Held(Arc<Door>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    door: Arc<Door>,
}

impl Flight {
    pub(super) fn begin(flights: &Arc<Flights>, door: &Arc<Door>, most: usize) -> Option<Self> {
        if !take(&door.inside, most) {
            return None;
        }
        flights.count.fetch_add(1, Ordering::SeqCst);
        door.visit();
        Some(Flight {
            flights: flights.clone(),
            door: door.clone(),
        })
    }

    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.door.visit();
        self.door.inside.fetch_sub(1, Ordering::Relaxed);
        if self.flights.count.fetch_sub(1, Ordering::SeqCst) == 1
            && self.flights.ending() != Ending::No
        {
            self.flights.landed.notify_waiters();
        }
    }
}

/// Takes one of `most` places.
fn take(places: &AtomicUsize, most: usize) -> bool {
    if places.fetch_add(1, Ordering::Relaxed) < most {
        return true;
    }
    places.fetch_sub(1, Ordering::Relaxed);
    false
}
