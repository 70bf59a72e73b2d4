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

/// Words that no program stands behind: POSIX's "Special Built-In Utilities", those of its other built-ins that change the shell
/// itself, and its "Reserved Words".
const OF_THE_SHELL: [&str; 31] = [
    ".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set",
    "shift", "times", "trap", "unset", "alias", "cd", "command", "source", "type", "ulimit",
    "umask", "wait", "!", "{", "case", "for", "if", "until", "while", "unalias",
];

fn needs_shell(line: &str, words: &[String]) -> bool {
    let begins = words.first().is_some_and(|word| {
        let word = word.as_str();
        word.contains('=') || OF_THE_SHELL.contains(&word)
    });
    begins
        || line.contains([
            '&', '|', ';', '<', '>', '$', '`', '*', '?', '~', '(', ')', '\n', '#',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_given_what_only_a_shell_understands() {
        let argv = |line: &str| Run::from_line(line).unwrap().argv;
        assert_eq!(argv("node 'my server.js'"), ["node", "my server.js"]);
        for line in [
            "exec node server.js",
            "cd web",
            "A=1 node x",
            "a && b",
            ". ./env",
        ] {
            assert_eq!(argv(line), ["sh", "-c", line]);
        }
    }
}
