//! What a look at a repository tells that was missed.

use crate::{
    deployment::{CommitInfo, Trust},
    environment::Environment,
    github::{Listed, Open, gone, missed},
    ids::{AppId, Commit, EnvironmentId, Kind, RepositoryId, Timestamp, Version},
    label::Slug,
    lifecycle::{Lifecycle, State, Why},
    record::Fact,
};

fn commit(digit: u8) -> Commit {
    Commit::parse(&format!("{digit:x}").repeat(40)).unwrap()
}

/// An environment that is stopped for this reason, after it ran this commit.
fn stopped(app: &str, kind: Kind, why: Why, last: u8) -> Environment {
    let app = AppId(app.to_owned());
    let mut lifecycle = Lifecycle::new(Timestamp(1), None);
    lifecycle.look = None;
    lifecycle.state = State::Stopped {
        why,
        last: Some(CommitInfo {
            id: commit(last),
            message: String::new(),
            author: String::new(),
            trust: Trust::Member,
        }),
        since: Timestamp(1),
    };
    Environment {
        id: EnvironmentId::derive(&app, kind),
        slug: Slug::of(&app.0),
        app,
        owner: "acme".to_owned(),
        repository: RepositoryId(7),
        kind,
        branch: "blue".to_owned(),
        title: "Blue".to_owned(),
        lifecycle,
        version: Version(1),
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
    }
}

fn open(number: u32, head: u8) -> Open {
    Open {
        number,
        branch: "blue".to_owned(),
        title: "Blue".to_owned(),
        head: commit(head),
        changed: false,
    }
}

/// What is told: of which environments, why, and at which commit.
fn told(environments: &[Environment], head: Option<u8>, open: &[Open]) -> Vec<String> {
    told_where(true, environments, head, open)
}

/// The same, of a repository that is shown or not.
fn told_where(
    there: bool,
    environments: &[Environment],
    head: Option<u8>,
    open: &[Open],
) -> Vec<String> {
    let apps = [AppId("shop".to_owned()), AppId("till".to_owned())];
    let head = head.map(commit);
    let listed = Listed {
        there,
        branch: "main",
        head: head.as_ref(),
        open,
    };
    let mut facts = missed(&apps, environments, &listed);
    let ended = gone(RepositoryId(7), environments, &listed);
    facts.extend(ended.into_iter().map(|one| one.fact));
    let words = facts.iter().map(|fact| match fact {
        Fact::Production { commit, .. } => format!("production at {}", commit.short()),
        Fact::Missing { branch } => format!("production on {branch}: is it there?"),
        Fact::PullRequest {
            number,
            commit,
            trigger,
            ..
        } => {
            let at = commit.as_ref().map_or("whatever is there", Commit::short);
            format!("{number}: {trigger:?} at {at}")
        }
        Fact::Preview { .. }
        | Fact::Returned { .. }
        | Fact::Webhook { .. }
        | Fact::Unreadable { .. } => {
            panic!("{fact:?}")
        }
    });
    words.collect()
}

fn both(kind: Kind, why: &Why, last: u8) -> Vec<Environment> {
    ["shop", "till"]
        .map(|app| stopped(app, kind, why.clone(), last))
        .into()
}

#[test]
fn a_look_that_finds_nothing_new_tells_nothing() {
    let mut all = both(Kind::Production, &Why::Idle, 1);
    all.extend(both(Kind::Preview(2), &Why::Person, 2));
    all.extend(both(Kind::Preview(3), &Why::Closed, 3));
    assert_eq!(told(&all, Some(1), &[open(2, 2)]), [""; 0]);
    assert_eq!(
        told(&all, None, &[open(2, 2)]),
        [""; 0],
        "no branch is no news"
    );
}

#[test]
fn lost_pushes_openings_and_closes_are_told() {
    let mut all = both(Kind::Production, &Why::Idle, 1);
    all.extend(both(Kind::Preview(2), &Why::Idle, 2));
    // Of one app the opening was lost.
    all.push(stopped("shop", Kind::Preview(4), Why::Idle, 4));
    assert_eq!(
        told(&all, Some(9), &[open(3, 3), open(4, 4)]),
        [
            "production at 9999999",
            "3: Push at 3333333",
            "4: Push at 4444444",
            "2: Close at whatever is there",
        ]
    );
    // The App was taken away, and is there again.
    let production = both(Kind::Production, &Why::Closed, 1);
    assert_eq!(told(&production, Some(1), &[]), ["production at 1111111"]);
    let closed = both(Kind::Preview(5), &Why::Closed, 5);
    let waits = both(
        Kind::Preview(6),
        &Why::Waits("nobody approved it".into()),
        6,
    );
    let all = [closed, waits, both(Kind::Production, &Why::Idle, 1)].concat();
    assert_eq!(
        told(&all, Some(1), &[open(5, 5), open(6, 6)]),
        [
            "5: Refresh at whatever is there",
            "6: Refresh at whatever is there"
        ]
    );
}

#[test]
fn of_a_repository_that_is_not_shown_production_and_previews_ask_whether_they_are_gone() {
    let mut all = both(Kind::Production, &Why::Idle, 1);
    all.extend(both(Kind::Preview(2), &Why::Idle, 2));
    let asked = [
        "production on main: is it there?",
        "2: Close at whatever is there",
    ];
    assert_eq!(told_where(false, &all, None, &[]), asked);
    let closed = both(Kind::Production, &Why::Closed, 1);
    assert_eq!(told_where(false, &closed, None, &[]), [""; 0]);
}

#[test]
fn a_label_or_a_title_of_which_nobody_heard_is_told() {
    let idle = both(Kind::Preview(2), &Why::Idle, 2);
    let changed = Open {
        changed: true,
        ..open(2, 2)
    };
    assert_eq!(
        told(&idle, None, std::slice::from_ref(&changed)),
        ["2: Refresh at whatever is there"]
    );
    assert_eq!(told(&idle, None, &[open(2, 2)]), [""; 0]);
}
