//! A server that is no GitHub App yet: a person makes one from the dashboard, installs it, and has previews.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
};

use nestling_world::github::{Model, Permissions, Selection};

use crate::{
    demo::drive,
    server::{SOON, Server, free_port},
};

const SHOP: &str = "acme/shop";

/// GitHub with an organisation that has a repository of one page, and no App.
fn github() -> Model {
    let github = Model::start().unwrap();
    github.act(|state| {
        state.create_organisation("acme");
        let page = [("index.html", "<h1>Shop</h1>")];
        state.create_repository(SHOP, true, &page).unwrap();
    });
    github
}

fn settings(github: &Model) -> Vec<(&'static str, String)> {
    vec![
        ("FORGE__DRIVER", "github".to_owned()),
        ("FORGE__GITHUB__API_URL", github.base()),
        ("FORGE__GITHUB__WEB_URL", github.base()),
    ]
}

fn listens(server: &Server) {
    server.until("it listens", SOON, |server| {
        server.text("/healthz").is_some()
    });
}

/// What somebody answers to a request: the head, and the body.
fn exchange(base: &str, request: &str) -> (String, String) {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A form, as a browser sends it.
fn post(base: &str, path: &str, more: &str, fields: &[(&str, &str)]) -> (String, String) {
    let escaped =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: a browser\r\nConnection: close\r\n{more}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        base.strip_prefix("http://").unwrap(),
        body.len()
    );
    exchange(base, &request)
}

/// The value of an attribute, the first of that name after `from`.
fn attribute(page: &str, from: &str, name: &str) -> String {
    let (_, rest) = page.split_once(from).unwrap();
    let (_, rest) = rest.split_once(&format!("{name}=\"")).unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    value.replace("&quot;", "\"").replace("&amp;", "&")
}

/// Has the server ask for an App; answers the whole page that goes on to GitHub.
fn propose(server: &Server, port: u16) -> (String, String) {
    let token = std::fs::read_to_string(server.data.join("api-token")).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let base = format!("http://127.0.0.1:{port}");
    let fields = [("name", "Nest"), ("owner", "acme")];
    post(&base, "/-/github/new", &bearer, &fields)
}

/// A person agrees at GitHub; answers where GitHub sends the browser.
fn agree(github: &Model, page: &str) -> String {
    let address = attribute(page, "<form", "action");
    let manifest = attribute(page, "name=\"manifest\"", "value");
    let address = address.strip_prefix(&github.base()).unwrap().to_owned();
    let (_, page) = post(&github.base(), &address, "", &[("manifest", &manifest)]);
    let next = attribute(&page, "<form", "action");
    let fields = ["manifest", "state"].map(|name| {
        let field = format!("name=\"{name}\"");
        (name, attribute(&page, &field, "value"))
    });
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("name", "Nest")])
        .collect();
    let (head, _) = post(&github.base(), &next, "", &fields);
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    let (_, back) = location.unwrap().split_once("/-/").unwrap();
    format!("/-/{back}")
}

#[test]
fn a_person_makes_the_app_in_a_browser_installs_it_and_has_a_site() {
    let (github, folder, port) = (github(), tempfile::tempdir().unwrap(), free_port());
    let data = folder.path().join("data");
    let mut server = Server::serve(&data, port, &settings(&github));
    listens(&server);
    drive("set-up.mjs", &server);
    // Nobody edits anything, and a restart finds the App again.
    server.die();
    server.rise();
    listens(&server);
    let page = server.text("/-/github").unwrap();
    assert!(
        page.contains("number 1000001, which was made here"),
        "{page}"
    );
    let wanted = r#"{"repository":"acme/shop","root":""}"#;
    let (status, app) = server.order("POST", "/v1/apps", wanted);
    assert_eq!(status, 201, "{app}");
    let head = github.look(|state| state.see_branch(SHOP, "main"));
    let head = head.unwrap().unwrap();
    server.until("production serves", SOON, |server| {
        server.status("acme/shop/production") == ("running".to_owned(), head.clone())
    });
    let violations = github.look(|state| state.ledger.violations.clone());
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn what_comes_back_from_github_counts_once_and_a_configured_app_goes_first() {
    let (github, folder, port) = (github(), tempfile::tempdir().unwrap(), free_port());
    let data = folder.path().join("data");
    // Reached by its number, because a program does not find every name of this box.
    let mut settings = settings(&github);
    settings.push(("SERVER__PUBLIC_URL", format!("http://127.0.0.1:{port}")));
    let server = Server::serve(&data, port, &settings);
    listens(&server);
    let troubles = server.get("/v1/troubles").to_string();
    assert!(
        troubles.contains("there is no GitHub App yet"),
        "{troubles}"
    );
    let (head, page) = propose(&server, port);
    let only = format!("form-action {};", github.base());
    assert!(
        head.contains(&only) && head.contains("strict-origin"),
        "{head}"
    );
    let back = agree(&github, &page);
    let (path, _) = back.split_once("&state=").unwrap();
    let stays = |path: &str, says: &str| {
        let (status, page) = server.answer("GET", path, "").unwrap();
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(says), "{page}");
    };
    stays(path, "did not begin here");
    stays(&format!("{path}&state=guessed"), "did not begin here");
    stays("/-/github/created", "no code of GitHub");
    assert!(
        server
            .text("/")
            .unwrap()
            .contains("There is no GitHub App yet")
    );
    // A browser that comes from elsewhere shows no sign-in: it is sent once more by a page of ours, and no more than that.
    let as_browser = |path: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/html\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n"
        );
        exchange(&format!("http://127.0.0.1:{port}"), &request)
            .0
            .to_lowercase()
    };
    let head = as_browser("/-/github/created?code=a&state=b");
    let once_more = "refresh: 0;url=/-/github/created?code=a&state=b&again=1";
    assert!(
        head.starts_with("http/1.1 200") && head.contains(once_more),
        "{head}"
    );
    let head = as_browser("/-/github/created?code=a&state=b&again=1");
    assert!(head.starts_with("http/1.1 401"), "{head}");

    assert_eq!(server.answer("GET", &back, "").unwrap().0, 303);
    stays(&back, "is in use already");
    let page = server.text("/").unwrap();
    assert!(page.contains("Install it"), "{page}");
    // What GitHub sends from now on is signed as the server was told, and taken.
    let installed = github.act(|state| state.install(1_000_001, "acme", Selection::All));
    installed.unwrap();
    server.until("the webhook of the installation is taken", SOON, |server| {
        server.get("/v1/deliveries")["deliveries"][0]["status"] == "done"
    });
    let checked = check(&data, port, &settings);
    assert!(checked.contains("only the server knows"), "{checked}");
    server.terminate();
    let checked = check(&data, port, &settings);
    assert!(checked.contains("nest, number 1000001"), "{checked}");

    let (app, key) = github.act(|state| {
        let app = state.register_app("acme", "By hand", Permissions::new(), &[]);
        let app = app.unwrap();
        (app, state.private_key(app).unwrap())
    });
    let file = folder.path().join("key.pem");
    std::fs::write(&file, key).unwrap();
    let mut by_hand = settings;
    by_hand.extend([
        ("FORGE__GITHUB__APP_ID", app.to_string()),
        (
            "FORGE__GITHUB__PRIVATE_KEY__FILE",
            file.to_str().unwrap().to_owned(),
        ),
        ("FORGE__GITHUB__WEBHOOK_SECRET", "hush".to_owned()),
    ]);
    let server = Server::serve(&data, port, &by_hand);
    listens(&server);
    let page = server.text("/-/github").unwrap();
    assert!(page.contains(&format!("App {app} is in use")), "{page}");
    assert!(page.contains("The configuration names it"), "{page}");
}

/// What the doctor says.
fn check(data: &Path, port: u16, settings: &[(&str, String)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_nestling"))
        .arg("check")
        .env("NESTLING__SERVER__DATA_DIR", data)
        .env("NESTLING__SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .envs(
            settings
                .iter()
                .map(|(name, value)| (format!("NESTLING__{name}"), value)),
        )
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
