//! What people order in comments where GitHub cannot tell the server of it: it is read with each listing.

use std::{sync::PoisonError, time::Duration};

use nestling_domain::{
    announcement::utc,
    app::Repository,
    github::{Named, Says, Webhook, command_lines},
    ids::{RepositoryId, Timestamp},
    record::{Delivery, Fact},
};

use super::{Desk, not_stored, place::Asked};
use crate::{
    drivers::{clock, github::Written},
    messages::forge::{Arrived, ForgeError},
};

/// How much of what was written before the server started is read: what was taken in before is known by its number.
const BEFORE: Duration = Duration::from_hours(1);

impl Desk {
    /// Takes in what people have ordered in a repository since it was read last.
    pub(super) async fn hear(&self, id: RepositoryId) -> Result<(), ForgeError> {
        let since = {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            let known = heard.entry(id).or_insert_with(|| {
                let before = u64::try_from(BEFORE.as_millis()).unwrap_or(u64::MAX);
                utc(Timestamp(clock::now().0.saturating_sub(before))).to_string()
            });
            known.clone()
        };
        let answer = self
            .ask(id, async |place, _| {
                self.client.written_since(place, &since).await.map(Some)
            })
            .await?;
        let Asked::Answered(written, repository) = answer else {
            return Ok(());
        };
        for delivery in written.iter().filter_map(|one| ordered(&repository, one)) {
            // Most were taken in before.
            if self.store.receive(&delivery).await.map_err(not_stored)? {
                self.arrived.do_send(Arrived);
            }
        }
        // The newest one is read again: another may have been written in the same second.
        if let Some(newest) = written.into_iter().map(|one| one.at).max() {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.insert(id, newest);
        }
        Ok(())
    }
}

/// What a webhook would have told of this comment; nothing of one that orders nothing.
fn ordered(repository: &Repository, written: &Written) -> Option<Delivery> {
    let lines = command_lines(&written.body);
    if lines.is_empty() {
        return None;
    }
    let webhook = Webhook {
        installation: repository.installation,
        repository: Some(Named {
            id: repository.id,
            owner: repository.owner.clone(),
            name: repository.name.clone(),
            default_branch: None,
        }),
        sender: written.by.clone(),
        says: Says::Comment {
            number: written.number,
            comment: written.id,
            lines,
        },
    };
    Some(Delivery {
        id: format!("comment-{}", written.id),
        at: clock::now(),
        repository: Some(repository.id),
        fact: Fact::Webhook {
            event: "issue_comment".to_owned(),
            webhook: Box::new(webhook),
        },
    })
}
