use super::*;

#[actix::test]
async fn a_repository_is_recorded_with_its_apps_and_every_branch_ahead_is_a_pull_request() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let main = shop.commit(
        "server/package.json",
        r#"{"scripts":{"start":"node ."}}"#,
        "Add the API",
    );
    let topic = shop.commit_on("topic", "1");
    shop.git(&["branch", "same-as-main"]);
    let id = world.watch("shop").await;

    let repository = world.repository(id);
    assert_eq!(
        (repository.owner.as_str(), repository.name.as_str()),
        ("local", "shop")
    );
    assert_eq!(
        (repository.default_branch.as_str(), repository.trouble),
        ("main", None)
    );
    assert_eq!(
        world.apps(),
        [r#"Node server in "server""#, r#"Static shop in """#]
    );
    assert_eq!(
        world.told(),
        [production("main", &main), pushed(1, "topic", &topic)]
    );
    world
        .until("nudged", |world| world.nudges.load(Ordering::SeqCst) == 1)
        .await;
    assert_eq!(open(world.head(id, Kind::Production).await), main);
    assert_eq!(open(world.head(id, Kind::Preview(1)).await), topic);
}

#[actix::test]
async fn a_branch_lives_through_push_delete_and_a_return_under_one_number() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let mut told = vec![production("main", &shop.head("main"))];
    let id = world.watch("shop").await;
    world.until_told(&told).await;

    told.push(pushed(1, "topic", &shop.commit_on("topic", "1")));
    world.until_told(&told).await;
    let second = shop.commit_on("topic", "2");
    told.push(pushed(1, "topic", &second));
    world.until_told(&told).await;

    shop.git(&["branch", "-D", "topic"]);
    assert_eq!(world.head(id, Kind::Preview(1)).await, Ok(Found::Closed));
    told.push("pr-1 topic Close -".to_owned());
    world.until_told(&told).await;
    assert_eq!(world.pull_requests()[0].2, PullRequestStatus::Closed);

    // The same head again: another delivery all the same.
    for _ in 0..2 {
        shop.git(&["branch", "topic", second.as_str()]);
        told.push(format!("pr-1 topic Reopen {}", second.short()));
        world.until_told(&told).await;
        shop.git(&["branch", "-D", "topic"]);
        told.push("pr-1 topic Close -".to_owned());
        world.until_told(&told).await;
    }
}

#[actix::test]
async fn a_checkout_changes_nothing_and_a_merge_closes() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let topic = shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    shop.git(&["checkout", "-q", "topic"]);
    assert_eq!(open(world.head(id, Kind::Preview(1)).await), topic);
    assert_eq!(world.repository(id).default_branch, "main");
    shop.git(&["checkout", "-q", "main"]);
    shop.git(&["merge", "-q", "--ff-only", "topic"]);
    assert_eq!(world.head(id, Kind::Preview(1)).await, Ok(Found::Closed));
    assert_eq!(open(world.head(id, Kind::Production).await), topic);
    assert_eq!(
        world.told()[2..],
        [production("main", &topic), "pr-1 topic Close -".to_owned()]
    );
}

#[actix::test]
async fn a_restart_tells_what_moved_meanwhile_and_nothing_twice() {
    let mut world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let topic = shop.commit_on("topic", "1");
    let id = world.watch("shop").await;
    let mut told = vec![
        production("main", &shop.head("main")),
        pushed(1, "topic", &topic),
    ];
    assert_eq!(world.told(), told);

    world.restart().await;
    assert_eq!(
        open(world.head(id, Kind::Production).await),
        shop.head("main")
    );
    assert_eq!(world.told(), told);

    world.forge.send(Stop).await.unwrap();
    let second = shop.commit_on("topic", "2");
    world.restart_after_stop();
    told.push(pushed(1, "topic", &second));
    world.until_told(&told).await;

    // It died between telling and recording: the record is made up for, and nothing is told twice.
    world.forge.send(Stop).await.unwrap();
    let row = |world: &World| at_once(world.store.pull_request(id, 1)).unwrap();
    let after = row(&world);
    let first = nestling_domain::deployment::CommitInfo {
        id: topic,
        ..after.head.clone().unwrap()
    };
    let before = PullRequest {
        head: Some(first),
        ..after.clone()
    };
    at_once(world.store.put_pull_request(&before));
    world.restart_after_stop();
    world.until("recorded", |world| row(world) == after).await;
    assert_eq!(world.told(), told);
}

#[actix::test]
async fn what_a_broken_store_did_not_take_is_told_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let shop = Sample::with_app(folder.path().join("shop"));
    let file = folder.path().join("store");
    let store = Arc::new(Sqlite::open(&file).unwrap());
    let inbox = Inbox(Arc::default()).start().recipient();
    let forge = LocalForge::new(store.clone(), folder.path().join("data"), inbox).unwrap();
    let forge = forge.start();
    let path = shop.path.clone();
    let repository = forge.send(WatchRepository { path }).await.unwrap().unwrap();
    let database = rusqlite::Connection::open(&file).unwrap();
    database
        .execute_batch("ALTER TABLE deliveries RENAME TO away")
        .unwrap();

    let topic = shop.commit_on("topic", "1");
    let head = Head {
        repository,
        app: AppId::derive(repository, ""),
        kind: Kind::Preview(1),
        branch: "topic".to_owned(),
        question: None,
    };
    let failed = forge
        .send(head.clone())
        .await
        .unwrap()
        .unwrap_err()
        .to_string();
    assert!(failed.contains("no such table"), "{failed}");
    database
        .execute_batch("ALTER TABLE away RENAME TO deliveries")
        .unwrap();

    assert_eq!(open(forge.send(head).await.unwrap()), topic);
    let told = store.deliveries(None, 10).await.unwrap();
    let told: Vec<String> = told
        .iter()
        .rev()
        .map(|(told, _)| words(&told.fact))
        .collect();
    assert_eq!(
        told,
        [
            production("main", &shop.head("main")),
            pushed(1, "topic", &topic)
        ]
    );
}

#[actix::test]
async fn the_eleventh_branch_waits_until_a_person_starts_it() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let commits: Vec<Commit> = (1..=11)
        .map(|n| shop.commit_on(&format!("b{n:02}"), &n.to_string()))
        .collect();
    let id = world.watch("shop").await;
    assert_eq!(world.told().len(), 11);
    let waiting: Vec<_> = world
        .pull_requests()
        .into_iter()
        .filter(|row| row.2 == PullRequestStatus::Waiting)
        .collect();
    let [(number, branch, _)] = &waiting[..] else {
        panic!("{waiting:?}")
    };
    let kind = Kind::Preview(*number);
    let Ok(Found::Waiting(waits)) = world.head(id, kind).await else {
        panic!("does not wait")
    };
    insta::assert_snapshot!(waits.reason, @"10 pull requests of this repository are open, which is the limit: start this one by hand, or delete or merge the branch of another");

    let start = StartWaiting {
        repository: id,
        number: *number,
        app: None,
    };
    world.forge.send(start.clone()).await.unwrap().unwrap();
    let index: usize = branch[1..].parse().unwrap();
    let commit = &commits[index - 1];
    assert_eq!(open(world.head(id, kind).await), *commit);
    assert_eq!(
        world.told()[11..],
        [format!("pr-{number} {branch} Reopen {}", commit.short())]
    );
    world.forge.send(start).await.unwrap().unwrap();
    assert_eq!(world.told().len(), 12);
}

#[actix::test]
async fn a_commit_is_packed_for_a_runner_and_one_that_nobody_has_is_refused() {
    let world = World::new();
    let shop = Sample::with_app(world.path("shop"));
    let first = shop.head("main");
    let second = shop.commit("index.html", "<h1>sale</h1>", "Begin the sale");
    let id = world.watch("shop").await;
    for commit in [first, second] {
        let bundle = world
            .forge
            .send(Pack {
                repository: id,
                kind: Kind::Production,
                commit: commit.clone(),
            })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            bundle,
            world
                .folder
                .path()
                .join(format!("data/bundles/{commit}.bundle"))
        );
        let heads = shop.git(&["bundle", "list-heads", bundle.to_str().unwrap()]);
        assert_eq!(
            heads,
            format!("{commit} HEAD\n{commit} refs/heads/nestling\n")
        );
    }
    let absent = Commit::parse(&"ab".repeat(20)).unwrap();
    let refused = world
        .forge
        .send(Pack {
            repository: id,
            kind: Kind::Production,
            commit: absent,
        })
        .await
        .unwrap()
        .unwrap_err();
    let ForgeError::Rejected(reason) = refused else {
        panic!("{refused:?}")
    };
    insta::assert_snapshot!(world.shorten(&reason), @"commit abababa of /repos/shop: it is in no branch any more: it was rewritten before it was copied; deploy a newer one");
}

#[actix::test]
async fn an_announcement_is_taken_of_a_repository_that_is_watched() {
    let world = World::new();
    Sample::with_app(world.path("shop"));
    let id = world.watch("shop").await;
    let announce = |repository, version| Announce {
        repository,
        kind: Kind::Production,
        version,
    };
    assert_eq!(world.forge.send(announce(id, 2)).await.unwrap(), Ok(()));
    assert_eq!(world.forge.send(announce(id, 1)).await.unwrap(), Ok(()));
    let unknown = world
        .forge
        .send(announce(RepositoryId(7), 1))
        .await
        .unwrap()
        .unwrap_err();
    insta::assert_snapshot!(unknown, @"repository 7 is not watched: add its folder with --repo");
}

/// Three repositories with 50 branches each: each commit is a delivery within a second, and a checkout of all
/// costs the machine next to nothing.
#[actix::test]
async fn a_commit_is_noticed_within_a_second_in_repositories_of_fifty_branches() {
    let world = World::new();
    let samples: Vec<Sample> = ["a", "b", "c"]
        .iter()
        .map(|name| Sample::with_app(world.path(name)))
        .collect();
    for sample in &samples {
        let main = sample.head("main");
        for n in 0..50 {
            sample.git(&[
                "update-ref",
                &format!("refs/heads/old/{n:02}"),
                main.as_str(),
            ]);
        }
    }
    for name in ["a", "b", "c"] {
        world.watch(name).await;
    }
    let mut slowest = Duration::ZERO;
    for round in 0..3 {
        for sample in &samples {
            let commit = sample.commit_on("topic", &round.to_string());
            let committed = Instant::now();
            let is_told = |world: &World| {
                world
                    .told()
                    .iter()
                    .any(|told| told.ends_with(commit.short()))
            };
            world.until("a commit is told", is_told).await;
            slowest = slowest.max(committed.elapsed());
        }
    }
    assert!(
        slowest <= Duration::from_secs(1),
        "the slowest took {slowest:?}"
    );
}

impl World {
    fn restart_after_stop(&mut self) {
        self.forge = start(&self.folder, &self.store, &self.nudges);
    }
}
