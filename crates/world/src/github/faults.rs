//! Faults to order: what goes wrong next, where, and how often.

use std::time::Duration;

use super::state::State;
use crate::orders::{Orders, Times};

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with GitHub's usual words; nothing has happened.
    Status(u16),
    /// The secondary rate limit, with `Retry-After` in seconds; nothing has happened.
    SecondaryLimit(u32),
    /// The primary rate limit is used up; nothing has happened.
    PrimaryLimit,
    /// Nothing happens, and no answer ever comes.
    NoAnswer,
    /// It happens, and the connection is cut before the answer.
    LostAnswer,
    /// It happens, and no answer ever comes.
    Hangs,
}

/// What goes wrong with a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It does not get through; the delivery log says so.
    Failed,
    /// It is not even in the delivery log, as in GitHub's bad hours.
    Silent,
    /// It comes twice, under the same number.
    Twice,
    /// It is kept back until [`State::release_webhooks`], and comes after later ones then.
    Late,
}

/// All orders.
#[derive(Debug, Default)]
pub struct Faults {
    answers: Orders<Fault>,
    webhooks: Orders<Loss>,
    /// Added to every answer.
    pub latency: Duration,
}

impl Faults {
    /// Orders a fault of requests: `"POST /repos/*/*/issues/*/comments"`, where `*` is any one part of the path, at the
    /// end `**` is any rest, and `*` as the method is any method.
    pub fn answer(&mut self, route: &str, fault: Fault, times: Times) {
        self.answers.add(route, 0, fault, times);
    }

    /// Orders a fault of one request of this route, as [`Faults::answer`] reads it, after so many others of it.
    pub fn later(&mut self, route: &str, passes: u32, fault: Fault) {
        self.answers.add(route, passes, fault, Times::Only(1));
    }

    /// Whether every fault of a request that was ordered has come about: a request that is held is so from now on.
    pub fn is_spent(&self) -> bool {
        self.answers.is_empty()
    }

    /// Orders a fault of webhooks of this event: `"pull_request"`, or `*` for any.
    pub fn webhook(&mut self, event: &str, loss: Loss, times: Times) {
        self.webhooks.add(&format!("{event} /"), 0, loss, times);
    }

    /// Everything is well again.
    pub fn clear(&mut self) {
        *self = Faults::default();
    }

    /// What is to go wrong with this request; counts as done.
    pub(crate) fn for_request(&mut self, method: &str, path: &str) -> Option<Fault> {
        self.answers.take(method, path)
    }

    /// What is to go wrong with this event; counts as done.
    pub(crate) fn for_event(&mut self, event: &str) -> Option<Loss> {
        self.webhooks.take(event, "/")
    }
}

impl State {
    /// Orders a fault of requests, as [`Faults::answer`] says.
    pub fn order(&mut self, route: &str, fault: Fault, times: Times) {
        self.faults.answer(route, fault, times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_its_route_and_its_times() {
        let mut faults = Faults::default();
        faults.answer(
            "POST /repos/*/*/deployments",
            Fault::Status(502),
            Times::Only(2),
        );
        let mut ask = |method: &str, path: &str| faults.for_request(method, path);
        assert_eq!(ask("GET", "/repos/acme/shop/deployments"), None);
        assert_eq!(ask("POST", "/repos/acme/shop/deployments/7/statuses"), None);
        assert_eq!(
            ask("POST", "/repos/acme/shop/deployments"),
            Some(Fault::Status(502))
        );
        assert_eq!(
            ask("POST", "/repos/acme/other/deployments"),
            Some(Fault::Status(502))
        );
        assert_eq!(ask("POST", "/repos/acme/shop/deployments"), None);
    }

    #[test]
    fn an_order_for_later_passes_those_before_by() {
        let mut faults = Faults::default();
        faults.later("PATCH /repos/**", 1, Fault::Hangs);
        let mut ask = || {
            let fault = faults.for_request("PATCH", "/repos/acme/shop/check-runs/7");
            (fault, faults.is_spent())
        };
        assert_eq!(ask(), (None, false));
        assert_eq!(ask(), (Some(Fault::Hangs), true));
        assert_eq!(ask(), (None, true));
    }

    #[test]
    fn an_order_for_any_rest_stays_until_it_is_cleared() {
        let mut faults = Faults::default();
        faults.answer("* /repos/**", Fault::NoAnswer, Times::Always);
        assert!(
            faults
                .for_request("GET", "/repos/acme/shop/pulls")
                .is_some()
        );
        assert!(faults.for_request("PATCH", "/repos/a").is_some());
        assert!(faults.for_request("GET", "/app").is_none());
        faults.clear();
        assert!(
            faults
                .for_request("GET", "/repos/acme/shop/pulls")
                .is_none()
        );
    }
}
