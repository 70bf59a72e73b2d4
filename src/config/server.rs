//! `[server]`: where the server listens, and how people reach it.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::Proxies;

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// How people reach the dashboard; empty for plain HTTP at its host.
    pub public_url: String,
    /// The certificate of `public_url` and of previews; empty for none.
    pub tls_certificate: PathBuf,
    /// Its private key; empty for none.
    pub tls_key: PathBuf,
    /// Proxies in front of the server that are believed.
    pub trusted_proxies: Proxies,
    /// Everything that must survive.
    pub data_dir: PathBuf,
    /// What follows a label.
    pub preview_domain: String,
    /// The dashboard's host.
    pub dashboard_host: String,
}

/// How people reach a server, read from its `public_url`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Public<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The dashboard's host.
    pub host: &'a str,
    /// The port, where it is not the scheme's own.
    pub port: Option<u16>,
}

impl Server {
    /// Whether the server itself speaks TLS.
    pub fn has_tls(&self) -> bool {
        !self.tls_certificate.as_os_str().is_empty()
    }

    /// How people reach the dashboard; `None` when it is not said.
    pub fn public(&self) -> Option<Public<'_>> {
        read(&self.public_url)
    }

    /// What cannot be, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        let public = self.public();
        if !self.public_url.is_empty() && public.is_none() {
            return Some(format!(
                "server.public_url is {:?}, which is no address of a dashboard: write https://nestling.example.com, without a path",
                self.public_url
            ));
        }
        if self.has_tls() == self.tls_key.as_os_str().is_empty() {
            return Some(
                "server.tls_certificate and server.tls_key belong together: name both files, or none"
                    .to_owned(),
            );
        }
        let is_safe = public.is_some_and(|public| public.scheme == "https");
        if self.has_tls() && !is_safe {
            return Some(
                "server.tls_certificate is given, so server.public_url must be an https address"
                    .to_owned(),
            );
        }
        let is_guarded = is_safe && (self.has_tls() || !self.trusted_proxies.is_empty());
        if !self.listen.ip().is_loopback() && !is_guarded {
            return Some(format!(
                "server.listen is {}, which others reach, too, and passwords would be read on the way: use 127.0.0.1:{}, or give server.public_url as an https address with server.tls_certificate or server.trusted_proxies",
                self.listen,
                self.listen.port()
            ));
        }
        None
    }
}

fn read(url: &str) -> Option<Public<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (rest, None),
    };
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_name = !host.is_empty() && !host.starts_with('.') && host.bytes().all(plain);
    is_name.then_some(Public { scheme, host, port })
}
