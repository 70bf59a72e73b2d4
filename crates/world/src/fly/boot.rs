//! What a machine is to run, read from its configuration: the program, its environment, and files with secrets in them.

use std::{collections::BTreeMap, fmt, net::Ipv6Addr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::state::{Hidden, Machine};

/// All that a host needs to start a machine.
#[derive(Clone)]
pub struct Boot {
    /// Name of its app.
    pub app: String,
    /// Id of the machine.
    pub machine: String,
    /// Its name.
    pub name: String,
    /// Of its configuration.
    pub instance: String,
    /// Code of its region.
    pub region: String,
    /// Its address within the private network.
    pub private_ip: Ipv6Addr,
    /// What it is made from.
    pub image: String,
    /// What runs instead of the image's own program; empty is the image's own.
    pub command: Vec<String>,
    /// Environment: configuration, secrets of the app, and what Fly adds.
    pub env: BTreeMap<String, String>,
    /// Files that are written before it starts.
    pub files: Vec<File>,
    /// Ids of volumes, and where they are mounted.
    pub mounts: Vec<(String, String)>,
    /// Pairs by which callers find it.
    pub metadata: BTreeMap<String, String>,
    /// In megabytes.
    pub memory_mb: u64,
    /// How it is told to end.
    pub stop_signal: String,
}

/// A file that is written before a machine starts.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute, within the machine.
    pub path: String,
    /// What it holds.
    pub contents: Bytes,
    /// As `chmod` takes it.
    pub mode: u32,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.contents.len())
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.keys().collect();
        f.debug_struct("Boot")
            .field("machine", &self.machine)
            .field("app", &self.app)
            .field("image", &self.image)
            .field("env", &names)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Reads it from a machine; an error says why the machine cannot start.
pub(crate) fn of(machine: &Machine) -> Result<Boot, String> {
    let config = &machine.config;
    let image = text(config, "/image").unwrap_or_default();
    Ok(Boot {
        app: machine.app.clone(),
        machine: machine.id.clone(),
        name: machine.name.clone(),
        instance: machine.instance.clone(),
        region: machine.region.clone(),
        private_ip: machine.private_ip,
        command: command(config),
        env: environment(machine, &image),
        files: files(machine)?,
        mounts: machine.mounts(),
        metadata: machine.metadata(),
        memory_mb: machine.memory_mb(),
        stop_signal: text(config, "/stop_config/signal").unwrap_or_else(|| "SIGINT".into()),
        image,
    })
}

fn text(config: &Value, place: &str) -> Option<String> {
    config.pointer(place)?.as_str().map(str::to_owned)
}

/// `exec` goes before everything; `entrypoint` and `cmd` are one line. A first process goes before `init`.
fn command(config: &Value) -> Vec<String> {
    let words = |of: &Value, key: &str| -> Vec<String> {
        let list = of.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let places = [config.pointer("/processes/0"), config.get("init")];
    let lines = places.into_iter().flatten().map(|of| {
        let exec = words(of, "exec");
        if exec.is_empty() {
            [words(of, "entrypoint"), words(of, "cmd")].concat()
        } else {
            exec
        }
    });
    lines
        .into_iter()
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}

/// What Fly adds goes first, then secrets of the app, then the configuration, which may hide both. A process that ignores the
/// app's secrets gets only those that it names.
fn environment(machine: &Machine, image: &str) -> BTreeMap<String, String> {
    let own = [
        ("FLY_APP_NAME", machine.app.clone()),
        ("FLY_MACHINE_ID", machine.id.clone()),
        ("FLY_ALLOC_ID", machine.id.clone()),
        ("FLY_MACHINE_VERSION", machine.instance.clone()),
        ("FLY_REGION", machine.region.clone()),
        ("FLY_PRIVATE_IP", machine.private_ip.to_string()),
        ("FLY_IMAGE_REF", image.to_owned()),
        ("FLY_VM_MEMORY_MB", machine.memory_mb().to_string()),
    ];
    let mut env: BTreeMap<String, String> = own
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let process = machine.config.pointer("/processes/0");
    let ignores = process.and_then(|process| process.get("ignore_app_secrets"));
    if ignores.and_then(Value::as_bool) != Some(true) {
        let secrets = machine.secrets.iter();
        env.extend(secrets.map(|(name, value)| (name.clone(), value.reveal().to_owned())));
    }
    let pairs = |of: Option<&Value>| -> Vec<(String, String)> {
        let object = of.and_then(Value::as_object).into_iter().flatten();
        let text =
            |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        object.filter_map(text).collect()
    };
    env.extend(pairs(machine.config.get("env")));
    env.extend(pairs(process.and_then(|process| process.get("env"))));
    let named = process.and_then(|process| process.get("secrets")?.as_array());
    for secret in named.into_iter().flatten() {
        let variable = secret.get("env_var").and_then(Value::as_str);
        let name = secret.get("name").and_then(Value::as_str).or(variable);
        let value = name.and_then(|name| machine.secrets.get(name));
        if let (Some(variable), Some(value)) = (variable, value) {
            env.insert(variable.to_owned(), value.reveal().to_owned());
        }
    }
    env
}

/// Where a file has neither mode nor anything else, it is read by everybody, as Fly's own files are.
const MODE: u32 = 0o644;

fn files(machine: &Machine) -> Result<Vec<File>, String> {
    let listed = machine.config.get("files").and_then(Value::as_array);
    let file = |one: &Value| {
        let path = text(one, "/guest_path").unwrap_or_default();
        let encoded = match (text(one, "/raw_value"), text(one, "/secret_name")) {
            (Some(raw), _) => raw,
            (None, Some(name)) => {
                let secret = machine.secrets.get(&name);
                let secret = secret.map(Hidden::reveal);
                secret
                    .ok_or_else(|| format!("file {path}: the app has no secret {name}"))?
                    .to_owned()
            }
            (None, None) => return Err(format!("file {path} has neither value nor secret")),
        };
        let decoded = STANDARD.decode(encoded.trim());
        let contents = decoded.map_err(|_| format!("file {path}: its value is not base64"))?;
        let mode = one.get("mode").and_then(Value::as_u64);
        Ok(File {
            path,
            contents: contents.into(),
            mode: mode
                .and_then(|mode| u32::try_from(mode).ok())
                .unwrap_or(MODE),
        })
    };
    listed.into_iter().flatten().map(file).collect()
}
