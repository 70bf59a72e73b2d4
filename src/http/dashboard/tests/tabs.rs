//! Every tab of an environment, and the overview in every state.

use std::collections::BTreeMap;

use nestling_domain::{
    deployment::{Phase, Shown, Tests},
    environment::Environment,
    ids::Kind,
    lifecycle::{State, Why},
};
use nestling_protocol::log::Log;

use super::{
    dom::elements,
    sample::{self, Words, addresses, listed, visit},
};
use crate::http::dashboard::{
    Visit,
    environment::{
        self, EnvironmentView, Tab,
        deployments::{DeploymentView, HistoryView},
        head::{Facts, Head},
        logs::LogsView,
        overview::Overview,
        settings::Values,
        tests::TestsView,
    },
};

pub(super) fn tabs(words: &Words) -> Vec<(String, EnvironmentView)> {
    let mut all = overviews(words);
    let shop = words.shop();
    let running = words.environment(&shop, Kind::Preview(12), words.running());
    let history = words.history(&running, Shown::Running);
    let results = sample::results(words);
    let ran = Tests::Ran(results.counts());
    let generation = Some(history[0].generation);
    let back = "/local/shop/pr-12/settings";
    let log = |log, lines: &[_]| {
        Tab::Logs(Box::new(LogsView::of(
            &running,
            &history,
            history.first(),
            log,
            lines,
        )))
    };
    let older = HistoryView {
        deployments: history.clone(),
        older: Some("/local/shop/pr-12/deployments?below=1".to_owned()),
    };
    for (name, tab) in [
        ("deployments", Tab::Deployments(older)),
        (
            "deployments-none",
            Tab::Deployments(HistoryView {
                deployments: Vec::new(),
                older: None,
            }),
        ),
        (
            "deployment",
            Tab::Deployment(Box::new(DeploymentView::of(&history[0]))),
        ),
        (
            "deployment-failed",
            Tab::Deployment(Box::new(DeploymentView::of(&history[4]))),
        ),
        ("logs", log(Log::Deployment, &words.lines())),
        ("logs-empty", log(Log::Runtime, &[])),
        (
            "logs-none",
            Tab::Logs(Box::new(LogsView::of(
                &running,
                &[],
                None,
                Log::Deployment,
                &[],
            ))),
        ),
        (
            "tests",
            Tab::Tests(Box::new(TestsView::of(generation, &ran, Some(&results)))),
        ),
        (
            "tests-broken",
            Tab::Tests(Box::new(TestsView::of(
                generation,
                &Tests::Broken(words.reason.clone()),
                None,
            ))),
        ),
        (
            "tests-pending",
            Tab::Tests(Box::new(TestsView::of(None, &Tests::Pending, None))),
        ),
        (
            "settings",
            Tab::Settings(Box::new(Values::of(
                &shop,
                running.kind.class(),
                &listed(),
                back,
            ))),
        ),
    ] {
        all.push((name.to_owned(), view(words, &running, tab, visit())));
    }
    all
}

fn overviews(words: &Words) -> Vec<(String, EnvironmentView)> {
    let shop = words.shop();
    let at = |state| words.environment(&shop, Kind::Preview(12), state);
    vec![
        overview(words, "running", &at(words.running()), Shown::Running),
        overview(
            words,
            "deploying",
            &at(words.restarting(Phase::Testing)),
            Shown::RunningTests,
        ),
        overview(
            words,
            "probing",
            &at(words.restarting(Phase::Probing)),
            Shown::Starting,
        ),
        overview(words, "troubled", &at(words.troubled()), Shown::Failed),
        overview(
            words,
            "failed",
            &at(words.stopped(Why::Failed(words.failed(7)))),
            Shown::Failed,
        ),
        overview(
            words,
            "queued",
            &at(State::Creating {
                next: Some(words.deployment(7, Phase::Queued)),
                failed: None,
            }),
            Shown::Queued,
        ),
        overview(
            words,
            "asleep",
            &at(words.stopped(Why::Idle)),
            Shown::Running,
        ),
        overview(
            words,
            "closed",
            &at(words.stopped(Why::Closed)),
            Shown::Running,
        ),
        overview(words, "new", &at(State::default()), Shown::Queued),
        overview(
            words,
            "production",
            &words.environment(&shop, Kind::Production, words.running()),
            Shown::Running,
        ),
        overview(words, "production-offered", &offered(words), Shown::Running),
    ]
}

/// Production that no push deploys, with a newer commit than the one that runs.
fn offered(words: &Words) -> Environment {
    let mut production = words.environment(&words.shop(), Kind::Production, words.running());
    production.lifecycle.offered = Some(words.commit('d'));
    production
}

#[test]
fn production_that_no_push_deploys_names_its_newest_commit_and_a_button_deploys_it() {
    let words = Words::ours();
    let pages = tabs(&words).into_iter();
    let shown: BTreeMap<_, _> = pages
        .map(|(name, view)| (name, elements(&environment::page(&view).into_string())))
        .collect();
    let forms = |page: &str| -> Vec<(String, String)> {
        let forms = shown[page].iter().filter(|one| one.name == "form");
        let orders = forms.filter(|one| one.within.iter().any(|name| name == "main"));
        let told = orders.map(|one| {
            let leads = one.get("action").unwrap_or_default().rsplit('/').next();
            (
                one.text.trim().to_owned(),
                leads.unwrap_or_default().to_owned(),
            )
        });
        told.collect()
    };
    let deploys = ("Deploy".to_owned(), "start".to_owned());
    assert!(forms("environment-production-offered").contains(&deploys));
    assert!(!forms("environment-production").contains(&deploys));
    let newest = shown["environment-production-offered"].iter();
    let mut newest =
        newest.filter(|one| one.get("title") == Some(&words.commit('d').id.to_string()));
    assert!(newest.next().is_some(), "it is named");
}

fn overview(
    words: &Words,
    name: &str,
    environment: &Environment,
    newest: Shown,
) -> (String, EnvironmentView) {
    let history = if name == "new" {
        Vec::new()
    } else {
        words.history(environment, newest)
    };
    let events = words.events(environment);
    let events = if name == "new" { &[][..] } else { &events[..] };
    let results = sample::results(words);
    let text = words.announcement(environment);
    let text = (environment.kind != Kind::Production).then_some(text.as_str());
    let tab = Overview::of(
        environment,
        &history,
        Some(&results),
        events,
        text,
        &addresses(),
    );
    let visit = if name == "queued" {
        sample::visit_after(&words.reason)
    } else {
        visit()
    };
    (
        format!("environment-{name}"),
        view(words, environment, Tab::Overview(Box::new(tab)), visit),
    )
}

fn view(words: &Words, environment: &Environment, tab: Tab, visit: Visit) -> EnvironmentView {
    let app = words.shop();
    let bad_day = environment.lifecycle.state_name() == "creating";
    let facts = Facts {
        app: &app,
        environment,
        ahead: bad_day.then_some(2),
        paused: bad_day.then_some(words.reason.as_str()),
        quarantined: None,
        troubles: &[],
        waits: false,
    };
    EnvironmentView {
        visit,
        head: Head::of(&facts, &addresses()),
        tab,
    }
}
