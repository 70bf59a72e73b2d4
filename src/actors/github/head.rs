//! What is true of a branch or a pull request now, and whether it may run.

use nestling_domain::{
    app::{App, Repository},
    deployment::CommitInfo,
    ids::{Kind, RepositoryId, Timestamp},
    lifecycle::{Found, Waits},
    orders::{Order, Orders},
    policy::{self, Author, Verdict},
    record::{PullRequest as Row, PullRequestStatus},
};

use super::{
    Desk, not_answered, not_stored,
    place::{Asked, place},
};
use crate::{
    drivers::{
        clock,
        github::{Committed, Level, PullRequest},
    },
    messages::forge::{ForgeError, Head},
};

/// A pull request, as GitHub shows it and as it is recorded.
pub(super) struct Seen {
    pull_request: PullRequest,
    repository: Repository,
    /// Its head, while it is open.
    head: Option<Committed>,
    /// What is recorded of it.
    pub(super) row: Row,
}

impl Desk {
    pub(super) async fn head(&self, asked: &Head) -> Result<Found, ForgeError> {
        match asked.kind {
            Kind::Production => self.production(asked.repository).await,
            Kind::Preview(number) => self.preview(asked, number).await,
        }
    }

    async fn production(&self, id: RepositoryId) -> Result<Found, ForgeError> {
        let answer = self
            .ask(id, async |place, repository| {
                // Not known before the repository was looked at for the first time.
                if repository.default_branch.is_empty() {
                    return Ok(None);
                }
                self.client.branch(place, &repository.default_branch).await
            })
            .await?;
        match answer {
            Asked::Answered(head, _) => Ok(Found::Open(head)),
            Asked::Nothing(repository) => Err(ForgeError::Failed(format!(
                "branch `{}` of {}/{}, which is production, does not exist: make it again, or choose another default branch on GitHub; what runs goes on until then",
                repository.default_branch, repository.owner, repository.name
            ))),
            Asked::Gone => Ok(Found::Closed),
        }
    }

    async fn preview(&self, asked: &Head, number: u32) -> Result<Found, ForgeError> {
        let Some(seen) = self.pull_request(asked.repository, number).await? else {
            return Ok(Found::Closed);
        };
        let Seen {
            pull_request,
            repository,
            head:
                Some(Committed {
                    info: head,
                    message,
                }),
            row,
        } = seen
        else {
            return Ok(Found::Closed);
        };
        let Some(app) = self.store.app(&asked.app).await.map_err(not_stored)? else {
            // A person removed it just now, and its environments have their orders.
            return Ok(Found::Waiting("its app is removed".into()));
        };
        let verdict = self
            .verdict(&app, &repository, (&pull_request, &message), &row.orders)
            .await?;
        let trust = match verdict {
            Verdict::Run { trust } => trust,
            // A short name can be imitated by another commit within minutes.
            Verdict::Approval { commit } => {
                return Ok(Found::Waiting(Waits {
                    reason: format!(
                        "commit {} comes from somebody who may not write to this repository: once somebody who may has read it, they approve it with the comment `/approve {commit}`",
                        commit.short()
                    ),
                    approval: Some(commit),
                    place: false,
                    head: Some(head.id),
                }));
            }
            Verdict::Skip { why } => {
                return Ok(Found::Waiting(Waits {
                    head: Some(head.id),
                    ..why.into()
                }));
            }
        };
        Ok(Found::Open(CommitInfo { trust, ..head }))
    }

    /// A pull request as GitHub shows it now, which is recorded; `None` when it shows no such one.
    pub(super) async fn pull_request(
        &self,
        id: RepositoryId,
        number: u32,
    ) -> Result<Option<Seen>, ForgeError> {
        let asked = clock::now();
        let answer = self
            .ask(id, async |place, _| {
                self.client.pull_request(place, number).await
            })
            .await?;
        let (pull_request, repository) = match answer {
            Asked::Answered(pull_request, repository) => (pull_request, repository),
            Asked::Nothing(_) | Asked::Gone => return Ok(None),
        };
        let head = if pull_request.open {
            Some(self.commit(&repository, &pull_request).await?)
        } else {
            None
        };
        let info = head.as_ref().map(|head| (&head.info, asked));
        let row = self.see(&repository, &pull_request, info).await?;
        Ok(Some(Seen {
            pull_request,
            repository,
            head,
            row,
        }))
    }

    /// The head of a pull request, with its message.
    async fn commit(
        &self,
        repository: &Repository,
        pull_request: &PullRequest,
    ) -> Result<Committed, ForgeError> {
        let head = &pull_request.head;
        let Some(place) = place(repository) else {
            return Err(ForgeError::Failed(
                "its installation is not known".to_owned(),
            ));
        };
        let commit = self
            .client
            .commit(&place, head)
            .await
            .map_err(not_answered)?;
        commit.ok_or_else(|| {
            ForgeError::Failed(format!(
                "GitHub names commit {} as the head of pull request {}, and does not have it yet",
                head.short(),
                pull_request.number
            ))
        })
    }

    /// Remembers a pull request as GitHub shows it, with the head that it showed when it was asked; what people ordered about it
    /// stays, also when they order it right now. Only an approval of another head is taken back.
    pub(super) async fn see(
        &self,
        repository: &Repository,
        pull_request: &PullRequest,
        head: Option<(&CommitInfo, Timestamp)>,
    ) -> Result<Row, ForgeError> {
        let known = self
            .store
            .pull_request(repository.id, pull_request.number)
            .await
            .map_err(not_stored)?;
        let kept = known.as_ref().and_then(|row| row.head.clone());
        let row = Row {
            repository: repository.id,
            number: pull_request.number,
            branch: branch_shown(pull_request),
            title: pull_request.title.clone(),
            status: if pull_request.open {
                PullRequestStatus::Open
            } else {
                PullRequestStatus::Closed
            },
            head: head.map(|(head, _)| head.clone()).or(kept),
            labels: pull_request.labels.clone(),
            base: Some(pull_request.base.clone()),
            draft: pull_request.draft,
            orders: known
                .as_ref()
                .map_or_else(Orders::default, |row| row.orders.clone()),
        };
        if known.as_ref() != Some(&row) {
            self.store
                .put_pull_request(&row)
                .await
                .map_err(not_stored)?;
        }
        let Some((head, asked)) = head else {
            return Ok(row);
        };
        if !row.orders.is_revoked_by(&head.id, asked) {
            return Ok(row);
        }
        let pushed = Order::Head {
            commit: head.id.clone(),
            asked,
        };
        let ordered = self.store.order(row.repository, row.number, &pushed).await;
        Ok(ordered.map_err(not_stored)?.unwrap_or(row))
    }

    async fn verdict(
        &self,
        app: &App,
        repository: &Repository,
        (pull_request, message): (&PullRequest, &str),
        orders: &Orders,
    ) -> Result<Verdict, ForgeError> {
        let Some(place) = place(repository) else {
            return Err(ForgeError::Failed(
                "its installation is not known".to_owned(),
            ));
        };
        // What comes from a fork is an outsider's, whoever opened the pull request: anybody may push to the fork.
        let author = match &pull_request.author {
            Some(login) if !pull_request.fork => {
                let level = self.client.permission(&place, login).await;
                match level.map_err(not_answered)? {
                    Some(Level::Write | Level::Admin) => Author::Member,
                    Some(Level::None | Level::Read) | None => Author::Outsider,
                }
            }
            Some(_) | None => Author::Outsider,
        };
        let files = if app.policy.paths.is_every_file() {
            None
        } else {
            let files = self.client.changed_files(&place, pull_request.number).await;
            files.map_err(not_answered)?
        };
        Ok(app.policy.verdict(&policy::PullRequest {
            head: &pull_request.head,
            title: &pull_request.title,
            message,
            draft: pull_request.draft,
            labels: &pull_request.labels,
            bot: pull_request.bot,
            author,
            files: files.as_deref(),
            approved: orders.approved.as_ref(),
            asked_for: orders.ask_for(&app.id),
        }))
    }
}

/// The branch of a head as people read it; of a fork with its owner, as no branch of ours can be called.
pub(super) fn branch_shown(pull_request: &PullRequest) -> String {
    if pull_request.fork {
        pull_request.label.clone()
    } else {
        pull_request.branch.clone()
    }
}
