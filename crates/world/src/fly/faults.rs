//! Faults to order: what goes wrong next, where, and how often.

use std::time::Duration;

use super::state::{Phase, State};
use crate::{
    dice::Dice,
    orders::{Orders, Times},
};

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with Fly's usual words; nothing has happened.
    Status(u16),
    /// This status and these words, and Fly's own word for it in `status` if that is not empty; nothing has happened.
    Says(u16, &'static str, &'static str),
    /// 429, with `Retry-After` in seconds or without; nothing has happened.
    Limited(Option<u32>),
    /// It happens, and the answer is this status all the same.
    StatusAfter(u16),
    /// The connection is cut, and nothing has happened.
    Cut,
    /// It happens, and the connection is cut before the answer.
    LostAnswer,
    /// Nothing happens, and no answer ever comes.
    NoAnswer,
    /// It happens, and no answer ever comes.
    Hangs,
    /// It happens, and the connection is cut in the middle of the answer.
    HalfAnswer,
    /// It happens, and what comes with 200 is no JSON.
    Garbled,
    /// A list says that there is nothing.
    EmptyList,
    /// A list leaves out every other item.
    PartialList,
    /// It happens, and the answer comes so many milliseconds later.
    Late(u32),
}

/// What other callers and hosts do at the same time, as Fly says it.
const CONFLICTS: [Fault; 3] = [
    Fault::Says(
        409,
        "aborted: machine update failed due to concurrent update",
        "",
    ),
    Fault::Says(
        409,
        "aborted: could not reserve resource for machine: insufficient memory available to fulfill request on the current host",
        "",
    ),
    Fault::Says(
        409,
        "failed to acquire lease: machine is already locked",
        "",
    ),
];

/// All that may go wrong with any request.
const ANY: [Fault; 18] = [
    Fault::Status(400),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(408),
    Fault::Status(412),
    Fault::Status(422),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Status(504),
    Fault::Limited(None),
    Fault::Limited(Some(1)),
    Fault::Cut,
    Fault::LostAnswer,
    Fault::NoAnswer,
    Fault::Hangs,
    Fault::HalfAnswer,
    Fault::Garbled,
];
/// What more may go wrong with one that changes something.
const OF_WRITES: [Fault; 7] = [
    CONFLICTS[0],
    CONFLICTS[1],
    CONFLICTS[2],
    Fault::StatusAfter(408),
    Fault::StatusAfter(500),
    Fault::StatusAfter(503),
    Fault::StatusAfter(504),
];
/// What more may go wrong with one that only looks.
const OF_READS: [Fault; 2] = [Fault::EmptyList, Fault::PartialList];

/// All orders.
#[derive(Debug, Default)]
pub struct Faults {
    answers: Orders<Fault>,
    held: Orders<i64>,
    sick: Orders<()>,
    storm: u8,
    dice: Dice,
    /// Added to every answer.
    pub latency: Duration,
}

impl Faults {
    /// Orders a fault of requests: `"POST /apps/*/machines"`, where `*` is any one part of the path, at the end `**` is any
    /// rest, and `*` as the method is any method. Paths are without `/v1`.
    pub fn answer(&mut self, route: &str, fault: Fault, times: Times) {
        self.answers.add(route, 0, fault, times);
    }

    /// Orders a fault of one request of this route, as [`Faults::answer`] reads it, after so many others of it.
    pub fn later(&mut self, route: &str, passes: u32, fault: Fault) {
        self.answers.add(route, passes, fault, Times::Only(1));
    }

    /// Of a hundred requests about so many go wrong, each in any way that a request of its kind may, with the seed's luck.
    pub fn storm(&mut self, percent: u8, seed: u64) {
        self.storm = percent;
        self.seed(seed);
    }

    /// From where [`Times::Percent`] and storms draw.
    pub fn seed(&mut self, seed: u64) {
        self.dice = Dice::of(seed);
        self.answers.seed(seed ^ 1);
        self.held.seed(seed ^ 2);
        self.sick.seed(seed ^ 3);
    }

    /// Machines of an app, or of any (`*`), stay so many milliseconds longer in a phase that they would leave by themselves.
    pub fn hold(&mut self, app: &str, phase: Phase, ms: i64, times: Times) {
        self.held
            .add(&format!("{} /{app}", phase.name()), 0, ms, times);
    }

    /// Machines of an app, or of any (`*`), that are created or changed from now on never become healthy.
    pub fn sicken(&mut self, app: &str, times: Times) {
        self.sick.add(&format!("* /{app}"), 0, (), times);
    }

    /// Whether every fault of a request that was ordered so often has come about.
    pub fn is_spent(&self) -> bool {
        self.answers.is_empty()
    }

    /// Everything is well again; machines that are held stay so.
    pub fn clear(&mut self) {
        *self = Faults::default();
    }

    /// What is to go wrong with this request; counts as done.
    pub(crate) fn for_request(&mut self, method: &str, path: &str) -> Option<Fault> {
        let ordered = self.answers.take(method, path);
        if ordered.is_some() || !self.dice.percent(self.storm) {
            return ordered;
        }
        let more: &[Fault] = match method {
            "GET" => &OF_READS,
            _ => &OF_WRITES,
        };
        let drawn = self.dice.below(ANY.len() + more.len());
        ANY.iter().chain(more).nth(drawn).copied()
    }

    /// How much longer a machine is to stay where it is; counts as done.
    pub(crate) fn held(&mut self, phase: Phase, app: &str) -> i64 {
        let held = self.held.take(phase.name(), &format!("/{app}"));
        held.unwrap_or(0)
    }

    /// Whether a machine is not to become healthy; counts as done.
    pub(crate) fn sick(&mut self, app: &str) -> bool {
        self.sick.take("any", &format!("/{app}")).is_some()
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
    fn a_storm_is_the_same_for_the_same_seed_and_spares_the_rest() {
        let weather = |seed| {
            let mut faults = Faults::default();
            faults.storm(20, seed);
            let one = |_| faults.for_request("POST", "/apps/shop/machines");
            (0..1_000).map(one).collect::<Vec<_>>()
        };
        assert_eq!(weather(4), weather(4));
        let wrong = weather(4).iter().flatten().count();
        assert!((150..250).contains(&wrong), "{wrong}");
        let lists = weather(4).contains(&Some(Fault::EmptyList));
        assert!(!lists, "only a list can be empty");
    }

    #[test]
    fn a_machine_is_held_where_it_was_ordered() {
        let mut faults = Faults::default();
        faults.hold("shop", Phase::Created, 7_200_000, Times::Only(1));
        assert_eq!(faults.held(Phase::Starting, "shop"), 0);
        assert_eq!(faults.held(Phase::Created, "other"), 0);
        assert_eq!(faults.held(Phase::Created, "shop"), 7_200_000);
        assert_eq!(faults.held(Phase::Created, "shop"), 0);
    }
}
