//! Faults to order: what goes wrong with which operation, when, and how often.

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Too much is asked; nothing has happened.
    Throttled,
    /// Somebody else's transaction is on the item; nothing has happened.
    Conflict,
    /// This status; nothing has happened.
    Status(u16),
    /// The service takes it, does it, and answers this status nevertheless.
    DoneButStatus(u16),
    /// This code of an error, with status 400; nothing has happened.
    Refused(&'static str),
    /// The connection is cut before anything happens.
    Cut,
    /// It happens, and the connection is cut before the answer.
    LostAnswer,
    /// Nothing happens, and no answer ever comes.
    Silence,
    /// It happens, and no answer ever comes.
    Hangs,
    /// A batch does half of what it is asked, and says so.
    LeftOver,
}

/// How often an order applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// So often.
    Only(u32),
    /// To one in so many.
    OneIn(u32),
    /// Until the orders are cleared.
    Always,
}

#[derive(Debug)]
struct Order {
    operation: String,
    fault: Fault,
    times: Times,
    /// Requests that fit and are not meant.
    passes: u32,
    /// Requests that fitted.
    seen: u32,
}

/// All orders.
#[derive(Debug, Default)]
pub struct Faults(Vec<Order>);

impl Faults {
    /// Orders a fault of an operation, such as `"Query"`; `"*"` is any that reads or writes items.
    pub fn order(&mut self, operation: &str, fault: Fault, times: Times) {
        self.later(operation, 0, fault, times);
    }

    /// Orders a fault of an operation after so many others of it.
    pub fn later(&mut self, operation: &str, passes: u32, fault: Fault, times: Times) {
        self.0.push(Order {
            operation: operation.to_owned(),
            fault,
            times,
            passes,
            seen: 0,
        });
    }

    /// Everything is well again.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether every order for so many times has come about.
    pub fn is_spent(&self) -> bool {
        self.0.is_empty()
    }

    /// What is to go wrong with this request; counts as done.
    pub(super) fn take(&mut self, operation: &str) -> Option<Fault> {
        let is_of_tables = operation.ends_with("Table") || operation.contains("TimeToLive");
        let fits =
            |order: &Order| order.operation == operation || order.operation == "*" && !is_of_tables;
        for place in 0..self.0.len() {
            let Some(order) = self.0.get_mut(place) else {
                break;
            };
            if !fits(order) {
                continue;
            }
            if order.passes > 0 {
                order.passes -= 1;
                continue;
            }
            order.seen += 1;
            let fault = order.fault.clone();
            match &mut order.times {
                Times::Always => return Some(fault),
                Times::OneIn(many) if order.seen % *many == 0 => return Some(fault),
                Times::OneIn(_) => {}
                Times::Only(left) => {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.0.remove(place);
                    }
                    return Some(fault);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_its_operation_its_turn_and_its_times() {
        let mut faults = Faults::default();
        faults.later("Query", 1, Fault::Throttled, Times::Only(2));
        let mut ask = |operation: &str| faults.take(operation).is_some();
        assert!(!ask("PutItem"));
        assert_eq!(
            [ask("Query"), ask("Query"), ask("Query"), ask("Query")],
            [false, true, true, false]
        );
        assert!(faults.is_spent());
        faults.order("*", Fault::Cut, Times::OneIn(3));
        let mut ask = |operation: &str| faults.take(operation).is_some();
        assert_eq!(
            [ask("Query"), ask("PutItem"), ask("GetItem"), ask("GetItem")],
            [false, false, true, false]
        );
        assert!(!ask("CreateTable"));
    }
}
