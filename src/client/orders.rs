//! `redeploy`, `stop`, `start`, `preview` and `open`.

use std::process::{Command, Stdio};

use super::{EnvironmentName, Failed, Output, connection::Connection};
use crate::http::api::views::{EnvironmentView, NewPreview, OrderedView};

/// Programs that open an address in the browser.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

pub(super) async fn order(
    connection: &Connection,
    environment: &EnvironmentName,
    what: &str,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let path = format!("{}/{what}", environment.path());
    let ordered: OrderedView = connection.order(&path).await?;
    if connection.json {
        return Ok(output.json(&ordered)?);
    }
    Ok(output.line(&format!("{environment}: {}", ordered.decision))?)
}

pub(super) async fn preview(
    connection: &Connection,
    environment: &EnvironmentName,
    pull_request: u32,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let path = format!("{}/environments", environment.app.path());
    let ordered: OrderedView = connection.post(&path, &NewPreview { pull_request }).await?;
    if connection.json {
        return Ok(output.json(&ordered)?);
    }
    Ok(output.line(&format!("{environment}: {}", ordered.decision))?)
}

pub(super) async fn open(
    connection: &Connection,
    environment: &EnvironmentName,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let view: EnvironmentView = connection.get(&environment.path()).await?;
    if connection.json {
        output.json(&serde_json::json!({ "url": view.url, "serves": view.serves }))?;
    } else {
        output.line(&view.url)?;
    }
    if !view.serves {
        let reason = view
            .reason
            .map_or(String::new(), |reason| format!(": {reason}"));
        return Err(Failed::Refused(format!(
            "{environment} is {} and does not answer there{reason}",
            view.status
        )));
    }
    // Without a browser here, the address that was printed must do.
    let _ = OPENERS.iter().any(|opener| {
        Command::new(opener)
            .arg(&view.url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
    });
    Ok(())
}
