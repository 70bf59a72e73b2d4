//! Which apps a repository holds.

use super::*;

#[actix::test]
async fn apps_that_only_a_branch_has_are_found_and_the_page_says_that_production_has_none() {
    let world = World::new();
    let shop = Sample::empty(world.path("shop"));
    shop.commit("README.md", "soon", "Begin");
    shop.git(&["checkout", "-q", "-b", "first-app"]);
    shop.commit("web/index.html", "hi", "Add a page");
    shop.git(&["checkout", "-q", "main"]);
    let id = world.watch("shop").await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @r#"no app of a known kind in branch `main` of /repos/shop: an app is a folder, at most 4 deep, with a main.w, a package.json that has a start or build script, or an index.html. For any other kind, commit a nestling.toml with [start] and run = "how it starts, listening on $PORT""#);
    assert_eq!(world.apps(), [r#"Static web in "web""#]);
    shop.git(&["merge", "-q", "first-app"]);
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;
    // What a branch says about an app that is merged counts for nobody else.
    shop.git(&["checkout", "-q", "-b", "second-app"]);
    shop.commit("web/main.w", "", "Make it a Wing app");
    shop.commit("till/main.w", "", "Add a till");
    world.until("told", |world| world.told().len() == 5).await;
    assert_eq!(
        world.apps(),
        [r#"Static web in "web""#, r#"Wing till in "till""#]
    );
}

#[actix::test]
async fn a_link_makes_an_app_where_it_leads_to_a_file_of_the_repository() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    let shop = Sample::empty(world.path("shop"));
    let link = |to: &str, from: &str| {
        let from = world.path("shop").join(from);
        std::fs::create_dir_all(from.parent().unwrap()).unwrap();
        symlink(to, from).unwrap();
    };
    for (to, from) in [
        ("../pages/home.html", "web/index.html"),
        ("now/app.w", "till/main.w"),
        ("v2", "till/now"),
        ("../package.tmpl", "server/package.json"),
        ("/etc/passwd", "passwd/index.html"),
        ("../../shop/pages/home.html", "around/index.html"),
        ("../later.html", "soon/index.html"),
    ] {
        link(to, from);
    }
    for (file, content) in [
        ("pages/home.html", "hi"),
        ("till/v2/app.w", ""),
        ("package.tmpl", r#"{"scripts":{"start":"node ."}}"#),
    ] {
        shop.commit(file, content, "Add");
    }
    let id = world.watch("shop").await;
    let found = [
        r#"Node server in "server""#,
        r#"Static web in "web""#,
        r#"Wing till in "till""#,
    ];
    assert_eq!(world.apps(), found);
    let asked = FindApps { repository: id };
    let asked = world.forge.send(asked).await.unwrap().unwrap();
    let why = |root| {
        let why = asked.discovery.why_not(root, "`main`");
        why.split("; ").nth(1).unwrap().to_owned()
    };
    insta::assert_snapshot!(why("passwd"), @"not taken: passwd/index.html (it is a link that leads out of the repository)");
    insta::assert_snapshot!(why("around"), @"not taken: around/index.html (it is a link that leads out of the repository)");
    insta::assert_snapshot!(why("soon"), @"not taken: soon/index.html (it is a link to later.html, which is no file of the repository)");

    shop.commit("later.html", "hi", "Lead somewhere");
    world
        .until("found", |world| world.apps().len() == found.len() + 1)
        .await;
    assert!(
        world
            .apps()
            .contains(&r#"Static soon in "soon""#.to_owned())
    );
}

#[actix::test]
async fn an_app_that_a_person_removed_is_found_and_not_recorded() {
    let mut world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let package = r#"{"scripts":{"start":"node ."}}"#;
    shop.commit("server/package.json", package, "Add the API");
    let id = world.watch("shop").await;
    let removed = AppId::derive(id, "server");
    at_once(world.store.delete_app(&removed, clock::now()));

    let main = shop.commit("server/index.js", "1", "Change the API");
    let topic = shop.commit_on("topic", "1");
    world.restart().await;
    assert_eq!(open(world.head(id, Kind::Production).await), main);
    assert_eq!(open(world.head(id, Kind::Preview(1)).await), topic);
    assert_eq!(world.apps(), [r#"Static shop in """#]);
    let asked = FindApps { repository: id };
    let found = world.forge.send(asked).await.unwrap().unwrap();
    let roots: Vec<&str> = found
        .discovery
        .apps
        .iter()
        .map(|app| app.root.as_str())
        .collect();
    assert_eq!(roots, ["", "server"]);
    assert_eq!((found.branch.as_str(), found.commit), ("main", main));
    assert_eq!(world.shorten(&found.place), "branch `main` of /repos/shop");
    let asked = AppsAt {
        repository: id,
        kind: Kind::Production,
        commit: topic,
    };
    let held = world.forge.send(asked).await.unwrap().unwrap();
    assert!(held.contains(&removed), "once it is back, it is held");
}
