use super::*;

/// A repository that has trouble stands beside one that has not, which is served all the same.
async fn neighbour_serves(world: &World) {
    let neighbour = world.path("neighbour");
    let sample = if neighbour.exists() {
        Sample { path: neighbour }
    } else {
        Sample::with_app(neighbour)
    };
    let id = world.watch("neighbour").await;
    let commit = sample.commit("index.html", &format!("{:?}", Instant::now()), "Change");
    assert_eq!(open(world.head(id, Kind::Production).await), commit);
    world
        .until("told", |world| {
            world.told().contains(&production("main", &commit))
        })
        .await;
}

#[actix::test]
async fn a_path_that_is_no_repository_is_refused_with_the_place_and_the_remedy() {
    let world = World::new();
    std::fs::create_dir_all(world.path("plain")).unwrap();
    let refusal = async |name: &str| match world.try_watch(name).await {
        Err(ForgeError::Rejected(reason)) => world.shorten(&reason),
        other => panic!("not refused: {other:?}"),
    };
    insta::assert_snapshot!(refusal("plain").await, @"/repos/plain is not a git repository: run `git init` there and commit, or give another folder");
    insta::assert_snapshot!(refusal("nowhere").await, @"/repos/nowhere does not exist: give the folder of a git repository, or put it back");
    neighbour_serves(&world).await;
}

#[actix::test]
async fn an_empty_repository_says_so_until_its_first_commit() {
    let world = World::new();
    let shop = Sample::empty(world.path("shop"));
    let id = world.watch("shop").await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"/repos/shop has no commit yet: commit to a branch, and it is deployed");
    let failed = world.head(id, Kind::Production).await.unwrap_err();
    assert_eq!(
        failed,
        ForgeError::Failed(world.repository(id).trouble.unwrap())
    );
    neighbour_serves(&world).await;

    shop.git(&["checkout", "-q", "-b", "trunk"]);
    let first = shop.commit("index.html", "hi", "Begin");
    world
        .until("healed", |world| {
            world.told().contains(&production("trunk", &first))
        })
        .await;
    assert_eq!(
        (
            world.trouble(id),
            world.repository(id).default_branch.as_str()
        ),
        (None, "trunk")
    );
}

#[actix::test]
async fn a_repository_that_vanishes_closes_nothing_and_heals_when_it_is_back() {
    let mut world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let topic = shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    let told = world.told();
    let pack = Pack {
        repository: id,
        kind: Kind::Production,
        commit: topic.clone(),
    };
    world.forge.send(pack.clone()).await.unwrap().unwrap();
    std::fs::rename(world.path("shop"), world.path("elsewhere")).unwrap();
    world
        .until("trouble", |world| world.trouble(id).is_some())
        .await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"/repos/shop does not exist any more: put the repository back; its environments stay as they are until then");
    for kind in [Kind::Production, Kind::Preview(1)] {
        assert!(matches!(
            world.head(id, kind).await,
            Err(ForgeError::Failed(_))
        ));
    }
    // What was copied can still be deployed.
    std::fs::remove_dir_all(world.path("data/bundles")).unwrap();
    world.forge.send(pack).await.unwrap().unwrap();
    world.restart().await;
    assert!(matches!(
        world.head(id, Kind::Preview(1)).await,
        Err(ForgeError::Failed(_))
    ));
    assert_eq!(world.told(), told);
    neighbour_serves(&world).await;

    std::fs::rename(world.path("elsewhere"), world.path("shop")).unwrap();
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;
    assert_eq!(open(world.head(id, Kind::Preview(1)).await), topic);
    assert_eq!(world.told()[..2], told);
    let second = shop.commit_on("topic", "2");
    world
        .until("told", |world| {
            world.told().contains(&pushed(1, "topic", &second))
        })
        .await;
}

#[actix::test]
async fn a_repository_whose_git_folder_is_emptied_or_damaged_closes_nothing() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    let told = world.told();

    // A head that names a commit which is not there.
    let ref_file = world.path("shop/.git/refs/heads/topic");
    let good = std::fs::read(&ref_file).unwrap();
    std::fs::write(
        world.path("shop/.git/refs/heads/topic.new"),
        format!("{}\n", "ab".repeat(20)),
    )
    .unwrap();
    std::fs::rename(world.path("shop/.git/refs/heads/topic.new"), &ref_file).unwrap();
    world
        .until("trouble", |world| world.trouble(id).is_some())
        .await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"/repos/shop cannot be read: git for-each-ref failed: fatal: missing object abababababababababababababababababababab for refs/heads/topic; `git fsck` may say more");
    std::fs::write(&ref_file, good).unwrap();
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;

    std::fs::rename(world.path("shop/.git"), world.path("kept")).unwrap();
    std::fs::create_dir(world.path("shop/.git")).unwrap();
    world
        .until("trouble", |world| world.trouble(id).is_some())
        .await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"/repos/shop is not a git repository: run `git init` there and commit, or give another folder; its environments stay as they are until then");
    std::fs::remove_dir(world.path("shop/.git")).unwrap();
    std::fs::rename(world.path("kept"), world.path("shop/.git")).unwrap();
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;
    assert_eq!(world.told(), told);
    neighbour_serves(&world).await;
}

/// Git goes on without a branch whose file is damaged, and it would look deleted.
#[actix::test]
async fn a_branch_whose_file_is_damaged_is_not_a_deleted_one() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let topic = shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    let told = world.told();
    let file = world.path("shop/.git/refs/heads/topic");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    world
        .until("trouble", |world| world.trouble(id).is_some())
        .await;
    insta::assert_snapshot!(world.trouble(id).unwrap(), @"/repos/shop cannot be read: git for-each-ref failed: warning: ignoring broken ref refs/heads/topic; `git fsck` may say more");
    std::fs::write(&file, good).unwrap();
    world
        .until("healed", |world| world.trouble(id).is_none())
        .await;
    assert_eq!(open(world.head(id, Kind::Preview(1)).await), topic);
    assert_eq!(world.told(), told);
    neighbour_serves(&world).await;
}

#[actix::test]
async fn branches_with_hostile_and_very_long_names_are_branches_like_any_other() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let id = world.watch("shop").await;
    let long = format!("{}end", "deeply/nested/".repeat(17));
    let names = [
        "feat/ünïcode$(x)&&y",
        &long[1..],
        "--upload-pack=touch${IFS}x",
        "`id`;'\"|<script>",
    ];
    assert_eq!(long[1..].len(), 240);
    let work = shop.commit_on("work", "0");
    world
        .until("told", |world| {
            world.told().contains(&pushed(1, "work", &work))
        })
        .await;
    for (name, number) in names.into_iter().zip(2..) {
        shop.git(&["update-ref", &format!("refs/heads/{name}"), work.as_str()]);
        world
            .until("told", |world| {
                world.told().contains(&pushed(number, name, &work))
            })
            .await;
        assert_eq!(open(world.head(id, Kind::Preview(number)).await), work);
    }
    // With spaces it is no branch: git itself refuses it, so there is nothing to watch.
    let refused = shop
        .try_git(&["branch", "feat/ünïcode $(x) && y"])
        .unwrap_err();
    insta::assert_snapshot!(refused.lines().next().unwrap(), @"fatal: 'feat/ünïcode $(x) && y' is not a valid branch name");
    world
        .forge
        .send(Pack {
            repository: id,
            kind: Kind::Production,
            commit: work,
        })
        .await
        .unwrap()
        .unwrap();
    neighbour_serves(&world).await;
}

#[actix::test]
async fn a_repository_on_a_disk_that_hangs_delays_no_other() {
    let world = World::new();
    Sample::with_app(world.path("shop"));
    world.watch("shop").await;
    // Refs in a pipe that nobody writes to: git waits for ever.
    let pipe = world.path("shop/.git/packed-refs");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for _ in 0..3 {
        neighbour_serves(&world).await;
    }
}

#[actix::test]
async fn a_damaged_copy_is_made_anew() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let id = world.watch("shop").await;
    let first = Pack {
        repository: id,
        kind: Kind::Production,
        commit: shop.head("main"),
    };
    world.forge.send(first.clone()).await.unwrap().unwrap();
    std::fs::remove_dir_all(world.path("data/bundles")).unwrap();
    let packs = world.path(&format!("data/mirrors/{id}.git/objects/pack"));
    for file in std::fs::read_dir(packs).unwrap() {
        let file = file.unwrap().path();
        if file.extension() == Some("pack".as_ref()) {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, "damaged").unwrap();
        }
    }
    let bundle = world.forge.send(first).await.unwrap().unwrap();
    shop.git(&["bundle", "list-heads", bundle.to_str().unwrap()]);
}

#[actix::test]
async fn a_submodule_that_nobody_can_get_is_refused_at_once_with_the_remedy() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let list = "[submodule \"library\"]\n\tpath = library\n\turl = ../library\n";
    std::fs::write(world.path("shop/.gitmodules"), list).unwrap();
    shop.git(&["add", ".gitmodules"]);
    let link = format!("160000,{},library", "ab".repeat(20));
    shop.git(&["update-index", "--add", "--cacheinfo", &link]);
    shop.git(&["commit", "-q", "-m", "Add the library"]);
    let commit = shop.head("HEAD");
    let repository = world.watch("shop").await;
    let pack = Pack {
        repository,
        kind: Kind::Production,
        commit: commit.clone(),
    };
    let refused = world.forge.send(pack.clone()).await.unwrap().unwrap_err();
    let ForgeError::Rejected(reason) = refused else {
        panic!("it would be tried again: {refused:?}");
    };
    let reason = world.shorten(&reason).replace(commit.short(), "COMMIT");
    insta::assert_snapshot!(reason, @"commit COMMIT of /repos/shop: submodule library (address `../library`) is not there with its commit abababa, and from a machine a relative address leads nowhere: check this commit out in the repository's folder and run `git submodule update --init --recursive` there, or give the submodule an https address; then redeploy");
    neighbour_serves(&world).await;

    // Its owner follows the remedy: the library is there, and so is its commit.
    let library = Sample::with_app(world.path("shop/.git/modules/library"));
    let link = format!("160000,{},library", library.head("HEAD"));
    shop.git(&["update-index", "--cacheinfo", &link]);
    shop.git(&["commit", "-q", "-m", "Update the library"]);
    let git_dir = world.path("shop/.git/modules/library");
    std::fs::rename(git_dir.join(".git"), world.path("moved")).unwrap();
    std::fs::remove_dir_all(&git_dir).unwrap();
    std::fs::rename(world.path("moved"), &git_dir).unwrap();
    let pack = Pack {
        commit: shop.head("HEAD"),
        ..pack
    };
    let bundle = world.forge.send(pack).await.unwrap().unwrap();
    let heads = shop.git(&["bundle", "list-heads", bundle.to_str().unwrap()]);
    assert!(heads.contains("refs/nestling/submodules/"), "{heads}");
}

#[actix::test]
async fn a_pull_request_that_never_was_is_refused() {
    let world = World::new();
    Sample::with_app(world.path("shop"));
    let id = world.watch("shop").await;
    let unknown = world.head(id, Kind::Preview(7)).await.unwrap_err();
    insta::assert_snapshot!(world.shorten(&unknown.to_string()), @"/repos/shop has no pull request 7");
    let started = world
        .forge
        .send(StartWaiting {
            repository: id,
            number: 7,
            app: None,
        })
        .await
        .unwrap();
    assert_eq!(started, Err(unknown));
}
