//! Submodules: found where their owner has them, and nowhere else.

use super::*;

/// Git as a person has it who trusts the folders of this machine.
fn with_files(sample: &Sample, args: &[&str]) {
    let trusting = ["-c", "protocol.file.allow=always"];
    sample.git(&[&trusting[..], args].concat());
}

/// A shop whose library has a submodule of its own, both by relative addresses, and both checked out.
fn shop_with_library(world: &World) -> Sample {
    let words = Sample::empty(world.path("words"));
    words.commit("words.txt", "words", "Begin");
    let library = Sample::empty(world.path("library"));
    library.commit("library.txt", "library", "Begin");
    with_files(&library, &["submodule", "add", "-q", "../words", "words"]);
    library.git(&["commit", "-q", "-m", "Add words"]);
    let shop = Sample::with_app(world.path("shop"));
    let add = ["submodule", "add", "-q", "--name", "libs/x", "../library"];
    with_files(&shop, &[&add[..], &["vendor/library"]].concat());
    with_files(
        &shop,
        &["submodule", "-q", "update", "--init", "--recursive"],
    );
    shop.git(&["commit", "-q", "-m", "Add the library"]);
    shop
}

/// Commits this list, with this commit of a submodule at `vendor/library`.
fn list(shop: &Sample, list: &str, submodule: &str) -> Commit {
    std::fs::write(shop.path.join(".gitmodules"), list).unwrap();
    shop.git(&["add", ".gitmodules"]);
    let link = format!("160000,{submodule},vendor/library");
    shop.git(&["update-index", "--add", "--cacheinfo", &link]);
    shop.git(&["commit", "-q", "-m", "List"]);
    shop.head("HEAD")
}

impl World {
    async fn submodules(&self, commit: &Commit) -> Result<Vec<Submodule>, GitError> {
        let opened = self.git.open(&self.path("shop")).await.unwrap();
        let mirror = self.path("mirrors/1.git");
        self.git.mirror(&opened.git_dir, &mirror).await.unwrap();
        let tree = self.git.tree(&mirror, commit).await.unwrap();
        self.git.submodules(&opened, &mirror, tree).await
    }

    async fn refused(&self, commit: &Commit) -> String {
        let error = self.submodules(commit).await.unwrap_err();
        assert!(matches!(error, GitError::Submodule(_)), "{error}");
        let said = error.to_string();
        if let GitError::Submodule(SubmoduleError::Absent { commit, .. }) = &error {
            return said.replace(commit.short(), "COMMIT");
        }
        said
    }
}

/// The commits of what was found, and where.
fn places(world: &World, found: &[Submodule]) -> Vec<String> {
    let root = world.path("");
    let place = |one: &Submodule| one.objects.strip_prefix(&root).unwrap().to_owned();
    let mut places: Vec<String> = found
        .iter()
        .map(|one| place(one).display().to_string())
        .collect();
    places.sort();
    places
}

#[tokio::test]
async fn submodules_that_are_checked_out_are_packed_with_those_within_them() {
    let world = World::new();
    let shop = shop_with_library(&world);
    let commit = shop.head("HEAD");
    let found = world.submodules(&commit).await.unwrap();
    assert_eq!(
        places(&world, &found),
        [
            "shop/.git/modules/libs/x/modules/words/objects",
            "shop/.git/modules/libs/x/objects"
        ]
    );
    let bundle = world.path("bundles/x.bundle");
    let beside = Beside {
        submodules: found.clone(),
        ..Beside::default()
    };
    let mirror = world.path("mirrors/1.git");
    world
        .git
        .pack(&mirror, &commit, &beside, &bundle)
        .await
        .unwrap();
    for name in ["shop", "words", "library"] {
        std::fs::remove_dir_all(world.path(name)).unwrap();
    }
    let clone = Sample::empty(world.path("clone"));
    clone.git(&["bundle", "unbundle", bundle.to_str().unwrap()]);
    let heads = clone.git(&["bundle", "list-heads", bundle.to_str().unwrap()]);
    for one in &found {
        let named = format!("{0} refs/nestling/submodules/{0}\n", one.commit);
        assert!(heads.contains(&named), "{heads}");
    }
    let show = |file: &str| {
        let shown = |one: &Submodule| clone.try_git(&["show", &format!("{}:{file}", one.commit)]);
        found.iter().find_map(|one| shown(one).ok())
    };
    assert_eq!(show("library.txt").as_deref(), Some("library"));
    assert_eq!(show("words.txt").as_deref(), Some("words"));
    // The mirror is no copy of them, and stays as it was.
    assert!(
        !world
            .git
            .has_commit(&mirror, &found[0].commit)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_submodule_that_lies_in_the_work_tree_is_found_there() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let library = Sample::with_app(world.path("shop/vendor/library"));
    let head = library.head("HEAD");
    let text = "[submodule \"x\"]\n\tpath = vendor/library\n\turl = ./vendor/library\n";
    let commit = list(&shop, text, head.as_str());
    let found = world.submodules(&commit).await.unwrap();
    assert_eq!(places(&world, &found), ["shop/vendor/library/.git/objects"]);
}

#[tokio::test]
async fn what_a_machine_can_fetch_itself_is_left_to_it() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let ab = "ab".repeat(20);
    for rest in ["url = https://example.com/x", "url = ../x\n\tupdate = none"] {
        let text = format!("[submodule \"x\"]\n\tpath = vendor/library\n\t{rest}\n");
        let commit = list(&shop, &text, &ab);
        assert_eq!(world.submodules(&commit).await.unwrap(), []);
    }
    // Without a list, git leaves the folder of another repository empty.
    shop.git(&["rm", "-q", "--cached", ".gitmodules"]);
    shop.git(&["commit", "-q", "-m", "No list"]);
    assert_eq!(world.submodules(&shop.head("HEAD")).await.unwrap(), []);
}

#[tokio::test]
async fn a_submodule_that_nobody_can_get_is_refused_with_its_address_and_the_remedy() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let ab = "ab".repeat(20);
    let refused = async |url: &str| {
        let text = format!("[submodule \"x\"]\n\tpath = vendor/library\n\turl = {url}\n");
        world.refused(&list(&shop, &text, &ab)).await
    };
    insta::assert_snapshot!(refused("../library").await, @"submodule vendor/library (address `../library`) is not there with its commit COMMIT, and from a machine a relative address leads nowhere: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    insta::assert_snapshot!(refused("git@example.com:acme/library.git").await, @"submodule vendor/library (address `git@example.com:acme/library.git`) is not there with its commit COMMIT, and machines fetch by http and https only: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    insta::assert_snapshot!(refused("/srv/library").await, @"submodule vendor/library (address `/srv/library`) is not there with its commit COMMIT, and a machine sees nothing of this computer's folders: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    let commit = list(&shop, "[submodule \"y\"]\n\tpath = y\n", &ab);
    insta::assert_snapshot!(world.refused(&commit).await, @"submodule vendor/library is not in .gitmodules: add it with `git submodule add`, or remove it with `git rm --cached vendor/library`");
    let commit = list(&shop, "[submodule \"x\n", &ab);
    insta::assert_snapshot!(world.refused(&commit).await, @".gitmodules cannot be read: error: bad config line 1 in blob 6fbdefca90789580f21958371a2c0f01ce9bb300; correct it and commit");
}

#[tokio::test]
async fn a_submodule_that_is_there_only_in_part_counts_as_absent() {
    let world = World::new();
    let shop = shop_with_library(&world);
    let objects = world.path("shop/.git/modules/libs/x/objects");
    let library = Sample {
        path: world.path("library"),
    };
    let file = library.git(&["rev-parse", "HEAD:library.txt"]);
    let (folder, name) = file.trim().split_at(2);
    std::fs::remove_file(objects.join(folder).join(name)).unwrap();
    let refused = world.refused(&shop.head("HEAD")).await;
    assert!(
        refused.contains("is not there with its commit"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_list_leads_to_no_repository_but_those_of_the_shop() {
    let world = World::new();
    let shop = shop_with_library(&world);
    let private = Sample::with_app(world.path("private"));
    let secret = private.head("HEAD");
    let refused = async |name: &str, url: &str| {
        let text = format!("[submodule \"{name}\"]\n\tpath = vendor/library\n\turl = {url}\n");
        let refused = world.refused(&list(&shop, &text, secret.as_str())).await;
        refused.replace(world.path("").to_str().unwrap(), "/repos/")
    };
    let place = private.path.display().to_string();
    insta::assert_snapshot!(refused("x", &place).await, @"submodule vendor/library (address `/repos/private`) is not there with its commit COMMIT, and a machine sees nothing of this computer's folders: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    insta::assert_snapshot!(refused("../../../private/.git", "https://x").await, @"submodule vendor/library is called `../../../private/.git` in .gitmodules, and git takes no submodule of such a name: call it as its folder");
    insta::assert_snapshot!(refused(&format!("{place}/.git"), "https://x").await, @"submodule vendor/library is called `/repos/private/.git` in .gitmodules, and git takes no submodule of such a name: call it as its folder");
    insta::assert_snapshot!(refused("", "https://x").await, @"submodule vendor/library is called `` in .gitmodules, and git takes no submodule of such a name: call it as its folder");

    // Links that lead to it: in git's own folder, in place of the work tree's folder, and above that.
    let link = |to: &Path, from: &str| {
        let from = world.path("shop").join(from);
        let _ = std::fs::remove_file(&from);
        std::fs::create_dir_all(from.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, from).unwrap();
    };
    link(&private.path.join(".git"), ".git/modules/linked");
    link(&world.path(""), ".git/modules/above");
    std::fs::remove_dir_all(world.path("shop/vendor")).unwrap();
    link(&world.path("vendor"), "vendor");
    std::fs::create_dir_all(world.path("vendor")).unwrap();
    std::fs::rename(world.path("private"), world.path("vendor/library")).unwrap();
    for name in ["linked", "above/vendor/library/.git", "x"] {
        let refused = refused(name, "../private").await;
        assert!(
            refused.contains("is not there with its commit"),
            "{refused}"
        );
    }
    // A folder of the list's own words is no other place, either.
    let included = format!("[include]\n\tpath = {}\n", world.path("list").display());
    let entry = "[submodule \"x\"]\n\tpath = vendor/library\n\turl = https://example.com/x\n";
    std::fs::write(world.path("list"), entry).unwrap();
    let commit = list(&shop, &included, secret.as_str());
    insta::assert_snapshot!(world.refused(&commit).await, @"submodule vendor/library is not in .gitmodules: add it with `git submodule add`, or remove it with `git rm --cached vendor/library`");
}

#[tokio::test]
async fn submodules_without_end_are_refused() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let head = shop.head("HEAD");
    let mut text = String::new();
    for n in 0..=nestling_domain::submodule::MOST {
        use std::fmt::Write as _;
        let entry = format!("[submodule \"{n}\"]\n\tpath = m{n}\n\turl = https://example.com/x\n");
        text.write_str(&entry).unwrap();
        let link = format!("160000,{head},m{n}");
        shop.git(&["update-index", "--add", "--cacheinfo", &link]);
    }
    std::fs::write(shop.path.join(".gitmodules"), text).unwrap();
    shop.git(&["add", ".gitmodules"]);
    shop.git(&["commit", "-q", "-m", "Many"]);
    insta::assert_snapshot!(world.refused(&shop.head("HEAD")).await, @"it has more than 200 submodules, or more than 8 within each other: fetch what is needed of them in the build instead");
}
