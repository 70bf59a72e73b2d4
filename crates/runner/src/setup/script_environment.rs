//! What a script of a package finds in its environment, as npm describes it ("scripts", section "environment").

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::manager::Manager;
use super::packages::Package;
use crate::machine::Machine;
use crate::read;

/// The fields of a package that scripts are told, as npm 7 and newer do.
const FIELDS: [&str; 5] = ["name", "version", "config", "engines", "bin"];
/// Variables that one package fills beyond these are left out: nobody reads them.
const VARIABLES: usize = 1000;
/// More of a manager's own `package.json` is not read, in bytes.
const MANAGER_LIMIT: u64 = 1024 * 1024;

/// The variables of a script beside those in `given`, which the path is taken from. `begun_in` is where the manager
/// would have been called.
pub(crate) fn script_environment(
    machine: &Machine,
    package: &Package,
    name: &str,
    given: &BTreeMap<String, String>,
    begun_in: &Path,
) -> BTreeMap<String, String> {
    let checkout = machine.checkout();
    let usual = given.get("PATH").map_or("", String::as_str);
    let folders = package.folder.ancestors();
    let own = folders
        .take_while(|folder| folder.starts_with(&checkout))
        .map(|folder| folder.join("node_modules/.bin"));
    let path = std::env::join_paths(own.chain(std::env::split_paths(usual)));
    let path = path.map(|path| path.to_string_lossy().into_owned());
    let manager = Manager::around(package, &checkout);
    let (program, node) = (find(manager.tool.name, usual), find("node", usual));
    let file = package.folder.join("package.json");
    let command = match name {
        "test" | "start" => name,
        _ => "run-script",
    };
    let mut all = BTreeMap::new();
    for field in FIELDS {
        fill(
            &mut all,
            format!("npm_package_{field}"),
            package.value(&[field]),
        );
    }
    let own = [
        ("PATH", path.unwrap_or_default()),
        ("INIT_CWD", begun_in.display().to_string()),
        ("NODE", node.clone()),
        ("npm_node_execpath", node),
        (
            "npm_config_user_agent",
            user_agent(machine, &manager, &program),
        ),
        ("npm_execpath", program),
        (
            "npm_config_local_prefix",
            package.folder.display().to_string(),
        ),
        ("npm_command", command.to_owned()),
        ("npm_lifecycle_event", name.to_owned()),
        (
            "npm_lifecycle_script",
            package.script(name).unwrap_or_default().to_owned(),
        ),
        ("npm_package_json", file.display().to_string()),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// A program of the path, without links: the file that Node runs, where it is one of Node's.
fn find(program: &str, path: &str) -> String {
    let all = std::env::split_paths(path).map(|folder| folder.join(program));
    let found = all
        .filter(|file| file.is_absolute())
        .find(|file| file.is_file());
    let found: Option<PathBuf> = found.map(|file| file.canonicalize().unwrap_or(file));
    found.map_or_else(String::new, |file| file.display().to_string())
}

/// How the manager calls itself: `npm/10.8.2 node/v20.20.2 linux x64 workspaces/false`.
fn user_agent(machine: &Machine, manager: &Manager, program: &str) -> String {
    let name = manager.tool.name;
    let beside = Path::new(program)
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"));
    let ours = || {
        let text = read::within(&beside.join("package.json"), beside, MANAGER_LIMIT)?;
        let json: Value = serde_json::from_str(&text).ok()?;
        Some(json.get("version")?.as_str()?.to_owned())
    };
    let version = match manager.version.as_str() {
        "" => ours().unwrap_or_else(|| "?".into()),
        version => version.to_owned(),
    };
    let node = machine.node.get().map_or("?", String::as_str);
    let processor = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let system = std::env::consts::OS;
    match name {
        "npm" => format!("npm/{version} node/{node} {system} {processor} workspaces/false"),
        name => format!("{name}/{version} npm/? node/{node} {system} {processor}"),
    }
}

/// A field as variables, the parts of a table and of a list each their own, as npm names them.
fn fill(all: &mut BTreeMap<String, String>, name: String, value: Option<&Value>) {
    // No variable has these in its name or its value.
    let odd = |text: &str| text.contains(['\0', '=']);
    if all.len() >= VARIABLES || odd(&name) {
        return;
    }
    match value {
        None => {}
        Some(Value::Null | Value::Bool(false)) => drop(all.insert(name, String::new())),
        Some(Value::String(text)) if text.contains('\0') => {}
        Some(Value::String(text)) => drop(all.insert(name, text.clone())),
        Some(Value::Array(parts)) => {
            for (number, part) in parts.iter().enumerate() {
                fill(all, format!("{name}_{number}"), Some(part));
            }
        }
        Some(Value::Object(parts)) => {
            for (key, part) in parts {
                fill(all, format!("{name}_{key}"), Some(part));
            }
        }
        Some(plain @ (Value::Bool(true) | Value::Number(_))) => {
            drop(all.insert(name, plain.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_variables_as_npm_names_them() {
        let config = serde_json::json!({"port": 7, "off": false, "on": true, "list": ["a", {"b": "c"}], "x=y": "no"});
        let mut all = BTreeMap::new();
        fill(&mut all, "npm_package_config".into(), Some(&config));
        let told: Vec<String> = all
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told,
            [
                "npm_package_config_list_0=a",
                "npm_package_config_list_1_b=c",
                "npm_package_config_off=",
                "npm_package_config_on=true",
                "npm_package_config_port=7",
            ]
        );
    }
}
