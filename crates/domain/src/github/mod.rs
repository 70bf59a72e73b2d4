//! What GitHub tells and is told, as far as it can be decided without asking anybody.

mod command;
mod meaning;
mod payload;
pub mod shown;
#[cfg(test)]
mod tests;
mod webhook;
mod words;

pub use command::{Command, NotACommand, commands};
pub use meaning::{Meaning, meaning};
pub use payload::read;
pub use webhook::{
    CheckAsk, InstallationChange, Named, PullRequestChange, Says, Sender, Unreadable, Webhook,
};
