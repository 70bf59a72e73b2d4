//! Stories of the client against the model of GitHub.

use nestling_domain::ids::{Commit, RepositoryId};
use nestling_world::github::{
    Change, Fault, Level as Granted, Model, Opening, Role, Selection, State, Times,
};

use crate::drivers::git::{Git, Remote};

use super::{
    Button, CheckRun, CheckState, DeploymentState, GitHub, GitHubError, Level, NotUsable, Outcome,
    Place, Stage,
};

const SHOP: &str = "acme/shop";
const COMMENTS: &str = "POST /repos/*/*/issues/*/comments";
const MARKER: &str = "<!-- nestling -->";

/// GitHub with a private repository, a pull request and our App, and the client that speaks to it.
struct World {
    github: Model,
    client: GitHub,
    shop: Place,
    app: u64,
    repository: RepositoryId,
}

fn granted() -> nestling_world::github::Permissions {
    let list = [
        ("metadata", Granted::Read),
        ("contents", Granted::Read),
        ("pull_requests", Granted::Write),
        ("issues", Granted::Write),
        ("checks", Granted::Write),
        ("deployments", Granted::Write),
    ];
    list.map(|(name, level)| (name.to_owned(), level)).into()
}

impl World {
    fn start() -> Self {
        let github = Model::start().unwrap();
        let ((repository, app, installation), key) = github.act(|state| {
            state.create_organisation("acme");
            let page = [("index.html", "<h1>Shop</h1>")];
            let repository = state.create_repository(SHOP, true, &page).unwrap();
            state.set_role(SHOP, "ann", Some(Role::Write)).unwrap();
            state
                .push(
                    SHOP,
                    "feat/basket",
                    "ann",
                    &[Change::file("basket.js", "1")],
                )
                .unwrap();
            let opening = Opening::of("feat/basket", "ann").titled("Add a basket");
            state.open_pull_request(SHOP, opening).unwrap();
            let app = state
                .register_app("acme", "Nestling", granted(), &["push"])
                .unwrap();
            let installation = state.install(app, "acme", Selection::All).unwrap();
            (
                (repository, app, installation),
                state.private_key(app).unwrap(),
            )
        });
        let client = GitHub::new(&github.base(), app, key.as_bytes()).unwrap();
        let shop = Place {
            installation,
            owner: "acme".to_owned(),
            name: "shop".to_owned(),
        };
        World {
            github,
            client,
            shop,
            app,
            repository: RepositoryId(repository),
        }
    }

    fn head(&self) -> Commit {
        let pull = self
            .github
            .look(|state| state.see_pull_request(SHOP, 1))
            .unwrap();
        Commit::parse(&pull.head).unwrap()
    }

    fn order(&self, route: &str, fault: Fault, times: Times) {
        self.github.act(|state| state.order(route, fault, times));
    }

    fn asked(&self, method: &str, start: &str) -> usize {
        self.github.look(|state| state.ledger.count(method, start))
    }

    fn comments(&self) -> Vec<String> {
        let comments = self
            .github
            .look(|state| state.see_comments(SHOP, 1))
            .unwrap();
        comments.into_iter().map(|comment| comment.body).collect()
    }

    fn run(&self, state: CheckState) -> CheckRun {
        CheckRun {
            name: "Nestling / shop".to_owned(),
            head: self.head(),
            external_id: "shop/pr-1/1".to_owned(),
            state,
            title: "Running".to_owned(),
            summary: "All is well.".to_owned(),
            details_url: Some("https://nestling.example/acme/shop/pr-1".to_owned()),
            buttons: vec![Button {
                identifier: "redeploy".to_owned(),
                label: "Redeploy".to_owned(),
                description: "Run this commit again".to_owned(),
            }],
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.github.look(State::finish).unwrap();
        }
    }
}

fn stage() -> Stage {
    Stage {
        environment: "shop preview".to_owned(),
        production: false,
    }
}

#[tokio::test]
async fn a_repository_is_read_with_its_branches_pull_requests_and_people() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    assert_eq!(client.app().await.unwrap().slug, "nestling");
    assert_eq!(
        client.installation_of("acme", "shop").await.unwrap(),
        Some(shop.installation)
    );
    assert_eq!(client.installation_of("acme", "other").await.unwrap(), None);
    let known = client.repositories(shop.installation).await.unwrap();
    assert_eq!(
        known.iter().map(|one| one.id).collect::<Vec<_>>(),
        [world.repository]
    );
    assert_eq!(
        client.repository(shop).await.unwrap().as_ref(),
        known.first()
    );
    let head = client.branch(shop, "feat/basket").await.unwrap().unwrap();
    assert_eq!(
        (&head.id, head.message.as_str()),
        (&world.head(), "Change basket.js")
    );
    assert_eq!(
        client.commit(shop, &world.head()).await.unwrap().unwrap(),
        head
    );
    assert_eq!(client.branch(shop, "feat/none").await.unwrap(), None);
    let pull = client.pull_request(shop, 1).await.unwrap().unwrap();
    assert!(
        pull.open && !pull.fork && !pull.draft && !pull.bot,
        "{pull:?}"
    );
    assert_eq!(
        (pull.title.as_str(), pull.author.as_deref()),
        ("Add a basket", Some("ann"))
    );
    assert_eq!(client.open_pull_requests(shop).await.unwrap(), [pull]);
    assert_eq!(client.pull_request(shop, 7).await.unwrap(), None);
    let files = client.changed_files(shop, 1).await.unwrap();
    assert_eq!(files, Some(vec!["basket.js".to_owned()]));
    for (login, level) in [
        ("ann", Level::Write),
        ("acme", Level::Admin),
        ("nobody-at-all", Level::None),
    ] {
        assert_eq!(
            client.permission(shop, login).await.unwrap(),
            level,
            "{login}"
        );
    }
}

#[tokio::test]
async fn one_token_serves_all_requests_and_one_for_git_reads_one_repository() {
    let world = World::start();
    let all = (0..8).map(|_| world.client.pull_request(&world.shop, 1));
    for one in futures::future::join_all(all).await {
        one.unwrap();
    }
    assert_eq!(world.asked("POST", "/app/installations"), 1);
    let source = world
        .client
        .source_token(world.shop.installation, world.repository);
    let source = source.await.unwrap();
    assert_eq!(format!("{source:?}"), "SourceToken(…)");
    let token = world
        .github
        .look(|state| state.see_token(source.expose()))
        .unwrap();
    assert_eq!(
        token
            .repositories
            .iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>(),
        [world.repository.0]
    );
    let contents = [
        ("contents".to_owned(), Granted::Read),
        ("metadata".to_owned(), Granted::Read),
    ];
    assert!(
        token
            .permissions
            .iter()
            .all(|(name, level)| contents.contains(&(name.clone(), *level))),
        "{token:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_revoked_is_made_anew_and_a_key_that_is_revoked_is_said() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world.github.act(State::revoke_tokens);
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world
        .github
        .act(|state| state.revoke_key(world.app))
        .unwrap();
    let refused = world.client.app().await.unwrap_err();
    let words = "GitHub refuses the App: it does not take what the App's key signs: is it the key of this App, not revoked, and is this machine's clock right? (401)";
    assert_eq!(refused.to_string(), words);
}

#[tokio::test]
async fn an_installation_that_is_suspended_or_gone_is_said() {
    let world = World::start();
    world
        .github
        .act(|state| state.suspend(world.shop.installation))
        .unwrap();
    let refused = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(
        matches!(&refused, GitHubError::Refused { status: 403, said, .. } if said.contains("suspended")),
        "{refused}"
    );
    world
        .github
        .act(|state| state.uninstall(world.shop.installation))
        .unwrap();
    // An App that was taken away learns nothing of pull requests: least of all that there are none.
    let gone = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    let words = format!(
        "GitHub refuses a token of installation {}: the App is not installed there any more (404)",
        world.shop.installation
    );
    assert_eq!(gone.to_string(), words);
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_unknown_and_is_found_by_its_marker() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    world.order(COMMENTS, Fault::LostAnswer, Times::Only(1));
    let body = format!("{MARKER}\nIt runs.");
    let unknown = client.create_comment(shop, 1, &body).await.unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    world
        .github
        .act(|state| state.comment(SHOP, 1, "ann", MARKER))
        .unwrap();
    let found = client.find_comment(shop, 1, MARKER).await.unwrap().unwrap();
    assert_eq!(found.body, body);
    client
        .change_comment(shop, found.id, &format!("{MARKER}\nIt is gone."))
        .await
        .unwrap();
    assert_eq!(
        world.comments(),
        [format!("{MARKER}\nIt is gone."), MARKER.to_owned()]
    );
    world
        .github
        .act(|state| state.delete_comment(SHOP, found.id, "ann"))
        .unwrap();
    let absent = client
        .change_comment(shop, found.id, "more")
        .await
        .unwrap_err();
    assert!(matches!(absent, GitHubError::Absent { .. }), "{absent}");
    assert_eq!(client.find_comment(shop, 1, MARKER).await.unwrap(), None);
}

#[tokio::test]
async fn a_read_is_made_again_and_a_creation_is_not() {
    let world = World::start();
    world.order("GET /repos/*/*/pulls/*", Fault::Status(502), Times::Only(1));
    world.order("GET /repos/*/*/pulls/*", Fault::LostAnswer, Times::Only(1));
    assert!(
        world
            .client
            .pull_request(&world.shop, 1)
            .await
            .unwrap()
            .is_some()
    );
    world.order("GET /repos/*/*/pulls/*", Fault::Status(500), Times::Always);
    let failed = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(matches!(failed, GitHubError::Failed { .. }), "{failed}");
    world.order(COMMENTS, Fault::Status(502), Times::Only(1));
    let unknown = world
        .client
        .create_comment(&world.shop, 1, MARKER)
        .await
        .unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    assert_eq!(world.asked("POST", "/repos/acme/shop/issues/1/comments"), 1);
}

#[tokio::test]
async fn whoever_is_not_answered_does_not_wait_for_ever() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world.order(COMMENTS, Fault::NoAnswer, Times::Only(1));
    let asking = world.client.create_comment(&world.shop, 1, MARKER);
    let passing = async {
        let heard = |state: &State| {
            state
                .ledger
                .count("POST", "/repos/acme/shop/issues/1/comments")
                == 1
        };
        world.github.until("the comment", heard).await.unwrap();
        // From here on nothing happens but the passing of time.
        tokio::time::pause();
    };
    let (unknown, ()) = futures::future::join(asking, passing).await;
    let words = "it is not known whether GitHub did a comment on pull request 1 of acme/shop: no answer within 12 s";
    assert_eq!(unknown.unwrap_err().to_string(), words);
}

#[tokio::test]
async fn a_limit_is_waited_for_and_nothing_is_asked_until_then() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    assert_eq!(
        world
            .client
            .quota(world.shop.installation)
            .unwrap()
            .remaining,
        4999
    );
    world.order(COMMENTS, Fault::SecondaryLimit(53), Times::Only(1));
    let limited = world
        .client
        .create_comment(&world.shop, 1, MARKER)
        .await
        .unwrap_err();
    assert_eq!(
        limited.to_string(),
        "GitHub wants us to wait 53 s before a comment on pull request 1 of acme/shop"
    );
    let before = world.asked("GET", "/repos");
    let limited = world.client.pull_request(&world.shop, 1).await.unwrap_err();
    assert!(matches!(limited, GitHubError::Limited { .. }), "{limited}");
    assert_eq!(world.asked("GET", "/repos"), before);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(53)).await;
    tokio::time::resume();
    world.client.pull_request(&world.shop, 1).await.unwrap();
}

#[tokio::test]
async fn a_check_run_is_made_found_again_and_ended() {
    let world = World::start();
    let (client, shop) = (&world.client, &world.shop);
    world.order(
        "POST /repos/*/*/check-runs",
        Fault::LostAnswer,
        Times::Only(1),
    );
    let queued = world.run(CheckState::Queued);
    let unknown = client.create_check_run(shop, &queued).await.unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    let found = client
        .find_check_run(shop, &world.head(), &queued.external_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        client
            .find_check_run(shop, &world.head(), "other")
            .await
            .unwrap(),
        None
    );
    client
        .change_check_run(shop, found, &world.run(CheckState::InProgress))
        .await
        .unwrap();
    let ended = world.run(CheckState::Completed(Outcome::Cancelled));
    client.change_check_run(shop, found, &ended).await.unwrap();
    let head = world.head();
    let runs = world
        .github
        .look(|state| state.see_check_runs(SHOP, head.as_str()))
        .unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].conclusion.as_deref(), Some("cancelled"));
    assert_eq!(runs[0].actions.len(), 1);
}

#[tokio::test]
async fn a_deployment_is_made_found_again_and_told_how_it_is() {
    let world = World::start();
    let (client, shop, head) = (&world.client, &world.shop, world.head());
    world.order(
        "POST /repos/*/*/deployments",
        Fault::LostAnswer,
        Times::Only(1),
    );
    let unknown = client
        .create_deployment(shop, (&head, &stage()), "shop/pr-1/1")
        .await
        .unwrap_err();
    assert!(matches!(unknown, GitHubError::Unknown { .. }), "{unknown}");
    let found = client
        .find_deployment(shop, (&head, &stage()), "shop/pr-1/1")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        client
            .find_deployment(shop, (&head, &stage()), "shop/pr-1/2")
            .await
            .unwrap(),
        None
    );
    let places = (
        Some("https://pr-1.example"),
        Some("https://nestling.example/logs"),
    );
    for state in [
        DeploymentState::Queued,
        DeploymentState::InProgress,
        DeploymentState::Success,
    ] {
        client
            .tell_deployment(shop, found, state, places)
            .await
            .unwrap();
    }
    let deployments = world
        .github
        .look(|state| state.see_deployments(SHOP))
        .unwrap();
    assert_eq!(deployments.len(), 1);
    assert!(
        deployments[0].transient && deployments[0].state() == "success",
        "{deployments:?}"
    );
    client
        .tell_deployment(shop, found, DeploymentState::Inactive, (None, None))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_renamed_repository_is_still_read() {
    let world = World::start();
    world
        .github
        .act(|state| state.rename(SHOP, "store", "ann"))
        .unwrap();
    let now = world.client.repository(&world.shop).await.unwrap().unwrap();
    assert_eq!((now.id, now.name.as_str()), (world.repository, "store"));
}

#[tokio::test]
async fn a_key_or_an_address_that_is_none_is_said_at_once() {
    let none = |address: &str, key: &[u8]| GitHub::new(address, 1, key).err().unwrap();
    assert!(matches!(
        none("https://api.github.com", b"no key"),
        NotUsable::Key
    ));
    let key = World::start()
        .github
        .act(|state| state.private_key(state.apps.keys().next().copied().unwrap()))
        .unwrap();
    let odd = none("not an address", key.as_bytes());
    assert_eq!(
        odd.to_string(),
        "\"not an address\" is no address of GitHub's API: give one like https://api.github.com"
    );
}

#[tokio::test]
async fn a_private_repository_and_the_pull_request_of_a_fork_are_fetched_with_a_narrowed_token() {
    let world = World::start();
    let (number, fork_head) = world.github.act(|state| {
        state.fork(SHOP, "eve").unwrap();
        let change = [Change::file("evil.js", "1")];
        let head = state.push("eve/shop", "evil", "eve", &change).unwrap();
        let opening = Opening::of("evil", "eve").from("eve/shop");
        (state.open_pull_request(SHOP, opening).unwrap(), head)
    });
    let folder = tempfile::tempdir().unwrap();
    let git = Git::new(folder.path()).unwrap();
    let mirror = folder.path().join("1.git");
    let url = format!("{}/{SHOP}.git", world.github.base());
    let token = world
        .client
        .source_token(world.shop.installation, world.repository);
    let token = token.await.unwrap();
    let remote = Remote {
        url: &url,
        token: token.expose(),
    };
    git.fetch_ref(remote, "refs/heads/feat/basket", &mirror)
        .await
        .unwrap();
    assert!(git.has_commit(&mirror, &world.head()).await.unwrap());
    git.fetch_ref(remote, &format!("refs/pull/{number}/head"), &mirror)
        .await
        .unwrap();
    let fork_head = Commit::parse(&fork_head).unwrap();
    assert!(git.has_commit(&mirror, &fork_head).await.unwrap());

    let absent = git
        .fetch_ref(remote, "refs/heads/none", &mirror)
        .await
        .unwrap_err();
    assert!(
        absent.to_string().contains("couldn't find remote ref"),
        "{absent}"
    );
    let wrong = Remote {
        url: &url,
        token: "ghs_wrong",
    };
    let refused = git
        .fetch_ref(wrong, "refs/heads/main", &mirror)
        .await
        .unwrap_err();
    let told = refused.to_string();
    assert!(
        told.contains("fatal") && !told.contains("ghs_wrong"),
        "{told}"
    );
    let letters = token.expose().as_bytes();
    let kept = |path: &std::path::Path| {
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(letters.len()).any(|part| part == letters)
    };
    for file in [
        mirror.join("config"),
        mirror.join("HEAD"),
        folder.path().join("git/config"),
    ] {
        assert!(!kept(&file), "{}", file.display());
    }
}
