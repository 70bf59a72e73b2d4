//! Environments under their keys and versions.

use std::time::Duration;

use nestling_domain::{
    ids::{AppId, EnvironmentId, Generation, InputId, Kind, RepositoryId, Timestamp, Version},
    lifecycle::Why,
};

use super::*;

pub(crate) async fn a_saved_environment_is_found_by_id_by_app_by_branch_and_by_pull_request(
    store: AnyStore,
) {
    let shop = preview("shop", 12);
    save_first(&store, &shop).await;
    save_first(&store, &preview("admin", 12)).await;
    save_first(&store, &environment("shop", Kind::Production, "main")).await;

    assert_eq!(
        store.environment(&shop.id).await.unwrap(),
        Some(shop.clone())
    );
    let nobody = EnvironmentId("nobody".to_owned());
    assert_eq!(store.environment(&nobody).await.unwrap(), None);
    assert!(
        store
            .environments_of_app(&shop.app)
            .await
            .unwrap()
            .contains(&shop)
    );
    let tracking = store
        .environments_of_branch(&shop.app, "feature-12")
        .await
        .unwrap();
    assert_eq!(tracking, [shop.clone()]);
    let of_pull_request = store
        .environments_of_pull_request(RepositoryId(7), 12)
        .await
        .unwrap();
    let apps: Vec<_> = of_pull_request.iter().map(|e| e.app.0.as_str()).collect();
    assert_eq!(
        apps,
        ["admin", "shop"],
        "one per app, production not among them"
    );
    assert_eq!(
        store
            .environments_of_pull_request(RepositoryId(8), 12)
            .await
            .unwrap(),
        []
    );

    // All three copies follow the next save.
    let mut changed = next(&shop);
    changed.title = "a better title".to_owned();
    store.save(save_of(&changed)).await.unwrap();
    assert_eq!(
        store.environment(&shop.id).await.unwrap(),
        Some(changed.clone())
    );
    assert!(
        store
            .environments_of_app(&shop.app)
            .await
            .unwrap()
            .contains(&changed)
    );
    let tracking = store
        .environments_of_branch(&shop.app, "feature-12")
        .await
        .unwrap();
    assert_eq!(tracking, [changed]);
}

pub(crate) async fn a_save_that_expects_another_version_changes_nothing(store: AnyStore) {
    let first = preview("shop", 1);
    save_first(&store, &first).await;
    let (second, _) = save_next(&store, &first, "somebody was quicker").await;

    let mut late = next(&first);
    late.title = "decided on yesterday's record".to_owned();
    assert_conflict(store.save(save_of(&late)).await);

    let mut early = next(&next(&second));
    early.title = "decided on a record that was never written".to_owned();
    assert_conflict(store.save(save_of(&early)).await);

    assert_eq!(
        store.environment(&first.id).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        store.environments_of_app(&first.app).await.unwrap(),
        [second]
    );
}

pub(crate) async fn a_first_save_meets_the_record_that_is_there_already(store: AnyStore) {
    let there = preview("shop", 1);
    save_first(&store, &there).await;
    let mut again = there.clone();
    again.title = "recorded a second time".to_owned();
    assert_conflict(store.save(save_of(&again)).await);
    assert_eq!(store.environment(&there.id).await.unwrap(), Some(there));

    let unknown = next(&preview("shop", 2));
    assert_conflict(store.save(save_of(&unknown)).await);
    assert_eq!(store.environment(&unknown.id).await.unwrap(), None);
}

pub(crate) async fn a_save_whose_version_does_not_follow_is_refused(store: AnyStore) {
    let mut wrong = preview("shop", 1);
    wrong.version = Version(5);
    let save = Save {
        expected: None,
        ..save_of(&wrong)
    };
    assert_rejected(store.save(save).await, "the next one is 1");
    assert_eq!(store.environment(&wrong.id).await.unwrap(), None);
}

pub(crate) async fn a_deployment_of_another_environment_is_refused(store: AnyStore) {
    let shop = preview("shop", 1);
    let mut save = save_of(&shop);
    save.deployments = vec![record(&preview("admin", 1).id, 1)];
    assert_rejected(store.save(save).await, "admin-pr-1");
    assert_eq!(store.environment(&shop.id).await.unwrap(), None);
}

pub(crate) async fn an_environment_that_tracks_another_branch_is_found_there_only(store: AnyStore) {
    let production = environment("shop", Kind::Production, "master");
    save_first(&store, &production).await;
    let mut moved = next(&production);
    moved.branch = "main".to_owned();
    store.save(save_of(&moved)).await.unwrap();
    let app = &production.app;
    assert_eq!(
        store.environments_of_branch(app, "master").await.unwrap(),
        []
    );
    assert_eq!(
        store.environments_of_branch(app, "main").await.unwrap(),
        [moved.clone()]
    );
    assert_eq!(store.environments_of_app(app).await.unwrap(), [moved]);
}

pub(crate) async fn strange_branches_are_told_apart(store: AnyStore) {
    let long = "x/".repeat(119) + "yz";
    let names = [
        "feat/ünïcode $(x) && y",
        "a",
        "a#b",
        "A",
        "a/b",
        "%",
        "'; DROP TABLE records; --",
        &long,
    ];
    for (number, branch) in (1..).zip(names) {
        save_first(&store, &environment("shop", Kind::Preview(number), branch)).await;
    }
    for (number, branch) in (1..).zip(names) {
        let found = store
            .environments_of_branch(&AppId("shop".to_owned()), branch)
            .await
            .unwrap();
        let kinds: Vec<_> = found.iter().map(|environment| environment.kind).collect();
        assert_eq!(kinds, [Kind::Preview(number)], "for branch {branch:?}");
    }
}

pub(crate) async fn production_comes_first_then_the_previews_by_number(store: AnyStore) {
    for number in [10, 9, 100, 1] {
        save_first(&store, &preview("shop", number)).await;
    }
    save_first(&store, &environment("shop", Kind::Production, "main")).await;
    save_first(&store, &preview("shop-two", 3)).await;
    let found = store
        .environments_of_app(&AppId("shop".to_owned()))
        .await
        .unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|environment| environment.kind.name())
        .collect();
    assert_eq!(names, ["production", "pr-1", "pr-9", "pr-10", "pr-100"]);
}

pub(crate) async fn what_is_due_comes_earliest_first_and_what_awaits_nothing_never(
    store: AnyStore,
) {
    let at = |minute: u64| Timestamp(NOON.0 + minute * 60_000);
    for (number, due_at) in [
        (1, Some(at(30))),
        (2, None),
        (3, Some(at(10))),
        (4, Some(at(20))),
        (5, Some(Timestamp(u64::MAX))),
    ] {
        let save = Save {
            due_at,
            ..save_of(&preview("shop", number))
        };
        store.save(save).await.unwrap();
    }
    let due = |until, limit| {
        let store = store.clone();
        async move {
            let ids = store.due(until, limit).await.unwrap();
            ids.into_iter().map(|id| id.0).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        due(at(20), 10).await,
        ["shop-pr-3", "shop-pr-4"],
        "at or before, earliest first"
    );
    assert_eq!(
        due(at(60), 2).await,
        ["shop-pr-3", "shop-pr-4"],
        "the limit keeps the earliest"
    );
    assert_eq!(
        due(at(60), 10).await,
        ["shop-pr-3", "shop-pr-4", "shop-pr-1"]
    );

    // Debts that are paid are no longer due.
    let paid = next(&preview("shop", 3));
    store.save(save_of(&paid)).await.unwrap();
    assert_eq!(due(at(60), 10).await, ["shop-pr-4", "shop-pr-1"]);
}

pub(crate) async fn who_names_a_machine_is_listed_until_it_names_none(store: AnyStore) {
    let idle = preview("shop", 1);
    let mut asked = preview("shop", 2);
    asked.lifecycle.world.machines.insert(Generation(1));
    let mut runs = preview("shop", 3);
    runs.lifecycle.state = serving(1);
    let mut drains = preview("shop", 4);
    drains.lifecycle.world.draining = Some(Generation(1));
    for environment in [&idle, &asked, &runs, &drains] {
        save_first(&store, environment).await;
    }
    let page = store.with_machines(None, 10).await.unwrap();
    assert_eq!(page.items, [asked.clone(), runs.clone(), drains.clone()]);
    assert_eq!(page.next, None);
    let first = store.with_machines(None, 2).await.unwrap();
    assert_eq!(first.items, [asked, runs.clone()]);
    let rest = store.with_machines(first.next.as_deref(), 2).await.unwrap();
    assert_eq!((rest.items, rest.next), (vec![drains], None));

    let mut stopped = next(&runs);
    stopped.lifecycle.state = State::Stopped {
        why: Why::Person,
        last: None,
        since: NOON,
    };
    store.save(save_of(&stopped)).await.unwrap();
    let page = store.with_machines(None, 10).await.unwrap();
    assert!(
        !page
            .items
            .iter()
            .any(|environment| environment.id == stopped.id)
    );
}

pub(crate) async fn pages_follow_each_other_without_gap_or_repeat(store: AnyStore) {
    let mut expected = Vec::new();
    for number in 1..=7 {
        let environment = preview("shop", number);
        save_first(&store, &environment).await;
        expected.push(environment.id.0);
    }
    store.put_app(&app(7, "", "shop")).await.unwrap();
    expected.sort();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.environments(after.as_deref(), 3).await.unwrap();
        seen.extend(page.items.into_iter().map(|environment| environment.id.0));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (expected, 3));
}

pub(crate) async fn a_repeated_input_gets_the_first_answer(store: AnyStore) {
    let shop = preview("shop", 1);
    let input = InputId("delivery 1".to_owned());
    assert_eq!(store.answered(&shop.id, &input).await.unwrap(), None);
    let save = Save {
        input: Some((input.clone(), "queued as 1".to_owned())),
        ..save_of(&shop)
    };
    store.save(save).await.unwrap();
    assert_eq!(
        store.answered(&shop.id, &input).await.unwrap().as_deref(),
        Some("queued as 1")
    );
    // The same delivery concerns other environments too.
    let other = preview("shop", 2);
    assert_eq!(store.answered(&other.id, &input).await.unwrap(), None);
    let save = Save {
        input: Some((input.clone(), "skipped".to_owned())),
        ..save_of(&other)
    };
    store.save(save).await.unwrap();
    assert_eq!(
        store.answered(&other.id, &input).await.unwrap().as_deref(),
        Some("skipped")
    );
    assert_eq!(
        store.answered(&shop.id, &input).await.unwrap().as_deref(),
        Some("queued as 1")
    );
}

pub(crate) async fn an_input_that_was_answered_meanwhile_is_a_conflict(store: AnyStore) {
    let shop = preview("shop", 1);
    let input = InputId("report 1".to_owned());
    let save = Save {
        input: Some((input.clone(), "go".to_owned())),
        ..save_of(&shop)
    };
    store.save(save).await.unwrap();
    let again = Save {
        input: Some((input.clone(), "stop".to_owned())),
        ..save_of(&next(&shop))
    };
    assert_conflict(store.save(again).await);
    assert_eq!(
        store.answered(&shop.id, &input).await.unwrap().as_deref(),
        Some("go")
    );
    assert_eq!(store.environment(&shop.id).await.unwrap(), Some(shop));
}

pub(crate) async fn the_last_visit_is_remembered_until_the_environment_is_forgotten(
    store: AnyStore,
) {
    let (visited, quiet) = (preview("shop", 1), preview("shop", 11));
    for environment in [&visited, &quiet] {
        save_first(&store, environment).await;
    }
    for at in [NOON, NOON.plus(Duration::from_hours(1))] {
        store.put_visits(&[(visited.id.clone(), at)]).await.unwrap();
        assert_eq!(store.visit(&visited.id).await.unwrap(), Some(at));
    }
    assert_eq!(store.visit(&quiet.id).await.unwrap(), None);
    assert_eq!(
        store.environment(&visited.id).await.unwrap().as_ref(),
        Some(&visited)
    );
    let page = store.environments(None, 10).await.unwrap();
    assert_eq!(page.items.len(), 2, "a visit is no environment");
    store.forget_environment(&visited.id).await.unwrap();
    assert_eq!(store.visit(&visited.id).await.unwrap(), None);
}

pub(crate) async fn a_forgotten_environment_leaves_nothing_and_may_begin_again(store: AnyStore) {
    let (gone, stays) = (preview("shop", 1), preview("shop", 11));
    for environment in [&gone, &stays] {
        let save = Save {
            due_at: Some(NOON),
            input: Some((InputId("delivery".to_owned()), "done".to_owned())),
            happened: vec![skipped("nothing to do")],
            deployments: vec![record(&environment.id, 1)],
            ..save_of(environment)
        };
        store.save(save).await.unwrap();
    }
    store.forget_environment(&gone.id).await.unwrap();

    assert_eq!(store.environment(&gone.id).await.unwrap(), None);
    assert_eq!(
        store.environments_of_app(&gone.app).await.unwrap(),
        [stays.clone()]
    );
    assert_eq!(
        store
            .environments_of_branch(&gone.app, &gone.branch)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        store
            .environments_of_pull_request(gone.repository, 1)
            .await
            .unwrap(),
        []
    );
    assert_eq!(store.due(NOON, 10).await.unwrap(), [stays.id.clone()]);
    assert_eq!(store.deployments(&gone.id, None, 10).await.unwrap(), []);
    assert_eq!(store.events_of(&gone.id, None, 10).await.unwrap(), []);
    let input = InputId("delivery".to_owned());
    assert_eq!(store.answered(&gone.id, &input).await.unwrap(), None);

    assert_eq!(
        store.deployments(&stays.id, None, 10).await.unwrap().len(),
        1
    );
    assert_eq!(store.events_of(&stays.id, None, 10).await.unwrap().len(), 1);
    save_first(&store, &gone).await;
    store
        .forget_environment(&EnvironmentId("never was".to_owned()))
        .await
        .unwrap();
}
