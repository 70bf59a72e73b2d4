//! The shapes of payloads: only the fields that are read, whatever else they hold.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    command::command_lines,
    webhook::{
        CheckAsk, InstallationChange, Named, PullRequestChange, Says, Sender, Unreadable, Webhook,
    },
};
use crate::{
    ids::{Commit, RepositoryId},
    policy,
};

/// How many repositories of one installation event are kept; the others are found by listing.
const MOST_REPOSITORIES: usize = 1000;
/// Titles are cut here, in characters.
const LONGEST_TITLE: usize = 256;
/// The owner of a fork whose account is gone: GitHub's own name for such.
const NOBODY: &str = "ghost";
/// What is read of a pull request that an edit may change.
const READ: [&str; 2] = ["title", "base"];
/// The head of a branch that was deleted.
const NO_COMMIT: &str = "0000000000";

/// What every webhook may have.
#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    installation: Option<Numbered>,
    repository: Option<Repository<'a>>,
    sender: Option<User<'a>>,
}

#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

#[derive(Deserialize)]
struct User<'a> {
    id: u64,
    #[serde(borrow)]
    login: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Repository<'a> {
    id: u64,
    #[serde(borrow)]
    full_name: Cow<'a, str>,
    #[serde(borrow)]
    default_branch: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct PullRequestEvent<'a> {
    number: u32,
    #[serde(borrow)]
    pull_request: PullRequest<'a>,
    /// Of a label that was put on it or taken off.
    #[serde(borrow)]
    label: Option<Label<'a>>,
    /// Of an edit: what was changed, by the name of its field.
    changes: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct PullRequest<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    head: Head<'a>,
    #[serde(borrow)]
    base: Head<'a>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "ref")]
    branch: Cow<'a, str>,
    sha: Commit,
    repo: Option<Numbered>,
    #[serde(borrow)]
    user: Option<Owner<'a>>,
}

#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
}

#[derive(Deserialize)]
struct PushEvent<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    after: Cow<'a, str>,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct DeleteEvent<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    ref_type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct InstallationEvent<'a> {
    #[serde(borrow, default)]
    repositories: Option<Vec<Repository<'a>>>,
    #[serde(borrow, default)]
    repositories_added: Option<Vec<Repository<'a>>>,
    #[serde(borrow, default)]
    repositories_removed: Option<Vec<Repository<'a>>>,
}

#[derive(Deserialize)]
struct CommentEvent<'a> {
    issue: Issue,
    #[serde(borrow)]
    comment: Comment<'a>,
}

#[derive(Deserialize)]
struct Issue {
    number: u32,
    /// Present when the issue is a pull request.
    pull_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Comment<'a> {
    id: u64,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct CheckEvent<'a> {
    #[serde(borrow)]
    check_run: CheckRun<'a>,
    #[serde(borrow)]
    requested_action: Option<RequestedAction<'a>>,
}

#[derive(Deserialize)]
struct CheckRun<'a> {
    #[serde(borrow)]
    external_id: Option<Cow<'a, str>>,
    head_sha: Commit,
}

#[derive(Deserialize)]
struct SuiteEvent {
    check_suite: Suite,
}

#[derive(Deserialize)]
struct Suite {
    head_sha: Commit,
}

#[derive(Deserialize)]
struct RequestedAction<'a> {
    #[serde(borrow)]
    identifier: Cow<'a, str>,
}

/// Reads a webhook: `event` is its `X-GitHub-Event` header. Events that are not ours are [`Says::Nothing`]; whatever else
/// they hold is not looked at.
pub fn read(event: &str, body: &[u8]) -> Result<Webhook, Unreadable> {
    let common: Common<'_> = parse(event, body)?;
    let action = common.action.as_deref();
    let says = says(event, action, body)?;
    Ok(Webhook {
        installation: common.installation.map(|installation| installation.id),
        repository: common.repository.map(named),
        sender: common.sender.map(|sender| Sender {
            id: sender.id,
            bot: sender.kind.as_deref() == Some("Bot"),
            login: sender.login.into_owned(),
        }),
        says,
    })
}

fn says(event: &str, action: Option<&str>, body: &[u8]) -> Result<Says, Unreadable> {
    Ok(match (event, action) {
        ("pull_request", Some(action)) => match change(action) {
            Some(change) => {
                let told = parse(event, body)?;
                match changes_nothing(action, &told) {
                    Some(why) => Says::Nothing { why },
                    None => pull_request(&told, change),
                }
            }
            None => nothing(event, Some(action)),
        },
        ("push", _) => push(&parse(event, body)?),
        ("delete", _) => delete(parse(event, body)?),
        ("repository", Some("renamed" | "transferred" | "edited")) => Says::RepositoryChanged,
        ("repository", Some("deleted")) => Says::RepositoryDeleted,
        ("installation", Some(action)) => match installation(action, || parse(event, body))? {
            Some(change) => Says::Installation { change },
            None => nothing(event, Some(action)),
        },
        ("installation_repositories", Some("added" | "removed")) => {
            let event: InstallationEvent<'_> = parse(event, body)?;
            Says::Repositories {
                added: all(event.repositories_added),
                removed: all(event.repositories_removed),
            }
        }
        ("issue_comment", Some("created")) => comment(&parse(event, body)?),
        ("issue_comment", Some("deleted")) => deleted_comment(&parse(event, body)?),
        ("check_run", Some(action @ ("rerequested" | "requested_action"))) => {
            check(action, parse(event, body)?)
        }
        ("check_suite", Some("rerequested")) => {
            let event: SuiteEvent = parse(event, body)?;
            Says::ChecksAgain {
                head: event.check_suite.head_sha,
            }
        }
        _ => nothing(event, action),
    })
}

fn change(action: &str) -> Option<PullRequestChange> {
    Some(match action {
        "opened" => PullRequestChange::Opened,
        "reopened" => PullRequestChange::Reopened,
        "synchronize" => PullRequestChange::Pushed,
        "closed" => PullRequestChange::Closed,
        "edited" | "converted_to_draft" | "ready_for_review" | "labeled" | "unlabeled" => {
            PullRequestChange::Described
        }
        _ => return None,
    })
}

/// Why a description that was changed is of no concern: no policy reads what was changed of it.
fn changes_nothing(action: &str, event: &PullRequestEvent<'_>) -> Option<String> {
    match (action, &event.label, &event.changes) {
        ("labeled" | "unlabeled", Some(label), _) if !policy::is_read(&label.name) => {
            let label = shown(&label.name);
            Some(format!("the label `{label}` means nothing here"))
        }
        ("edited", _, Some(changes)) if !READ.iter().any(|read| changes.contains_key(*read)) => {
            Some("neither the title nor the base of the pull request was changed".to_owned())
        }
        _ => None,
    }
}

fn pull_request(event: &PullRequestEvent<'_>, change: PullRequestChange) -> Says {
    let PullRequest { title, head, base } = &event.pull_request;
    let of = |end: &Head<'_>| end.repo.as_ref().map(|repository| repository.id);
    let fork = of(head).is_none() || of(head) != of(base);
    let branch = if fork {
        let owner = head.user.as_ref().map_or(NOBODY, |user| &user.login);
        format!("{owner}:{}", head.branch)
    } else {
        head.branch.clone().into_owned()
    };
    Says::PullRequest {
        number: event.number,
        branch,
        fork,
        title: title.chars().take(LONGEST_TITLE).collect(),
        head: head.sha.clone(),
        change,
    }
}

fn push(event: &PushEvent<'_>) -> Says {
    let Some(branch) = event.reference.strip_prefix("refs/heads/") else {
        let why = format!("`{}` is no branch", shown(&event.reference));
        return Says::Nothing { why };
    };
    let branch = branch.to_owned();
    if event.deleted || event.after.starts_with(NO_COMMIT) {
        return Says::BranchDeleted { branch };
    }
    match Commit::parse(&event.after) {
        Ok(head) => Says::Push { branch, head },
        Err(error) => Says::Nothing {
            why: error.to_string(),
        },
    }
}

fn delete(event: DeleteEvent<'_>) -> Says {
    if event.ref_type != "branch" {
        let why = format!("a {} is no branch", shown(&event.ref_type));
        return Says::Nothing { why };
    }
    Says::BranchDeleted {
        branch: event.reference.into_owned(),
    }
}

fn installation<'a>(
    action: &str,
    parse: impl FnOnce() -> Result<InstallationEvent<'a>, Unreadable>,
) -> Result<Option<InstallationChange>, Unreadable> {
    Ok(Some(match action {
        "created" | "new_permissions_accepted" => InstallationChange::Covers {
            repositories: all(parse()?.repositories),
        },
        "deleted" => InstallationChange::Deleted {
            repositories: all(parse()?.repositories),
        },
        "suspend" => InstallationChange::Suspended,
        "unsuspend" => InstallationChange::Unsuspended,
        _ => return Ok(None),
    }))
}

fn comment(event: &CommentEvent<'_>) -> Says {
    let why = if event.issue.pull_request.is_none() {
        "a comment on an issue that is no pull request"
    } else {
        let lines = command_lines(event.comment.body.as_deref().unwrap_or_default());
        if !lines.is_empty() {
            return Says::Comment {
                number: event.issue.number,
                comment: event.comment.id,
                lines,
            };
        }
        "a comment without a command"
    };
    let why = why.to_owned();
    Says::Nothing { why }
}

fn deleted_comment(event: &CommentEvent<'_>) -> Says {
    if event.issue.pull_request.is_none() {
        let why = "a comment on an issue that is no pull request".to_owned();
        return Says::Nothing { why };
    }
    Says::CommentDeleted {
        number: event.issue.number,
        comment: event.comment.id,
    }
}

fn check(action: &str, event: CheckEvent<'_>) -> Says {
    let Some(external_id) = event.check_run.external_id.filter(|id| !id.is_empty()) else {
        let why = "a check run that is not ours".to_owned();
        return Says::Nothing { why };
    };
    let ask = match (action, event.requested_action) {
        ("requested_action", Some(pressed)) => CheckAsk::Pressed {
            button: pressed.identifier.into_owned(),
        },
        _ => CheckAsk::Again,
    };
    Says::Check {
        external_id: external_id.into_owned(),
        head: event.check_run.head_sha,
        ask,
    }
}

fn nothing(event: &str, action: Option<&str>) -> Says {
    let event = shown(event);
    let why = match action {
        Some(action) => format!("`{event}` ({}) concerns no environment", shown(action)),
        None => format!("`{event}` concerns no environment"),
    };
    Says::Nothing { why }
}

/// A word of somebody else, short enough for a sentence.
fn shown(word: &str) -> String {
    word.chars()
        .filter(|letter| !letter.is_control())
        .take(60)
        .collect()
}

fn all(repositories: Option<Vec<Repository<'_>>>) -> Vec<Named> {
    let repositories = repositories.unwrap_or_default().into_iter();
    repositories.take(MOST_REPOSITORIES).map(named).collect()
}

fn named(repository: Repository<'_>) -> Named {
    let (owner, name) = repository
        .full_name
        .split_once('/')
        .unwrap_or(("", &repository.full_name));
    Named {
        id: RepositoryId(repository.id),
        owner: owner.to_owned(),
        name: name.to_owned(),
        default_branch: repository.default_branch.map(Cow::into_owned),
    }
}

fn parse<'a, T: Deserialize<'a>>(event: &str, body: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|source| {
        let event = shown(event);
        if source.is_data() {
            Unreadable::Misshapen { event, source }
        } else {
            Unreadable::NotJson { event, source }
        }
    })
}
