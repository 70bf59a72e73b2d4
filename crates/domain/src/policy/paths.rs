//! Which files concern an app.

use std::fmt;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

/// How many patterns an app may have.
const MOST: usize = 50;
/// The longest pattern, in bytes.
const LONGEST: usize = 200;

/// Patterns of files, as in `.gitignore` of the root: `web/`, `/api/**`, and `*.md` in any folder; one that begins with `!` takes
/// away from those before it. None at all is every file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Paths {
    patterns: Vec<String>,
    /// Two of each: of what it names, and of what stands below that.
    set: GlobSet,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern of files: {why}")]
pub struct NotAPattern {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

impl Paths {
    /// Reads patterns.
    pub fn parse(patterns: Vec<String>) -> Result<Self, NotAPattern> {
        let mut set = GlobSetBuilder::new();
        for (number, pattern) in patterns.iter().enumerate() {
            let refuse = |why: String| NotAPattern {
                pattern: pattern.chars().take(LONGEST).collect(),
                why,
            };
            if number >= MOST {
                return Err(refuse(format!("there are more than {MOST}")));
            }
            if pattern.len() > LONGEST {
                return Err(refuse(format!("it is longer than {LONGEST} bytes")));
            }
            for glob in globs(pattern) {
                let glob = GlobBuilder::new(&glob).literal_separator(true).build();
                set.add(glob.map_err(|error| refuse(error.kind().to_string()))?);
            }
        }
        let set = set.build().map_err(|error| NotAPattern {
            pattern: patterns.join(" "),
            why: error.kind().to_string(),
        })?;
        Ok(Paths { patterns, set })
    }

    /// Whether every file concerns the app, so that none need be listed.
    pub fn is_every_file(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether any of these files concerns the app.
    pub fn concern(&self, files: &[String]) -> bool {
        self.patterns.is_empty() || files.iter().any(|file| self.has(file))
    }

    /// The last pattern that fits decides.
    fn has(&self, file: &str) -> bool {
        let last = self.set.matches(file).into_iter().max();
        last.is_some_and(|glob| !self.patterns[glob / 2].starts_with('!'))
    }
}

/// What a pattern means (gitignore's own manual, "Pattern format"): with a slash at its begin or middle it is of the root, else
/// of any folder; with one at its end only what stands below it is meant.
fn globs(pattern: &str) -> [String; 2] {
    let positive = pattern.strip_prefix('!').unwrap_or(pattern);
    let name = positive.trim_end_matches('/');
    let prefix = if name.contains('/') { "" } else { "**/" };
    let named = format!("{prefix}{}", name.trim_start_matches('/'));
    let below = format!("{named}/**");
    if name == positive {
        [named, below]
    } else {
        [below.clone(), below]
    }
}

impl PartialEq for Paths {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Paths {}

impl fmt::Display for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, pattern) in self.patterns.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}`{pattern}`")?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<String>> for Paths {
    type Error = NotAPattern;
    fn try_from(patterns: Vec<String>) -> Result<Self, NotAPattern> {
        Paths::parse(patterns)
    }
}

impl From<Paths> for Vec<String> {
    fn from(paths: Paths) -> Vec<String> {
        paths.patterns
    }
}
