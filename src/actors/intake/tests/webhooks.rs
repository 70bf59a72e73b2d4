//! What webhooks of GitHub do to environments.

use nestling_domain::{
    app::Repository,
    github::{InstallationChange, Named, PullRequestChange, Says, Webhook},
};

use super::*;

/// The repository as GitHub calls it, on its default branch `main`.
fn named(name: &str) -> Named {
    Named {
        id: REPOSITORY,
        owner: "acme".to_owned(),
        name: name.to_owned(),
        default_branch: Some("main".to_owned()),
    }
}

/// A server that knows the repository `acme/shop` with two apps, of which pull request 1 from branch `blue`, and pull request
/// 2 from a fork's `blue`, have previews; all of them look to the same head.
async fn shop() -> (Inbox, App, App) {
    let (shop, till) = (app("shop"), app("till"));
    let inbox = Inbox::start(&[&shop, &till], None).await;
    let repository = Repository {
        id: REPOSITORY,
        owner: "acme".into(),
        name: "shop".into(),
        path: None,
        installation: None,
        default_branch: "main".into(),
        trouble: None,
        left: false,
        suspended: false,
    };
    inbox.store.put_repository(&repository).await.unwrap();
    *inbox.house.outside.head.borrow_mut() = Some(commit(1));
    for (id, number, branch) in [("opened-1", 1, "blue"), ("opened-2", 2, "bob:blue")] {
        let says = changed(number, branch, PullRequestChange::Opened);
        let decisions = inbox.told(id, says).await;
        assert_eq!(decisions.len(), 2, "{decisions:?}");
    }
    (inbox, shop, till)
}

fn changed(number: u32, branch: &str, change: PullRequestChange) -> Says {
    Says::PullRequest {
        number,
        branch: branch.to_owned(),
        fork: branch.contains(':'),
        title: "Blue".to_owned(),
        head: commit(1).id,
        change,
    }
}

impl Inbox {
    async fn told(&self, id: &str, says: Says) -> BTreeMap<String, String> {
        self.told_of(id, Some(named("shop")), says).await
    }

    async fn told_of(
        &self,
        id: &str,
        repository: Option<Named>,
        says: Says,
    ) -> BTreeMap<String, String> {
        let number = repository.as_ref().map(|named| named.id);
        let webhook = Box::new(Webhook {
            installation: Some(5),
            repository,
            sender: None,
            says,
        });
        let event = "an_event".to_owned();
        self.hears(id, number, Fact::Webhook { event, webhook })
            .await
    }

    async fn is_closed(&self, app: &App, kind: Kind) {
        let id = EnvironmentId::derive(&app.id, kind);
        let closed = |one: &Environment| one.lifecycle.is_closed();
        until(&*self.store, &id, "was closed", closed).await;
    }
}

fn names(decisions: &BTreeMap<String, String>) -> Vec<&str> {
    decisions.keys().map(String::as_str).collect()
}

#[actix::test]
async fn a_push_is_told_to_the_previews_of_its_branch_and_to_no_forks() {
    let (inbox, _, _) = shop().await;
    let push = |branch: &str| Says::Push {
        branch: branch.to_owned(),
        head: commit(1).id,
    };
    let decisions = inbox.told("push-blue", push("blue")).await;
    assert_eq!(names(&decisions), ["local/shop/pr-1", "local/till/pr-1"]);
    let decisions = inbox.told("push-red", push("red")).await;
    assert_eq!(
        decisions,
        BTreeMap::from([(
            "acme/shop on red".to_owned(),
            "nothing: no open preview follows this branch".to_owned()
        )])
    );
    let decisions = inbox.told("push-main", push("main")).await;
    assert_eq!(
        names(&decisions),
        ["local/shop/production", "local/till/production"]
    );
}

#[actix::test]
async fn a_push_and_the_pull_requests_own_news_of_it_make_one_deployment() {
    let (inbox, shop, _) = shop().await;
    let id = EnvironmentId::derive(&shop.id, Kind::Preview(1));
    *inbox.house.outside.head.borrow_mut() = Some(commit(2));
    let push = Says::Push {
        branch: "blue".to_owned(),
        head: commit(2).id,
    };
    inbox.told("push", push).await;
    let on_its_way = |one: &Environment| {
        let next = one.lifecycle.next();
        next.is_some_and(|next| next.commit == commit(2)) && one.lifecycle.look.is_none()
    };
    until(&*inbox.store, &id, "took the commit", on_its_way).await;
    let pushed = Says::PullRequest {
        number: 1,
        branch: "blue".to_owned(),
        fork: false,
        title: "Blue".to_owned(),
        head: commit(2).id,
        change: PullRequestChange::Pushed,
    };
    inbox.told("pushed", pushed).await;
    until(&*inbox.store, &id, "looked again", on_its_way).await;
    let history = inbox.store.deployments(&id, None, 10).await.unwrap();
    let of_second = history.iter().filter(|one| one.commit == commit(2)).count();
    assert_eq!(of_second, 1, "{history:#?}");
}

#[actix::test]
async fn a_pull_request_that_is_closed_closes_its_previews_and_a_late_news_of_it_finds_none() {
    let (inbox, shop, till) = shop().await;
    *inbox.house.outside.head.borrow_mut() = None;
    inbox
        .told("closed", changed(1, "blue", PullRequestChange::Closed))
        .await;
    inbox.is_closed(&shop, Kind::Preview(1)).await;
    inbox.is_closed(&till, Kind::Preview(1)).await;
    let gone = Says::BranchDeleted {
        branch: "blue".to_owned(),
    };
    let decisions = inbox.told("branch", gone).await;
    assert_eq!(
        decisions["acme/shop on blue"],
        "nothing: no open preview follows this branch"
    );
    let decisions = inbox
        .told("other", changed(9, "red", PullRequestChange::Closed))
        .await;
    assert_eq!(
        decisions["local/shop/pr-9"],
        "nothing: there is no such environment, and this creates none"
    );
}

#[actix::test]
async fn a_repository_that_is_renamed_or_moved_keeps_its_apps() {
    let (inbox, shop, _) = shop().await;
    let moved = Named {
        owner: "bob".to_owned(),
        default_branch: Some("next".to_owned()),
        ..named("store")
    };
    for (id, what) in [
        (
            "once",
            "recorded: it was acme/shop with default branch main",
        ),
        ("twice", "nothing: it is recorded like this already"),
    ] {
        let decisions = inbox
            .told_of(id, Some(moved.clone()), Says::RepositoryChanged)
            .await;
        assert_eq!(decisions["bob/store with default branch next"], what);
        assert!(decisions.contains_key("local/shop/production"));
    }
    let recorded = inbox.store.repository(REPOSITORY).await.unwrap().unwrap();
    assert_eq!(
        (&*recorded.owner, &*recorded.name, &*recorded.default_branch),
        ("bob", "store", "next")
    );
    assert_eq!(
        inbox.store.app(&shop.id).await.unwrap().as_ref(),
        Some(&shop)
    );
    let production = EnvironmentId::derive(&shop.id, Kind::Production);
    let production = inbox.store.environment(&production).await.unwrap().unwrap();
    assert_eq!(production.branch, "next");
}

#[actix::test]
async fn what_the_app_is_taken_from_closes_when_the_forge_says_so() {
    let (inbox, shop, till) = shop().await;
    *inbox.house.outside.head.borrow_mut() = None;
    let uninstalled = Says::Installation {
        change: InstallationChange::Deleted {
            repositories: vec![named("shop")],
        },
    };
    let decisions = inbox.told_of("gone", None, uninstalled.clone()).await;
    assert_eq!(decisions.len(), 4, "{decisions:?}");
    for kind in [Kind::Preview(1), Kind::Preview(2)] {
        inbox.is_closed(&shop, kind).await;
        inbox.is_closed(&till, kind).await;
    }
    let decisions = inbox.told_of("again", None, uninstalled).await;
    assert_eq!(
        decisions["installation 5"],
        "nothing: nothing of it stands here"
    );
}

#[actix::test]
async fn what_nothing_is_done_about_says_so() {
    let (inbox, _, _) = shop().await;
    let comment = Says::Comment {
        number: 1,
        comment: 1,
        lines: vec!["/redeploy".to_owned()],
    };
    let decisions = inbox.told("comment", comment.clone()).await;
    assert_eq!(decisions["acme/shop #1"], "ignored: programs order nothing");
    let stranger = Named {
        id: RepositoryId(8),
        ..named("stranger")
    };
    let decisions = inbox.told_of("stranger", Some(stranger), comment).await;
    assert_eq!(
        decisions["acme/stranger"],
        "nothing: this repository is not recorded here"
    );
}
