//! A command, as a person writes it.

/// A command of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// What is started.
    pub(crate) argv: Vec<String>,
    /// As it was written, for people.
    pub(crate) shown: String,
}

impl Run {
    /// A command as a person writes it: split into words, or given to a shell where it needs one.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let shown = line.trim().to_owned();
        let words = shlex::split(&shown)?;
        if words.is_empty() {
            return None;
        }
        if needs_shell(&shown, &words) {
            return Some(Run::in_shell(&shown));
        }
        Some(Run { argv: words, shown })
    }

    /// A command that is already split; nothing where there is no word.
    pub(crate) fn from_words(argv: Vec<String>) -> Option<Self> {
        let shown = argv.join(" ");
        (!argv.is_empty()).then_some(Run { argv, shown })
    }

    /// A command for a shell: the app's own, run in its own sandbox.
    pub(crate) fn in_shell(line: &str) -> Self {
        Run {
            argv: vec!["sh".into(), "-c".into(), line.to_owned()],
            shown: line.to_owned(),
        }
    }
}

fn needs_shell(line: &str, words: &[String]) -> bool {
    let assigns = words.first().is_some_and(|word| word.contains('='));
    assigns
        || line.contains([
            '&', '|', ';', '<', '>', '$', '`', '*', '?', '~', '(', ')', '\n', '#',
        ])
}
