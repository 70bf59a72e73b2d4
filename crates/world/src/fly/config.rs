//! Configurations of machines: what Fly takes, and what it refuses.

use serde_json::Value;

use super::{
    state::State,
    wire::{self, Answer},
};

/// Megabytes of a machine that does not say how many.
const MEMORY_MB: u64 = 256;
/// Megabytes for each core of a kind, at least and at most, and how many cores there may be: see "Machine sizing".
const SHARED: (u64, u64, &[u64]) = (256, 2_048, &[1, 2, 4, 6, 8]);
const PERFORMANCE: (u64, u64, &[u64]) = (2_048, 8_192, &[1, 2, 4, 6, 8, 10, 12, 14, 16]);

pub(crate) fn memory_mb(config: &Value) -> u64 {
    let said = config.pointer("/guest/memory_mb");
    said.and_then(Value::as_u64).unwrap_or(MEMORY_MB)
}

/// Volumes and where they are mounted.
pub(crate) fn mounts(config: &Value) -> Vec<(String, String)> {
    let mounts = config.get("mounts").and_then(Value::as_array);
    let text = |mount: &Value, key: &str| Some(mount.get(key)?.as_str()?.to_owned());
    let pairs = mounts.into_iter().flatten();
    pairs
        .filter_map(|mount| Some((text(mount, "volume")?, text(mount, "path")?)))
        .collect()
}

/// What Fly says to a configuration that it does not take.
pub(crate) fn check(config: &Value, state: &State) -> Result<(), Answer> {
    if !config.is_object() {
        return Err(wire::invalid("config is required"));
    }
    let image = config.get("image").and_then(Value::as_str);
    let image = image.filter(|image| !image.is_empty());
    let image = image.ok_or_else(|| wire::invalid("config.image is required"))?;
    texts(config, "env")?;
    texts(config, "metadata")?;
    guest(config)?;
    files(config)?;
    let mounted = config.get("mounts").and_then(Value::as_array);
    if mounted.is_some_and(|mounts| mounts.len() > 1) {
        return Err(wire::invalid("a machine can have one mount at most"));
    }
    if mounted.is_some_and(|mounts| mounts.len() != self::mounts(config).len()) {
        return Err(wire::invalid("a mount needs a volume and a path"));
    }
    services(config)?;
    if state.missing_images.contains(image) {
        let words = format!(
            "failed to get manifest {image}: request failed: not found [http 404]: {{\"errors\":[{{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}}]}}"
        );
        return Err(wire::error(400, words));
    }
    Ok(())
}

fn texts(config: &Value, field: &str) -> Result<(), Answer> {
    let wrong = match config.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::Object(pairs)) => pairs.iter().find(|(_, value)| !value.is_string()),
        Some(_) => return Err(wire::invalid(format_args!("config.{field} is no object"))),
    };
    match wrong {
        Some((key, _)) => Err(wire::invalid(format_args!(
            "config.{field}.{key} is no string"
        ))),
        None => Ok(()),
    }
}

fn guest(config: &Value) -> Result<(), Answer> {
    let Some(guest) = config.get("guest").filter(|guest| !guest.is_null()) else {
        return Ok(());
    };
    if config.get("size").is_some_and(|size| !size.is_null()) {
        return Err(wire::invalid("guest and size are mutually exclusive"));
    }
    let kind = guest
        .get("cpu_kind")
        .and_then(Value::as_str)
        .unwrap_or("shared");
    let (least, most, counts) = match kind {
        "shared" => SHARED,
        "performance" => PERFORMANCE,
        _ => return Err(wire::invalid(format_args!("invalid cpu_kind \"{kind}\""))),
    };
    let cpus = guest.get("cpus").and_then(Value::as_u64).unwrap_or(1);
    if !counts.contains(&cpus) {
        let words = format!("invalid number of CPUs: {cpus} of {kind}");
        return Err(wire::invalid(words));
    }
    let memory = memory_mb(config);
    let (least, most) = (least * cpus, most * cpus);
    if !memory.is_multiple_of(MEMORY_MB) || memory < least || memory > most {
        let words = format!(
            "invalid config.guest.memory_mb, {memory} is not a multiple of 256 from {least} to {most}"
        );
        return Err(wire::invalid(words));
    }
    Ok(())
}

fn files(config: &Value) -> Result<(), Answer> {
    let listed = config.get("files").and_then(Value::as_array);
    for file in listed.into_iter().flatten() {
        let text = |key: &str| file.get(key).and_then(Value::as_str);
        let path = text("guest_path").unwrap_or_default();
        if !path.starts_with('/') {
            let words = format!("config.files: guest_path \"{path}\" is not absolute");
            return Err(wire::invalid(words));
        }
        let sources = ["raw_value", "secret_name", "image_config"];
        if sources.iter().filter(|key| text(key).is_some()).count() != 1 {
            let words = format!("config.files: {path} needs one of raw_value and secret_name");
            return Err(wire::invalid(words));
        }
    }
    Ok(())
}

fn services(config: &Value) -> Result<(), Answer> {
    let listed = config.get("services").and_then(Value::as_array);
    for service in listed.into_iter().flatten() {
        let protocol = service.get("protocol").and_then(Value::as_str);
        if !matches!(protocol, Some("tcp" | "udp")) {
            return Err(wire::invalid("a service needs the protocol tcp or udp"));
        }
        let port = service.get("internal_port").and_then(Value::as_u64);
        if port.is_none_or(|port| port == 0 || port > 65_535) {
            return Err(wire::invalid("a service needs an internal_port"));
        }
    }
    Ok(())
}
