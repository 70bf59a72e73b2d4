//! What people order about a pull request beside its environments, and what came of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{AppId, Commit, Timestamp};

/// How many orders of one comment are answered.
const MOST_ANSWERED: usize = 10;
/// How many comments with orders are remembered: of the hour for which comments are read once more where GitHub does not tell
/// of them, more than people write below one pull request.
const MOST_HEARD: usize = 20;

/// What people who may write to the repository have ordered about a pull request. Only people change it, and a push, which
/// takes back an approval: nothing else that the forge says does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// The commit that one of them approved last. Another head is not approved.
    pub approved: Option<Commit>,
    /// When they did.
    pub approved_at: Timestamp,
    /// Whether one of them asked for the previews of all apps although policy would make none.
    pub asked_for: bool,
    /// The apps whose previews one of them asked for, each by itself.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub asked_for_apps: BTreeSet<AppId>,
    /// Whether no age is to end it.
    pub kept: bool,
    /// What came of the last comment that ordered something, of those whose writers may.
    pub answer: Option<Answer>,
    /// Why nothing came of a later one, whose writer may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Answer>,
    /// The last comments that ordered something, as they came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Heard>,
}

/// Something to be remembered of what people order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// This commit may run.
    Approve {
        /// The commit.
        commit: Commit,
        /// When somebody said so.
        at: Timestamp,
    },
    /// The forge shows this head: an approval of another one that is older than the question is taken back, also when that
    /// one is pushed again.
    Head {
        /// The head.
        commit: Commit,
        /// When the forge was asked. A late answer takes nothing back that was approved since.
        asked: Timestamp,
    },
    /// There is to be a preview although policy would make none.
    Preview {
        /// Of this app; of all if none is named.
        app: Option<AppId>,
    },
    /// No age is to end it.
    Keep,
    /// A comment was read whose orders are about to be obeyed.
    Heard {
        /// The forge's number of the comment.
        comment: u64,
        /// The delivery that told of it.
        delivery: String,
    },
    /// What came of a comment.
    Answer(Answer),
    /// Why nothing came of a comment whose writer may order nothing.
    Refusal(Answer),
}

/// A comment that orders something, and what is shown on it. A comment orders once: by whatever way it is told of again,
/// and however it was edited, it is known by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The forge's number of the comment.
    pub comment: u64,
    /// The delivery that told of it first; none of one that was refused because its writer may order nothing.
    pub delivery: Option<String>,
    /// Whether all that it orders was done, once that is known.
    pub done: Option<bool>,
}

/// What is shown on a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// It was read.
    Eyes,
    /// All that it orders was done.
    Rocket,
    /// Something of it was not done.
    Confused,
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
    /// Whether the outcome is what was asked for, so that nothing is done before it is read.
    #[serde(default)]
    pub in_words: bool,
}

impl Orders {
    /// Remembers an order. What came of an older comment than the one that was answered last is not shown; and what people who
    /// may order nothing were told takes the place of nothing else.
    pub fn take(&mut self, order: &Order) {
        match order {
            Order::Approve { commit, at } => {
                self.approved = Some(commit.clone());
                self.approved_at = *at;
            }
            Order::Head { commit, asked } => {
                if self.is_revoked_by(commit, *asked) {
                    self.approved = None;
                }
            }
            Order::Preview { app: None } => self.asked_for = true,
            Order::Preview { app: Some(app) } => {
                self.asked_for_apps.insert(app.clone());
            }
            Order::Keep => self.kept = true,
            Order::Heard { comment, delivery } => {
                let heard = self.heard(*comment);
                heard.delivery.get_or_insert_with(|| delivery.clone());
            }
            Order::Answer(answer) => {
                self.ended(answer);
                if answer.is_newer_than(self.answer.as_ref()) {
                    self.answer = Some(answer.clone());
                    self.refusal
                        .take_if(|refusal| answer.is_newer_than(Some(refusal)));
                }
            }
            Order::Refusal(refusal) => {
                self.ended(refusal);
                if self
                    .answers()
                    .all(|known| refusal.is_newer_than(Some(known)))
                {
                    self.refusal = Some(refusal.clone());
                }
            }
        }
    }

    /// What is told below a pull request of the comments that ordered something, oldest first.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answer.iter().chain(&self.refusal)
    }

    fn ended(&mut self, answer: &Answer) {
        let done = answer.lines.iter().all(|line| line.done);
        self.heard(answer.comment).done = Some(done);
    }

    /// Whether this head, which the forge showed when it was `asked`, takes an approval back.
    pub fn is_revoked_by(&self, head: &Commit, asked: Timestamp) -> bool {
        let approved = self.approved.as_ref();
        approved.is_some_and(|approved| approved != head) && self.approved_at <= asked
    }

    /// Whether somebody asked for the preview of this app although policy would make none.
    pub fn ask_for(&self, app: &AppId) -> bool {
        self.asked_for || self.asked_for_apps.contains(app)
    }

    /// Whether the orders of this comment were obeyed, or refused, when another delivery than this told of it.
    pub fn were_answered_before(&self, comment: u64, delivery: &str) -> bool {
        let mut heard = self.heard.iter();
        heard.any(|one| {
            let by_another = one.delivery.as_deref() != Some(delivery);
            one.comment == comment && one.done.is_some() && by_another
        })
    }

    /// What is to be shown on comments: on each what was shown first stays.
    pub fn reactions(&self) -> Vec<(u64, Reaction)> {
        let all = self.heard.iter().flat_map(|one| {
            let read = one.delivery.is_some().then_some(Reaction::Eyes);
            let ended = one.done.map(|done| {
                if done {
                    Reaction::Rocket
                } else {
                    Reaction::Confused
                }
            });
            let both = read.into_iter().chain(ended);
            both.map(|reaction| (one.comment, reaction))
        });
        all.collect()
    }

    fn heard(&mut self, comment: u64) -> &mut Heard {
        let known = self.heard.iter().position(|one| one.comment == comment);
        let place = known.unwrap_or_else(|| {
            if self.heard.len() == MOST_HEARD {
                self.heard.remove(0);
            }
            self.heard.push(Heard {
                comment,
                delivery: None,
                done: None,
            });
            self.heard.len() - 1
        });
        &mut self.heard[place]
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

    fn is_newer_than(&self, known: Option<&Answer>) -> bool {
        known.is_none_or(|known| known.comment <= self.comment)
    }

    /// Whether somebody has to read it: something was not done, or words are what was asked for.
    pub fn is_to_be_read(&self) -> bool {
        self.lines.iter().any(|line| !line.done || line.in_words)
    }
}

impl Reaction {
    /// GitHub's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Reaction::Eyes => "eyes",
            Reaction::Rocket => "rocket",
            Reaction::Confused => "confused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn line(done: bool) -> Answered {
        Answered {
            order: "/keep".to_owned(),
            outcome: String::new(),
            done,
            in_words: false,
        }
    }

    fn heard(comment: u64, delivery: &str) -> Order {
        Order::Heard {
            comment,
            delivery: delivery.to_owned(),
        }
    }

    #[test]
    fn one_order_leaves_the_others_and_a_late_answer_does_not_hide_a_newer_one() {
        let mut orders = Orders::default();
        let answer = |comment| Answer::new(comment, "ann", []);
        for order in [
            Order::Keep,
            Order::Answer(answer(2)),
            Order::Preview { app: None },
            Order::Answer(answer(1)),
        ] {
            orders.take(&order);
        }
        assert!(orders.asked_for && orders.kept && orders.approved.is_none());
        assert_eq!(orders.answer, Some(answer(2)));
        let many = std::iter::repeat_n(line(true), 20);
        assert_eq!(Answer::new(3, "ann", many).lines.len(), MOST_ANSWERED);
    }

    #[test]
    fn who_may_order_nothing_hides_no_answer_of_somebody_who_may() {
        let mut orders = Orders::default();
        let by = |comment, login| Answer::new(comment, login, [line(false)]);
        let told = |orders: &Orders| -> Vec<u64> {
            let all = orders.answers().map(|answer| answer.comment);
            all.collect()
        };
        orders.take(&Order::Refusal(by(1, "eve")));
        assert_eq!(told(&orders), [1]);
        orders.take(&Order::Answer(by(3, "ann")));
        assert_eq!(told(&orders), [3], "what is older is past");
        orders.take(&Order::Refusal(by(2, "eve")));
        assert_eq!(told(&orders), [3], "and so is what is told late");
        orders.take(&Order::Refusal(by(4, "eve")));
        orders.take(&Order::Refusal(by(5, "eve")));
        assert_eq!(told(&orders), [3, 5]);
        orders.take(&Order::Answer(by(6, "ann")));
        assert_eq!(told(&orders), [6]);
    }

    #[test]
    fn a_head_that_is_pushed_again_after_another_one_is_approved_again_or_not_at_all() {
        let mut orders = Orders::default();
        let head = |digit, asked| Order::Head {
            commit: commit(digit),
            asked: Timestamp(asked),
        };
        orders.take(&Order::Approve {
            commit: commit('a'),
            at: Timestamp(10),
        });
        orders.take(&head('a', 11));
        assert_eq!(orders.approved, Some(commit('a')));
        // It was asked before somebody approved, and is told late.
        orders.take(&head('b', 9));
        assert_eq!(orders.approved, Some(commit('a')));
        orders.take(&head('b', 12));
        orders.take(&head('a', 13));
        assert_eq!(orders.approved, None);
    }

    #[test]
    fn a_preview_of_one_app_is_asked_for_and_not_that_of_another() {
        let mut orders = Orders::default();
        let (shop, till) = (AppId("shop".to_owned()), AppId("till".to_owned()));
        let app = Some(shop.clone());
        orders.take(&Order::Preview { app });
        assert!(orders.ask_for(&shop) && !orders.ask_for(&till));
        orders.take(&Order::Preview { app: None });
        assert!(orders.ask_for(&till));
    }

    #[test]
    fn a_comment_orders_once_by_whatever_way_it_is_told_of() {
        let mut orders = Orders::default();
        orders.take(&heard(7, "webhook"));
        assert!(!orders.were_answered_before(7, "listing"), "not obeyed yet");
        orders.take(&Order::Answer(Answer::new(7, "ann", [line(true)])));
        assert!(orders.were_answered_before(7, "listing"));
        // The same delivery is worked off again when it could not be settled.
        assert!(!orders.were_answered_before(7, "webhook"));
        assert!(!orders.were_answered_before(8, "listing"));
        for comment in 100..200 {
            orders.take(&heard(comment, "webhook"));
        }
        assert_eq!(orders.heard.len(), MOST_HEARD);
    }

    #[test]
    fn a_comment_shows_that_it_was_read_and_then_what_came_of_it() {
        let mut orders = Orders::default();
        orders.take(&heard(7, "webhook"));
        assert_eq!(orders.reactions(), [(7, Reaction::Eyes)]);
        let (done, refused) = ([line(true)], [line(true), line(false)]);
        orders.take(&Order::Answer(Answer::new(7, "ann", done)));
        // Nobody began to obey this one.
        orders.take(&Order::Refusal(Answer::new(8, "eve", refused)));
        let shown = [
            (7, Reaction::Eyes),
            (7, Reaction::Rocket),
            (8, Reaction::Confused),
        ];
        assert_eq!(orders.reactions(), shown);
    }
}
