//! Fly's proxy at Flycast addresses, for real programs: it listens where a machine is open, and nowhere else.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener as Bound},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it listens at, with where that leads.
#[derive(Debug, Default)]
pub(crate) struct Flycast(BTreeMap<SocketAddr, (SocketAddr, Door)>);

/// Takes connections until this is dropped. Those that were taken go on, as they do at Fly.
#[derive(Debug)]
struct Door(JoinHandle<()>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Flycast {
    /// Listens at these from now on, and leads each connection to where they lead: whoever connects anywhere else is refused.
    pub(crate) fn opens(&mut self, doors: BTreeMap<SocketAddr, SocketAddr>) {
        self.0.retain(|at, (to, _)| doors.get(at) == Some(to));
        for (at, to) in doors {
            if self.0.contains_key(&at) {
                continue;
            }
            // One that was just closed may not be free yet: at the next beat.
            if let Ok(listener) = listen(at) {
                let door = Door(tokio::spawn(lead(listener, to)));
                self.0.insert(at, (to, door));
            }
        }
    }
}

fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    let bound = Bound::bind(at)?;
    bound.set_nonblocking(true)?;
    TcpListener::from_std(bound)
}

async fn lead(listener: TcpListener, to: SocketAddr) {
    while let Ok((mut from, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Ok(mut to) = TcpStream::connect(to).await {
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
        });
    }
}
