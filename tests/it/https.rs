//! A server that others reach: it speaks HTTPS with a certificate of its own, and its owner's commands go on working.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs,
    pki_types::CertificateDer,
};

use crate::server::{SOON, Server, free_port, nestling};

/// What the server answers to a visitor of `host` who trusts its certificate.
fn get(host: &str, port: u16, trusted: &CertificateDer<'static>, path: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.to_owned().try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_server_with_a_certificate_is_reached_by_https_and_commanded_from_its_box() {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let names = ["nestling.test".to_owned(), "*.preview.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let settings = [
        ("SERVER__PUBLIC_URL", "https://nestling.test".to_owned()),
        ("SERVER__PREVIEW_DOMAIN", "preview.test".to_owned()),
        (
            "SERVER__TLS_CERTIFICATE",
            file("certificate.pem", made.cert.pem()),
        ),
        (
            "SERVER__TLS_KEY",
            file("key.pem", made.signing_key.serialize_pem()),
        ),
    ];
    let data = folder.path().join("data");
    let server = Server::serve(&data, port, &settings);
    let commanded = |_: &Server| {
        let data = data.to_str().unwrap();
        nestling(&["ps", "--json", "--data", data]).status.success()
    };
    server.until("its owner's commands reach it", SOON, commanded);
    let trusted = made.cert.der();
    let page = get("nestling.test", port, trusted, "/");
    assert!(
        page.contains("303") || page.contains("401") || page.contains("200"),
        "{page}"
    );
    let nobody = get("pr-1--shop.preview.test", port, trusted, "/");
    assert!(nobody.starts_with("HTTP/1.1 404"), "{nobody}");
    assert!(
        nobody.contains("https://nestling.test"),
        "it leads to the dashboard: {nobody}"
    );
}
