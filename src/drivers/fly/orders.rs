//! Orders carried out: what the plan asks is asked, one request after the other, until it says that it is so or cannot be.

use nestling_domain::fly::{Ask, Belief, Ensure, GaveUp, Next, Remove, ensure, remove};
use tokio::time::sleep;

use super::{Fly, Subject};

impl Fly {
    /// Ensures that the machine of a generation is there; Fly's id of it. May take minutes; what is learnt stays in the belief when whoever waits
    /// gives up.
    pub async fn ensure(
        &self,
        subject: &Subject<'_>,
        belief: &mut Belief,
        order: &Ensure<'_>,
    ) -> Result<String, GaveUp> {
        belief.begin(order.generation);
        loop {
            match ensure(belief, order) {
                Next::Ask(ask, wait) => {
                    sleep(wait / self.pace.hurry).await;
                    self.learn(subject, belief, &ask).await;
                }
                Next::Done(Some(machine)) => return Ok(machine),
                Next::Done(None) => return Err(GaveUp::Unsettled),
                Next::GiveUp(why) => return Err(why),
            }
        }
    }

    /// Ensures that machines, or all of an app, are gone. May take minutes.
    pub async fn remove(
        &self,
        subject: &Subject<'_>,
        belief: &mut Belief,
        order: &Remove<'_>,
    ) -> Result<(), GaveUp> {
        belief.begin(order.upto);
        loop {
            match remove(belief, order) {
                Next::Ask(ask, wait) => {
                    sleep(wait / self.pace.hurry).await;
                    self.learn(subject, belief, &ask).await;
                }
                Next::Done(_) => return Ok(()),
                Next::GiveUp(why) => return Err(why),
            }
        }
    }

    async fn learn(&self, subject: &Subject<'_>, belief: &mut Belief, ask: &Ask) {
        let (outcome, seen) = self.ask(subject, ask).await;
        belief.learn(ask, &outcome, seen);
    }
}
