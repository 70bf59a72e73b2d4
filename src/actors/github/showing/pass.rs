//! One pass: read the records, find the difference, write it.

use nestling_domain::{
    announcement::{Section, Site, digest, marker},
    app::Repository,
    github::shown::{self, CheckRun, CommentShown, Ledger, Wanted, Write, is_patient, subject},
    orders::Reaction,
    policy::Comments,
};
use tracing::info;

use super::{
    Subject, Tools,
    page::{Page, Refusal, Teller},
    pen::Pen,
};
use crate::{
    drivers::{
        github::{GitHubError, Place},
        store::StoreError,
    },
    messages::forge::ForgeError,
    records::{NotRead, RECENT, Records, Together},
};

/// The name under which it is remembered that not even the comment could be looked for.
const LOOK: &str = "the first look";

/// What is to be written, and on the ground of what.
struct Draft {
    place: Place,
    ledger: Ledger,
    wanted: Wanted,
    writes: Vec<Write>,
    /// Whether any of its environments is not closed.
    lives: bool,
}

/// Makes GitHub show what the records say. `tellers` grows by those who ask while it waits.
pub(super) async fn pass(
    tools: &Tools,
    subject: Subject,
    page: &Page,
    tellers: &mut Vec<Teller>,
) -> Result<(), ForgeError> {
    loop {
        let Some(draft) = draft(tools, subject, page).await? else {
            return Ok(());
        };
        if draft.writes.is_empty() {
            return Ok(());
        }
        if is_patient(&draft.writes)
            && let Some(more) = page.calm().await
        {
            tellers.extend(more);
            continue;
        }
        return write(tools, subject, page, draft).await;
    }
}

/// `None` when there is nobody left to show anything to.
async fn draft(
    tools: &Tools,
    (repository, kind): Subject,
    page: &Page,
) -> Result<Option<Draft>, ForgeError> {
    let records = Records {
        store: &*tools.store,
        blobs: &*tools.blobs,
        admission: &tools.admission,
    };
    let known = tools.store.repository(repository).await;
    let known = known.map_err(not_stored)?.ok_or_else(|| {
        ForgeError::Rejected(format!(
            "repository {repository} is not known here, so that nothing of it can be shown"
        ))
    })?;
    let together = match kind.pull_request() {
        Some(number) => records.of_pull_request(repository, number).await,
        None => records.of_production(repository).await,
    };
    let together = together.map_err(not_read)?;
    let mut all = together.environments.iter();
    let lives = all.any(|(environment, _)| !environment.lifecycle.is_closed());
    let Some(place) = place(&known, lives)? else {
        return Ok(None);
    };
    let dashboard = tools.addresses.dashboard();
    let site = Site {
        seal: Some(&*tools.seal),
        ..tools.addresses.site(&dashboard)
    };
    let mut wanted = wanted(tools, (repository, kind), &together, &site).await?;
    let stored = tools.store.shown(repository, kind).await;
    let ledger = match (stored.map_err(not_stored)?, kind.pull_request()) {
        (Some(ledger), _) => unless_deleted(ledger, page),
        (None, Some(number)) => first(tools, page, (&place, number), &wanted).await?,
        (None, None) => Ledger::default(),
    };
    wanted.past = past(tools, &together, ledger.untold(&wanted), &site).await?;
    Ok(Some(Draft {
        writes: ledger.plan(&wanted),
        place,
        ledger,
        wanted,
        lives,
    }))
}

/// What GitHub shows, but for our comment, when somebody has deleted it and it is to be made again.
fn unless_deleted(ledger: Ledger, page: &Page) -> Ledger {
    let comment = ledger.comment.filter(|shown| {
        let number = shown.number;
        number.is_none_or(|number| !page.makes_again(number))
    });
    Ledger { comment, ..ledger }
}

/// Through which installation it is shown.
fn place(repository: &Repository, lives: bool) -> Result<Option<Place>, ForgeError> {
    let Repository {
        id, owner, name, ..
    } = repository;
    if let Some(installation) = repository.installation {
        return Ok(Some(Place {
            installation,
            repository: *id,
            owner: owner.clone(),
            name: name.clone(),
        }));
    }
    if !lives {
        return Ok(None);
    }
    Err(ForgeError::Rejected(format!(
        "{owner}/{name} is reached through no installation of the GitHub App, so that nothing can be shown there: install the App on it"
    )))
}

async fn wanted(
    tools: &Tools,
    (repository, kind): Subject,
    together: &Together,
    site: &Site<'_>,
) -> Result<Wanted, ForgeError> {
    let Some(number) = kind.pull_request() else {
        return Ok(Wanted::of_production(
            &together.sections(),
            &together.left_out(),
            site,
        ));
    };
    let mut comments = Comments::Off;
    for (environment, _) in &together.environments {
        let app = tools.store.app(&environment.app).await;
        let app = app.map_err(not_stored)?;
        comments = comments.max(app.map_or(Comments::Off, |app| app.policy.comment));
    }
    let pull_request = tools.store.pull_request(repository, number).await;
    let row = pull_request.map_err(not_stored)?;
    let head = row.as_ref().and_then(|row| row.head.as_ref());
    let head = head.map(|head| &head.id);
    let reactions = row.as_ref().map(|row| row.orders.reactions());
    let announcement = together.announcement(repository, number);
    Ok(Wanted {
        reactions: reactions.unwrap_or_default(),
        ..Wanted::of_pull_request(&announcement, head, comments, site)
    })
}

/// How that ended of which GitHub shows a check run without an end, as far as we know, and which the records do not name any more.
async fn past(
    tools: &Tools,
    together: &Together,
    untold: Vec<String>,
    site: &Site<'_>,
) -> Result<Vec<CheckRun>, ForgeError> {
    let mut all = Vec::new();
    let sections = together.sections();
    for (environment, commit) in untold.iter().filter_map(|named| subject(named)) {
        let of_it = |section: &&Section<'_>| section.environment.id == environment;
        let Some(section) = sections.iter().find(of_it) else {
            continue;
        };
        let recent = tools.store.deployments(&environment, None, RECENT).await;
        let mut recent = recent.map_err(not_stored)?.into_iter();
        let newest = recent.find(|deployment| deployment.commit.id == commit);
        all.extend(newest.and_then(|newest| shown::past(section, &newest, site)));
    }
    Ok(all)
}

/// What a pull request shows of which nothing is recorded: if it lacks our comment, it shows nothing of ours.
async fn first(
    tools: &Tools,
    page: &Page,
    (place, number): (&Place, u32),
    wanted: &Wanted,
) -> Result<Ledger, ForgeError> {
    let makes = wanted.comment.as_ref().filter(|comment| comment.makes);
    let Some(comment) = makes else {
        return Ok(Ledger::default());
    };
    if let Some(refused) = page.refused(LOOK) {
        return Err(ForgeError::Failed(refused.words));
    }
    // The first line of the text is our marker.
    let marker = comment.body.lines().next().unwrap_or_default();
    let found = tools.github.find_comment(place, number, marker).await;
    let found = found.map_err(|error| {
        if let Some(refusal) = refusal(&error) {
            page.refuse(LOOK.to_owned(), refusal, true);
        }
        ForgeError::Failed(error.to_string())
    })?;
    Ok(Ledger {
        complete: found.is_none(),
        comment: found.map(|found| CommentShown {
            number: Some(found.id),
            digest: Some(digest(&found.body)),
        }),
        ..Ledger::default()
    })
}

async fn write(
    tools: &Tools,
    (repository, kind): Subject,
    page: &Page,
    draft: Draft,
) -> Result<(), ForgeError> {
    let mut troubles = Troubles::default();
    let mut unanswered = false;
    let mut due = draft.writes;
    due.retain(|write| {
        let refused = page.refused(&name(write));
        let is_due = refused.is_none();
        unanswered |= !is_due && matches!(write, Write::Comment { .. });
        troubles.extend(refused.filter(|_| matters(write)));
        is_due
    });
    let put = async |ledger: &Ledger| {
        let put = tools.store.put_shown(repository, kind, ledger).await;
        put.map_err(not_stored)
    };
    let mut ledger = draft.ledger.clone();
    ledger.begin(&due);
    // What is there and goes on as it was is found in the records again.
    if ledger != draft.ledger {
        put(&ledger).await?;
    }
    let below = kind.pull_request();
    let mut pen = Pen {
        tools,
        place: &draft.place,
        below: below.map(|number| (number, marker(repository, number))),
        ledger,
    };
    for write in &due {
        if unanswered && ends(write) {
            continue;
        }
        let written = pen.ensure(write).await;
        unanswered |= written.is_err() && matches!(write, Write::Comment { .. });
        if written.is_ok() {
            page.took(&name(write));
        }
        if let Err(not_written) = written {
            let refusal = not_written.refusal();
            if let Some(refusal) = &refusal {
                page.refuse(name(write), refusal.clone(), matters(write));
            }
            if !matters(write) {
                info!("{} is not shown yet: {not_written}", name(write));
            } else if let Some(refusal) = refusal {
                troubles.extend([refusal]);
            } else {
                troubles.others.push(not_written.to_string());
            }
        }
    }
    let mut ledger = pen.ledger;
    if troubles.is_empty() {
        ledger.settle(&draft.wanted);
    }
    if !due.is_empty() {
        page.wrote();
        put(&ledger).await?;
    }
    if !draft.lives && troubles.are_of_absence() && is_away(tools, &draft.place).await {
        info!(
            "the end of what ran of {} is shown nowhere: {}",
            draft.place,
            troubles.absent.join("; ")
        );
        return Ok(());
    }
    troubles.outcome()
}

/// Whether the App was uninstalled or taken from the repository, or that was deleted, and all ended for that: there is nowhere to say
/// so. What the App is given back shows again is told then. It may also be there, and be known under an older number here.
async fn is_away(tools: &Tools, Place { owner, name, .. }: &Place) -> bool {
    matches!(tools.github.installation_of(owner, name).await, Ok(None))
}

/// What kept something from being written.
#[derive(Default)]
struct Troubles {
    /// It concerns what GitHub does not know, or does not show to us.
    absent: Vec<String>,
    others: Vec<String>,
}

impl Troubles {
    fn extend(&mut self, refusals: impl IntoIterator<Item = Refusal>) {
        for refusal in refusals {
            let kind = if refusal.absent {
                &mut self.absent
            } else {
                &mut self.others
            };
            kind.push(refusal.words);
        }
    }

    fn is_empty(&self) -> bool {
        self.absent.is_empty() && self.others.is_empty()
    }

    fn are_of_absence(&self) -> bool {
        self.others.is_empty() && !self.absent.is_empty()
    }

    fn outcome(mut self) -> Result<(), ForgeError> {
        if self.is_empty() {
            return Ok(());
        }
        self.others.append(&mut self.absent);
        self.others.dedup();
        Err(ForgeError::Failed(self.others.join("; ")))
    }
}

/// Whether an announcement is owed until this is shown. A face that a comment lacks comes with whatever is told next.
fn matters(write: &Write) -> bool {
    !matches!(write, Write::Reaction { .. })
}

/// Whether it says that what was ordered is answered: not before the answer can be read.
fn ends(write: &Write) -> bool {
    match write {
        Write::Reaction { reaction, .. } => *reaction != Reaction::Eyes,
        Write::Comment { .. } | Write::Check { .. } | Write::Deployment { .. } => false,
    }
}

/// What a write is about, the same from pass to pass.
fn name(write: &Write) -> String {
    match write {
        Write::Comment { .. } => "comment".to_owned(),
        Write::Check { run, .. } => format!("check run {}", run.external_id),
        Write::Deployment { deployed, .. } => format!("deployment {}", deployed.ours),
        Write::Reaction { comment, reaction } => {
            format!("reaction {} on comment {comment}", reaction.name())
        }
    }
}

/// Whether it is a refusal.
pub(super) fn refusal(error: &GitHubError) -> Option<Refusal> {
    let absent = match error {
        // The latter: the App is not installed there any more.
        GitHubError::Absent { .. } | GitHubError::Refused { status: 404, .. } => true,
        GitHubError::Refused { .. } | GitHubError::Unreadable { .. } => false,
        GitHubError::Limited { .. } | GitHubError::Failed { .. } | GitHubError::Unknown { .. } => {
            return None;
        }
    };
    Some(Refusal {
        words: error.to_string(),
        absent,
    })
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "errors are handed to it by value"
)]
fn not_stored(error: StoreError) -> ForgeError {
    ForgeError::Failed(error.to_string())
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "errors are handed to it by value"
)]
fn not_read(error: NotRead) -> ForgeError {
    ForgeError::Failed(error.to_string())
}
