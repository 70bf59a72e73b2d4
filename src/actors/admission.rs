//! Admission: how many builds run at once on this box, fairly between repositories; and how many previews each app has at once
//! ([`places`]).

mod places;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use actix::prelude::*;
use nestling_domain::{ids::RepositoryId, queue};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::{
    drivers::store::Store,
    messages::{
        admission::{Adopt, Ask, Build, Claim, Free, Handle, Look, Pause, Queue},
        live::Touch,
    },
};
use places::Books;

/// Hands out slots. A slot belongs to (environment, generation); it is asked for idempotently, rebuilt from
/// the records before anything is granted, and free as soon as the state no longer builds.
pub struct Admission {
    queue: queue::Queue<Build, RepositoryId>,
    asking: HashMap<Build, Vec<oneshot::Sender<()>>>,
    paused: Option<String>,
    /// Nothing is granted before the builds from before our own start are known.
    adopted: bool,
    live: Recipient<Touch>,
    /// What is known of the places of each app. What is not is read from here.
    books: Books,
    store: Arc<dyn Store>,
}

impl Admission {
    /// Admission for this many builds at once; `store` knows the limits of apps, and which previews hold a place.
    pub fn new(slots: usize, store: Arc<dyn Store>, live: Recipient<Touch>) -> Self {
        Admission {
            queue: queue::Queue::new(slots),
            asking: HashMap::new(),
            paused: None,
            adopted: false,
            live,
            books: Books::default(),
            store,
        }
    }

    /// The way for everybody else to reach admission.
    pub fn handle(address: &Addr<Self>) -> Handle {
        Handle {
            ask: address.clone().recipient(),
            claim: address.clone().recipient(),
            free: address.clone().recipient(),
            take: address.clone().recipient(),
            stands: address.clone().recipient(),
            freed: address.clone().recipient(),
            turns: address.clone().recipient(),
            pass: address.clone().recipient(),
            look: address.clone().recipient(),
            pause: address.clone().recipient(),
        }
    }

    fn grant(&mut self) {
        if self.paused.is_some() || !self.adopted {
            return;
        }
        let granted = self.queue.grant();
        if granted.is_empty() {
            return;
        }
        for build in granted {
            for asking in self.asking.remove(&build).unwrap_or_default() {
                // Who no longer listens asks again: the slot is its own.
                let _ = asking.send(());
            }
        }
        self.live.do_send(Touch {
            topic: "*".to_owned(),
        });
    }
}

impl Actor for Admission {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(0);
    }
}

impl Handler<Ask> for Admission {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Ask(build): Ask, _: &mut Self::Context) -> Self::Result {
        if self.queue.builds(&build) {
            return Box::pin(async {});
        }
        // A newer generation of the same environment takes the place of an older one.
        self.queue.free(|known| {
            known.environment == build.environment && known.generation < build.generation
        });
        self.queue.ask(build.clone(), build.repository);
        let (granted, answer) = oneshot::channel();
        let asking = self.asking.entry(build).or_default();
        asking.retain(|known| !known.is_closed());
        asking.push(granted);
        self.grant();
        Box::pin(async move {
            if answer.await.is_err() {
                // Its place was taken away: it is asked again, or no longer wanted.
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Handler<Claim> for Admission {
    type Result = bool;

    fn handle(&mut self, Claim(build): Claim, _: &mut Self::Context) -> bool {
        let others = |known: &Build| {
            known.environment == build.environment && known.generation != build.generation
        };
        // What is recorded of the environment still builds: its slot passes on once the record says otherwise.
        if self.queue.building().iter().any(others) {
            return false;
        }
        self.queue.ask(build.clone(), build.repository);
        self.grant();
        self.queue.builds(&build)
    }
}

impl Handler<Free> for Admission {
    type Result = ();

    fn handle(&mut self, Free { environment, but }: Free, _: &mut Self::Context) {
        let ends =
            |build: &Build| build.environment == environment && Some(build.generation) != but;
        if self.queue.free(ends) {
            self.asking.retain(|build, _| !ends(build));
            self.live.do_send(Touch {
                topic: "*".to_owned(),
            });
            self.grant();
        }
    }
}

impl Handler<Adopt> for Admission {
    type Result = ();

    fn handle(&mut self, Adopt(builds): Adopt, _: &mut Self::Context) {
        for build in builds {
            let repository = build.repository;
            self.queue.adopt(build, repository);
        }
        self.adopted = true;
        self.grant();
    }
}

impl Handler<Pause> for Admission {
    type Result = ();

    fn handle(&mut self, Pause(reason): Pause, _: &mut Self::Context) {
        if self.paused != reason {
            if let Some(reason) = &reason {
                warn!("no build is begun: {reason}");
            } else {
                info!("builds go on");
            }
            self.paused = reason;
            self.live.do_send(Touch {
                topic: "*".to_owned(),
            });
        }
        self.grant();
    }
}

impl Handler<Look> for Admission {
    type Result = MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        MessageResult(Queue {
            slots: self.queue.slots(),
            building: self.queue.building(),
            waiting: self.queue.waiting(),
            paused: self.paused.clone(),
            places: self.books.ahead(),
        })
    }
}
