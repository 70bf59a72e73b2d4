mod libraries;

use super::*;
use crate::policy::{Outsiders, Production};

/// Lines of `path` or `path: content` to what is found, one line each.
fn found(tree: &str) -> String {
    let mut paths = Vec::new();
    let mut contents = BTreeMap::new();
    for line in tree.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (path, content) = line.split_once(": ").unwrap_or((line, ""));
        paths.push(path);
        if wanted([path]).len() == 1 {
            contents.insert(path.to_owned(), content.replace("\\n", "\n"));
        }
    }
    let discovery = discover("shop", paths, &contents);
    let mut lines: Vec<String> = discovery
        .apps
        .iter()
        .map(|app| {
            let health = app.health.as_deref().unwrap_or("");
            format!("{:?} {:?} in {:?} {health}", app.kind, app.name, app.root)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.extend(
        discovery
            .not_taken
            .iter()
            .map(|n| format!("not {}: {}", n.path, n.reason)),
    );
    lines.join("\n")
}

const START: &str = r#"{"name":"@acme/server","scripts":{"start":"node ."}}"#;
const BUILD: &str = r#"{"scripts":{"build":"vite build"}}"#;
const NEITHER: &str = r#"{"scripts":{"test":"true"}}"#;

#[test]
fn each_kind_is_known_by_its_file_and_named_by_its_makers() {
    for (tree, expected) in [
        ("main.w", r#"Wing "shop" in """#.to_owned()),
        ("web/main.w", r#"Wing "web" in "web""#.to_owned()),
        (
            &format!("package.json: {START}"),
            r#"Node "server" in """#.to_owned(),
        ),
        (
            &format!("package.json: {BUILD}\nindex.html"),
            r#"Static "shop" in """#.to_owned(),
        ),
        (
            "index.html\nabout.html",
            r#"Static "shop" in """#.to_owned(),
        ),
        (
            "public/index.html",
            r#"Static "public" in "public""#.to_owned(),
        ),
        (
            "api/nestling.toml: name = \"The API\"\\n[start]\\nrun = \"./api\"\\nhealth = \"/ok\"",
            r#"Any "The API" in "api" /ok"#.to_owned(),
        ),
        // What is explicit wins over what is guessed; a nestling.toml without a start only adds.
        (
            &format!("package.json: {START}\nmain.w\nnestling.toml: [start]\\nrun = \"x\""),
            r#"Any "server" in """#.to_owned(),
        ),
        (
            &format!(
                "package.json: {START}\nnestling.toml: name = \"till\"\\n[test]\\nrun = \"x\""
            ),
            r#"Node "till" in """#.to_owned(),
        ),
        (
            &format!("package.json: {START}\nmain.w"),
            r#"Wing "server" in """#.to_owned(),
        ),
    ] {
        assert_eq!(found(tree), expected, "for {tree}");
    }
}

#[test]
fn a_folder_inside_an_app_belongs_to_it_unless_it_says_otherwise() {
    insta::assert_snapshot!(found(&format!("
        main.w
        website/package.json: {START}
        website/public/index.html
        other/main.w
        jobs/nestling.toml: [start]\\nrun = \"jobs\"
    ")), @r#"
    Wing "shop" in ""
    Any "jobs" in "jobs"
    Wing "other" in "other"
    not website/package.json: it belongs to the app in the repository's root
    not website/public/index.html: it is a sample or an output, and the repository has apps beside it
    "#);
    // A static page does not own a server, and a server owns its client.
    insta::assert_snapshot!(found(&format!("
        index.html
        api/package.json: {START}
        api/client/package.json: {BUILD}
        docs/index.html
    ")), @r#"
    Static "shop" in ""
    Node "server" in "api"
    not api/client/package.json: it belongs to the app in the repository's root
    not docs/index.html: it belongs to the app in the repository's root
    "#);
    // `web` does not own `web-admin`.
    insta::assert_snapshot!(found("
        web/index.html
        web-admin/index.html
    "), @r#"
    Static "web" in "web"
    Static "web-admin" in "web-admin"
    "#);
}

#[test]
fn the_roof_of_workspaces_is_an_app_only_when_nothing_below_it_is() {
    let roof = r#"{"workspaces":["packages/*"],"scripts":{"build":"turbo build"}}"#;
    insta::assert_snapshot!(found(&format!("
        package.json: {roof}
        packages/api/package.json: {START}
        packages/web/package.json: {BUILD}
        packages/shared/package.json: {NEITHER}
    ")), @r#"
    Node "server" in "packages/api"
    Static "web" in "packages/web"
    not package.json: it has workspaces and no start script: its packages are the apps
    not packages/shared/package.json: it has no start or build script
    "#);
    insta::assert_snapshot!(found(&format!("
        package.json: {roof}
        packages/shared/package.json: {NEITHER}
    ")), @r#"
    Static "shop" in ""
    not packages/shared/package.json: it has no start or build script
    "#);
}

#[test]
fn samples_count_when_nothing_else_is_there_and_tests_when_not_even_samples_are() {
    insta::assert_snapshot!(found("
        main.w
        examples/counter/main.w
        tests/fixtures/app/main.w
    "), @r#"
    Wing "shop" in ""
    not examples/counter/main.w: it is a sample or an output, and the repository has apps beside it
    not tests/fixtures/app/main.w: it belongs to tests, and the repository has apps beside it
    "#);
    insta::assert_snapshot!(found("
        examples/counter/main.w
        examples/site/index.html
        tests/fixtures/app/main.w
    "), @r#"
    Wing "counter" in "examples/counter"
    Static "site" in "examples/site"
    not tests/fixtures/app/main.w: it belongs to tests, and the repository has apps beside it
    "#);
    insta::assert_snapshot!(found("tests/fixtures/app/main.w"), @r#"Wing "app" in "tests/fixtures/app""#);
}

#[test]
fn what_is_foreign_or_crafted_is_never_looked_at() {
    insta::assert_snapshot!(found(&format!("
        node_modules/x/package.json: {START}
        web/node_modules/x/index.html
        vendor/x/main.w
        .github/index.html
        ../main.w
        a//main.w
        a/b/c/d/e/main.w
        a/b/c/d/main.w
        bell\u{7}/main.w
        $(x)/main.w
    ")), @r#"
    Wing "$(x)" in "$(x)"
    Wing "d" in "a/b/c/d"
    not a/b/c/d/e/main.w: it lies more than 4 folders deep
    not bell�/main.w: its folder's name has control characters: rename it
    "#);
}

#[test]
fn broken_files_say_what_is_wrong_with_them() {
    insta::assert_snapshot!(found("
        a/package.json: {\"scripts\": 
        b/package.json: {\"scripts\": [], \"name\": 7}
        c/nestling.toml: [start\\nrun = 1
        d/nestling.toml: [test]\\nrun = \"x\"
        e/nestling.toml: [start]\\nrun = \"  \"
        f/package.json: []
    "), @r#"
    not a/package.json: it is not valid JSON: EOF while parsing a value at line 1 column 11
    not b/package.json: it has no start or build script
    not c/nestling.toml: it is not valid in line 1: unclosed table, expected `]`
    not d/nestling.toml: it has no [start] run
    not e/nestling.toml: it has no [start] run
    not f/package.json: it has no start or build script
    "#);
    let unread = discover("shop", ["package.json"], &BTreeMap::new());
    assert_eq!(
        unread.not_taken[0].reason,
        "it is too big, or not UTF-8 text"
    );
}

#[test]
fn a_repository_holds_twenty_apps_the_shallow_ones() {
    let mut tree: Vec<String> = (0..25).map(|n| format!("apps/a{n:02}/main.w\n")).collect();
    tree.push("z/main.w\n".to_owned());
    let tree = tree.concat();
    let found = discover("shop", tree.lines(), &BTreeMap::new());
    assert_eq!(found.apps.len(), MOST_APPS);
    assert_eq!(found.apps[19].root, "z");
    assert_eq!(found.not_taken.len(), 6);
    assert_eq!(
        found.not_taken[0].reason,
        "a repository may hold 20 apps, and has them already"
    );
}

#[test]
fn a_policy_that_cannot_be_read_is_told_beside_an_app_that_is_one_without_it() {
    let contents = BTreeMap::from([(
        "nestling.toml".to_owned(),
        "[policy]\npreview = 3\n".to_owned(),
    )]);
    let found = discover("shop", ["index.html", "nestling.toml"], &contents);
    assert_eq!((found.apps.len(), &found.apps[0].policy), (1, &None));
    let trouble = found.trouble("`main`").unwrap();
    assert!(
        trouble.starts_with("in `main` not taken as an app: nestling.toml (it is not valid in line 2: unknown field `preview`"),
        "{trouble}"
    );
}

#[test]
fn a_file_that_was_meant_to_make_an_app_is_told_although_others_did() {
    let contents = BTreeMap::from([
        (
            "api/nestling.toml".to_owned(),
            "[start]\nrunn = \"x\"\n".to_owned(),
        ),
        (
            "docs/nestling.toml".to_owned(),
            "name = \"docs\"\n\n[start\n".to_owned(),
        ),
        ("jobs/package.json".to_owned(), NEITHER.to_owned()),
        ("examples/one/package.json".to_owned(), "{".to_owned()),
    ]);
    let mut paths: Vec<&str> = contents.keys().map(String::as_str).collect();
    paths.push("web/index.html");
    paths.sort_unstable();
    let trouble = discover("shop", paths, &contents)
        .trouble("`main`")
        .unwrap();
    assert!(
        trouble.starts_with(
            r#"in `main` not taken as an app: api/nestling.toml (it has no [start] run, and in [start] a key "runn": run and health are the ones that count), docs/nestling.toml (it is not valid in line 3: "#
        ),
        "{trouble}"
    );
    // A package that only others use, and samples, are nothing to tell.
    assert!(
        !trouble.contains("jobs") && !trouble.contains("examples"),
        "{trouble}"
    );
}

#[test]
fn the_page_says_why_there_is_no_app() {
    let contents = BTreeMap::from([("package.json".to_owned(), NEITHER.to_owned())]);
    let found = discover("shop", ["README.md", "package.json"], &contents);
    insta::assert_snapshot!(
        found.trouble("branch `main` of /repos/shop").unwrap(),
        @r#"no app of a known kind in branch `main` of /repos/shop: an app is a folder, at most 4 deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = "how it starts, listening on $PORT"; not taken: package.json (it has no start or build script)"#
    );
    assert_eq!(
        discover("shop", ["main.w"], &BTreeMap::new()).trouble("x"),
        None
    );
}

#[test]
fn a_nestling_toml_starts_an_app_by_a_line_or_by_words_and_a_misspelt_one_is_named() {
    let found = |text: &str| {
        let contents = BTreeMap::from([("nestling.toml".to_owned(), text.to_owned())]);
        discover("shop", ["nestling.toml"], &contents)
    };
    for start in ["run = \"./serve\"", "run = [\"./serve\", \"now\"]"] {
        let found = found(&format!(
            "name = \"till\"\n[start]\n{start}\n[test]\nrun = \"./t\"\n"
        ));
        assert_eq!(found.apps[0].name, "till", "{found:?}");
    }
    let misspelt = found("[strat]\nrun = \"./serve\"\n");
    insta::assert_snapshot!(
        misspelt.not_taken[0].reason,
        @r#"it has no [start] run, and an unknown key "strat": name, setup, test, start, endpoint and policy are the known ones"#
    );
}

#[test]
fn who_looks_for_an_app_where_there_is_none_is_told_why_and_where_there_are() {
    let files = ["notes/package.json", "shop/main.w", "index.html.txt"];
    let contents = BTreeMap::from([("notes/package.json".to_owned(), NEITHER.to_owned())]);
    let discovery = discover("shop", files, &contents);
    let place = "branch `main` of /repos/shop";
    insta::assert_snapshot!(
        discovery.why_not("notes", place),
        @"there is no app in folder notes of branch `main` of /repos/shop; not taken: notes/package.json (it has no start or build script); apps were found in shop"
    );
    insta::assert_snapshot!(
        discovery.why_not("", place),
        @"there is no app in folder . of branch `main` of /repos/shop; apps were found in shop"
    );
    let nothing = discover("shop", ["README.md"], &BTreeMap::new());
    assert_eq!(Some(nothing.why_not("", place)), nothing.trouble(place));
}

#[test]
fn an_apps_policy_is_read_from_its_file_and_a_broken_file_says_none() {
    let policy = |text: &str| {
        let files = BTreeMap::from([("nestling.toml".to_owned(), text.to_owned())]);
        let found = discover("shop", ["index.html", "nestling.toml"], &files);
        found.apps[0].policy.clone()
    };
    let read = policy(
        "[policy]\ndrafts = false\noutsiders = \"off\"\npaths = [\"web/**\"]\nproduction_deploys = \"manual\"\n",
    );
    let read = read.unwrap();
    assert!(!read.drafts && read.outsiders == Outsiders::Off);
    assert_eq!(read.production_deploys, Production::Manual);
    assert!(!read.paths.concern(&["api/x".to_owned()]));
    assert_eq!(read.previews, 10, "what is not said is as ever");
    assert_eq!(policy("name = \"shop\"\n"), Some(Policy::default()));
    for broken in [
        "[policy]\noutsider = \"off\"\n",
        "[policy]\npreviews = -1\n",
        "[policy",
    ] {
        assert_eq!(policy(broken), None, "{broken}");
    }
}
