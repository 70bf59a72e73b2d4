//! `secret` and `variable`: `set`, `ls`, `rm`.

use std::io::{IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::{AppName, Class, Failed, Output, To, Values, connection::Connection, output::Table};
use crate::http::api::views::{LeftView, PlainValue, ResealedView, ValuesPage};

/// The longest value that the server takes.
const LONGEST: u64 = 64 * 1024;

pub(super) async fn values(
    values: Values,
    what: &str,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    match values {
        Values::Set {
            to,
            app,
            name,
            kind,
        } => {
            let connection = Connection::to(&to)?;
            let path = path(&app, what, kind, Some(&name))?;
            let value = read_value(&name, what == "secrets", output)?;
            connection.put(&path, &PlainValue { value }).await?;
            done(
                &connection,
                output,
                &format!(
                    "{name} is set for {}: deployments from now on get it",
                    kind.name()
                ),
            )
        }
        Values::Ls { to, app } => list(&Connection::to(&to)?, &app, what, output).await,
        Values::Rm {
            to,
            app,
            name,
            kind,
        } => {
            let connection = Connection::to(&to)?;
            connection
                .delete(&path(&app, what, kind, Some(&name))?)
                .await?;
            done(
                &connection,
                output,
                &format!(
                    "{name} is removed for {}: deployments from now on lack it",
                    kind.name()
                ),
            )
        }
    }
}

/// Has the server seal everything anew, and says what it could not open.
pub(super) async fn reseal(to: &To, output: &mut Output<'_>) -> Result<(), Failed> {
    let connection = Connection::to(to)?;
    let resealed: ResealedView = connection.order("/v1/secrets/reseal").await?;
    if connection.json {
        return Ok(output.json(&resealed)?);
    }
    for LeftView { name, reason } in &resealed.left {
        output.line(&format!("{name} is left as it was: {reason}"))?;
    }
    Ok(output.line(&format!("{} secrets are sealed anew", resealed.secrets))?)
}

async fn list(
    connection: &Connection,
    app: &AppName,
    what: &str,
    output: &mut Output<'_>,
) -> Result<(), Failed> {
    let mut table = Table::new(&["NAME", "KIND", "VALUE"]);
    let mut all = serde_json::Map::new();
    for kind in [Class::Production, Class::Preview] {
        let page: ValuesPage = connection.get(&path(app, what, kind, None)?).await?;
        for value in &page.values {
            let shown = value.value.clone().unwrap_or_else(|| "••••••".to_owned());
            table.row(
                vec![value.name.clone(), kind.name().to_owned(), shown],
                vec![],
            );
        }
        all.insert(kind.name().to_owned(), serde_json::json!(page.values));
    }
    if connection.json {
        return Ok(output.json(&all)?);
    }
    Ok(output.table(&table)?)
}

fn path(app: &AppName, what: &str, kind: Class, name: Option<&str>) -> Result<String, Failed> {
    let list = format!("{}/{what}/{}", app.path(), kind.name());
    match name {
        None => Ok(list),
        Some(name) if super::is_word(name) => Ok(format!("{list}/{name}")),
        Some(name) => Err(Failed::Unasked(format!(
            "{name:?} cannot be a name: use letters, digits and _"
        ))),
    }
}

fn done(connection: &Connection, output: &mut Output<'_>, text: &str) -> Result<(), Failed> {
    if connection.json {
        return Ok(output.json(&serde_json::json!({ "done": text }))?);
    }
    Ok(output.line(text)?)
}

/// The value from standard input; a person is asked, and a secret is not shown while it is typed.
fn read_value(name: &str, secret: bool, output: &mut Output<'_>) -> Result<String, Failed> {
    let stdin = std::io::stdin();
    let unreadable = |error: std::io::Error| {
        Failed::Unasked(format!("the value of {name} cannot be read: {error}"))
    };
    let mut text = String::new();
    if stdin.is_terminal() {
        output.ask(&format!("value of {name}: "))?;
        let read = if secret {
            without_echo(|| stdin.read_line(&mut text))
        } else {
            stdin.read_line(&mut text)
        };
        read.map_err(unreadable)?;
        if secret {
            output.ask("\n")?;
        }
    } else {
        let mut limited = stdin.lock().take(LONGEST + 2);
        limited.read_to_string(&mut text).map_err(unreadable)?;
    }
    // The line's end belongs to the terminal, or to `echo`.
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(Failed::Unasked(format!(
            "the value of {name} is empty: give it on standard input, e.g. `printf %s \"$VALUE\" | nestling …`"
        )));
    }
    Ok(value.to_owned())
}

fn without_echo<T>(read: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let read = read();
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    read
}
