//! Health checks of machines: what their configuration asks for, and what is found.

use serde_json::{Value, json};

use super::{
    host::{Check, Health},
    state::{Machine, Phase, Probed, State},
};
use crate::clock::iso;

/// What a check does if it does not say, in milliseconds.
const INTERVAL_MS: i64 = 15_000;
const TIMEOUT_MS: i64 = 2_000;
/// What a check says before it was made.
const WAITING: &str = "waiting for status update";

impl State {
    /// What the checks of a machine say, as Fly writes it.
    pub(crate) fn checks_of(&self, machine: &Machine) -> Vec<Value> {
        let checks = listed(&machine.config);
        let shown = |check: &Check| {
            let (status, output, at) = self.found(machine, check);
            json!({
                "name": check.name,
                "status": status,
                "output": output,
                "updated_at": iso(at),
            })
        };
        checks.iter().map(shown).collect()
    }

    /// Whether every check of a machine passes, and its program runs.
    pub fn is_healthy(&self, machine: &str) -> bool {
        let Some(machine) = self.machines.get(machine) else {
            return false;
        };
        let checks = listed(&machine.config);
        machine.phase == Phase::Started
            && machine.runs
            && checks
                .iter()
                .all(|check| self.found(machine, check).0 == "passing")
    }

    fn found(&self, machine: &Machine, check: &Check) -> (&'static str, String, i64) {
        let now = self.clock.now();
        let Some(started) = machine
            .started_at
            .filter(|_| machine.phase == Phase::Started)
        else {
            return (
                "critical",
                "the machine is not running".into(),
                machine.updated_at,
            );
        };
        let first = started + check.grace.max(self.manners.delays.check);
        if now < first {
            return ("warning", WAITING.into(), started);
        }
        if machine.sick {
            return ("critical", "connect: connection refused".into(), now);
        }
        if !self.reaches(machine) {
            return ("warning", "the host does not answer".into(), started);
        }
        match self.host.health(&machine.id, check) {
            Health::Passing => ("passing", "200 OK".into(), now),
            Health::Failing(words) => ("critical", words, now),
            Health::At(_) => match machine.probed.get(&check.name) {
                Some(probed) if probed.passes => ("passing", probed.output.clone(), probed.at),
                Some(probed) => ("critical", probed.output.clone(), probed.at),
                None => ("warning", WAITING.into(), started),
            },
        }
    }

    /// Checks that are to be made now, with the ids of their machines; they count as made.
    pub(crate) fn checks_due(&mut self) -> Vec<(String, Check, std::net::SocketAddr)> {
        let now = self.now();
        let mut due = Vec::new();
        for machine in self.machines.values_mut() {
            let Some(started) = machine
                .started_at
                .filter(|_| machine.phase == Phase::Started)
            else {
                continue;
            };
            for check in listed(&machine.config) {
                let first = started + check.grace.max(self.manners.delays.check);
                let last = machine.probed.get(&check.name).map(|probed| probed.at);
                let next = last.map_or(first, |last| last + check.interval);
                let Health::At(address) = self.host.health(&machine.id, &check) else {
                    continue;
                };
                if next > now || machine.sick {
                    continue;
                }
                let probed = Probed {
                    passes: false,
                    output: WAITING.into(),
                    at: now,
                };
                let old = machine.probed.entry(check.name.clone());
                old.or_insert(probed).at = now;
                due.push((machine.id.clone(), check, address));
            }
        }
        due
    }

    /// What a check has found.
    pub(crate) fn checked(&mut self, machine: &str, check: &Check, found: Result<String, String>) {
        let now = self.now();
        let machine = self.machines.get_mut(machine);
        let Some(machine) = machine.filter(|machine| machine.phase == Phase::Started) else {
            return;
        };
        let probed = Probed {
            passes: found.is_ok(),
            output: found.unwrap_or_else(|words| words),
            at: now,
        };
        machine.probed.insert(check.name.clone(), probed);
    }
}

/// Checks of a machine, and those of its services.
pub(crate) fn listed(config: &Value) -> Vec<Check> {
    let own = config.get("checks").and_then(Value::as_object);
    let own = own.into_iter().flatten();
    let mut checks: Vec<Check> = own
        .map(|(name, check)| read(name.clone(), check, None))
        .collect();
    let services = config.get("services").and_then(Value::as_array);
    for service in services.into_iter().flatten() {
        let port = service.get("internal_port").and_then(port);
        let listed = service.get("checks").and_then(Value::as_array);
        for (n, check) in listed.into_iter().flatten().enumerate() {
            let mut made = read(String::new(), check, port);
            made.name = format!("servicecheck-{n:02}-{}-{}", made.kind, made.port);
            checks.push(made);
        }
    }
    checks
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}

fn read(name: String, check: &Value, service: Option<u16>) -> Check {
    let text = |key: &str, or: &str| {
        let said = check.get(key).and_then(Value::as_str);
        said.filter(|said| !said.is_empty())
            .unwrap_or(or)
            .to_owned()
    };
    let ms = |key: &str, or: i64| check.get(key).and_then(milliseconds).unwrap_or(or);
    Check {
        name,
        kind: text("type", "tcp"),
        port: check.get("port").and_then(port).or(service).unwrap_or(0),
        path: text("path", "/"),
        method: text("method", "GET"),
        grace: ms("grace_period", 0),
        interval: ms("interval", INTERVAL_MS),
        timeout: ms("timeout", TIMEOUT_MS),
    }
}

/// A duration as Go writes it, such as `1m30s`, or a number of nanoseconds.
fn milliseconds(value: &Value) -> Option<i64> {
    if let Some(nanoseconds) = value.as_i64() {
        return Some(nanoseconds / 1_000_000);
    }
    let mut rest = value.as_str()?;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter.is_ascii_alphabetic() || letter == 'µ')?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let end = rest.find(|letter: char| letter.is_ascii_digit());
        let (unit, more) = rest.split_at(end.unwrap_or(rest.len()));
        total += number
            * match unit {
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1_000.0,
                "ms" => 1.0,
                "us" | "µs" => 0.001,
                "ns" => 0.000_001,
                _ => return None,
            };
        rest = more;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast of a float keeps to the bounds, and nobody waits so long"
    )]
    Some(total as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them_and_as_numbers() {
        for (written, ms) in [
            (json!("15s"), Some(15_000)),
            (json!("1m30s"), Some(90_000)),
            (json!("250ms"), Some(250)),
            (json!(2_000_000_000_i64), Some(2_000)),
            (json!("soon"), None),
        ] {
            assert_eq!(milliseconds(&written), ms, "{written}");
        }
    }

    #[test]
    fn checks_of_services_are_named_as_fly_names_them() {
        let checks = listed(&json!({
            "checks": { "alive": { "type": "tcp", "port": 8080 } },
            "services": [{ "internal_port": 3000, "checks": [{ "type": "http", "path": "/up" }] }],
        }));
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["alive", "servicecheck-00-http-3000"]);
        assert_eq!((checks[1].port, checks[1].path.as_str()), (3000, "/up"));
    }
}
