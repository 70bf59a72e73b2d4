//! What the tests of the announcement show.

use nestling_protocol::{
    report::{Address, Exit},
    test::{Counts, Outcome, TestRecord},
};

use super::*;
use crate::{
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase, Shown, Tests},
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, Timestamp, Version},
    label::Slug,
    lifecycle::Lifecycle,
};

pub(crate) const SITE: Site<'_> = Site {
    dashboard: "http://nestling.localhost:4100",
    scheme: "http",
    preview_domain: "localhost:4100",
    seal: None,
};
/// 2026-03-07 09:05:07 UTC: a month and an hour that want a zero in front.
pub(crate) const NOW: Timestamp = Timestamp(1_772_874_307_000);

pub(crate) fn commit(digit: char, message: &str) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&digit.to_string().repeat(40)).unwrap(),
        message: message.to_owned(),
        author: "Ada".to_owned(),
        trust: crate::deployment::Trust::Member,
    }
}

pub(crate) fn endpoint(name: &str, kind: EndpointKind, primary: bool) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        primary,
        browser: true,
        address: Address::Unix(format!("{name}.sock")),
    }
}

pub(crate) fn deployment(generation: u32, digit: char, phase: Phase) -> Deployment {
    let serves = phase == Phase::Serving;
    Deployment {
        generation: Generation(generation),
        commit: commit(digit, "Sort the cart by price"),
        cause: Cause::Push,
        attempt: 1,
        phase,
        since: NOW,
        created_at: NOW,
        deadline: None,
        not_before: None,
        boot: None,
        exclusive: false,
        in_place: false,
        trouble: None,
        notes: Vec::new(),
        again: None,
        address: None,
        tests: if serves {
            Tests::Ran(Counts {
                passed: 2,
                failed: 1,
                skipped: 0,
            })
        } else {
            Tests::Pending
        },
        endpoints: if serves {
            vec![
                endpoint("web", EndpointKind::App, true),
                endpoint("console", EndpointKind::Console, false),
            ]
        } else {
            Vec::new()
        },
    }
}

pub(crate) fn failed(generation: u32, digit: char) -> Box<Failed> {
    Box::new(Failed {
        generation: Generation(generation),
        commit: commit(digit, "Break the start"),
        phase: Shown::Starting,
        reason: "the app exited before it listened; its log says why".to_owned(),
        exit: Some(Exit::Code(1)),
        tail: (1..=50).map(|n| format!("line {n}")).collect(),
        at: NOW,
        asked: false,
    })
}

pub(crate) fn environment(app: &str, state: State) -> Environment {
    let id = AppId("0123456789abcdef".to_owned());
    let mut lifecycle = Lifecycle::new(NOW, None);
    lifecycle.state = state;
    Environment {
        id: EnvironmentId::derive(&id, Kind::Preview(12)),
        app: id,
        owner: "local".to_owned(),
        slug: Slug::of(app),
        repository: RepositoryId(7),
        kind: Kind::Preview(12),
        branch: "sort-cart".to_owned(),
        title: "Sort the cart".to_owned(),
        lifecycle,
        version: Version(3),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn section(environment: &Environment) -> Section<'_> {
    Section {
        environment,
        results: None,
        ahead: None,
    }
}

pub(crate) fn announcement(sections: Vec<Section<'_>>) -> Announcement<'_> {
    Announcement {
        repository: RepositoryId(7),
        number: 12,
        sections,
        left_out: Vec::new(),
        answers: Vec::new(),
    }
}

pub(crate) fn coming(phase: Phase) -> State {
    State::Creating {
        next: Some(Box::new(deployment(1, 'a', phase))),
        failed: None,
    }
}

pub(crate) fn stopped(why: Why) -> State {
    State::Stopped {
        why,
        last: Some(commit('a', "Sort the cart by price")),
        since: NOW,
    }
}

pub(crate) fn results() -> Results {
    let test = |path: &str, outcome, error: Option<&str>| TestRecord {
        path: path.to_owned(),
        name: path.rsplit(':').next().unwrap_or_default().to_owned(),
        outcome,
        error: error.map(str::to_owned),
        millis: 12,
        log: Vec::new(),
    };
    Results {
        tests: vec![
            test("root/Default/test:adds", Outcome::Passed, None),
            test(
                "root/Default/test:counts up",
                Outcome::Failed,
                Some("expected 2, got 1"),
            ),
            test("root/Default/test:empties", Outcome::Passed, None),
        ],
        ..Results::default()
    }
}
