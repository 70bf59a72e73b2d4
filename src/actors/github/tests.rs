//! Stories of the forge against the model of GitHub.

mod comments;
mod defects;
mod files;
mod gone;
mod names;
mod races;
mod source;

use nestling_domain::{
    app::{App, Repository},
    deployment::Trust,
    environment::Environment,
    ids::{EnvironmentId, Kind, Timestamp},
    lifecycle::Trigger,
    orders::Order,
    policy::Policy,
    record::Fact,
};
use nestling_world::github::{Change, Fault, Model, Opening, Role, Selection, State, Times};
use tempfile::TempDir;

use super::*;
use crate::{
    drivers::{git::sample::git_in, store::sqlite::Sqlite},
    world::{granted, shop_on_github},
};

const SHOP: &str = "acme/shop";
const EVENTS: [&str; 5] = [
    "pull_request",
    "push",
    "delete",
    "repository",
    "issue_comment",
];
const HOOK: &str = "http://127.0.0.1:9/github/webhook";

/// Whoever works the inbox.
struct Inbox;

impl Actor for Inbox {
    type Context = Context<Self>;
}

impl Handler<Arrived> for Inbox {
    type Result = ();
    fn handle(&mut self, _: Arrived, _: &mut Self::Context) {}
}

/// GitHub with a private repository of two apps, our App that is installed there, and the forge that answers about it.
struct World {
    folder: TempDir,
    github: Model,
    installation: u64,
    desk: Arc<Desk>,
    forge: Addr<GitHubForge>,
    shop: App,
    store: Arc<Sqlite>,
}

impl World {
    async fn start() -> Self {
        World::arranged(|_| {}, |_| {}).await
    }

    /// One whose GitHub or forge differs from its beginning on.
    async fn arranged(
        more: impl FnOnce(&mut State),
        arrange: impl FnOnce(&mut GitHubForge),
    ) -> Self {
        let github = Model::start().unwrap();
        let (id, app, installation, key) = github.act(prepare);
        github.act(more);
        let folder = TempDir::new().unwrap();
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let client = Arc::new(GitHub::new(&github.base(), app, key.as_bytes()).unwrap());
        let places = Places {
            data: folder.path().to_owned(),
            web: github.base(),
            // Nobody listens there: no story needs a webhook.
            hook: Some(HOOK.to_owned()),
        };
        let told = Inbox.start().recipient();
        let mut forge = GitHubForge::new(store.clone(), client, places, told).unwrap();
        arrange(&mut forge);
        let desk = forge.desk.clone();
        let (repository, shop) = shop_on_github(id, installation);
        store.put_repository(&repository).await.unwrap();
        store.put_app(&shop).await.unwrap();
        World {
            folder,
            github,
            installation,
            desk,
            forge: forge.start(),
            shop,
            store,
        }
    }

    fn act<T>(&self, act: impl FnOnce(&mut State) -> anyhow::Result<T>) -> T {
        self.github.act(act).unwrap()
    }

    async fn head(&self, kind: Kind) -> Result<Found, ForgeError> {
        let head = Head {
            repository: self.shop.repository,
            app: self.shop.id.clone(),
            kind,
            branch: String::new(),
            question: None,
        };
        self.forge.send(head).await.unwrap()
    }

    /// The trust of the head of a pull request that may run.
    async fn runs(&self, number: u32) -> Trust {
        match self.head(Kind::Preview(number)).await {
            Ok(Found::Open(head)) => head.trust,
            other => panic!("{other:?}"),
        }
    }

    /// With which trust a pull request may run; `None` when it may not.
    async fn verdict(&self, number: u32) -> Option<Trust> {
        match self.head(Kind::Preview(number)).await {
            Ok(Found::Open(head)) => Some(head.trust),
            Ok(Found::Waiting(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Why a pull request may not run.
    async fn waits(&self, number: u32) -> String {
        match self.head(Kind::Preview(number)).await {
            Ok(Found::Waiting(waits)) => waits.reason,
            other => panic!("{other:?}"),
        }
    }

    async fn recorded(&self) -> Repository {
        self.desk.recorded(self.shop.repository).await.unwrap()
    }

    async fn pack(&self, kind: Kind, commit: &str) -> Result<PathBuf, ForgeError> {
        let pack = Pack {
            repository: self.shop.repository,
            kind,
            commit: Commit::parse(commit).unwrap(),
        };
        self.forge.send(pack).await.unwrap()
    }
}

fn prepare(state: &mut State) -> (u64, u64, u64, String) {
    state.create_organisation("acme");
    let page = [("index.html", "<h1>Shop</h1>")];
    let repository = state.create_repository(SHOP, true, &page).unwrap();
    state.set_role(SHOP, "ann", Some(Role::Write)).unwrap();
    state.set_role(SHOP, "rita", Some(Role::Read)).unwrap();
    let app = state
        .register_app("acme", "Nestling", granted(), &EVENTS)
        .unwrap();
    state.set_webhook_url(app, HOOK).unwrap();
    let installation = state.install(app, "acme", Selection::All).unwrap();
    let key = state.private_key(app).unwrap();
    (repository, app, installation, key)
}

/// A branch with a change and a pull request from it, by somebody.
fn propose(state: &mut State, branch: &str, by: &str) -> anyhow::Result<u32> {
    let change = Change::file("index.html", branch);
    state.push(SHOP, branch, "ann", &[change])?;
    let number = state.open_pull_request(SHOP, Opening::of(branch, by))?;
    Ok(u32::try_from(number)?)
}

#[actix::test]
async fn a_preview_can_be_asked_for_of_a_pull_request_that_was_never_seen_here() {
    let world = World::start().await;
    let (ours, theirs, closed) = world.act(|state| {
        let ours = propose(state, "basket", "ann")?;
        state.label(SHOP, ours.into(), "ann", "no-preview")?;
        let theirs = propose(state, "rose", "rita")?;
        let closed = propose(state, "old", "ann")?;
        state.close(SHOP, closed.into(), "ann")?;
        anyhow::Ok((ours, theirs, closed))
    });
    let ask = async |number| {
        let repository = world.shop.repository;
        let start = StartWaiting {
            repository,
            number,
            app: None,
        };
        world.forge.send(start).await.unwrap()
    };
    ask(ours).await.unwrap();
    let row = world.store.pull_request(world.shop.repository, ours);
    let row = row.await.unwrap().unwrap();
    assert!(row.orders.asked_for && row.branch == "basket", "{row:?}");
    let inbox = world.store.pending(10).await.unwrap();
    let told = |fact: &Fact| {
        let start = Trigger::Start;
        matches!(fact, Fact::PullRequest { number, trigger, .. } if (*number, *trigger) == (ours, start))
    };
    assert!(inbox.iter().any(|one| told(&one.fact)), "{inbox:?}");
    // Somebody who may only read: their commit is read first, whoever asks.
    ask(theirs).await.unwrap();
    assert!(world.waits(theirs).await.contains("/approve"));
    for (number, why) in [
        (closed, "is closed: open it again on GitHub"),
        (99, "acme/shop has no pull request 99"),
    ] {
        let refused = ask(number).await.unwrap_err();
        assert!(matches!(refused, ForgeError::Rejected(_)), "{refused:?}");
        assert!(refused.to_string().contains(why), "{refused}");
    }
}

#[actix::test]
async fn a_members_pull_request_runs_until_it_is_closed_or_nobody_wants_it() {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    assert_eq!(world.runs(number).await, Trust::Member);

    world.act(|state| state.label(SHOP, number.into(), "ann", "no-preview"));
    assert!(world.waits(number).await.contains("`no-preview`"));
    world.act(|state| state.unlabel(SHOP, number.into(), "ann", "no-preview"));
    world.act(|state| state.retitle(SHOP, number.into(), "ann", "Basket [skip preview]"));
    assert!(world.waits(number).await.contains("[skip preview]"));
    world.act(|state| state.label(SHOP, number.into(), "ann", "preview"));
    assert_eq!(world.runs(number).await, Trust::Member);
    let row = world.desk.store.pull_request(world.shop.repository, number);
    let row = row.await.unwrap().unwrap();
    assert_eq!(
        (&*row.title, &*row.branch),
        ("Basket [skip preview]", "basket")
    );

    world.act(|state| state.close(SHOP, number.into(), "ann"));
    assert_eq!(world.head(Kind::Preview(number)).await, Ok(Found::Closed));
    world.act(|state| state.reopen(SHOP, number.into(), "ann"));
    assert_eq!(world.runs(number).await, Trust::Member);
}

#[actix::test]
async fn an_outsiders_commit_waits_for_its_approval_and_a_new_push_revokes_it() {
    let world = World::start().await;
    let number = world.act(|state| {
        state.fork(SHOP, "eve")?;
        // A branch that is called as production is.
        state.push("eve/shop", "main", "eve", &[Change::file("evil.html", "1")])?;
        let opening = Opening::of("main", "eve").from("eve/shop");
        Ok(u32::try_from(state.open_pull_request(SHOP, opening)?)?)
    });
    let why = world.waits(number).await;
    assert!(why.contains("/approve"), "{why}");
    let id = world.shop.repository;
    let row = world.store.pull_request(id, number).await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.branch, "eve:main");
    let head = row.head.clone().unwrap().id;
    let approved = Order::Approve {
        commit: head.clone(),
        at: Timestamp(1),
    };
    let ordered = world.store.order(id, number, &approved).await;
    assert!(ordered.unwrap().is_some());
    assert_eq!(world.runs(number).await, Trust::Outsider);
    world
        .pack(Kind::Preview(number), head.as_str())
        .await
        .expect("a fork's commit is a ref of the repository itself");

    let pushed =
        world.act(|state| state.push("eve/shop", "main", "eve", &[Change::file("evil.html", "2")]));
    let why = world.waits(number).await;
    assert!(why.contains(&pushed[..7]), "{why}");
    let production = world.head(Kind::Production).await;
    assert!(
        matches!(&production, Ok(Found::Open(commit)) if commit.id != head),
        "a fork's `main` is not production: {production:?}"
    );

    // Who may only read is an outsider in the repository itself, too.
    let number = world.act(|state| propose(state, "notes", "rita"));
    assert!(world.waits(number).await.contains("/approve"));
}

#[actix::test]
async fn a_repository_is_found_under_its_new_name_and_owner() {
    let world = World::start().await;
    let number = world.act(|state| propose(state, "basket", "ann"));
    world.act(|state| state.rename(SHOP, "store", "ann"));
    assert_eq!(world.runs(number).await, Trust::Member);
    world.act(|state| {
        state.create_organisation("umbrella");
        let app = state.installations[&world.installation].app;
        state.install(app, "umbrella", Selection::All)?;
        state.transfer("acme/store", "umbrella", "ann")
    });
    assert!(matches!(
        world.head(Kind::Production).await,
        Ok(Found::Open(_))
    ));
    let now = world.recorded().await;
    assert_eq!((&*now.owner, &*now.name), ("umbrella", "store"));
    assert_ne!(now.installation, Some(world.installation));
}

#[actix::test]
async fn github_sends_webhooks_to_where_the_server_is_reached_now() {
    let world = World::start().await;
    world.act(|state| {
        let app = state.installations[&world.installation].app;
        state.set_webhook_url(app, "http://127.0.0.1:9/of/before")
    });
    world.desk.lead_webhooks_here().await;
    let led = world.github.look(|state| {
        let mut apps = state.apps.values();
        apps.all(|app| app.webhook_url == HOOK)
    });
    assert!(led);
}

#[actix::test]
async fn a_webhook_that_came_by_a_later_attempt_is_not_asked_for_again() {
    let world = World::start().await;
    world.act(|state| propose(state, "basket", "ann"));
    let attempts = || world.github.look(|state| state.deliveries.len());
    let told = || {
        world.github.look(|state| {
            let told = state.deliveries.values();
            let known = told.filter(|one| one.sent.is_some());
            known.map(|one| one.guid.clone()).collect::<Vec<_>>()
        })
    };
    // Nobody listens there: each of them fails.
    while told().is_empty() || told().len() < attempts() {
        tokio::task::yield_now().await;
    }
    for guid in told() {
        let delivery = nestling_domain::record::Delivery {
            id: guid,
            at: Timestamp(1),
            repository: None,
            fact: Fact::Unreadable {
                event: "push".to_owned(),
                why: "a story".to_owned(),
            },
        };
        world.store.receive(&delivery).await.unwrap();
    }
    let before = attempts();
    world.desk.recover(clock::now()).await;
    assert_eq!(attempts(), before, "the inbox has all of them");
}
