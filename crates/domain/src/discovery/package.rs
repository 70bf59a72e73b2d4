//! What discovery reads of a `package.json`.

use serde_json::{Map, Value};

/// The field that `npm init` writes into every package: alone it says little.
pub(super) const WRITTEN_BY_NPM: &str = "main";
/// The fields that say what others take from a package, the telling ones first.
const WAYS_IN: [&str; 6] = [
    "exports",
    "module",
    "types",
    "typings",
    "bin",
    WRITTEN_BY_NPM,
];
/// The fields that name the packages that a package needs.
const NEEDS: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
];

/// A `package.json`; of what is not as it should be, nothing is taken.
#[derive(Debug)]
pub(super) struct Package(Map<String, Value>);

impl Package {
    /// Reads one; says what is wrong with what is no JSON.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Package(fields)),
            Ok(_) => Ok(Package(Map::new())),
            Err(error) => Err(format!("it is not valid JSON: {error}")),
        }
    }

    /// Its name, with its scope.
    pub(super) fn name(&self) -> Option<&str> {
        self.0.get("name")?.as_str()
    }

    /// Whether it has a script of this name that says anything.
    pub(super) fn script(&self, name: &str) -> bool {
        let script = self.0.get("scripts").and_then(|scripts| scripts.get(name));
        let script = script.and_then(Value::as_str);
        script.is_some_and(|script| !script.trim().is_empty())
    }

    /// Whether it names the packages of a workspace.
    pub(super) fn has_workspaces(&self) -> bool {
        self.has("workspaces")
    }

    /// The field that says what others take from it, if any does.
    pub(super) fn way_in(&self) -> Option<&'static str> {
        WAYS_IN.into_iter().find(|field| self.has(field))
    }

    /// The names of the packages that it needs, but for itself.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        let lists = NEEDS
            .iter()
            .filter_map(|field| self.0.get(*field)?.as_object());
        let names = lists.flat_map(Map::keys).map(String::as_str);
        names.filter(|name| Some(*name) != self.name())
    }

    fn has(&self, field: &str) -> bool {
        self.0.get(field).is_some_and(|value| !value.is_null())
    }
}
