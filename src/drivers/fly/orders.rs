//! Orders carried out: what the plan asks is asked, one request after the other, until it says that it is so or cannot be.

use std::pin::pin;

use nestling_domain::{
    fly::{Ask, Belief, Ensure, GaveUp, LetIn, Machine, Next, Remove, ensure, let_in, remove},
    ids::Generation,
};
use tokio::{select, time::sleep};

use super::{Fly, Subject};

/// What is to be so.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// The machine of a generation is there.
    Ensure(Ensure<'a>),
    /// Fly's proxy leads to it.
    LetIn(LetIn<'a>),
    /// Others, or all of an app, are gone.
    Remove(Remove<'a>),
}

impl Order<'_> {
    fn upto(&self) -> Generation {
        match self {
            Order::Ensure(order) => order.generation,
            Order::LetIn(order) => order.generation,
            Order::Remove(order) => order.upto,
        }
    }

    fn next(&self, belief: &Belief) -> Next {
        match self {
            Order::Ensure(order) => ensure(belief, order),
            Order::LetIn(order) => let_in(belief, order),
            Order::Remove(order) => remove(belief, order),
        }
    }
}

impl Fly {
    /// Carries an order out, which may take minutes; the machine that was to be there, when one was. `None` when `newer` ended before
    /// that: then nothing is under way, and all that was learnt is in the belief.
    pub async fn carry_out(
        &self,
        subject: &Subject<'_>,
        belief: &mut Belief,
        order: &Order<'_>,
        newer: impl Future<Output = ()>,
    ) -> Option<Result<Option<Machine>, GaveUp>> {
        let mut newer = pin!(newer);
        belief.begin(order.upto());
        loop {
            let (ask, wait) = match order.next(belief) {
                Next::Ask(ask, wait) => (ask, wait),
                Next::Done(machine) => return Some(Ok(machine)),
                Next::GiveUp(why) => return Some(Err(why)),
            };
            // Between two requests only: what came of one is always heard.
            select! {
                biased;
                () = &mut newer => return None,
                () = sleep(wait / self.pace.hurry) => {}
            }
            self.learn(subject, belief, &ask).await;
        }
    }

    /// Removes an app with all that is in it, of which nothing is believed, as long as it is `unwanted`: that is asked right before each request, and its answer
    /// waited for. `None` when it was not so any more; then nothing is under way.
    pub async fn remove_while(
        &self,
        subject: &Subject<'_>,
        order: &Remove<'_>,
        unwanted: impl AsyncFn() -> bool,
    ) -> Option<Result<(), GaveUp>> {
        let mut belief = Belief::default();
        belief.begin(order.upto);
        loop {
            let (ask, wait) = match remove(&belief, order) {
                Next::Ask(ask, wait) => (ask, wait),
                Next::Done(_) => return Some(Ok(())),
                Next::GiveUp(why) => return Some(Err(why)),
            };
            sleep(wait / self.pace.hurry).await;
            if !unwanted().await {
                return None;
            }
            self.learn(subject, &mut belief, &ask).await;
        }
    }

    async fn learn(&self, subject: &Subject<'_>, belief: &mut Belief, ask: &Ask) {
        let (outcome, seen) = self.ask(subject, ask).await;
        belief.learn(ask, &outcome, seen);
    }
}
