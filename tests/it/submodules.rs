//! A repository with submodules: what its owner has checked out arrives, what nobody can get is named.

use std::{fs, path::Path};

use crate::server::{SOON, Server, commit, free_port, get, git};

const NAME: &str = "local/shop/production";

/// A repository with one file.
fn repository(folder: &Path, name: &str, file: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(path.join(file), content).unwrap();
    commit(&path, "Begin");
}

/// Adds a submodule by its relative address.
fn add(folder: &Path, to: &str, name: &str) {
    let address = format!("../{name}");
    let trusting = ["-c", "protocol.file.allow=always"];
    let order = ["submodule", "--quiet", "add", &address, name];
    git(&folder.join(to), &[&trusting[..], &order].concat());
    commit(&folder.join(to), "Add a submodule");
}

#[test]
fn a_page_of_a_nested_submodule_is_served_and_one_that_nobody_can_get_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    repository(here, "words", "hello.html", "hello from within");
    repository(here, "theme", "style.css", "body { color: teal }");
    add(here, "theme", "words");
    repository(here, "shop", "index.html", "the shop");
    add(here, "shop", "theme");
    let shop = here.join("shop");
    let trusting = ["-c", "protocol.file.allow=always"];
    let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
    git(&shop, &[&trusting[..], &update].concat());

    let port = free_port();
    let data = here.join("data");
    let server = Server::start(&["up", "--repo", shop.to_str().unwrap()], &data, port);
    server.until("it runs", SOON, |server| server.status(NAME).0 == "running");
    let get = |path: &str| get("shop.localhost", port, path);
    let served = (200, "body { color: teal }".to_owned());
    assert_eq!(get("/theme/style.css"), served);
    let within = (200, "hello from within".to_owned());
    assert_eq!(get("/theme/words/hello.html"), within);

    // Somebody lists a commit of the theme that is nowhere on this computer.
    let link = format!("160000,{},theme", "ab".repeat(20));
    git(&shop, &["update-index", "--cacheinfo", &link]);
    let order = ["commit", "--quiet", "--no-gpg-sign", "--message", "Newer"];
    git(&shop, &order);
    let newest = crate::server::head(&shop);
    server.until("the failure is said", SOON, |server| {
        server.status(NAME).1 == newest && server.serving(NAME).1
    });
    let text = server.environments()[0]["failure"]["reason"]
        .as_str()
        .unwrap()
        .replace(&newest[..7], "COMMIT")
        .replace(&shop.display().to_string(), "/repos/shop");
    insta::assert_snapshot!(text, @"the source could not be fetched: commit COMMIT of /repos/shop: submodule theme (address `../theme`) is not there with its commit abababa, and from a machine a relative address leads nowhere: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    assert_eq!(get("/theme/style.css"), served, "the old one serves");
}
