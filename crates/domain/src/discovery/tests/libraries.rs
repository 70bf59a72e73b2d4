//! What is a library and no site.

use super::*;

const PNPM: &str = r#"packages:\n  - "apps/*"\n  - "packages/*""#;

#[test]
fn the_libraries_of_a_workspace_are_no_sites() {
    // As `create-turbo` leaves it, with a site, a server, what both are made of, and a tool.
    let web = r#"{"name":"web","scripts":{"build":"vite build"},"dependencies":{"@acme/ui":"workspace:*"}}"#;
    let api = r#"{"name":"api","scripts":{"build":"tsc","start":"node dist/server.js"},"dependencies":{"@acme/core":"workspace:*"}}"#;
    let ui = r#"{"name":"@acme/ui","exports":{".":"./dist/index.js"},"scripts":{"build":"tsup"},"devDependencies":{"@acme/ui":"*"}}"#;
    let core = r#"{"name":"@acme/core","main":"dist/index.js","scripts":{"build":"tsc"}}"#;
    let tool = r#"{"name":"create-acme","bin":"./cli.js","scripts":{"build":"tsup"}}"#;
    let config = r#"{"name":"@acme/config","main":"index.js"}"#;
    let packages = format!(
        "
        apps/web/package.json: {web}
        apps/web/index.html
        apps/api/package.json: {api}
        packages/ui/package.json: {ui}
        packages/ui/playground/index.html
        packages/core/package.json: {core}
        packages/tool/package.json: {tool}
        packages/config/package.json: {config}
    "
    );
    let turbo = r#"{"private":true,"scripts":{"build":"turbo run build"}}"#;
    let pnpm = format!("package.json: {turbo}\npnpm-workspace.yaml: {PNPM}\n{packages}");
    insta::assert_snapshot!(found(&pnpm), @r#"
    Node "api" in "apps/api"
    Static "web" in "apps/web"
    not package.json: it has workspaces and no start script: its packages are the apps
    not packages/config/package.json: it has no start or build script
    not packages/core/package.json: it is a library: it has `main`, and no index.html beside it
    not packages/tool/package.json: it is a library: it has `bin`, and no index.html beside it
    not packages/ui/package.json: it is a library: it has `exports`, and no index.html beside it
    not packages/ui/playground/index.html: it belongs to the library in packages/ui
    "#);
    let npm = r#"{"private":true,"workspaces":["apps/*","packages/*"],"scripts":{"build":"turbo run build"}}"#;
    assert_eq!(
        found(&format!("package.json: {npm}\n{packages}")),
        found(&pnpm)
    );
}

#[test]
fn a_package_is_a_library_only_where_somebody_takes_it() {
    let lone = r#"{"name":"shop","main":"index.js","scripts":{"build":"vite build"}}"#;
    let telling = r#"{"name":"shop","module":"m.js","scripts":{"build":"vite build"}}"#;
    // What stands alone is a site until it fails as one.
    for package in [lone, telling] {
        assert_eq!(
            found(&format!("package.json: {package}")),
            r#"Static "shop" in """#
        );
    }
    // `npm init` writes `main` into every package, that of a site, too.
    let roof = r#"{"workspaces":["sites/*"]}"#;
    insta::assert_snapshot!(found(&format!("
        package.json: {roof}
        sites/shop/package.json: {lone}
        sites/docs/package.json: {BUILD}
    ")), @r#"
    Static "docs" in "sites/docs"
    Static "shop" in "sites/shop"
    not package.json: it has no start or build script
    "#);
    // A page beside the package, or a start script, says more than its fields.
    insta::assert_snapshot!(found(&format!("
        package.json: {roof}
        sites/board/package.json: {telling}
        sites/board/index.html
        sites/server/package.json: {}
    ", r#"{"name":"server","exports":"./s.js","scripts":{"build":"tsc","start":"node s.js"}}"#)), @r#"
    Static "shop" in "sites/board"
    Node "server" in "sites/server"
    not package.json: it has no start or build script
    "#);
    // A library with its examples: they are what can be shown.
    let example =
        r#"{"name":"basic","scripts":{"build":"vite build"},"dependencies":{"shop":"file:../.."}}"#;
    insta::assert_snapshot!(found(&format!("
        package.json: {telling}
        examples/basic/package.json: {example}
    ")), @r#"
    Static "basic" in "examples/basic"
    not package.json: it is a library: it has `module`, and no index.html beside it
    "#);
    // Libraries and nothing else: none of them is deployed, and the page says why.
    let tree = ["package.json", "a/package.json"];
    let contents = BTreeMap::from([
        (
            "package.json".to_owned(),
            r#"{"workspaces":["a"]}"#.to_owned(),
        ),
        ("a/package.json".to_owned(), telling.to_owned()),
    ]);
    let why = discover("shop", tree, &contents).trouble("`main`").unwrap();
    assert!(
        why.ends_with("not taken: a/package.json (it is a library: it has `module`, and no index.html beside it), package.json (it has no start or build script)"),
        "{why}"
    );
}

#[test]
fn a_pnpm_file_that_only_holds_settings_makes_no_workspace() {
    let settings = r"onlyBuiltDependencies:\n  - esbuild";
    insta::assert_snapshot!(found(&format!("
        package.json: {BUILD}
        index.html
        pnpm-workspace.yaml: {settings}
        docs/index.html
    ")), @r#"
    Static "shop" in ""
    not docs/index.html: it belongs to the app in the repository's root
    "#);
}
