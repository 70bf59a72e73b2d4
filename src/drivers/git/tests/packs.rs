//! Mirrors and bundles.

use super::*;

/// What a runner does with a bundle.
fn fetch(bundle: &Path, into: &Path, commit: &Commit) {
    std::fs::create_dir_all(into).unwrap();
    let format = if commit.as_str().len() == 64 {
        "sha256"
    } else {
        "sha1"
    };
    let init = format!("--object-format={format}");
    let bare = into.join("without-shallow");
    git_in(into, &["init", "-q", &init]).unwrap();
    // Without a word about its parents only the files are to be had.
    git_in(into, &["init", "-q", &init, bare.to_str().unwrap()]).unwrap();
    git_in(&bare, &["bundle", "unbundle", bundle.to_str().unwrap()]).unwrap();
    git_in(&bare, &["checkout", "-q", "--detach", commit.as_str()]).unwrap();

    std::fs::write(into.join(".git/shallow"), format!("{commit}\n")).unwrap();
    git_in(into, &["fetch", "-q", bundle.to_str().unwrap(), BUNDLE_REF]).unwrap();
    git_in(into, &["checkout", "-q", "--detach", commit.as_str()]).unwrap();
    git_in(into, &["fsck", "--strict"]).unwrap();
    assert_eq!(
        git_in(into, &["rev-list", "--count", "HEAD"]).unwrap(),
        "1\n"
    );
}

#[tokio::test]
async fn a_commit_is_packed_without_history_even_after_its_owner_rewrote_it() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    shop.commit_on("topic", "one");
    let second = shop.commit_on("topic", "two");
    let (git_dir, mirror) = (world.path("shop/.git"), world.path("mirrors/1.git"));
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    shop.git(&["branch", "-f", "topic", "main"]);
    shop.git(&["reflog", "expire", "--expire=now", "--all"]);
    shop.git(&["gc", "-q", "--prune=now"]);
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    assert!(!world.git.has_commit(&git_dir, &second).await.unwrap());
    assert!(world.git.has_commit(&mirror, &second).await.unwrap());

    let bundle = world.path("bundles/x.bundle");
    world
        .git
        .pack(&mirror, &second, &Beside::default(), &bundle)
        .await
        .unwrap();
    fetch(&bundle, &world.path("clone"), &second);
    assert_eq!(
        std::fs::read_to_string(world.path("clone/change.txt")).unwrap(),
        "two"
    );
    // The next one finds it there.
    let packed = std::fs::metadata(&bundle).unwrap();
    world
        .git
        .pack(Path::new("/nowhere"), &second, &Beside::default(), &bundle)
        .await
        .unwrap();
    assert_eq!(std::fs::metadata(&bundle).unwrap().len(), packed.len());
}

#[tokio::test]
async fn a_shallow_clone_and_a_sha256_repository_are_mirrored_and_packed_too() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    shop.commit("b", "b", "Second");
    let url = format!("file://{}", world.path("shop").display());
    git_in(
        &world.path(""),
        &["clone", "-q", "--depth", "1", &url, "shallow"],
    )
    .unwrap();
    let modern = Sample {
        path: world.path("modern"),
    };
    std::fs::create_dir_all(&modern.path).unwrap();
    modern.git(&["init", "-q", "-b", "main", "--object-format=sha256"]);
    modern.commit("a", "a", "First");
    modern.commit("a", "b", "Second");
    for name in ["shallow", "modern"] {
        let commit = Sample {
            path: world.path(name),
        }
        .head("main");
        let mirror = world.path(&format!("mirrors/{name}.git"));
        world
            .git
            .mirror(&world.path(name).join(".git"), &mirror)
            .await
            .unwrap();
        let bundle = world.path(&format!("bundles/{name}"));
        world
            .git
            .pack(&mirror, &commit, &Beside::default(), &bundle)
            .await
            .unwrap();
        fetch(&bundle, &world.path(&format!("{name}-clone")), &commit);
    }
}

/// Keeps a file in Git LFS as `git lfs` does, which need not be installed.
fn keep_large(shop: &Sample, path: &str, content: &str, there: bool) -> Commit {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
    let id: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if there {
        let folder = shop
            .path
            .join(".git/lfs/objects")
            .join(&id[..2])
            .join(&id[2..4]);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(&id), content).unwrap();
    }
    let attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
    std::fs::write(shop.path.join(".gitattributes"), attributes).unwrap();
    let size = content.len();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{id}\nsize {size}\n");
    shop.commit(path, &pointer, &format!("Add {path}"))
}

#[tokio::test]
async fn a_file_kept_in_git_lfs_is_packed_with_its_content_and_an_absent_one_is_named() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let (git_dir, mirror) = (world.path("shop/.git"), world.path("mirrors/1.git"));
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    let large_files = async |commit: &Commit| {
        let files = world.git.tree(&mirror, commit).await.unwrap().files;
        world.git.large_files(&mirror, &files).await.unwrap()
    };
    assert!(large_files(&shop.head("main")).await.is_empty());

    let commit = keep_large(&shop, "deep/ä b.bin", "as large as can be", true);
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    let large = large_files(&commit).await;
    let tree = world
        .git
        .copy_large_files(&git_dir, &mirror, &large)
        .await
        .unwrap();
    let bundle = world.path("bundles/x.bundle");
    let beside = Beside {
        large_files: Some(tree.clone()),
        ..Beside::default()
    };
    world
        .git
        .pack(&mirror, &commit, &beside, &bundle)
        .await
        .unwrap();
    fetch(&bundle, &world.path("clone"), &commit);
    let clone = world.path("clone");
    let reference = format!("+{0}:{0}", nestling_protocol::bundle::LARGE_FILES_REF);
    git_in(
        &clone,
        &["fetch", "-q", bundle.to_str().unwrap(), &reference],
    )
    .unwrap();
    let shown = format!("{tree}:deep/ä b.bin");
    assert_eq!(
        git_in(&clone, &["show", &shown]).unwrap(),
        "as large as can be"
    );

    keep_large(&shop, "x.bin", "one", false);
    let commit = keep_large(&shop, "y.bin", "two", false);
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    let large = large_files(&commit).await;
    let error = world
        .git
        .copy_large_files(&git_dir, &mirror, &large)
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"x.bin and 1 more are kept in Git LFS, and the content is not in the repository: run `git lfs fetch` there, then redeploy");
}

#[tokio::test]
async fn locks_of_a_fetch_that_was_killed_are_in_nobodys_way() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let (git_dir, mirror) = (world.path("shop/.git"), world.path("mirrors/1.git"));
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    shop.git(&["branch", "deep/topic"]);
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    for lock in [
        "packed-refs.lock",
        "refs/heads/main.lock",
        "refs/heads/deep/topic.lock",
    ] {
        std::fs::write(mirror.join(lock), "").unwrap();
    }
    let commit = shop.commit("a", "a", "Change");
    shop.git(&["branch", "-D", "deep/topic"]);
    world.git.mirror(&git_dir, &mirror).await.unwrap();
    assert!(world.git.has_commit(&mirror, &commit).await.unwrap());
}

#[tokio::test]
async fn a_repository_that_belongs_to_somebody_else_is_read_like_any_other() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let commit = shop.head("main");
    // Only root can give things away; for anybody else it stays their own.
    let given = std::process::Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(&shop.path)
        .output()
        .unwrap();
    let root = rustix::process::geteuid().is_root();
    assert_eq!(given.status.success(), root);
    let opened = world.git.open(&shop.path).await.unwrap();
    assert_eq!(
        world.git.heads(&opened.git_dir).await.unwrap().heads[0]
            .commit
            .id,
        commit
    );
    world
        .git
        .mirror(&opened.git_dir, &world.path("mirror"))
        .await
        .unwrap();
    assert!(
        world
            .git
            .has_commit(&world.path("mirror"), &commit)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_pack_that_fails_leaves_no_file() {
    let world = World::new();
    Sample::with_app(world.path("shop"));
    let absent = Commit::parse(&"ab".repeat(20)).unwrap();
    let bundle = world.path("bundles/x");
    let error = world
        .git
        .pack(
            &world.path("shop/.git"),
            &absent,
            &Beside::default(),
            &bundle,
        )
        .await
        .unwrap_err();
    insta::assert_snapshot!(error, @"git pack-objects failed: fatal: bad object abababababababababababababababababababab");
    assert_eq!(std::fs::read_dir(world.path("bundles")).unwrap().count(), 0);
}

#[test]
fn bundles_are_removed_by_age_and_by_size_least_recently_used_first() {
    let world = World::new();
    let folder = world.path("bundles");
    std::fs::create_dir_all(&folder).unwrap();
    let day = Duration::from_hours(24);
    for (name, days) in [
        ("a", 1),
        ("b", 2),
        ("c", 3),
        ("old", 8),
        ("crashed.part", 9),
    ] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        file.set_len(1000).unwrap();
        let used = Duration::from_millis(now().0).saturating_sub(day * days);
        file.set_modified(std::time::UNIX_EPOCH + used).unwrap();
    }
    let left = || {
        let names = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    prune_bundles(&folder, now()).unwrap();
    assert_eq!(left(), ["a", "b", "c"]);
    pack::prune_to(&folder, now(), 2500).unwrap();
    assert_eq!(left(), ["a", "b"]);
    pack::prune_to(&folder, Timestamp(now().0), 0).unwrap();
    assert_eq!(left(), [""; 0]);
}

#[test]
fn mirrors_are_removed_by_age_and_by_size_least_recently_used_first_and_never_the_newest_for_its_size()
 {
    let world = World::new();
    let folder = world.path("mirrors");
    let day = Duration::from_hours(24);
    for (name, days) in [
        ("new.git", 1),
        ("rests.git", 20),
        ("rests-longer.git", 25),
        ("old.git", 31),
    ] {
        let objects = folder.join(name).join("objects/pack");
        std::fs::create_dir_all(&objects).unwrap();
        let pack = std::fs::File::create(objects.join("one.pack")).unwrap();
        pack.set_len(1000).unwrap();
        let used = Timestamp(now().0 - u64::try_from((day * days).as_millis()).unwrap());
        use_mirror(&folder.join(name), used).unwrap();
    }
    std::fs::write(folder.join("new.lock"), "").unwrap();
    let unused = |now: Timestamp, most: u64| -> Vec<String> {
        let unused = mirrors::unused_beyond(&folder, now, most).unwrap();
        let names = unused
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap());
        names.map(str::to_owned).collect()
    };
    assert_eq!(unused(now(), 10_000), ["old.git"]);
    assert_eq!(unused(now(), 2_500), ["old.git", "rests-longer.git"]);
    assert_eq!(
        unused(now(), 0),
        ["old.git", "rests-longer.git", "rests.git"]
    );
    let much_later = now().plus(day * 31);
    assert_eq!(unused(much_later, 10_000).len(), 4);
}
