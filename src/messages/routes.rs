//! Where the gateway sends requests: a table that is derived from the records and shared by all workers.
//!
//! Records are the truth; this table is rebuilt from them before the server listens. A change is seen by
//! every worker from its next request on.

mod flights;
mod places;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use nestling_domain::{
    ids::{Commit, EnvironmentId, Generation, Kind, Timestamp},
    label::Label,
};
use tokio::sync::{futures::OwnedNotified, watch};

pub(crate) use self::flights::{Door, Ending, Flight, Flights, Held};
pub use self::places::{Credential, Place, Proxy, Upstream};

/// What the gateway knows of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whose.
    pub environment: EnvironmentId,
    /// What people call it: `local/shop/pr-12`.
    pub name: String,
    /// Previews are marked `noindex`; production is not.
    pub kind: Kind,
    /// The label of its own address; further endpoints answer at `{endpoint}--{label}`.
    pub label: Label,
    /// Where requests go.
    pub to: To,
}

/// Where requests for an environment go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// To the deployment that serves.
    Serving(Serving),
    /// Nowhere for a moment: an exclusive app is being replaced. Requests are held.
    Switching,
    /// Nowhere yet: the first deployment is on its way. Says how far it is.
    Coming {
        /// The phase in people's words.
        phase: String,
        /// The dashboard's page about it, as a path.
        page: String,
    },
    /// Nowhere for a while: the app of the deployment that serves ended, and is started again in its machine.
    Again {
        /// How it ended, in people's words.
        reason: String,
        /// The dashboard's page about it, as a path.
        page: String,
    },
    /// Nowhere: it is stopped. Says why.
    Stopped {
        /// The reason in people's words.
        reason: String,
        /// The dashboard's page about it, as a path.
        page: String,
        /// Whether a visit wakes it.
        wakes: bool,
    },
}

/// A deployment that takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Which.
    pub generation: Generation,
    /// What it runs; stamped on every answer.
    pub commit: Commit,
    /// Its endpoints; the primary one answers at the environment's own label.
    pub endpoints: Vec<Target>,
}

/// One endpoint as the gateway reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its label: `{name}--{label}`, or shorter with a hash.
    pub label: Label,
    /// Whether it answers at the environment's own label too.
    pub primary: bool,
    /// Whether it is a console, which always asks for our login.
    pub console: bool,
    /// Where it is reached.
    pub upstream: Upstream,
}

/// The table, as a cheap handle. A lookup takes a shared lock for the time of two map reads.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    tables: Arc<RwLock<Tables>>,
    /// Counts the changes of labels.
    relabelled: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Tables {
    by_label: HashMap<Label, EnvironmentId>,
    by_environment: HashMap<EnvironmentId, Known>,
}

/// What is known of one environment, beside its route.
#[derive(Debug)]
struct Known {
    route: Arc<Route>,
    door: Arc<Door>,
    /// Of the generation that serves now.
    flights: Option<Arc<Flights>>,
    /// Of generations that served before and have not landed yet.
    earlier: Vec<Arc<Flights>>,
}

/// What a request finds at a label.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// No environment has this label.
    Nobody,
    /// The environment serves, but has no endpoint of this label.
    NoEndpoint(Arc<Route>),
    /// As many requests as one environment may have are under way.
    Full(Arc<Route>),
    /// A deployment serves; the request counts as in flight on it until `flight` is dropped.
    Open {
        route: Arc<Route>,
        /// Which of the serving deployment's endpoints.
        endpoint: usize,
        flight: Flight,
    },
    /// Nothing serves; `changed` completes with the next change of the route.
    Shut {
        route: Arc<Route>,
        door: Arc<Door>,
        changed: Pin<Box<OwnedNotified>>,
    },
}

impl Routes {
    /// Sets the route of an environment that has none yet.
    pub fn set_if_absent(&self, route: Route) {
        if self.of(&route.environment).is_none() {
            self.set(route);
        }
    }

    /// Replaces the route of an environment. Every lookup that begins after this returns sees it, and every
    /// request that used the route before it is counted in flight on the deployment that it went to.
    pub fn set(&self, route: Route) {
        let route = Arc::new(route);
        let before = self.of(&route.environment);
        let door = {
            let mut tables = self.write();
            tables.forget_labels(&route.environment);
            tables.learn_labels(&route);
            tables.replace(&route)
        };
        door.changed.notify_waiters();
        if before.is_none_or(|before| !labels(&before).eq(labels(&route))) {
            self.relabelled.send_modify(|count| *count += 1);
        }
    }

    /// Forgets an environment; its addresses answer that nothing lives there.
    pub fn remove(&self, environment: &EnvironmentId) {
        let known = {
            let mut tables = self.write();
            tables.forget_labels(environment);
            tables.by_environment.remove(environment)
        };
        let Some(known) = known else { return };
        for flights in known.flights.iter().chain(&known.earlier) {
            flights.end(Ending::All);
        }
        known.door.changed.notify_waiters();
        self.relabelled.send_modify(|count| *count += 1);
    }

    /// The labels at which people find environments and their endpoints, with the environments that they are of. A primary endpoint is found at its environment's own.
    pub fn labels(&self) -> BTreeMap<Label, EnvironmentId> {
        let tables = self.read();
        let of = |known: &Known| {
            let route = &known.route;
            let further = targets(route).iter().filter(|target| !target.primary);
            let all = further.map(|target| &target.label).chain([&route.label]);
            let id = route.environment.clone();
            let ours = all.filter(|label| tables.by_label.get(label) == Some(&id));
            ours.map(|label| (label.clone(), id.clone()))
                .collect::<Vec<_>>()
        };
        tables.by_environment.values().flat_map(of).collect()
    }

    /// Hears of each change of labels from now on.
    pub fn relabelled(&self) -> watch::Receiver<u64> {
        self.relabelled.subscribe()
    }

    /// The route at a label, of an environment's own address or of one of its endpoints.
    pub fn get(&self, label: &Label) -> Option<Arc<Route>> {
        let tables = self.read();
        tables.at(label).map(|known| known.route.clone())
    }

    /// The route of an environment.
    pub fn of(&self, environment: &EnvironmentId) -> Option<Arc<Route>> {
        let tables = self.read();
        tables
            .by_environment
            .get(environment)
            .map(|known| known.route.clone())
    }

    /// Looks a label up for a request, and counts the request in flight where a deployment serves. Both
    /// happen under one lock, so that a drain that begins after [`Routes::set`] misses no request.
    pub(crate) fn enter(&self, label: &Label, most: usize) -> Entrance {
        let tables = self.read();
        let Some(known) = tables.at(label) else {
            return Entrance::Nobody;
        };
        let route = known.route.clone();
        let (To::Serving(serving), Some(flights)) = (&route.to, &known.flights) else {
            let mut changed = Box::pin(known.door.changed.clone().notified_owned());
            changed.as_mut().enable();
            return Entrance::Shut {
                route,
                door: known.door.clone(),
                changed,
            };
        };
        let own = route.label == *label;
        let found = serving
            .endpoints
            .iter()
            .position(|target| target.label == *label || (own && target.primary));
        let Some(endpoint) = found else {
            return Entrance::NoEndpoint(route);
        };
        match Flight::begin(flights, &known.door, most) {
            Some(flight) => Entrance::Open {
                route,
                endpoint,
                flight,
            },
            None => Entrance::Full(route),
        }
    }

    /// The flights of a deployment that served before, while any request may still be in flight on it. That which
    /// serves now has none to wait for: they never end.
    pub(crate) fn departed(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
    ) -> Option<Arc<Flights>> {
        let tables = self.read();
        let known = tables.by_environment.get(environment)?;
        known
            .earlier
            .iter()
            .find(|flights| flights.generation() == generation)
            .cloned()
    }

    /// When somebody visited an environment last, since this server started; now while somebody does.
    pub(crate) fn visited(&self, environment: &EnvironmentId, now: Timestamp) -> Option<Timestamp> {
        let tables = self.read();
        tables.by_environment.get(environment)?.door.visited(now)
    }

    /// The flights of everything, for the end of the server.
    pub(crate) fn all_flights(&self) -> Vec<Arc<Flights>> {
        let tables = self.read();
        let all = tables.by_environment.values();
        all.flat_map(|known| known.flights.iter().chain(&known.earlier))
            .cloned()
            .collect()
    }

    /// Forgets the flights of a deployment that has landed, unless it serves.
    pub(crate) fn landed(&self, environment: &EnvironmentId, generation: Generation) {
        if let Some(known) = self.write().by_environment.get_mut(environment) {
            known
                .earlier
                .retain(|flights| flights.generation() != generation);
        }
    }

    // A panic while the lock was held leaves the maps usable: each step below leaves them consistent
    // enough to route, and records rebuild them.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Whose label it is. While nothing serves the endpoints are unknown, so that `admin--pr-12--shop` is
    /// found through `pr-12--shop`.
    fn at(&self, label: &Label) -> Option<&Known> {
        if let Some(environment) = self.by_label.get(label) {
            return self.by_environment.get(environment);
        }
        let text = label.as_str();
        text.match_indices("--").find_map(|(at, _)| {
            let (endpoint, rest) = (&text[..at], &text[at + 2..]);
            // `pr-12--shop` is a preview that is gone, never an endpoint of production.
            if endpoint.split("--").any(|part| Kind::parse(part).is_some()) {
                return None;
            }
            let known = self
                .by_environment
                .get(self.by_label.get(&Label::parse(rest)?)?)?;
            (known.route.label.as_str() == rest).then_some(known)
        })
    }

    fn forget_labels(&mut self, environment: &EnvironmentId) {
        let Some(known) = self.by_environment.get(environment) else {
            return;
        };
        for label in labels(&known.route) {
            if self.by_label.get(label) == Some(environment) {
                self.by_label.remove(label);
            }
        }
    }

    fn learn_labels(&mut self, route: &Arc<Route>) {
        for label in labels(route) {
            let owner = self
                .by_label
                .get(label)
                .and_then(|owner| self.by_environment.get(owner));
            // An endpoint may be called what it likes, but never takes another environment's own address.
            let taken = owner.is_some_and(|owner| owner.route.label == *label);
            if !taken || *label == route.label {
                self.by_label
                    .insert(label.clone(), route.environment.clone());
            }
        }
    }

    fn replace(&mut self, route: &Arc<Route>) -> Arc<Door> {
        let generation = match &route.to {
            To::Serving(serving) => Some(serving.generation),
            To::Switching | To::Coming { .. } | To::Again { .. } | To::Stopped { .. } => None,
        };
        let known = self
            .by_environment
            .entry(route.environment.clone())
            .or_insert_with(|| Known {
                route: route.clone(),
                door: Arc::default(),
                flights: None,
                earlier: Vec::new(),
            });
        known.route = route.clone();
        if known.flights.as_ref().map(|flights| flights.generation()) != generation {
            known.earlier.extend(known.flights.take());
            known.earlier.retain(|flights| {
                !flights.has_landed() || Some(flights.generation()) == generation
            });
            // A generation that served before may serve again: a deployment that failed is followed by the one before.
            let again = known
                .earlier
                .iter()
                .position(|flights| Some(flights.generation()) == generation);
            known.flights = match again.map(|at| known.earlier.swap_remove(at)) {
                Some(flights) if flights.ending() == Ending::No => Some(flights),
                Some(_) | None => generation.map(Flights::new).map(Arc::new),
            };
        }
        known.door.clone()
    }
}

fn labels(route: &Route) -> impl Iterator<Item = &Label> {
    std::iter::once(&route.label).chain(targets(route).iter().map(|target| &target.label))
}

fn targets(route: &Route) -> &[Target] {
    match &route.to {
        To::Serving(serving) => &serving.endpoints,
        To::Switching | To::Coming { .. } | To::Again { .. } | To::Stopped { .. } => &[],
    }
}

/// What an environment asks of the gateway beside the table: proof, and the end of what was begun.
#[async_trait::async_trait]
pub trait Traffic: Send + Sync + 'static {
    /// Asks one deployment through the gateway's own code, three times in a row, never by host or header.
    /// `health` is the configured path (2xx only); without it `/` with any status below 500 will do.
    /// `Err` says what came instead, for people. Over in 10 s.
    async fn probe(
        &self,
        environment: &EnvironmentId,
        generation: Generation,
        target: &Target,
        health: Option<&str>,
    ) -> Result<(), String>;
    /// Waits until this deployment answers no more requests, at most 10 s; then cuts what is left.
    async fn drain(&self, environment: &EnvironmentId, generation: Generation);
}
