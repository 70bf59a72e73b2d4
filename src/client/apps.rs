//! `app`: `ls`, `find`, `add`, `rm`.

use std::io::IsTerminal as _;

use super::{AppName, Apps, Failed, Output, RepositoryName, connection::Connection, output::Table};
use crate::http::api::views::{
    AppRemovedView, AppView, AppsPage, NewApp, ProposalsView, RemovedAppView,
};

/// Items asked for at a time.
const PAGE: usize = 200;

pub(super) async fn apps(order: Apps, output: &mut Output<'_>) -> Result<(), Failed> {
    match order {
        Apps::Ls { to } => list(&Connection::to(&to)?, output).await,
        Apps::Find { to, repository } => find(&Connection::to(&to)?, &repository, output).await,
        Apps::Add {
            to,
            repository,
            root,
        } => {
            let connection = Connection::to(&to)?;
            let wanted = NewApp { repository, root };
            let app: AppView = connection.post("/v1/apps", &wanted).await?;
            if connection.json {
                return Ok(output.json(&app)?);
            }
            Ok(output.line(&format!("{} is there, at {}", app.name, app.url))?)
        }
        Apps::Rm { to, app, yes } => {
            let connection = Connection::to(&to)?;
            if !yes {
                confirm(&app, output)?;
            }
            let removed: AppRemovedView = connection.remove(&app.path()).await?;
            if connection.json {
                return Ok(output.json(&removed)?);
            }
            Ok(output.line(&removed.decision)?)
        }
    }
}

async fn list(connection: &Connection, output: &mut Output<'_>) -> Result<(), Failed> {
    let (apps, removed) = all(connection).await?;
    if connection.json {
        let all = serde_json::json!({ "apps": apps, "removed": removed });
        return Ok(output.json(&all)?);
    }
    let mut table = Table::new(&["APP", "KIND", "FOLDER", "ADDRESS"]);
    for app in apps {
        let notes = Some(app.description).filter(|text| !text.is_empty());
        let place = folder(&app.repository.name, &app.root);
        let notes = notes.into_iter().collect();
        table.row(vec![app.name, app.kind, place, app.url], notes);
    }
    for app in removed {
        let order = format!(
            "to bring it back: nestling app add {} {}",
            app.repository, app.root
        );
        let place = folder(&app.repository, &app.root);
        let cells = vec![app.name, "removed".to_owned(), place, String::new()];
        table.row(cells, vec![order.trim_end().to_owned()]);
    }
    Ok(output.table(&table)?)
}

/// What a repository holds, and how each app that is not added is.
async fn find(
    connection: &Connection,
    RepositoryName(named): &RepositoryName,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let path = format!("/v1/repositories/{}/{}/proposals", named.owner, named.app);
    let found: ProposalsView = connection.get(&path).await?;
    if connection.json {
        return Ok(output.json(&found)?);
    }
    let mut table = Table::new(&["CALLED", "KIND", "FOLDER", "APP"]);
    for one in found.apps {
        let how = match (&one.app, one.removed) {
            (Some(_), _) => Vec::new(),
            (None, true) => vec![format!(
                "to bring it back: nestling app add {named} {}",
                one.root
            )],
            (None, false) => vec![format!("to add it: nestling app add {named} {}", one.root)],
        };
        let how = how.iter().map(|how| how.trim_end().to_owned()).collect();
        let place = folder(&found.repository, &one.root);
        let app = one.app.unwrap_or_else(|| "–".to_owned());
        table.row(vec![one.called, one.kind, place, app], how);
    }
    output.table(&table)?;
    for one in found.not_taken {
        output.line(&format!("not taken: {}: {}", one.path, one.reason))?;
    }
    Ok(())
}

async fn all(connection: &Connection) -> Result<(Vec<AppView>, Vec<RemovedAppView>), Failed> {
    let mut apps = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/apps?limit={PAGE}{after}");
        let page: AppsPage = connection.get(&path).await?;
        apps.extend(page.apps);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((apps, page.removed)),
        }
    }
}

/// `shop/notes`, or `shop` for its root.
fn folder(repository: &str, root: &str) -> String {
    format!("{repository}/{root}")
        .trim_end_matches('/')
        .to_owned()
}

/// Asks a person; refuses where nobody can be asked.
fn confirm(app: &AppName, output: &mut Output<'_>) -> Result<(), Failed> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failed::Unasked(format!(
            "nobody can be asked here whether {app} is to be removed: say --yes"
        )));
    }
    output.ask(&format!(
        "{app}: all of its environments close, with what they store, and its secrets and variables are deleted.\nType its name to remove it: "
    ))?;
    let mut typed = String::new();
    stdin
        .read_line(&mut typed)
        .map_err(|error| Failed::Unasked(format!("the answer cannot be read: {error}")))?;
    let typed = typed.trim();
    if typed == app.app || typed == app.to_string() {
        return Ok(());
    }
    Err(Failed::Unasked(format!(
        "{app} stays: {} was not typed",
        app.app
    )))
}
