//! Where machines and their endpoints are reached.

use std::{fmt, net::SocketAddr, path::PathBuf};

use nestling_protocol::report::Address;

/// Where an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// A unix socket on this box.
    Unix(PathBuf),
    /// A socket of a machine on another host.
    Proxied {
        /// The machine's way in.
        proxy: Proxy,
        /// The file name of the socket.
        file: String,
    },
}

/// Where the endpoints of one machine are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At sockets in this folder of this box.
    Folder(PathBuf),
    /// On another host, at its runner's proxy.
    Proxy(Proxy),
}

/// The proxy of a runner on another host, see [`nestling_protocol::network`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Where it listens; `None` while nobody has said where its machine is.
    pub address: Option<SocketAddr>,
    /// What it asks for.
    pub credential: Credential,
}

/// What the gateway shows to the proxy of one generation. No log shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credential(pub String);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

impl Place {
    /// Where an endpoint is reached that its runner says to be here.
    pub fn upstream(&self, Address::Unix(file): &Address) -> Upstream {
        match self {
            Place::Folder(folder) => Upstream::Unix(folder.join(file)),
            Place::Proxy(proxy) => Upstream::Proxied {
                proxy: proxy.clone(),
                file: file.clone(),
            },
        }
    }

    /// Whether it can be reached: somebody has said where it is.
    pub fn is_known(&self) -> bool {
        match self {
            Place::Folder(_) => true,
            Place::Proxy(proxy) => proxy.address.is_some(),
        }
    }
}
