//! The log: one line per thing that happened, readable alone and queryable.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Begins to log to standard error. A filter that cannot be read falls back to `info`, and says so. `alone` means that
/// nothing else is shown.
pub fn begin(log: &Log, alone: bool) {
    // Beside what a terminal shows of environments, only what is wrong is worth a line.
    let level = if alone || log.level != "info" {
        log.level.as_str()
    } else {
        "warn"
    };
    // What a stranger sends that is no HTTP is answered, and is no error of ours.
    let level = if level.contains("actix_http") {
        level.to_owned()
    } else {
        format!("{level},actix_http=off")
    };
    let filter = EnvFilter::try_new(level);
    let trouble = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours())
        .with_target(false);
    let begun = match log.format {
        LogFormat::Text => builder.compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let (Ok(()), Some(trouble)) = (begun, trouble) {
        tracing::warn!(
            "log.level {:?} cannot be read ({trouble}): logging at info",
            log.level
        );
    }
}

/// Whether whoever reads standard error sees colours, and wants them.
fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !unwanted
}

/// An error with its causes, each said once: many errors say their cause in their own words.
pub fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_cause_is_said_once() {
        let missing = Config::load(Some("/nope".as_ref()), std::iter::empty()).unwrap_err();
        insta::assert_snapshot!(told(&missing.into()), @"could not read the configuration /nope: No such file or directory (os error 2)");

        let silent = Err::<(), _>(std::io::Error::other("the disk is full"));
        let silent = silent
            .context("could not save")
            .context("no start")
            .unwrap_err();
        assert_eq!(told(&silent), "no start: could not save: the disk is full");
    }
}
