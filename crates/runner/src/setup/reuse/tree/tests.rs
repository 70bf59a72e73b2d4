use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A commit with these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let checkout = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = checkout.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    checkout
}

/// The files and folders that count for an install of the root, or the doubt.
fn told(files: &[(&str, &str)]) -> Result<String, Doubt> {
    let checkout = tree(files);
    let within = checkout.path().canonicalize().unwrap();
    let root = Package::read(&within, &within).unwrap();
    let own = super::super::own(&root, &within);
    let inputs = inputs(&root, &own, Some("package-lock.json"), &within)?;
    let all = inputs.files.iter().chain(&inputs.folders);
    let places = all.map(|place| place.strip_prefix(&within).unwrap().display().to_string());
    Ok(places.collect::<Vec<_>>().join(" "))
}

fn depends(on: &str) -> String {
    serde_json::json!({"name": "shop", "dependencies": {"lib": on}}).to_string()
}

#[test]
fn what_a_dependency_names_is_told_by_its_words() {
    for elsewhere in [
        "^1.2.3",
        "*",
        "latest",
        "npm:other@1",
        "workspace:*",
        "acme/lib#v1",
        "https://example.com/lib.tgz",
        "patch:typescript@npm%3A5#optional!builtin<compat/typescript>",
    ] {
        assert_eq!(named(elsewhere), Named::Elsewhere, "{elsewhere}");
    }
    for (place, path) in [
        ("file:./lib", "./lib"),
        ("file:lib", "lib"),
        ("link:../lib", "../lib"),
        ("portal:./lib::locator=shop%40workspace%3A.", "./lib"),
        ("file:./lib.tgz#0ff1ce", "./lib.tgz"),
        ("./lib", "./lib"),
        ("../lib", "../lib"),
        ("/lib", "/lib"),
    ] {
        assert_eq!(named(place), Named::Place(path), "{place}");
    }
    let patch = "patch:ms@npm%3A2.1.3#~/.yarn/patches/ms.patch";
    assert_eq!(named(patch), Named::Patch(".yarn/patches/ms.patch"));
    for unknown in [
        "exec:./make.js",
        "patch:ms@npm%3A2#./ms.patch",
        "patch:ms@npm%3A2#~/a.patch&~/b.patch",
    ] {
        assert_eq!(named(unknown), Named::Unknown, "{unknown}");
    }
}

#[test]
fn files_that_dependencies_name_count_and_so_do_schemas() {
    let (plain, tarball) = (depends("^1.0.0"), depends("file:./lib.tgz"));
    assert_eq!(told(&[("package.json", &plain)]), Ok(String::new()));
    let files = [("package.json", &*tarball), ("lib.tgz", "packed")];
    assert_eq!(told(&files), Ok("lib.tgz".into()));
    let patched = r#"{"pnpm":{"patchedDependencies":{"ms@2":"fixes/ms.patch"}}}"#;
    let files = [("package.json", patched), ("fixes/ms.patch", "better")];
    assert_eq!(told(&files), Ok("fixes/ms.patch".into()));
    let schemas = [
        ("package.json", plain.as_str()),
        (
            "package-lock.json",
            r#"{"packages":{"node_modules/prisma":{}}}"#,
        ),
        ("db/one/shop.prisma", "model Shop {}"),
        ("node_modules/prisma/own.prisma", "not ours"),
    ];
    assert_eq!(told(&schemas), Ok("db/one/shop.prisma".into()));
    assert_eq!(told(&[schemas[0], schemas[2]]), Ok(String::new()));
}

#[test]
fn a_folder_counts_where_a_link_to_it_is_all_that_an_install_makes() {
    let folder = depends("file:./lib");
    let library = |json: &str| told(&[("package.json", &folder), ("lib/package.json", json)]);
    assert_eq!(library(r#"{"name":"lib"}"#), Ok("lib".into()));
    for json in [
        r#"{"name":"lib","dependencies":{"ms":"2"}}"#,
        r#"{"name":"lib","scripts":{"postinstall":"node make.js"}}"#,
    ] {
        let doubt = "lib is a folder with dependencies or install scripts of its own";
        assert_eq!(library(json), Err(doubt.into()));
    }
    // One of the workspace is an own package.
    let root = r#"{"workspaces":["packages/*"]}"#;
    let member = r#"{"name":"app","dependencies":{"lib":"file:../lib"}}"#;
    let scripts = r#"{"name":"lib","scripts":{"prepare":"node make.js"}}"#;
    let files = [
        ("package.json", root),
        ("packages/app/package.json", member),
        ("packages/lib/package.json", scripts),
    ];
    assert_eq!(told(&files), Ok(String::new()));
}

#[test]
fn what_cannot_be_told_is_a_doubt() {
    for package in [
        depends("file:../outside"),
        depends("file:./not-there"),
        depends("exec:./make.js"),
        r#"{"overrides":{"ms":"file:./ms"}}"#.into(),
        r#"{"pnpm":{"overrides":{"ms":"link:./ms"}}}"#.into(),
        r#"{"resolutions":{"ms":"portal:./ms"}}"#.into(),
        r#"{"pnpm":{"patchedDependencies":{"ms@2":"../../etc/passwd"}}}"#.into(),
    ] {
        let files = [
            ("package.json", package.as_str()),
            ("ms/package.json", "{}"),
        ];
        assert!(told(&files).is_err(), "{package}");
    }
    let native = [("package.json", "{}"), ("binding.gyp", "{}")];
    assert_eq!(
        told(&native),
        Err("an install builds its binding.gyp".into())
    );
    let pnpm = [
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "overrides:\n  ms: file:./ms\n"),
        ("ms/package.json", "{}"),
    ];
    assert!(told(&pnpm).is_err());
}

#[test]
fn a_copy_of_a_folder_is_found_wherever_the_manager_put_it() {
    let root = r#"{"name":"root","workspaces":["packages/*"]}"#;
    let app = r#"{"name":"app","dependencies":{"lib":"workspace:*","ms":"2.1.3"}}"#;
    let checkout = tree(&[
        ("package.json", root),
        ("packages/app/package.json", app),
        ("packages/lib/package.json", r#"{"name":"lib"}"#),
        ("node_modules/ms/package.json", r#"{"name":"ms"}"#),
        ("node_modules/.pnpm/lib/package.json", r#"{"name":"lib"}"#),
        ("packages/app/node_modules/keep", ""),
    ]);
    let within = checkout.path();
    let own = super::super::own(&Package::read(within, within).unwrap(), within);
    assert_eq!(copy(&own, within), None, "nothing was put in place");
    symlink("../packages/lib", within.join("node_modules/lib")).unwrap();
    assert_eq!(copy(&own, within), None, "a link into the tree");
    let injected = within.join("packages/app/node_modules/lib");
    symlink("../../../node_modules/.pnpm/lib", &injected).unwrap();
    assert_eq!(copy(&own, within), Some("lib".into()));
    // However the folder of the checkout itself is reached.
    let other = tempfile::tempdir().unwrap();
    let linked = other.path().join("linked");
    symlink(within, &linked).unwrap();
    let own = super::super::own(&Package::read(&linked, &linked).unwrap(), &linked);
    assert_eq!(copy(&own, &linked), Some("lib".into()));
}
