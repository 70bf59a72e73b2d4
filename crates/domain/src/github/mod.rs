//! What GitHub tells and is told, as far as it can be decided without asking anybody.

mod command;
mod ending;
pub mod manifest;
mod meaning;
mod missed;
mod payload;
mod redelivery;
pub mod shown;
mod strangers;
#[cfg(test)]
mod tests;
mod webhook;
mod words;

pub use command::{Command, NotACommand, command_lines, commands};
pub use ending::{Ending, Gone, ending};
pub use meaning::{Meaning, meaning};
pub use missed::{Listed, Open, gone, missed};
pub use payload::read;
pub use redelivery::{Attempt, Log, Unheard};
pub use strangers::Strangers;
pub use webhook::{
    CheckAsk, InstallationChange, Named, PullRequestChange, Says, Sender, Unreadable, Webhook,
};
