//! The orders of one environment: one is worked on at a time, and a newer one takes its place.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    rc::Rc,
};

use nestling_domain::{
    fly::{self, AppName, Belief, GaveUp, Machine},
    ids::{EnvironmentId, Generation},
};
use nestling_protocol::network::Confidential as Told;
use tokio::sync::{Notify, oneshot};
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::Shared;
use crate::{
    drivers::fly::{self as driver, Confidential, Make, Subject},
    messages::machines::{MachineError, Made},
};

/// What is to be so, of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// The machine of this generation is there.
    Ensure(Generation),
    /// Fly's proxy leads to it.
    LetIn(Generation),
    /// Those of other generations are gone.
    Remove {
        /// The generations that stay.
        keep: Vec<Generation>,
        /// The newest that this is about.
        upto: Generation,
        /// Whether the app goes, too.
        all: bool,
    },
}

/// What comes of an order: the machine that was to be there; where that has no address, none was.
type Came = Result<Made, MachineError>;

/// The orders of one environment.
pub(super) struct Orders {
    shared: Rc<Shared>,
    environment: EnvironmentId,
    state: RefCell<State>,
    /// A newer order is there.
    newer: Notify,
}

#[derive(Default)]
struct State {
    /// What is known of its app. Taken out while somebody works with it.
    belief: Belief,
    /// What is to be worked on.
    current: Option<Current>,
    works: bool,
    /// The machines that were ensured.
    there: BTreeMap<Generation, Made>,
    /// Those that Fly's proxy leads to.
    open: BTreeSet<Generation>,
}

/// An order, and who waits for its end.
struct Current {
    order: Order,
    /// The first token of the runner that is to be made.
    token: Zeroizing<String>,
    waiting: Vec<oneshot::Sender<Came>>,
}

impl Orders {
    pub(super) fn new(shared: Rc<Shared>, environment: EnvironmentId) -> Rc<Self> {
        Rc::new(Orders {
            shared,
            environment,
            state: RefCell::default(),
            newer: Notify::new(),
        })
    }

    /// The generations whose machines were ensured and not removed.
    pub(super) fn there(&self) -> Vec<Generation> {
        self.state.borrow().there.keys().copied().collect()
    }

    /// Whether nobody works on anything.
    pub(super) fn is_idle(&self) -> bool {
        !self.state.borrow().works
    }

    /// Gives an order, or joins whoever gave the same: what comes of it. The work goes on when nobody waits for that any more.
    pub(super) fn give(
        self: Rc<Self>,
        order: Order,
        token: Zeroizing<String>,
    ) -> impl Future<Output = Came> + 'static {
        let known = self.known(&order);
        let (ended, came) = oneshot::channel();
        if known.is_none() {
            self.take_on(order, token, ended);
        }
        async move {
            if let Some(known) = known {
                return known;
            }
            let overtaken = || MachineError::Failed("something else was ordered since".to_owned());
            came.await.unwrap_or_else(|_| Err(overtaken()))
        }
    }

    /// Looks anew whether machines and secrets are left that the record does not want, where nobody works on anything: what was removed before is only as
    /// certain as what Fly said then. The work goes on when this is over.
    pub(super) async fn look_over(self: Rc<Self>) {
        let Ok(record) = self.shared.record(&self.environment).await else {
            return;
        };
        let life = &record.lifecycle;
        let keep = life.keep();
        // Where more was asked for than stays, the environment itself removes it.
        let sees_to_it = keep.len() < life.world.machines.len();
        if keep.is_empty() || sees_to_it || !self.is_idle() {
            return;
        }
        self.state.borrow_mut().belief.look_again();
        let order = Order::Remove {
            keep,
            upto: life.world.asked,
            all: false,
        };
        drop(self.give(order, Zeroizing::default()));
    }

    /// What can be said of an order without any work. Letting in is of no hurry: it takes the place of nothing.
    fn known(&self, order: &Order) -> Option<Came> {
        let state = self.state.borrow();
        match order {
            Order::Ensure(generation) => state.there.get(generation).cloned().map(Ok),
            Order::LetIn(generation) if state.open.contains(generation) => {
                Some(Ok(Made::default()))
            }
            Order::LetIn(_) => {
                let other = state.current.as_ref().map(|current| &current.order);
                let other = other.filter(|other| *other != order)?;
                let why = format!("Fly is at work on something else of it first ({other:?})");
                Some(Err(MachineError::Failed(why)))
            }
            Order::Remove { .. } => None,
        }
    }

    fn take_on(
        self: &Rc<Self>,
        order: Order,
        token: Zeroizing<String>,
        ended: oneshot::Sender<Came>,
    ) {
        let mut state = self.state.borrow_mut();
        match &mut state.current {
            Some(current) if current.order == order => current.waiting.push(ended),
            current => {
                *current = Some(Current {
                    order,
                    token,
                    waiting: vec![ended],
                });
                self.newer.notify_waiters();
            }
        }
        if !state.works {
            state.works = true;
            actix::spawn(Working(self.clone()).work());
        }
    }

    fn belief(&self) -> Belief {
        std::mem::take(&mut self.state.borrow_mut().belief)
    }

    /// What is to be worked on now.
    fn current(&self) -> Option<(Order, Zeroizing<String>)> {
        let state = self.state.borrow();
        let current = state.current.as_ref()?;
        Some((current.order.clone(), current.token.clone()))
    }

    /// Waits until something else than this is to be worked on.
    async fn until_other_than(&self, order: &Order) {
        loop {
            let newer = self.newer.notified();
            if self.current().is_none_or(|(now, _)| now != *order) {
                return;
            }
            newer.await;
        }
    }

    /// Tells who waits for this order what came of it.
    fn end(&self, order: &Order, came: Came) {
        let mut state = self.state.borrow_mut();
        match (order, &came) {
            (Order::Ensure(generation), Ok(made)) if made.address.is_some() => {
                state.there.insert(*generation, made.clone());
            }
            (Order::LetIn(generation), Ok(_)) => {
                state.open.insert(*generation);
            }
            (Order::Remove { keep, upto, .. }, Ok(_)) => {
                let stays = |one: &Generation| *one > *upto || keep.contains(one);
                state.there.retain(|one, _| stays(one));
                state.open.retain(stays);
            }
            (Order::Ensure(_), Ok(_)) | (_, Err(_)) => {}
        }
        let Some(current) = state.current.take_if(|current| current.order == *order) else {
            return;
        };
        for waiting in current.waiting {
            // Who has left asks again.
            let _ = waiting.send(came.clone());
        }
    }
}

/// Somebody works on the orders of an environment; when that ends, however, the next order begins anew.
struct Working(Rc<Orders>);

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.works = false;
        state.current = None;
    }
}

impl Working {
    /// Works until nothing is ordered.
    async fn work(self) {
        let orders = &self.0;
        let mut belief = orders.belief();
        let mut app = None;
        while let Some((order, token)) = orders.current() {
            if app.is_none() {
                app = match orders.shared.app(&orders.environment).await {
                    Ok(app) => Some(app),
                    Err(error) => {
                        orders.end(&order, Err(error));
                        continue;
                    }
                };
            }
            let Some(app) = &app else { continue };
            if let Some(came) = orders.carry_out(app, &mut belief, &order, &token).await {
                orders.end(&order, came);
            }
        }
        orders.state.borrow_mut().belief = belief;
    }
}

impl Orders {
    /// Carries an order out; `None` when a newer one took its place.
    async fn carry_out(
        &self,
        app: &AppName,
        belief: &mut Belief,
        order: &Order,
        token: &Zeroizing<String>,
    ) -> Option<Came> {
        let Shared { fly, plan, .. } = &*self.shared;
        let given = match order {
            Order::Ensure(_) => match self.shared.given(&self.environment).await {
                Ok(given) => Some(given),
                Err(error) => return Some(Err(error)),
            },
            Order::LetIn(_) | Order::Remove { .. } => None,
        };
        let (given, volume) = given.unzip();
        let volume = volume.flatten();
        let gib = given.as_ref().map_or(0, |given| given.volume_gib);
        let disk = (gib > 0 || volume.is_some()).then_some(fly::Disk {
            gib,
            id: volume.as_deref(),
        });
        let size = given.as_ref().map_or(plan.make.size, |given| given.size);
        let make = Make {
            size,
            ..plan.make.clone()
        };
        let regions = given.as_ref().map_or(&plan.regions, |given| &given.regions);
        let confidential = self.confidential(order, token);
        let subject = Subject {
            app,
            environment: &self.environment,
            make: &make,
            confidential: &confidential,
        };
        let asked = match order {
            Order::Ensure(generation) => driver::Order::Ensure(fly::Ensure {
                server: fly.server(),
                environment: &self.environment,
                generation: *generation,
                regions,
                addresses: &plan.addresses,
                disk,
            }),
            Order::LetIn(generation) => driver::Order::LetIn(fly::LetIn {
                server: fly.server(),
                environment: &self.environment,
                generation: *generation,
            }),
            Order::Remove { keep, upto, all } => driver::Order::Remove(fly::Remove {
                server: fly.server(),
                environment: &self.environment,
                keep,
                upto: *upto,
                all: *all,
            }),
        };
        let newer = self.until_other_than(order);
        let ended = fly.carry_out(&subject, belief, &asked, newer).await?;
        let way_in = belief.way_in();
        match (order, &ended) {
            (Order::Remove { keep, .. }, Ok(_)) if keep.is_empty() => belief.look_again(),
            (Order::LetIn(_), Err(GaveUp::Lost)) => belief.look_again(),
            (Order::Ensure(_) | Order::LetIn(_) | Order::Remove { .. }, _) => {}
        }
        let came = self.came(app, order, ended.map(|machine| (machine, way_in)));
        let note = given.and_then(|given| given.note);
        Some(came.map(|made| Made { note, ..made }))
    }

    fn came(
        &self,
        app: &AppName,
        order: &Order,
        ended: Result<(Option<Machine>, Option<IpAddr>), GaveUp>,
    ) -> Came {
        let id = &self.environment;
        let (machine, way_in) = match ended {
            Ok(machine) => machine,
            Err(why @ GaveUp::Occupied(_)) => {
                info!(environment.id = %id, "Fly, for {order:?} of {app}: {why}");
                return Err(MachineError::Occupied(why.to_string()));
            }
            Err(why) => {
                warn!(environment.id = %id, "Fly, for {order:?} of {app}: {why}");
                return Err(if why.may_change() {
                    MachineError::Failed(why.to_string())
                } else {
                    MachineError::Rejected(why.to_string())
                });
            }
        };
        let Some(machine) = machine else {
            info!(environment.id = %id, "{order:?} of {app} is done at Fly");
            return Ok(Made::default());
        };
        info!(environment.id = %id, "{order:?} of {app} is done at Fly: machine {}", machine.id);
        Ok(Made {
            address: way_in,
            note: None,
            volume: machine.volume,
        })
    }

    /// What the machine of an order is told; nothing where none is made.
    fn confidential(&self, order: &Order, token: &Zeroizing<String>) -> Confidential {
        let Order::Ensure(generation) = order else {
            return Confidential(Zeroizing::default());
        };
        let told = Told {
            token: token.to_string(),
            credential: self.shared.keys.credential(&self.environment, *generation),
        };
        // Two texts: they always become JSON.
        Confidential(Zeroizing::new(
            serde_json::to_vec(&told).unwrap_or_default(),
        ))
    }
}
