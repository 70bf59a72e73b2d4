//! The way out: a port in the machine that leads to the server's egress proxy.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// More connections at once than any install opens; a flood of them ends here and not at the server.
const CONNECTIONS: usize = 256;
/// The pause after a connection that could not be taken, for want of files: others end meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on a free port of 127.0.0.1 and forwards bytes to the proxy's socket. Gives the port.
pub(crate) async fn open(socket: PathBuf) -> io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::spawn(async move {
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Ok((mut inside, _)) = listener.accept().await else {
                sleep(PAUSE).await;
                continue;
            };
            let socket = socket.clone();
            tokio::spawn(async move {
                let _place = place;
                // What is passed on in pieces must not wait for the piece before to be acknowledged: 40 ms each time.
                let _ = inside.set_nodelay(true);
                if let Ok(mut outside) = UnixStream::connect(socket).await {
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                }
            });
        }
    });
    Ok(port)
}
