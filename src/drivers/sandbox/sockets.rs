//! The sockets between this box and a machine.
//!
//! Outwards each machine has a folder of its own with two sockets of the server's: `server.sock`, relayed to the
//! server's own, and `egress.sock`. So a machine is known by the socket it came through, and its connections
//! are counted against nobody else. The folder is bound, not the sockets: a restarted server makes new ones.
//!
//! Inwards the sockets are made by the machine, in a folder where a hostile one may as well put a link to
//! somebody else's socket: [`dial`] never follows it.

use std::{io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use std::os::fd::AsRawFd as _;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

/// Connections that one machine may hold to the server: its reports, its log, a download, a few more.
const CONNECTIONS: usize = 32;
/// What is left of a failed accept comes back soon.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Makes a socket for everybody who sees the folder, in place of what was there. Reached through the folder's
/// descriptor, because a socket's path may have no more than 107 bytes.
pub(super) fn bind(folder: &Path, name: &str) -> io::Result<UnixListener> {
    let path = folder.join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let dir = rustix::fs::open(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Passes each connection on to the server's socket, wherever a restarted server has it now.
pub(super) async fn relay(listener: UnixListener, server: Arc<Path>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((mut machine, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            // Refused is what the runner sees, and tries again: the server is on its way up.
            if let Ok(mut stream) = connect(&server).await {
                let _ = tokio::io::copy_bidirectional(&mut machine, &mut stream).await;
            }
            drop(place);
        });
    }
}

/// Connects to a socket that the machine made in its run folder. What is no socket itself (a link to one, say)
/// is refused.
pub(super) async fn dial(run: &Path, name: &str) -> io::Result<UnixStream> {
    if name.contains('/') || name.starts_with('.') || name.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} does not name a socket of a machine"),
        ));
    }
    connect(&run.join(name)).await
}

/// Connects to the unix socket at `path`, which may be long. What is no socket itself, a link to one, say, is
/// refused: a machine may have put it there to reach what the server may reach.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = rustix::fs::openat(
        CWD,
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let kind =
        FileType::from_raw_mode(rustix::fs::statat(&socket, "", AtFlags::EMPTY_PATH)?.st_mode);
    if kind != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is not a socket", path.display()),
        ));
    }
    // The very one that was looked at, however its name has changed since; and its path may be long.
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_machine_reaches_a_server_that_was_restarted_also_through_a_long_path() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path: Arc<Path> = deep.join("server").into();
        tokio::spawn(relay(
            bind(&deep, "server.sock").unwrap(),
            Arc::clone(&path),
        ));
        for answer in [b"first", b"later"] {
            let server = bind(&deep, "server").unwrap();
            let mut machine = connect(&deep.join("server.sock")).await.unwrap();
            let (mut stream, _) = server.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
            let mut got = [0; 5];
            machine.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, answer);
        }
    }

    #[tokio::test]
    async fn a_link_to_anothers_socket_is_not_dialled() {
        let folder = tempfile::tempdir().unwrap();
        let _server = bind(folder.path(), "docker.sock").unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::os::unix::fs::symlink("../docker.sock", run.join("app.sock")).unwrap();
        std::fs::write(run.join("plain.sock"), "").unwrap();
        for name in [
            "app.sock",
            "plain.sock",
            "../docker.sock",
            "",
            "..",
            "missing",
        ] {
            assert!(dial(&run, name).await.is_err(), "{name:?}");
        }
        let _own = bind(&run, "own.sock").unwrap();
        dial(&run, "own.sock").await.unwrap();
    }
}
