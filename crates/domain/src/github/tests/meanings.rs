//! What webhooks mean for what is recorded.

use std::collections::BTreeMap;

use super::*;
use crate::{
    app::Repository,
    hint::Hint,
    ids::{Commit, RepositoryId},
};

fn shop() -> Repository {
    Repository {
        id: RepositoryId(7),
        owner: "acme".to_owned(),
        name: "shop".to_owned(),
        path: None,
        installation: None,
        default_branch: "main".to_owned(),
        trouble: None,
        left: false,
        suspended: false,
    }
}

fn named(id: u64, name: &str, default_branch: Option<&str>) -> Named {
    Named {
        id: RepositoryId(id),
        owner: "acme".to_owned(),
        name: name.to_owned(),
        default_branch: default_branch.map(str::to_owned),
    }
}

fn of(says: Says) -> Webhook {
    Webhook {
        installation: Some(1),
        repository: Some(named(7, "shop", Some("main"))),
        sender: None,
        says,
    }
}

fn head() -> Commit {
    Commit::parse(HEAD).unwrap()
}

fn changed(change: PullRequestChange) -> Says {
    Says::PullRequest {
        number: 12,
        branch: "blue".to_owned(),
        fork: false,
        title: "Blue".to_owned(),
        head: head(),
        change,
    }
}

fn push(branch: &str) -> Says {
    Says::Push {
        branch: branch.to_owned(),
        head: head(),
    }
}

fn deleted(branch: &str) -> Says {
    Says::BranchDeleted {
        branch: branch.to_owned(),
    }
}

/// In one line.
fn words(meaning: &Meaning) -> String {
    let at = |commit: &Option<Commit>| {
        let commit = commit.as_ref().map(|commit| commit.short().to_owned());
        commit.unwrap_or("whatever is there".to_owned())
    };
    let hint = |hint: &Hint| {
        let made = if hint.creates { ", made if new" } else { "" };
        let name = hint.kind.name();
        let (branch, trigger) = (&hint.branch, hint.trigger);
        format!(
            "{name} on {branch}: {trigger:?} of {}{made}",
            at(&hint.commit)
        )
    };
    match meaning {
        Meaning::EachApp(told) => hint(told),
        Meaning::Previews {
            branch,
            commit,
            trigger,
        } => format!("previews on {branch}: {trigger:?} of {}", at(commit)),
        Meaning::Recorded {
            repository,
            production,
        } => {
            let Repository {
                owner,
                name,
                default_branch,
                ..
            } = repository;
            let production = production.as_ref().map_or("-".to_owned(), hint);
            format!("{owner}/{name} ({default_branch}); {production}")
        }
        Meaning::Everything { repositories } => format!("everything of {repositories:?}"),
        Meaning::Covers {
            installation,
            repositories,
        } => format!("installation {installation} covers {}", repositories.len()),
        Meaning::Suspended { installation, is } => {
            format!("installation {installation} is suspended: {is}")
        }
        Meaning::CommentDeleted { number, comment } => {
            format!("comment {comment} of #{number} is deleted")
        }
        Meaning::Order => "an order".to_owned(),
        Meaning::Nothing(why) => why.clone(),
    }
}

fn told(says: Says) -> String {
    words(&meaning(&of(says), Some(&shop())))
}

#[test]
fn what_changes_a_pull_request_makes_its_preview_look() {
    let all = [
        PullRequestChange::Opened,
        PullRequestChange::Pushed,
        PullRequestChange::Reopened,
        PullRequestChange::Closed,
        PullRequestChange::Described,
    ];
    let told = all.map(|change| told(changed(change)));
    insta::assert_snapshot!(told.join("\n"), @r#"
    pr-12 on blue: Push of ec26c3e, made if new
    pr-12 on blue: Push of ec26c3e, made if new
    pr-12 on blue: Reopen of ec26c3e, made if new
    pr-12 on blue: Close of whatever is there
    pr-12 on blue: Refresh of whatever is there
    "#);
}

#[test]
fn a_push_concerns_production_or_the_previews_on_its_branch() {
    let told = [push("main"), push("blue"), deleted("main"), deleted("blue")].map(told);
    insta::assert_snapshot!(told.join("\n"), @r#"
    production on main: Push of ec26c3e, made if new
    previews on blue: Push of ec26c3e
    production on main: Refresh of whatever is there
    previews on blue: Refresh of whatever is there
    "#);
}

#[test]
fn until_a_repository_was_read_its_default_branch_is_what_webhooks_name() {
    let unread = Repository {
        default_branch: String::new(),
        ..shop()
    };
    for says in [push("main"), push("blue"), deleted("main")] {
        let webhook = of(says);
        assert_eq!(
            meaning(&webhook, Some(&unread)),
            meaning(&webhook, Some(&shop()))
        );
    }
}

#[test]
fn a_repository_keeps_its_number_and_takes_its_names() {
    let renamed = |to: Named| {
        let webhook = Webhook {
            repository: Some(to),
            ..of(Says::RepositoryChanged)
        };
        words(&meaning(&webhook, Some(&shop())))
    };
    let told = [
        renamed(named(7, "store", None)),
        renamed(named(7, "shop", Some("next"))),
        renamed(named(7, "shop", Some("main"))),
        told(Says::RepositoryDeleted),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    acme/store (main); -
    acme/shop (next); production on next: Refresh of whatever is there, made if new
    acme/shop (main); production on main: Refresh of whatever is there, made if new
    everything of [RepositoryId(7)]
    "#);
}

#[test]
fn what_an_installation_covers_no_longer_looks_and_what_it_covers_from_now_on_waits() {
    let two = || vec![named(7, "shop", None), named(8, "till", None)];
    let change = |change| Says::Installation { change };
    let told = [
        change(InstallationChange::Deleted {
            repositories: two(),
        }),
        change(InstallationChange::Covers {
            repositories: two(),
        }),
        change(InstallationChange::Suspended),
        change(InstallationChange::Unsuspended),
        Says::Repositories {
            added: two(),
            removed: vec![],
        },
        Says::Repositories {
            added: vec![],
            removed: two(),
        },
    ];
    let told = told.map(told_of_nobody);
    insta::assert_snapshot!(told.join("\n"), @r#"
    everything of [RepositoryId(7), RepositoryId(8)]
    installation 1 covers 2
    installation 1 is suspended: true
    installation 1 is suspended: false
    installation 1 covers 2
    everything of [RepositoryId(7), RepositoryId(8)]
    "#);
}

/// Told by an installation, which speaks of no repository.
fn told_of_nobody(says: Says) -> String {
    words(&meaning(&of(says), None))
}

#[test]
fn orders_are_orders_and_what_is_not_recorded_costs_nothing() {
    let comment = Says::Comment {
        number: 12,
        comment: 1,
        lines: vec!["/redeploy".to_owned()],
    };
    let told = [
        told(comment.clone()),
        told(Says::ChecksAgain { head: head() }),
        told(Says::Nothing {
            why: "`star` (created) concerns no environment".to_owned(),
        }),
        told_of_nobody(comment),
        told_of_nobody(push("main")),
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    an order
    an order
    ignored: `star` (created) concerns no environment
    nothing: this repository is not recorded here
    nothing: this repository is not recorded here
    "#);
}

#[test]
fn a_forks_main_is_no_branch_of_ours() {
    let body = pull_request("opened", r#"{"id":5},"user":{"login":"bob"}"#);
    let webhook = read(
        "pull_request",
        body.replace(r#""ref":"changes""#, r#""ref":"main""#)
            .as_bytes(),
    );
    let recorded = Repository {
        id: RepositoryId(186_853_002),
        ..shop()
    };
    assert_eq!(
        words(&meaning(&webhook.unwrap(), Some(&recorded))),
        "pr-2 on bob:main: Push of ec26c3e, made if new"
    );
}

/// As if the repository of each example was recorded, under the names that it has there.
#[test]
fn every_example_of_a_webhook_has_a_meaning() {
    let Some(examples) = examples() else {
        return;
    };
    let mut all = BTreeMap::<String, usize>::new();
    for (event, body) in examples {
        let webhook = read(&event, &body).unwrap();
        let recorded = webhook.repository.as_ref().map(|named| Repository {
            id: named.id,
            default_branch: named.default_branch.clone().unwrap_or("main".to_owned()),
            ..shop()
        });
        let meaning = meaning(&webhook, recorded.as_ref());
        let kind = match &meaning {
            Meaning::EachApp(hint) => format!("{event}: {:?} of {:?}", hint.trigger, hint.kind),
            Meaning::Previews { trigger, .. } => format!("{event}: {trigger:?} of previews"),
            Meaning::Recorded { .. } => format!("{event}: recorded"),
            Meaning::Everything { .. } => format!("{event}: everything"),
            Meaning::Covers { .. } => format!("{event}: covers"),
            Meaning::Suspended { .. } => format!("{event}: suspended or not"),
            Meaning::CommentDeleted { .. } => format!("{event}: a comment is deleted"),
            Meaning::Order => format!("{event}: an order"),
            Meaning::Nothing(why) if why.starts_with("ignored") => "ignored".to_owned(),
            Meaning::Nothing(why) => format!("{event}: {why}"),
        };
        *all.entry(kind).or_default() += 1;
    }
    let lines: Vec<String> = all
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    2 check_suite: an order
    294 ignored
    3 installation: covers
    2 installation: everything
    2 installation: suspended or not
    2 installation_repositories: covers
    1 installation_repositories: everything
    2 pull_request: Close of Preview(2)
    5 pull_request: Push of Preview(2)
    6 pull_request: Refresh of Preview(2)
    2 pull_request: Reopen of Preview(2)
    2 push: Push of Production
    6 repository: recorded
    "#);
}
