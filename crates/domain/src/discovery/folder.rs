//! One folder of a tree, and what its files say about it.

use std::collections::BTreeMap;

use nestling_protocol::bundle::Kind;
use serde::Deserialize;

use super::package::{Package, WRITTEN_BY_NPM};
use super::{DEEPEST, FoundApp};
use crate::policy::Policy;

/// The longest name taken from a file; a slug is shorter still.
const LONGEST_NAME: usize = 100;

/// The files that can make a folder an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum File {
    Nestling,
    Wing,
    Package,
    Index,
    /// Where pnpm names the packages of a workspace.
    Pnpm,
}

impl File {
    /// Whether its content decides, and not only its being there.
    pub(super) fn has_content(self) -> bool {
        matches!(self, File::Nestling | File::Package | File::Pnpm)
    }
}

/// How willingly a folder is taken: a lower rank hides the higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Usual,
    Sample,
    Test,
}

impl Rank {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Rank::Usual => "it is an app",
            Rank::Sample => "it is a sample or an output, and the repository has apps beside it",
            Rank::Test => "it belongs to tests, and the repository has apps beside it",
        }
    }
}

/// The folder and the kind of file, of a path that can make an app.
pub(super) fn candidate(path: &str) -> Option<(&str, File)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let file = match name {
        "nestling.toml" => File::Nestling,
        "main.w" => File::Wing,
        "package.json" => File::Package,
        "index.html" => File::Index,
        "pnpm-workspace.yaml" => File::Pnpm,
        _ => return None,
    };
    Some((folder, file))
}

/// How willingly this folder is taken; an error when never, with a reason where somebody may wonder.
pub(super) fn rank(folder: &str) -> Result<Rank, Option<String>> {
    let parts = || folder.split('/').filter(|_| !folder.is_empty());
    let foreign = |part: &str| {
        part.starts_with('.')
            || matches!(
                part,
                "node_modules" | "vendor" | "bower_components" | "third_party"
            )
    };
    // A crafted tree can name anything; such a folder must reach neither a page nor a command.
    if parts().any(|part| foreign(part) || part.is_empty()) {
        return Err(None);
    }
    if folder.chars().any(char::is_control) {
        return Err(Some(
            "its folder's name has control characters: rename it".to_owned(),
        ));
    }
    if parts().count() > DEEPEST {
        return Err(Some(format!("it lies more than {DEEPEST} folders deep")));
    }
    let of = |part: &str| match part {
        "test" | "tests" | "__tests__" | "spec" | "e2e" | "fixtures" | "__fixtures__"
        | "testdata" | "mocks" | "__mocks__" => Rank::Test,
        "example" | "examples" | "sample" | "samples" | "demo" | "demos" | "template"
        | "templates" | "dist" | "build" | "out" | "output" | "target" | "public" | "static"
        | "assets" | "coverage" => Rank::Sample,
        _ => Rank::Usual,
    };
    Ok(parts().map(of).max().unwrap_or(Rank::Usual))
}

/// What one folder's files say.
#[derive(Debug)]
pub(super) struct Folder<'a> {
    pub(super) path: &'a str,
    pub(super) rank: Rank,
    files: BTreeMap<File, &'a str>,
    nestling: Option<Result<Nestling, String>>,
    package: Option<Result<Package, String>>,
    /// Whether pnpm's file names packages; it may hold settings and nothing else.
    has_pnpm_workspace: bool,
}

/// What discovery reads of a `nestling.toml`; whether the rest is right is the runner's to say.
#[derive(Debug, Default, Deserialize)]
struct Nestling {
    name: Option<String>,
    start: Option<Start>,
    policy: Option<Policy>,
    /// Everything else, for its keys.
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Start {
    /// A line, or the words of a command.
    run: Option<toml::Value>,
    health: Option<String>,
    /// Everything else, for its keys.
    #[serde(flatten)]
    rest: BTreeMap<String, toml::Value>,
}

/// What else the file may hold, beside `name` and `[start]`.
const SECTIONS: [&str; 3] = ["setup", "test", "endpoint"];
/// What else `[start]` may hold, which makes no app.
const ALONE: &str = "alone";

impl<'a> Folder<'a> {
    pub(super) fn new(path: &'a str, rank: Rank) -> Self {
        Folder {
            path,
            rank,
            files: BTreeMap::new(),
            nestling: None,
            package: None,
            has_pnpm_workspace: false,
        }
    }

    pub(super) fn add(&mut self, path: &'a str, file: File, contents: &BTreeMap<String, String>) {
        self.files.insert(file, path);
        let unreadable = || "it is too big, or not UTF-8 text".to_owned();
        let text = contents.get(path);
        match file {
            File::Nestling => {
                let read =
                    |text: &String| toml::from_str(text).map_err(|error| invalid(text, &error));
                self.nestling = Some(text.ok_or_else(unreadable).and_then(read));
            }
            File::Package => {
                let read = |text: &String| Package::read(text);
                self.package = Some(text.ok_or_else(unreadable).and_then(read));
            }
            File::Pnpm => {
                let names = |text: &String| text.lines().any(|line| line.starts_with("packages:"));
                self.has_pnpm_workspace = text.is_some_and(names);
            }
            File::Wing | File::Index => {}
        }
    }

    /// What app it is, and which file says so.
    pub(super) fn kind(&self) -> Option<(Kind, File)> {
        if self.starts_explicitly() {
            return Some((Kind::Any, File::Nestling));
        }
        if self.files.contains_key(&File::Wing) {
            return Some((Kind::Wing, File::Wing));
        }
        if self.script("start") {
            return Some((Kind::Node, File::Package));
        }
        if self.script("build") {
            return Some((Kind::Static, File::Package));
        }
        let index = self.files.contains_key(&File::Index);
        index.then_some((Kind::Static, File::Index))
    }

    /// The file that makes it an app; its folder where none does.
    pub(super) fn path_of_kind(&self) -> &'a str {
        let file = self.kind().and_then(|(_, file)| self.files.get(&file));
        file.copied().unwrap_or(self.path)
    }

    /// Files that look as if they should make an app and do not, each with why, and whether somebody meant it to. What
    /// is wrong in the folder of an app that is one all the same, its deployment says; but a `nestling.toml` of which nothing
    /// can be read is always told, because its policy is not taken, and no deployment reads that.
    pub(super) fn complaints(&self) -> Vec<(&'a str, String, bool)> {
        let mut complaints = Vec::new();
        let none = self.kind().is_none();
        let meant = none && self.rank == Rank::Usual;
        if let (Some(path), Some(read)) = (self.files.get(&File::Nestling), &self.nestling) {
            match read {
                Err(reason) => {
                    complaints.push((*path, reason.clone(), self.rank == Rank::Usual));
                }
                Ok(nestling) if none => complaints.push((*path, nestling.lacks_start(), meant)),
                Ok(_) => {}
            }
        }
        if let (Some(path), Some(read)) = (self.files.get(&File::Package), &self.package) {
            match read {
                Err(reason) => complaints.push((*path, reason.clone(), meant)),
                Ok(_) if none => {
                    complaints.push((*path, "it has no start or build script".to_owned(), false));
                }
                Ok(_) => {}
            }
        }
        complaints
    }

    /// Whether `other`, which lies inside this app, is a part of it.
    pub(super) fn owns(&self, other: &Folder<'_>) -> bool {
        let Some(kind) = other
            .kind()
            .map(|(kind, _)| kind)
            .filter(|_| self.holds(other))
        else {
            return false;
        };
        match kind {
            Kind::Wing | Kind::Any => false,
            Kind::Node => !matches!(self.kind(), Some((Kind::Static, _))),
            Kind::Static => true,
        }
    }

    /// Whether `other` lies inside this folder.
    pub(super) fn holds(&self, other: &Folder<'_>) -> bool {
        self.path != other.path
            && (self.path.is_empty()
                || other
                    .path
                    .strip_prefix(self.path)
                    .is_some_and(|rest| rest.starts_with('/')))
    }

    /// Whether it is a site by its page alone.
    pub(super) fn is_page(&self) -> bool {
        matches!(self.kind(), Some((Kind::Static, File::Index)))
    }

    /// Whether it only builds the packages below it.
    pub(super) fn binds_workspaces(&self) -> bool {
        self.is_workspace_root() && self.is_built()
    }

    /// Whether it is the root of a workspace.
    pub(super) fn is_workspace_root(&self) -> bool {
        self.has_pnpm_workspace || self.package().is_some_and(Package::has_workspaces)
    }

    /// Whether it is a static site by its build script alone.
    fn is_built(&self) -> bool {
        matches!(self.kind(), Some((Kind::Static, File::Package)))
    }

    /// The field by which its package is a library, if it would be a site by its build script alone and shows no page
    /// of its own. `taken` says whether another package of the tree depends on it, `listed` whether it lies in a
    /// workspace.
    pub(super) fn library(&self, taken: bool, listed: bool) -> Option<&'static str> {
        let package = self.package()?;
        if !self.is_built() || self.files.contains_key(&File::Index) {
            return None;
        }
        let field = package.way_in()?;
        (taken || (listed && field != WRITTEN_BY_NPM)).then_some(field)
    }

    /// What its `package.json` says, where it can be read.
    pub(super) fn package(&self) -> Option<&Package> {
        self.package.as_ref()?.as_ref().ok()
    }

    pub(super) fn depth(&self) -> usize {
        self.path.split('/').filter(|part| !part.is_empty()).count()
    }

    pub(super) fn app(&self, repository: &str) -> FoundApp {
        let nestling = self.nestling.as_ref().and_then(|read| read.as_ref().ok());
        let named = nestling.and_then(|nestling| nestling.name.as_deref());
        let packaged = self.package().and_then(Package::name);
        let packaged = packaged.and_then(|name| name.rsplit('/').next());
        let folder = self.path.rsplit('/').next();
        let name = [named, packaged, folder]
            .into_iter()
            .flatten()
            .map(str::trim)
            .find(|name| !name.is_empty())
            .unwrap_or(repository);
        let start = nestling.and_then(|nestling| nestling.start.as_ref());
        FoundApp {
            root: self.path.to_owned(),
            kind: self.kind().map_or(Kind::Any, |(kind, _)| kind),
            name: name
                .chars()
                .filter(|c| !c.is_control())
                .take(LONGEST_NAME)
                .collect(),
            health: start.and_then(|start| start.health.clone()),
            policy: match &self.nestling {
                None => Some(Policy::default()),
                Some(Ok(nestling)) => Some(nestling.policy.clone().unwrap_or_default()),
                Some(Err(_)) => None,
            },
        }
    }

    fn starts_explicitly(&self) -> bool {
        let Some(Ok(Nestling {
            start: Some(start), ..
        })) = &self.nestling
        else {
            return false;
        };
        start.run.as_ref().is_some_and(|run| {
            run.as_str().is_some_and(|line| !line.trim().is_empty())
                || run.as_array().is_some_and(|words| !words.is_empty())
        })
    }

    fn script(&self, name: &str) -> bool {
        self.package().is_some_and(|package| package.script(name))
    }
}

impl Nestling {
    /// Why it makes no app; names a key that may have been meant to.
    fn lacks_start(&self) -> String {
        let shown = |key: &String| key.chars().take(LONGEST_NAME).collect::<String>();
        let mut keys = self.start.iter().flat_map(|start| start.rest.keys());
        if let Some(key) = keys.find(|key| *key != ALONE) {
            return format!(
                "it has no [start] run, and in [start] a key {:?}: run and health are the ones that count",
                shown(key)
            );
        }
        let unknown = self
            .rest
            .keys()
            .find(|key| !SECTIONS.contains(&key.as_str()));
        unknown.map_or_else(
            || "it has no [start] run".to_owned(),
            |key| {
                let key = shown(key);
                format!("it has no [start] run, and an unknown key {key:?}: name, setup, test, start, endpoint and policy are the known ones")
            },
        )
    }
}

/// What is wrong with a file of TOML, and in which line.
fn invalid(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count() + 1);
    // Its words may cite the file, of which a page shows no line breaks.
    let message = error.message().replace('\n', " ");
    line.map_or_else(
        || format!("it is not valid: {message}"),
        |line| format!("it is not valid in line {line}: {message}"),
    )
}
