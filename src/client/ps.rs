//! `ps`: what runs, where, and why not.

use super::{AppName, Failed, Output, connection::Connection, output::Table};
use crate::http::api::views::{
    AppsPage, EnvironmentView, EnvironmentsPage, TestsView, TroubleView, TroublesView, WaitingView,
};

/// Items asked for at a time.
const PAGE: usize = 200;
/// Digits of a commit that people recognise it by.
const SHORT: usize = 7;

pub(super) async fn ps(
    connection: &Connection,
    app: Option<AppName>,
    closed: bool,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let apps = match app {
        Some(app) => vec![app],
        None => all_apps(connection).await?,
    };
    let mut environments = Vec::new();
    let mut waiting = Vec::new();
    for app in &apps {
        let (of_app, waits) = of_app(connection, app, closed).await?;
        environments.extend(of_app);
        waiting.extend(waits);
    }
    let TroublesView { troubles } = connection.get("/v1/troubles").await?;
    if connection.json {
        let all = serde_json::json!({ "environments": environments, "waiting": waiting, "troubles": troubles });
        return Ok(output.json(&all)?);
    }
    let any = !environments.is_empty() || !waiting.is_empty();
    if any {
        output.table(&table(&environments, &waiting))?;
    } else {
        output.line("no environments yet: an app is found by what its repository holds")?;
    }
    if !troubles.is_empty() {
        output.line("")?;
        output.table(&in_the_way(&troubles))?;
    }
    Ok(())
}

/// What stands in the way of more than one environment.
fn in_the_way(troubles: &[TroubleView]) -> Table {
    let mut table = Table::new(&["IN THE WAY"]);
    for trouble in troubles {
        table.row(vec![trouble.about.clone()], vec![trouble.reason.clone()]);
    }
    table
}

async fn all_apps(connection: &Connection) -> Result<Vec<AppName>, Failed> {
    let mut apps = Vec::new();
    let mut after = String::new();
    loop {
        let page: AppsPage = connection
            .get(&format!("/v1/apps?limit={PAGE}{after}"))
            .await?;
        apps.extend(page.apps.into_iter().map(|app| AppName {
            owner: app.owner,
            app: app.app,
        }));
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(apps),
        }
    }
}

async fn of_app(
    connection: &Connection,
    app: &AppName,
    closed: bool,
) -> Result<(Vec<EnvironmentView>, Vec<WaitingView>), Failed> {
    let mut environments = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!(
            "{}/environments?limit={PAGE}&closed={closed}{after}",
            app.path()
        );
        let page: EnvironmentsPage = connection.get(&path).await?;
        environments.extend(page.environments);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((environments, page.waiting)),
        }
    }
}

fn is_queued(environment: &EnvironmentView) -> bool {
    environment.status == "queued"
}

fn table(environments: &[EnvironmentView], waiting: &[WaitingView]) -> Table {
    let mut table = Table::new(&["ENVIRONMENT", "STATUS", "COMMIT", "TESTS", "ADDRESS"]);
    for environment in environments {
        let newest = environment.next.as_ref().or(environment.serving.as_ref());
        // What serves, while nothing is on its way: a failed commit stands in the notes.
        let serving = environment.serving.as_ref().map(|serving| &serving.commit);
        let commit = match environment.next {
            None => serving.or(environment.commit.as_ref()),
            Some(_) => environment.commit.as_ref(),
        };
        let cells = vec![
            environment.name.clone(),
            environment.status.clone(),
            commit.map_or_else(String::new, |commit| {
                commit.id.chars().take(SHORT).collect()
            }),
            newest.map_or_else(String::new, |newest| tests(&newest.tests)),
            if environment.serves {
                environment.url.clone()
            } else {
                String::new()
            },
        ];
        let place = is_queued(environment).then(|| place(environment));
        table.row(cells, place.into_iter().chain(notes(environment)).collect());
    }
    for waits in waiting {
        let cells = vec![waits.name.clone(), "waiting".to_owned()];
        let note = format!(
            "{}: the limit of open pull requests is reached",
            waits.branch
        );
        let remedy = format!("to start it: nestling start {}", waits.name);
        table.row([cells, vec![String::new(); 3]].concat(), vec![note, remedy]);
    }
    table
}

/// Where a queued environment stands, in the words of its page.
fn place(environment: &EnvironmentView) -> String {
    environment.ahead.map_or_else(
        || "waits a moment before the next try".to_owned(),
        nestling_domain::queue::place,
    )
}

/// What people should know of it, most urgent first.
fn notes(environment: &EnvironmentView) -> Vec<String> {
    let mut notes: Vec<String> = environment.reason.iter().cloned().collect();
    let ended = environment
        .failure
        .as_ref()
        .and_then(|failure| failure.exit.as_ref());
    if ended.is_some() {
        notes.push(format!(
            "its last words: nestling logs {}",
            environment.name
        ));
    }
    if let Some(newest) = environment.next.as_ref().or(environment.serving.as_ref()) {
        notes.extend(newest.trouble.clone());
        notes.extend(newest.tests.reason.clone());
        notes.extend(newest.notes.iter().cloned());
    }
    notes
}

fn tests(tests: &TestsView) -> String {
    match tests.status.as_str() {
        "ran" if tests.passed + tests.failed == 0 => String::new(),
        "ran" if tests.failed == 0 => format!("{} ok", tests.passed),
        "ran" => format!("{} failed", tests.failed),
        "broken" => "broken".to_owned(),
        _ => String::new(),
    }
}
