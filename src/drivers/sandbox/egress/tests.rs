//! What the way out refuses, in every spelling that we know.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::format_push_string,
    clippy::decimal_bitwise_operands,
    reason = "tests look for one thing and fail on the rest"
)]

use super::*;

/// `rebind.test` and the like resolve to what stands in their name.
fn resolver() -> Resolver {
    Arc::new(|host, _| {
        Box::pin(async move {
            let text = match host.as_str() {
                "public.test" => "198.51.100.14",
                "metadata.test" => "169.254.169.254",
                "loopback.test" => "127.0.0.1",
                "six.test" => "::1",
                "mapped.test" => "::ffff:10.0.0.1",
                "mixed.test" => {
                    return Ok(vec![
                        "198.51.100.14".parse().unwrap(),
                        "10.0.0.1".parse().unwrap(),
                    ]);
                }
                "localhost" => "127.0.0.1",
                _ => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(vec![text.parse().unwrap()])
        })
    })
}

async fn status_of(egress: &Arc<Egress>, request: &str) -> String {
    let (mut near, far) = UnixStream::pair().unwrap();
    let serving = Arc::clone(egress);
    let task = tokio::spawn(async move { serving.answer(far, "test").await });
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    drop(near);
    task.await.unwrap();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn no_spelling_of_a_neighbour_is_reached() {
    let egress = Arc::new(Egress::new(&[], resolver()).unwrap());
    let hosts = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0X7F.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.0x1",
        "0",
        "0.0.0.0",
        "0.1.2.3",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2002:a9fe:a9fe::]",
        "[2001:0:1::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[100::1]",
        "[2600::5efe:10.0.0.1]",
        "[2600::200:5efe:127.0.0.1]",
        "10.0.0.1",
        "10.255.255.53",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "localhost",
        "LOCALHOST.",
        "metadata.test",
        "loopback.test",
        "LoopBack.Test.",
        "six.test",
        "mapped.test",
        "mixed.test",
        "user@public.test",
        "public.test@127.0.0.1",
        "127%2e0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①27.0.0.1",
        "public.test#@127.0.0.1",
        "public.test\\@127.0.0.1",
        "",
    ];
    for host in hosts {
        for port in [80, 443, 4100] {
            let status = status_of(
                &egress,
                &format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: x\r\n\r\n"),
            )
            .await;
            assert!(
                status.contains(" 403 ") || status.contains(" 400 ") || status.contains(" 502 "),
                "CONNECT {host}:{port} got {status:?}"
            );
            assert!(
                !status.contains(" 502 ") || !status.contains("200"),
                "{host}"
            );
        }
        let status = status_of(
            &egress,
            &format!("GET http://{host}/latest/meta-data HTTP/1.1\r\nHost: public.test\r\n\r\n"),
        )
        .await;
        assert!(
            status.contains(" 403 ") || status.contains(" 400 "),
            "GET {host} got {status:?}"
        );
    }
}

#[tokio::test]
async fn this_boxs_own_addresses_are_out_of_reach() {
    let egress = Arc::new(Egress::new(&[], system_resolver()).unwrap());
    let trie = std::fs::read_to_string("/proc/net/fib_trie").unwrap();
    let own: Vec<&str> = trie
        .lines()
        .zip(trie.lines().skip(1))
        .filter(|(_, next)| next.contains("/32 host LOCAL"))
        .filter_map(|(line, _)| line.split("|-- ").nth(1))
        .collect();
    assert!(own.contains(&"127.0.0.1"), "{own:?}");
    for address in own {
        let status = status_of(&egress, &format!("CONNECT {address}:22 HTTP/1.1\r\n\r\n")).await;
        assert!(status.contains(" 403 "), "{address} got {status:?}");
    }
}

#[tokio::test]
async fn public_addresses_are_permitted_and_mail_is_not() {
    let egress = Egress::new(&[], resolver()).unwrap();
    let permitted = async |authority: &str| {
        egress
            .permitted(&request::target(authority, None).unwrap())
            .await
            .is_ok()
    };
    assert!(permitted("public.test:443").await);
    assert!(permitted("9.9.9.9:22").await);
    assert!(permitted("[2620:fe::fe]:443").await);
    assert!(permitted("[2002:909:909::]:443").await);
    assert!(
        permitted("203.0.113.80:443").await
            || Neighbours::read()
                .refusal("203.0.113.80".parse().unwrap())
                .is_some()
    );
    assert!(!permitted("public.test:25").await);
    assert!(!permitted("mixed.test:443").await);
}

#[tokio::test]
async fn a_named_exception_is_reached_and_carries_bytes_both_ways() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.unwrap();
            stream
                .write_all(if &bytes == b"GET " {
                    b"HTTP/1.1 204 No Content\r\n\r\n"
                } else {
                    b"pong"
                })
                .await
                .unwrap();
        }
    });
    let egress = Arc::new(Egress::new(&[format!("127.0.0.1:{port}")], resolver()).unwrap());
    let status = status_of(
        &egress,
        &format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"),
    )
    .await;
    assert_eq!(status, "HTTP/1.1 204 No Content");
    let status = status_of(
        &egress,
        &format!(
            "CONNECT 127.0.0.1:{} HTTP/1.1\r\n\r\n",
            port.wrapping_add(1).max(1)
        ),
    )
    .await;
    assert!(status.contains(" 403 "), "{status}");

    let (mut near, far) = UnixStream::pair().unwrap();
    tokio::spawn(async move { egress.answer(far, "test").await });
    near.write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nping").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 Connection established\r\n\r\npong");
}

#[test]
fn exceptions_are_read_strictly() {
    for good in [
        "mirror.example",
        "mirror.example:4873",
        "10.1.2.3",
        "10.1.2.3:80",
        "fd00::1",
        "[fd00::1]:80",
    ] {
        assert!(
            Egress::new(&[good.to_owned()], resolver()).is_ok(),
            "{good}"
        );
    }
    for bad in ["http://mirror", "10.0.0.0/8", "a b", "mirror:x", ""] {
        assert!(Egress::new(&[bad.to_owned()], resolver()).is_err(), "{bad}");
    }
}
