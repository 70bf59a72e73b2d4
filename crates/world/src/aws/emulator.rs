//! An emulator of somebody else, as an independent second opinion: `ministack`, as a process of its own.

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
/// It takes half a second to start, and more when others use the machine, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// An emulator of AWS, running with an empty memory. It ends when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    address: SocketAddr,
}

impl Emulator {
    /// Starts it at a free port of this machine; `None` where it is not installed. `MINISTACK` names another program.
    pub fn start() -> Result<Option<Self>> {
        let program = std::env::var_os("MINISTACK").map_or_else(|| INSTALLED.into(), PathBuf::from);
        if !program.exists() {
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

    fn start_at(program: &Path, address: SocketAddr) -> Result<Option<Self>> {
        let process = Command::new(program)
            // By itself it listens for everybody.
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut emulator = Emulator { process, address };
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if emulator.process.try_wait()?.is_some() {
                return Ok(None);
            }
            match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                Ok(_) => return Ok(Some(emulator)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => pause(),
                Err(error) => return Err(error.into()),
            }
        }
        bail!(
            "{} did not listen within {} s",
            program.display(),
            PATIENCE.as_secs()
        )
    }

    /// `http://127.0.0.1:PORT`, for `aws.endpoint_url`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
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
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
