//! An emulator of somebody else, as an independent second opinion: `ministack`. One serves all stories of a run, each in an
//! account of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Where `make tools` installs it.
const INSTALLED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/aws/.venv/bin/ministack"
);
/// Names one that runs already: `scripts/emulator.sh` starts it for a whole run.
const RUNNING: &str = "NESTLING_EMULATOR";
/// It takes half a second to start, and more when others use the machine, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// An emulator of AWS, with an account in which there is nothing yet. One that was started for it ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    process: Option<Child>,
    base: String,
    account: String,
}

impl Emulator {
    /// The one of this run, or one of its own at a free port of this machine; `None` where it is not installed. `MINISTACK` names
    /// another program.
    pub fn start() -> Result<Option<Self>> {
        if let Ok(base) = std::env::var(RUNNING) {
            return Emulator::at(base, None).map(Some);
        }
        let program = std::env::var_os("MINISTACK").map_or_else(|| INSTALLED.into(), PathBuf::from);
        if !program.exists() {
            eprintln!("skipped: ministack is not installed (make tools)");
            return Ok(None);
        }
        // Between this and the start another process may take the port: then it ends at once, and another is tried.
        for _ in 0..3 {
            let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
            if let Some(emulator) = Self::start_at(&program, address)? {
                return Ok(Some(emulator));
            }
        }
        bail!("{} ended each time it was started", program.display())
    }

    fn at(base: String, process: Option<Child>) -> Result<Self> {
        Ok(Emulator {
            process,
            base,
            account: account()?,
        })
    }

    fn start_at(program: &Path, address: SocketAddr) -> Result<Option<Self>> {
        let mut process = Command::new(program)
            // By itself it listens for everybody.
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if process.try_wait()?.is_some() {
                return Ok(None);
            }
            match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                Ok(_) => return Self::at(format!("http://{address}"), Some(process)).map(Some),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => pause(),
                Err(_) => break,
            }
        }
        let _ = process.kill();
        let _ = process.wait();
        bail!(
            "{} did not listen within {} s",
            program.display(),
            PATIENCE.as_secs()
        )
    }

    /// `http://127.0.0.1:PORT`, for `aws.endpoint_url`.
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Twelve digits, which the emulator takes for an access key and for the account that it opens: nothing of another account is
    /// seen in it.
    pub fn access_key(&self) -> &str {
        &self.account
    }
}

/// One that no other story of this run has.
fn account() -> Result<String> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random)?;
    let number = u64::from_be_bytes(random) % 1_000_000_000_000;
    Ok(format!("{number:012}"))
}

/// Between two looks whether it listens.
#[allow(
    clippy::disallowed_methods,
    reason = "no actor runs here; the processor is left to the emulator that is waited for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
