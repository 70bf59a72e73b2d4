//! What a story orders to go wrong: at which route, and how often.

use crate::dice::Dice;

/// How often an order applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// So often.
    Only(u32),
    /// Until the orders are cleared.
    Always,
    /// Of a hundred that fit about so many, as the seed of the orders says, until they are cleared.
    Percent(u8),
}

#[derive(Debug)]
struct Order<T> {
    /// `GET` and so on, the name of an event, or `*` for any.
    method: String,
    path: Vec<String>,
    what: T,
    left: Times,
    /// How many that fit are not meant.
    passes: u32,
}

/// Orders, oldest first: the first that fits is taken.
#[derive(Debug)]
pub(crate) struct Orders<T> {
    list: Vec<Order<T>>,
    dice: Dice,
}

impl<T> Default for Orders<T> {
    fn default() -> Self {
        Orders {
            list: Vec::new(),
            dice: Dice::default(),
        }
    }
}

impl<T: Clone> Orders<T> {
    /// Of a route: `"POST /repos/*/*/issues/*/comments"`, where `*` is any one part of the path, at the end `**` is any
    /// rest, and `*` as the method is any method. So many that fit are passed by before.
    pub(crate) fn add(&mut self, route: &str, passes: u32, what: T, left: Times) {
        let (method, path) = route.split_once(' ').unwrap_or(("*", route));
        self.list.push(Order {
            method: method.to_owned(),
            path: parts(path),
            what,
            left,
            passes,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// From where [`Times::Percent`] draws.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.dice = Dice::of(seed);
    }

    /// What is ordered for this; counts as done.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<T> {
        if self.list.is_empty() {
            return None;
        }
        let path = parts(path);
        let dice = &mut self.dice;
        let mut meant = |order: &Order<T>| {
            let fits =
                (order.method == "*" || order.method == method) && matches(&order.path, &path);
            fits && match order.left {
                Times::Percent(share) => dice.percent(share),
                Times::Only(_) | Times::Always => true,
            }
        };
        let place = self.list.iter().position(&mut meant)?;
        let order = self.list.get_mut(place)?;
        if let Some(passes) = order.passes.checked_sub(1) {
            order.passes = passes;
            return None;
        }
        let what = order.what.clone();
        if let Times::Only(left) = &mut order.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.list.remove(place);
            }
        }
        Some(what)
    }
}

fn parts(path: &str) -> Vec<String> {
    let path = path.trim_matches('/');
    path.split('/').map(str::to_owned).collect()
}

fn matches(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (Some((any, [])), _) if any == "**" => true,
        (Some((wanted, pattern)), Some((part, path))) => {
            (wanted == "*" || wanted == part) && matches(pattern, path)
        }
        (None, None) => true,
        _ => false,
    }
}
