//! The overview: where it stands and how it got there.

use maud::{Markup, html};
use nestling_domain::{
    announcement::tested,
    deployment::{Deployment, Failed, Tests},
    environment::Environment,
    ids::{Generation, Timestamp},
    record::{DeploymentRecord, EventRecord},
};
use nestling_protocol::{
    report::{Endpoint, EndpointKind},
    test::{Outcome, Results, TestRecord},
};

use super::{
    super::{
        parts::{
            ansi,
            icons::{Icon, icon},
            markdown, pill, words,
        },
        paths,
        shell::copyable,
    },
    activity, deployments, failure,
    head::Head,
    timeline::{self, Timeline},
};
use crate::http::Addresses;

/// How many deployments the overview shows.
const DEPLOYMENTS_SHOWN: usize = 5;
/// How many red tests the overview names.
const RED_SHOWN: usize = 5;

/// The tab's content.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The newest deployment, with its phases.
    pub newest: Option<(DeploymentRecord, Timeline)>,
    /// The failure that is the newest news.
    pub failed: Option<Failed>,
    /// How the tests of the newest tested deployment went.
    pub tests: Tests,
    /// Of which deployment these are.
    pub tests_of: Option<Generation>,
    /// The tests that failed, the first of them.
    pub red: Vec<TestRecord>,
    /// What serves, and where.
    pub endpoints: Vec<EndpointView>,
    /// The newest deployments.
    pub history: Vec<DeploymentRecord>,
    /// The newest events.
    pub events: Vec<EventRecord>,
    /// The announcement's Markdown, of a preview.
    pub announcement: Option<String>,
}

/// An address of something that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointView {
    /// What people read.
    pub label: String,
    /// Its address.
    pub address: String,
    /// What it is.
    pub kind: EndpointKind,
    /// Whether a browser shows something useful there.
    pub browser: bool,
}

impl Overview {
    /// Puts together what is known. `deployments` and `events` are newest first; `results` are those of the
    /// deployment that [`tested`] names.
    pub fn of(
        environment: &Environment,
        deployments: &[DeploymentRecord],
        results: Option<&Results>,
        events: &[EventRecord],
        announcement: Option<&str>,
        addresses: &Addresses,
    ) -> Self {
        let life = &environment.lifecycle;
        // When nothing serves and nothing is on its way, the newest that tried.
        let tests = tested(life)
            .map(|one| (&one.tests, one.generation))
            .or(deployments.first().map(|one| (&one.tests, one.generation)));
        let red = results.map(|results| {
            results
                .tests
                .iter()
                .filter(|test| test.outcome == Outcome::Failed)
        });
        Overview {
            newest: deployments
                .first()
                .map(|record| (record.clone(), Timeline::of(record))),
            failed: life.failure().cloned(),
            tests: tests.map(|(tests, _)| tests.clone()).unwrap_or_default(),
            tests_of: tests.map(|(_, generation)| generation),
            red: red
                .map(|red| red.take(RED_SHOWN).cloned().collect())
                .unwrap_or_default(),
            endpoints: life
                .serving()
                .map(|serving| endpoints(environment, serving, addresses))
                .unwrap_or_default(),
            history: deployments
                .iter()
                .take(DEPLOYMENTS_SHOWN)
                .cloned()
                .collect(),
            events: events.to_vec(),
            announcement: announcement.map(str::to_owned),
        }
    }
}

/// What a deployment serves and where, the primary one first.
pub fn endpoints(
    environment: &Environment,
    serving: &Deployment,
    addresses: &Addresses,
) -> Vec<EndpointView> {
    let view = |endpoint: &Endpoint| {
        let label = if endpoint.primary {
            environment.label()
        } else {
            environment.endpoint_label(&endpoint.name)
        };
        EndpointView {
            label: endpoint.label.clone(),
            address: addresses.of(label.as_str()),
            kind: endpoint.kind,
            browser: endpoint.browser,
        }
    };
    let (primary, further): (Vec<_>, Vec<_>) = serving
        .endpoints
        .iter()
        .partition(|endpoint| endpoint.primary);
    primary.into_iter().chain(further).map(view).collect()
}

/// The tab.
pub fn show(view: &Overview, head: &Head, now: Timestamp) -> Markup {
    html! {
        div id="overview" data-live { div.columns {
            div.main-column {
                @if let Some((record, timeline)) = &view.newest {
                    section.block aria-labelledby="newest" {
                        h2 id="newest" {
                            a href=(paths::deployment(&head.path, record.generation)) { "Deployment " (record.generation) }
                            span.muted.small { (words::cause(&record.cause)) }
                        }
                        (timeline::show(timeline, now))
                    }
                } @else {
                    section.block { h2 { "No deployment yet" } p.empty { "The first one begins as soon as the repository says which commit to deploy." } }
                }
                @if let Some(failed) = &view.failed { (failure::show(failed, &head.path, now)) }
                (show_tests(view, head))
                (activity::show(&view.events, now))
            }
            div.side-column {
                (show_endpoints(&view.endpoints))
                section.block aria-labelledby="history" {
                    h2 id="history" { "Deployments" }
                    (deployments::brief(&view.history, head, now))
                    @if !view.history.is_empty() { p { a href=(format!("{}/deployments", head.path)) { "All deployments" } } }
                }
            }
        }
        @if let Some(markdown) = &view.announcement { (announcement(markdown)) } }
    }
}

fn show_tests(view: &Overview, head: &Head) -> Markup {
    html! {
        section.block aria-labelledby="tests" {
            h2 id="tests" {
                "Tests" (pill::tests(&view.tests))
                @if let Some(generation) = view.tests_of { span.muted.small { "of deployment " (generation) } }
            }
            @match &view.tests {
                Tests::Pending => p.empty { "No test has ended yet." },
                Tests::Broken(reason) => p.reason { "The tests could not run: " (reason) },
                Tests::Ran(counts) if counts.total() == 0 => p.empty { "This app has no tests that Nestling knows to run." },
                Tests::Ran(_) => {
                    @if !view.red.is_empty() {
                        ul.red { @for test in &view.red {
                            li { (icon(Icon::Cross)) div { strong { (ansi::line(&test.name)) } @if let Some(error) = &test.error { p.clamp { (error) } } } }
                        } }
                    }
                    p { a href=(format!("{}/tests", head.path)) { "All tests" } }
                },
            }
        }
    }
}

fn show_endpoints(endpoints: &[EndpointView]) -> Markup {
    html! {
        section.block aria-labelledby="endpoints" {
            h2 id="endpoints" { "Endpoints" }
            @if endpoints.is_empty() { p.empty { "Shown once a deployment serves." } }
            ul.endpoints {
                @for endpoint in endpoints {
                    @let shows = match endpoint.kind {
                        EndpointKind::Console => Icon::Console,
                        EndpointKind::App if endpoint.browser => Icon::Globe,
                        EndpointKind::App => Icon::Link,
                    };
                    li {
                        (icon(shows))
                        div.grow {
                            strong { (endpoint.label) @if endpoint.kind == EndpointKind::Console { " " span.tag { (icon(Icon::Lock)) "Console, asks for sign-in" } } }
                            a.cut href=(endpoint.address) rel="noreferrer" { (endpoint.address) }
                        }
                        (copyable(&endpoint.address))
                    }
                }
            }
        }
    }
}

fn announcement(text: &str) -> Markup {
    html! {
        section.block aria-labelledby="announcement" {
            h2 id="announcement" { "On the pull request" span.muted.small { "one comment for all its apps" } }
            (markdown::render(text))
        }
    }
}
