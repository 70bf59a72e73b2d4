//! Commands that people write into comments of a pull request: each a line of its own.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use serde::{Deserialize, Serialize};

use crate::ids::Commit;

/// How many lines of one comment are looked at as commands.
const MOST_LINES: usize = 20;
/// The longest line that may be a command, in bytes: a command with a commit of 64 digits is shorter by half.
const LONGEST_LINE: usize = 200;
/// The longest name of an app.
const LONGEST_APP: usize = 63;

/// What a line orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Make a preview although policy would make none; of this app, or of all.
    Preview {
        /// The app's name.
        app: Option<String>,
    },
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

/// The lines of a comment that may be commands, each to be read by [`commands`].
pub fn command_lines(comment: &str) -> Vec<String> {
    // Copied from where it stands as code, a command comes with its backticks.
    let lines = said(comment).map(|line| line.trim_end().trim_matches('`'));
    let lines = lines.filter(|line| line.len() <= LONGEST_LINE && looks_like_a_command(line));
    lines.take(MOST_LINES).map(str::to_owned).collect()
}

/// The lines of a comment that its reader is told, as GitHub reads Markdown: nothing of a block of code, which shows what others
/// might say, and nothing that stands in HTML or that GitHub hides.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else Markdown has, or will have, orders nothing"
)]
fn said(comment: &str) -> impl Iterator<Item = &str> {
    let mut told = BTreeSet::new();
    // How many blocks of code or HTML this is in, and whether tags inside of a paragraph show it as code.
    let (mut blocks, mut tagged) = (0_u32, false);
    for (event, at) in Parser::new(comment).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => blocks += 1,
            Event::End(TagEnd::CodeBlock | TagEnd::HtmlBlock) => blocks -= 1,
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item) => tagged = false,
            Event::InlineHtml(tag) => tagged = shows_code(&tag).unwrap_or(tagged),
            // One that goes over several lines shows those as code; one of a whole line is how people write a command.
            Event::Code(_) if comment[at.clone()].contains('\n') => {}
            Event::Text(_) | Event::Code(_) if blocks == 0 && !tagged => {
                told.insert(at.start);
            }
            _ => {}
        }
    }
    let from = comment.as_ptr().addr();
    let lines = comment.lines();
    lines.filter(move |line| told.contains(&(line.as_ptr().addr() - from)))
}

/// Whether what follows this tag inside of a paragraph is shown as it stands; `None` where the tag says nothing of that.
fn shows_code(tag: &str) -> Option<bool> {
    const AS_CODE: [&str; 7] = ["code", "pre", "samp", "kbd", "tt", "script", "template"];
    let inside = tag.strip_prefix('<')?;
    let (ends, inside) = match inside.strip_prefix('/') {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    let name: String = inside
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let known = AS_CODE.contains(&name.to_ascii_lowercase().as_str());
    known.then_some(!ends)
}

/// Whether a line begins with a command of ours. A telephone writes the first letter of a line as it likes.
fn looks_like_a_command(line: &str) -> bool {
    let word = line.split_whitespace().next();
    word.is_some_and(|word| {
        let ours = |ours: &&str| ours.eq_ignore_ascii_case(word);
        line.starts_with(word) && WORDS.iter().any(ours)
    })
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
    let word = word.map(str::to_ascii_lowercase);
    let word = word.as_deref();
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
        (Some("/preview"), _) => Command::Preview { app },
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
