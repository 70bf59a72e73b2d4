//! What people order in comments on a pull request: who may, that each comment is obeyed once, and how it is answered.
//!
//! Whoever writes a command must be able to write to the repository, which is asked of GitHub each time. What came of it stands in
//! the record of the pull request, and whatever shows the record shows it: here nobody waits for that, because one comment
//! must not hold up another.

use std::sync::PoisonError;

use nestling_domain::{
    app::Repository,
    github::{Command, Says, Sender, Webhook, commands},
    ids::{Kind, RepositoryId},
    orders::{Answer, Answered, Order},
    record::{Delivery, PullRequestStatus},
};
use tracing::warn;

use super::{BTreeMap, Desk, ToTell, Waits, commands::Asked, only};
use crate::{
    drivers::clock,
    messages::forge::{Announce, MayWrite},
};

/// A comment with commands.
pub(super) struct Commented<'a> {
    /// On which pull request.
    pub(super) number: u32,
    /// Which comment.
    pub(super) comment: u64,
    /// Its lines that may be commands.
    pub(super) lines: &'a [String],
    /// Who wrote it.
    pub(super) by: Option<&'a Sender>,
}

impl Desk {
    /// Does what a webhook says that somebody orders.
    pub(super) async fn of_order(
        &self,
        repository: &Repository,
        webhook: &Webhook,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let by = webhook.sender.as_ref();
        match &webhook.says {
            Says::Comment {
                number,
                comment,
                lines,
            } => {
                let commented = Commented {
                    number: *number,
                    comment: *comment,
                    lines,
                    by,
                };
                self.obey(repository, commented, delivery).await
            }
            Says::Check {
                external_id, ask, ..
            } => {
                self.pressed(repository, (external_id, ask), by, delivery)
                    .await
            }
            Says::ChecksAgain { head } => self.all_again(repository, head, by, delivery).await,
            Says::PullRequest { .. }
            | Says::Push { .. }
            | Says::BranchDeleted { .. }
            | Says::CommentDeleted { .. }
            | Says::RepositoryChanged
            | Says::RepositoryDeleted
            | Says::Installation { .. }
            | Says::Repositories { .. }
            | Says::Nothing { .. } => Ok(only("an order", "ignored: it orders nothing")),
        }
    }

    /// Does what a comment orders, in the order of its lines.
    async fn obey(
        &self,
        repository: &Repository,
        commented: Commented<'_>,
        delivery: &Delivery,
    ) -> Result<ToTell, Waits> {
        let (number, comment) = (commented.number, commented.comment);
        let about = format!("{}/{} #{number}", repository.owner, repository.name);
        let Some(by) = commented.by.filter(|by| !by.bot) else {
            return Ok(only(&about, "ignored: programs order nothing"));
        };
        let may_write = self.may_write(repository, by).await?;
        let Some(row) = self.seen(repository.id, number).await? else {
            return Ok(only(&about, "refused: GitHub shows no such pull request"));
        };
        if row.orders.were_answered_before(comment, &delivery.id) {
            let before = "ignored: this comment was answered when it was told of before";
            return Ok(only(&about, before));
        }
        if !may_write {
            let why = self.refuse(repository, &commented, by).await?;
            return Ok(only(&about, why));
        }
        let heard = Order::Heard {
            comment,
            delivery: delivery.id.clone(),
        };
        self.remember(repository.id, number, &heard).await?;
        let (mut told, mut decisions, mut lines) = (Vec::new(), BTreeMap::new(), Vec::new());
        let ordered = commands(commented.lines.iter().map(String::as_str));
        for (place, (line, command)) in ordered.into_iter().enumerate() {
            let asked = Asked {
                repository,
                row: &row,
                by: &by.login,
                // By whatever way it is told of, it is the same order.
                input: format!("comment-{comment}-{place}"),
                at: delivery.at,
            };
            let (said, done) = match &command {
                Err(error) => (format!("refused: {error}"), false),
                Ok(command) => {
                    let (more, done) = self.obey_one(&asked, command).await?;
                    told.extend(more);
                    done
                }
            };
            lines.push(Answered {
                in_words: matches!(command, Ok(Command::Logs | Command::Help)),
                ..answered(line, &said, done)
            });
            decisions.insert(format!("{about} line {}", place + 1), said);
        }
        let answer = Answer::new(comment, &by.login, lines);
        self.remember(repository.id, number, &Order::Answer(answer))
            .await?;
        Ok((told, decisions))
    }

    /// Refuses what somebody orders who may not write, and answers it unless they were answered often enough; why.
    async fn refuse(
        &self,
        repository: &Repository,
        commented: &Commented<'_>,
        by: &Sender,
    ) -> Result<String, Waits> {
        let why = format!(
            "refused: {} may not write to {}/{}",
            by.login, repository.owner, repository.name
        );
        if !self.answers(repository, by) {
            let enough = "people who may not were answered often enough in this hour";
            return Ok(format!("{why}; in silence, because {enough}"));
        }
        let ordered = commands(commented.lines.iter().map(String::as_str));
        let lines = ordered.iter().map(|(line, _)| answered(line, &why, false));
        let answer = Answer::new(commented.comment, &by.login, lines);
        let refusal = Order::Refusal(answer);
        self.remember(repository.id, commented.number, &refusal)
            .await?;
        Ok(why)
    }

    /// Records what is to be seen of a comment, and has it shown. When that is done is nobody's business here: whatever is told
    /// of the pull request next tells it, too.
    async fn remember(
        &self,
        repository: RepositoryId,
        number: u32,
        order: &Order,
    ) -> Result<(), Waits> {
        if self.store.order(repository, number, order).await?.is_some() {
            self.announce(repository, number);
        }
        Ok(())
    }

    fn announce(&self, repository: RepositoryId, number: u32) {
        if let Some(people) = &self.people {
            people.announce.do_send(Announce {
                repository,
                kind: Kind::Preview(number),
                version: 0,
            });
        }
    }

    /// Has shown again what came of orders: the process before this one may have ended between the record and GitHub, and no
    /// environment owes it. What is shown already costs GitHub nothing.
    pub(super) async fn answer_again(&self) {
        if self.people.is_none() {
            return;
        }
        let answered = async {
            let mut answered = Vec::new();
            for repository in self.store.repositories().await? {
                let mut rows = self.store.pull_requests(repository.id).await?;
                rows.retain(|row| row.status != PullRequestStatus::Closed);
                rows.retain(|row| !row.orders.heard.is_empty());
                answered.extend(rows.into_iter().map(|row| (row.repository, row.number)));
            }
            Ok::<_, Waits>(answered)
        };
        match answered.await {
            Ok(answered) => {
                for (repository, number) in answered {
                    self.announce(repository, number);
                }
            }
            Err(error) => warn!("what came of orders is told with the next change only: {error}"),
        }
    }

    /// Whether somebody who may not write is answered now.
    pub(super) fn answers(&self, repository: &Repository, stranger: &Sender) -> bool {
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let strangers = strangers.entry(repository.installation).or_default();
        strangers.answer(stranger, clock::now())
    }

    pub(super) async fn may_write(
        &self,
        repository: &Repository,
        by: &Sender,
    ) -> Result<bool, Waits> {
        let Some(people) = &self.people else {
            return Ok(false);
        };
        let asked = MayWrite {
            repository: repository.id,
            login: by.login.clone(),
        };
        Ok(people.may_write.send(asked).await??)
    }
}

fn answered(line: &str, outcome: &str, done: bool) -> Answered {
    Answered {
        order: line.to_owned(),
        outcome: outcome.to_owned(),
        done,
        in_words: false,
    }
}
