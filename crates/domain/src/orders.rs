//! What people order about a pull request beside its environments, and what came of it.

use serde::{Deserialize, Serialize};

use crate::ids::Commit;

/// How many orders of one comment are answered.
const MOST_ANSWERED: usize = 10;

/// What people who may write to the repository have ordered about a pull request. Only people change it: what the forge says
/// about the pull request leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// The commit that one of them approved last. Another head is not approved.
    pub approved: Option<Commit>,
    /// Whether one of them asked for a preview although policy would make none.
    pub asked_for: bool,
    /// Whether no age is to end it.
    pub kept: bool,
    /// What came of the last comment that ordered something.
    pub answer: Option<Answer>,
}

/// Something to be remembered of what people order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// This commit may run.
    Approve(Commit),
    /// There is to be a preview although policy would make none.
    Preview,
    /// No age is to end it.
    Keep,
    /// What came of a comment.
    Answer(Answer),
}

/// What came of one comment, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The forge's number of the comment; a later comment has a higher one.
    pub comment: u64,
    /// The login of who wrote it.
    pub by: String,
    /// Each of its orders, in its order.
    pub lines: Vec<Answered>,
}

/// What came of one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What was ordered: the line of the comment.
    pub order: String,
    /// What came of it, for people.
    pub outcome: String,
    /// Whether it was done.
    pub done: bool,
}

impl Orders {
    /// Remembers an order. What came of an older comment than the one that was answered last is not remembered.
    pub fn take(&mut self, order: &Order) {
        match order {
            Order::Approve(commit) => self.approved = Some(commit.clone()),
            Order::Preview => self.asked_for = true,
            Order::Keep => self.kept = true,
            Order::Answer(answer) => {
                let newest = self.answer.as_ref().map(|known| known.comment);
                if newest.is_none_or(|newest| newest <= answer.comment) {
                    self.answer = Some(answer.clone());
                }
            }
        }
    }
}

impl Answer {
    /// What came of a comment; of very many orders, of the first ones.
    pub fn new(comment: u64, by: &str, lines: impl IntoIterator<Item = Answered>) -> Self {
        Answer {
            comment,
            by: by.to_owned(),
            lines: lines.into_iter().take(MOST_ANSWERED).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_order_leaves_the_others_and_a_late_answer_does_not_hide_a_newer_one() {
        let mut orders = Orders::default();
        let answer = |comment| Answer::new(comment, "ann", []);
        for order in [
            Order::Keep,
            Order::Answer(answer(2)),
            Order::Preview,
            Order::Answer(answer(1)),
        ] {
            orders.take(&order);
        }
        let expected = Orders {
            approved: None,
            asked_for: true,
            kept: true,
            answer: Some(answer(2)),
        };
        assert_eq!(orders, expected);
        let mut many = (0..20).map(|_| Answered {
            order: "/keep".to_owned(),
            outcome: String::new(),
            done: true,
        });
        assert_eq!(
            Answer::new(3, "ann", many.by_ref()).lines.len(),
            MOST_ANSWERED
        );
    }
}
