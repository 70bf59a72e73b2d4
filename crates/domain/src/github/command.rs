//! Commands that people write into comments of a pull request: each a line of its own.

use serde::{Deserialize, Serialize};

use crate::ids::Commit;

/// The longest name of an app.
const LONGEST_APP: usize = 63;

/// What a line orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Make a preview although policy would wait.
    Preview,
    /// Deploy the head again; of this app, or of all.
    Redeploy {
        /// The app's name.
        app: Option<String>,
    },
    /// Stop; this app, or all.
    Stop {
        /// The app's name.
        app: Option<String>,
    },
    /// Start what is stopped; this app, or all.
    Start {
        /// The app's name.
        app: Option<String>,
    },
    /// Give up what is on its way; of this app, or of all.
    Cancel {
        /// The app's name.
        app: Option<String>,
    },
    /// Say where the logs are.
    Logs,
    /// Trust this commit. Named whole, because a short name can be imitated by another commit within minutes.
    Approve {
        /// It.
        commit: Commit,
    },
    /// Let no age end it.
    Keep,
    /// Say what can be ordered.
    Help,
}

/// A line that begins like a command of ours and is none; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{line}` was not understood: {what_is_right}")]
pub struct NotACommand {
    /// The line, without what could be active in a comment.
    pub line: String,
    /// What would be right.
    pub what_is_right: &'static str,
}

/// What the lines of one comment order, in their order, each with its line. Lines that are not ours, such as `/cc @bob` or a
/// path, are none of our business: other programs read comments, too.
pub fn commands<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Vec<(&'a str, Result<Command, NotACommand>)> {
    let ours = lines.into_iter().filter(|line| looks_like_a_command(line));
    ours.map(|line| (line, command(line))).collect()
}

/// Whether a line begins with a command of ours.
pub(super) fn looks_like_a_command(line: &str) -> bool {
    let word = line.split_whitespace().next();
    word.is_some_and(|word| line.starts_with(word) && WORDS.contains(&word))
}

const WORDS: [&str; 9] = [
    "/preview",
    "/redeploy",
    "/stop",
    "/start",
    "/cancel",
    "/logs",
    "/approve",
    "/keep",
    "/help",
];

fn command(line: &str) -> Result<Command, NotACommand> {
    let mut words = line.split_whitespace();
    let (word, argument, more) = (words.next(), words.next(), words.next());
    let refuse = |what_is_right| {
        let plain = |letter: &char| !letter.is_control() && !"`@<>".contains(*letter);
        Err(NotACommand {
            line: line.chars().filter(plain).take(80).collect(),
            what_is_right,
        })
    };
    if word == Some("/approve") {
        return match (argument.map(Commit::parse), more) {
            (Some(Ok(commit)), None) => Ok(Command::Approve { commit }),
            _ => refuse(
                "say which commit you have read, by its whole name of 40 digits: a short one can be imitated",
            ),
        };
    }
    let app = argument.map(str::to_owned);
    if more.is_some() || app.as_deref().is_some_and(|app| !may_be_an_app(app)) {
        return refuse("a command stands on a line of its own, with at most one word after it");
    }
    Ok(match (word, argument) {
        (Some("/redeploy"), _) => Command::Redeploy { app },
        (Some("/stop"), _) => Command::Stop { app },
        (Some("/start"), _) => Command::Start { app },
        (Some("/cancel"), _) => Command::Cancel { app },
        (Some("/preview"), None) => Command::Preview,
        (Some("/logs"), None) => Command::Logs,
        (Some("/keep"), None) => Command::Keep,
        (Some("/help"), None) => Command::Help,
        _ => return refuse("this command takes no further word"),
    })
}

fn may_be_an_app(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    word.len() <= LONGEST_APP && word.bytes().all(fits)
}
