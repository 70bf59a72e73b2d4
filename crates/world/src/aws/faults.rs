//! Faults to order: what goes wrong with which action, and how often.

use std::collections::VecDeque;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status and code; nothing has happened.
    Status(u16, &'static str),
    /// The connection is cut before anything happens.
    Cut,
    /// It happens, and the connection is cut before the answer.
    LostAnswer,
    /// It happens, and the connection is cut after so many bytes of the answer's body.
    CutBody(usize),
    /// Nothing happens, and no answer ever comes.
    Silence,
    /// It happens, and no answer ever comes.
    Hangs,
}

/// All that was ordered.
#[derive(Debug, Default)]
pub struct Faults {
    orders: VecDeque<Order>,
}

#[derive(Debug)]
struct Order {
    action: String,
    fault: Fault,
    /// Requests that fit and are not meant.
    passes: u32,
}

impl Faults {
    /// The next request for this action (`s3:PutObject`) that no earlier order is for goes wrong like this.
    pub fn order(&mut self, action: &str, fault: Fault) {
        self.later(action, 0, fault);
    }

    /// One request for this action does, after so many others that no earlier order is for.
    pub fn later(&mut self, action: &str, passes: u32, fault: Fault) {
        self.orders.push_back(Order {
            action: action.to_owned(),
            fault,
            passes,
        });
    }

    /// The next so many do.
    pub fn order_times(&mut self, action: &str, fault: &Fault, times: usize) {
        for _ in 0..times {
            self.order(action, fault.clone());
        }
    }

    /// Whether everything that was ordered has come about.
    pub fn is_spent(&self) -> bool {
        self.orders.is_empty()
    }

    pub(super) fn take(&mut self, action: &str) -> Option<Fault> {
        let place = self.orders.iter().position(|one| one.action == action)?;
        let order = self.orders.get_mut(place)?;
        if order.passes > 0 {
            order.passes -= 1;
            return None;
        }
        self.orders.remove(place).map(|order| order.fault)
    }
}
