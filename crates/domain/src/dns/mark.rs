//! Whose a name is: what the TXT record beside it says.

use std::fmt;

use crate::ids::EnvironmentId;

/// The longest host that names may lead to: a mark is one string of a TXT record, of 255 bytes at most (RFC 1035 section 3.3).
pub const LONGEST_TARGET: usize = 120;
/// What the names of marks begin with. No label of an environment does.
const BEFORE: &str = "_nestling.";

/// What a TXT record says of the name beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The identity of the Nestling that made it.
    pub server: String,
    /// The environment that the name is of.
    pub environment: EnvironmentId,
    /// The host that its CNAME leads to. A CNAME that leads elsewhere is none of ours, whoever made it; one that leads there is the one that was to be made, whose answer
    /// may have been lost.
    pub target: String,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark {
            server,
            environment,
            target,
        } = self;
        write!(
            f,
            "nestling={server} environment={environment} target={target}"
        )
    }
}

impl Mark {
    /// Reads the content of a TXT record, with or without the quotes in which it stands in zone files.
    pub fn read(content: &str) -> Option<Self> {
        let content = content.trim().trim_matches('"');
        let mut words = content.split(' ');
        let mut word = |key: &str| {
            let value = words.next()?.strip_prefix(key)?.strip_prefix('=')?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mark = Mark {
            server: word("nestling")?,
            environment: EnvironmentId(word("environment")?),
            target: word("target")?,
        };
        words.next().is_none().then_some(mark)
    }

    /// The name of the record that marks this name.
    pub(super) fn name(of: &str) -> String {
        format!("{BEFORE}{of}")
    }

    /// The name that a record of this name marks.
    pub(super) fn marked(name: &str) -> Option<&str> {
        name.strip_prefix(BEFORE)
    }

    /// Whether a CNAME with this content is the one that it speaks of.
    pub(super) fn leads(&self, content: &str) -> bool {
        is_same_host(&self.target, content)
    }
}

/// Names of hosts are the same in capitals, and with the dot of the root at their end (RFC 1034 section 3.1).
pub(super) fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mark = Mark {
            server: "abc".to_owned(),
            environment: EnvironmentId("4a0c-pr-12".to_owned()),
            target: "nestling.example.com".to_owned(),
        };
        let text = mark.to_string();
        assert_eq!(Mark::read(&text), Some(mark.clone()));
        assert_eq!(Mark::read(&format!("\"{text}\"")), Some(mark));
        for other in [
            "",
            "v=spf1 -all",
            "nestling=abc",
            "nestling= environment=x target=y",
            "nestling=abc environment=x target=y more",
        ] {
            assert_eq!(Mark::read(other), None, "{other:?}");
        }
        assert!(is_same_host("A.example.com.", "a.example.COM"));
    }
}
