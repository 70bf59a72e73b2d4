//! What stands behind a model machine: something real, such as a process of this box, or nothing.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use super::{boot::Boot, state::Phase};

/// Runs what machines run. It is called under the model's lock: it begins things and does not wait for their end, but for
/// [`Host::halt`].
pub trait Host: Send + fmt::Debug {
    /// Starts what the machine runs; an error says why it cannot, and the machine fails.
    fn start(&mut self, boot: &Boot) -> Result<(), String>;

    /// Tells what the machine runs to end: a signal such as `SIGINT`.
    fn signal(&mut self, machine: &str, signal: &str);

    /// Ends what the machine runs: nothing of it runs when this returns. Its disks stay.
    fn halt(&mut self, machine: &str);

    /// Stops its time, and keeps its memory.
    fn suspend(&mut self, machine: &str);

    /// Lets its time go on; an error says why it cannot, and it is started anew.
    fn resume(&mut self, machine: &str) -> Result<(), String>;

    /// Forgets the machine, and its own disk.
    fn destroy(&mut self, machine: &str);

    /// Forgets a volume, and what it holds.
    fn destroy_volume(&mut self, volume: &str);

    /// Where a port of the machine's private address is reached on this box, while it runs.
    fn address(&self, machine: &str, port: u16) -> Option<SocketAddr>;

    /// What a health check of the machine finds.
    fn health(&self, machine: &str, check: &Check) -> Health;

    /// Machines whose program has ended by itself since this was asked last.
    fn ended(&mut self) -> Vec<Ended>;
}

/// A health check of a machine's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// As the API lists it.
    pub name: String,
    /// `http` or `tcp`.
    pub kind: String,
    /// Where it asks.
    pub port: u16,
    /// What it asks for, if it is `http`.
    pub path: String,
    /// How it asks, if it is `http`.
    pub method: String,
    /// From a start until it asks first, in milliseconds.
    pub grace: i64,
    /// Between two of them, in milliseconds.
    pub interval: i64,
    /// How long an answer may take, in milliseconds.
    pub timeout: i64,
}

/// What a health check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is well.
    Passing,
    /// It is not, with what the check says.
    Failing(String),
    /// The model is to ask there itself: over a socket only.
    At(SocketAddr),
}

/// A program that has ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Id of the machine.
    pub machine: String,
    /// As the program said it.
    pub exit_code: i32,
}

/// Nothing runs, and every check passes; it remembers what would run.
#[derive(Debug, Default)]
pub struct Quiet {
    up: BTreeMap<String, Phase>,
}

impl Host for Quiet {
    fn start(&mut self, boot: &Boot) -> Result<(), String> {
        self.up.insert(boot.machine.clone(), Phase::Started);
        Ok(())
    }

    fn signal(&mut self, _machine: &str, _signal: &str) {}

    fn halt(&mut self, machine: &str) {
        self.up.remove(machine);
    }

    fn suspend(&mut self, machine: &str) {
        if let Some(phase) = self.up.get_mut(machine) {
            *phase = Phase::Suspended;
        }
    }

    fn resume(&mut self, machine: &str) -> Result<(), String> {
        let phase = self.up.get_mut(machine);
        *phase.ok_or("nothing of it is in memory")? = Phase::Started;
        Ok(())
    }

    fn destroy(&mut self, machine: &str) {
        self.up.remove(machine);
    }

    fn destroy_volume(&mut self, _volume: &str) {}

    fn address(&self, _machine: &str, _port: u16) -> Option<SocketAddr> {
        None
    }

    fn health(&self, machine: &str, _check: &Check) -> Health {
        match self.up.get(machine) {
            Some(Phase::Started) => Health::Passing,
            _ => Health::Failing("connection refused".into()),
        }
    }

    fn ended(&mut self) -> Vec<Ended> {
        Vec::new()
    }
}
