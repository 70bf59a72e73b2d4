//! The actor of the sweeper: one pass after the other, as long as the server lives.

use std::{panic::AssertUnwindSafe, time::Duration};

use actix::prelude::*;
use futures::FutureExt as _;
use tracing::error;

use super::Sweeper;
use crate::drivers::clock;

/// From the start until the first pass: what the server takes up then comes first.
const FIRST: Duration = Duration::from_mins(1);
/// Between two passes: two within the time for which an app must have been unwanted.
const EVERY: Duration = Duration::from_mins(5);

/// Lets a [`Sweeper`] make its passes. One that panics ends by itself: the next one is made by a sweeper that has seen nothing yet.
pub struct Sweeping {
    sweeper: Sweeper,
}

impl Sweeping {
    /// The actor of this sweeper.
    pub fn new(sweeper: Sweeper) -> Self {
        Sweeping { sweeper }
    }

    fn pass(&mut self, ctx: &mut Context<Self>) {
        let mut sweeper = self.sweeper.clone();
        let pass = async move {
            sweeper.pass(clock::now()).await;
            sweeper
        };
        let pass = AssertUnwindSafe(pass).catch_unwind();
        ctx.spawn(pass.into_actor(self).map(|came, actor, ctx| {
            if let Ok(sweeper) = came {
                actor.sweeper = sweeper;
            } else {
                error!("a look for what is left at Fly panicked; the next one is in {EVERY:?}");
                actor.sweeper.begin_anew();
            }
            ctx.run_later(EVERY, Self::pass);
        }));
    }
}

impl Actor for Sweeping {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(FIRST, Self::pass);
    }
}
