//! Which Node an app wishes, and whether one will do.
//!
//! Wishes are looked for in the app's folder, then in each folder above it up to the root of the repository. Each of
//! these folders may have one, and all of them count: a workspace's root does not wish in vain because a package in it
//! has a wish, too. Of one folder the first that can be understood is taken, in this order: the files that are there
//! for nothing else, then what `package.json` says of those who work on the app, then what it says of those who use it.
//!
//! 1. `.nvmrc`
//! 2. `.node-version`
//! 3. `.tool-versions`, its line `nodejs` or `node`
//! 4. `volta.node` in `package.json`
//! 5. `devEngines.runtime` in `package.json`, whose `onFail` says what happens where no Node fits: with `ignore` it is
//!    no wish, with `warn` it becomes a note, with `error` (which is meant where nothing is said) and `download` (we
//!    take no Node from anywhere) the deployment is refused
//! 6. `engines.node` in `package.json`
//!
//! A wish that cannot be understood becomes a note, and the next one is asked.

mod wanted;

use std::path::Path;

use semver::Version;
use serde_json::Value;

use super::Package;
use crate::read;
use wanted::Wanted;

/// More of a file that names versions is not read: one of `.tool-versions` has a line for each of a few tools.
const FILE_LIMIT: u64 = 16 * 1024;
/// How much of a wish is shown, in characters: enough for any that can be right.
const LONGEST_SHOWN: usize = 80;

/// A wish that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// As it is written, for people.
    pub(super) text: String,
    /// Where it stands: the file, and which part of it.
    pub(super) place: String,
    /// Whether an app without such a Node is refused.
    pub(super) must: bool,
    wanted: Wanted,
}

/// What a repository says about its Node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// What is to be fulfilled, of the nearest folder first.
    pub(super) count: Vec<Wish>,
    /// What was asked before and could not be understood, for people: where, what, and what would be right.
    pub(super) odd: Vec<String>,
}

/// Something that a folder says about its Node.
struct Said {
    place: String,
    text: String,
    must: bool,
    wanted: Option<Wanted>,
}

impl Wish {
    /// Whether this Node, as it says its version, will do. One that says none cannot be held against a wish.
    pub(super) fn fits(&self, found: &str) -> bool {
        let found = Version::parse(found.trim_start_matches('v'));
        found.map_or(true, |found| self.wanted.accepts(&found))
    }
}

/// What this app wishes.
pub(super) fn wishes(app: &Path, checkout: &Path) -> Wishes {
    let mut wishes = Wishes::default();
    let folders = app
        .ancestors()
        .take_while(|folder| folder.starts_with(checkout));
    for folder in folders {
        for said in said_in(folder, checkout) {
            let text = shown(&said.text);
            let Some(wanted) = said.wanted else {
                wishes.odd.push(format!(
                    "{} says `{text}`, which names no version of Node, so it is passed over: write a version (22.11.0), a range (>=20 <23) or a long-term line (lts/jod)",
                    said.place
                ));
                continue;
            };
            wishes.count.push(Wish {
                text,
                place: said.place,
                must: said.must,
                wanted,
            });
            break;
        }
    }
    wishes
}

/// What one folder says, in the order in which it is asked.
fn said_in(folder: &Path, checkout: &Path) -> Vec<Said> {
    let file = |name: &str| read::within(&folder.join(name), checkout, FILE_LIMIT);
    let place = |name: &str| {
        let path = folder.join(name);
        let path = path.strip_prefix(checkout).unwrap_or(&path);
        shown(&path.display().to_string())
    };
    let mut all = Vec::new();
    for name in [".nvmrc", ".node-version"] {
        let text = file(name).and_then(|text| Some(lines(&text).next()?.to_owned()));
        all.extend(text.map(|text| Said::plain(place(name), text)));
    }
    let tools = file(".tool-versions").and_then(|text| tool_versions(&text));
    all.extend(tools.map(|text| Said::plain(place(".tool-versions"), text)));
    let Some(package) = Package::read(folder, checkout) else {
        return all;
    };
    let field = |field: &str| format!("{field} in {}", place("package.json"));
    let stated = |path: &[&str]| {
        let value = package.value(path).filter(|value| !value.is_null())?;
        Some(Said::value(field(&path.join(".")), value))
    };
    all.extend(stated(&["volta", "node"]));
    let runtime = package.value(&["devEngines", "runtime"]);
    all.extend(runtime.and_then(|stated| dev_engines(field("devEngines.runtime"), stated)));
    all.extend(stated(&["engines", "node"]));
    all
}

impl Said {
    fn plain(place: String, text: String) -> Self {
        let wanted = Wanted::read(&text);
        Said {
            place,
            text,
            must: true,
            wanted,
        }
    }

    /// A field of JSON, which means something only as a text: the number 20.10 is 20.1.
    fn value(place: String, value: &Value) -> Self {
        let plain = value.as_str().map(str::to_owned);
        match plain {
            Some(text) => Said::plain(place, text),
            None => Said {
                place,
                text: value.to_string(),
                must: true,
                wanted: None,
            },
        }
    }
}

/// `devEngines.runtime`: one runtime, or several of which any will do. As in npm, what the last says of `onFail` counts
/// for all of them, and one without a version means any.
fn dev_engines(place: String, stated: &Value) -> Option<Said> {
    let all = stated
        .as_array()
        .map_or(std::slice::from_ref(stated), Vec::as_slice);
    let on_fail = all.last()?.get("onFail").and_then(Value::as_str);
    if on_fail == Some("ignore") {
        return None;
    }
    let is_node = |one: &&Value| one.get("name").and_then(Value::as_str) == Some("node");
    let version = |one: &Value| match one.get("version") {
        None => Some("*".to_owned()),
        Some(version) => version.as_str().map(str::to_owned),
    };
    let versions: Option<Vec<String>> = all.iter().filter(is_node).map(version).collect();
    let mut said = match versions.filter(|versions| !versions.is_empty()) {
        Some(versions) => Said::plain(place, versions.join(" || ")),
        None => Said {
            place,
            text: stated.to_string(),
            must: true,
            wanted: None,
        },
    };
    said.must = on_fail != Some("warn");
    Some(said)
}

/// The versions of Node in a `.tool-versions`; of several on a line any will do.
fn tool_versions(text: &str) -> Option<String> {
    lines(text).find_map(|line| {
        let mut words = line.split_whitespace();
        let is_node = matches!(words.next()?, "nodejs" | "node");
        let versions: Vec<&str> = words.collect();
        is_node.then(|| versions.join(" || "))
    })
}

/// The lines that say something, without comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let bare = |line: &'_ str| line.find('#').unwrap_or(line.len());
    text.lines()
        .map(move |line| line[..bare(line)].trim())
        .filter(|line| !line.is_empty())
}

/// A text of the repository, fit for a page and a line of a log.
fn shown(text: &str) -> String {
    let plain = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut shown: String = text.chars().map(plain).take(LONGEST_SHOWN).collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
