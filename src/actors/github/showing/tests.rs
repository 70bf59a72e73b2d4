//! Stories against the model of GitHub: environments live, and GitHub shows it.

mod away;
mod late;
mod life;
mod trouble;

use nestling_domain::{
    announcement::Seal,
    app::{App, Repository},
    deployment::CommitInfo,
    environment::Environment,
    ids::{AppId, Commit, EnvironmentId, Generation},
    lifecycle::{Command, Event, Observation, Trigger},
    orders::{Answer, Answered, Order, Orders},
    policy::{Comments, Policy},
    record::{PullRequest, PullRequestStatus},
};
use nestling_protocol::report::Phase;
use nestling_world::github::{
    Change, Comment, Fault, Level, Model, Opening, Role, Selection, State, Times,
};

use super::*;
use crate::{
    actors::environment::Neighbours,
    drivers::{github::GitHub, store::sqlite::Sqlite},
    http::world::Memory,
    world::{House, app, runner::phases, until},
};

const SHOP: &str = "acme/shop";
const BRANCH: &str = "feat/basket";
const PREVIEW: Kind = Kind::Preview(1);
/// Who may write.
const ANN: &str = "ann";

/// Seals so that one sees whose it is.
#[derive(Debug)]
struct Sealing;

impl Seal for Sealing {
    fn seal(&self, environment: &EnvironmentId) -> String {
        format!("seal-of-{environment}")
    }
}

/// A repository on GitHub with an open pull request, and the house that deploys its apps.
struct Town {
    github: Model,
    house: House,
    showing: Addr<Showing>,
    not_shown: NotShown,
    store: Arc<dyn Store>,
    repository: RepositoryId,
    shop: App,
}

impl Town {
    async fn start() -> Self {
        let github = Model::start().unwrap();
        let (repository, installation, client) = open(&github);
        let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
        let known = Repository {
            id: repository,
            owner: "acme".into(),
            name: "shop".into(),
            path: None,
            installation: Some(installation),
            default_branch: "main".into(),
            trouble: None,
            left: false,
            suspended: false,
        };
        store.put_repository(&known).await.unwrap();
        let mut showing = None;
        let house = House::arranged(store.clone(), Box::new(|_, _| "token".into()), |house| {
            showing = Some(show(client, house));
        });
        let house = house.await;
        house.outside.runners.set(true);
        let (showing, not_shown) = showing.unwrap();
        let mut town = Town {
            github,
            house,
            showing,
            not_shown,
            store,
            repository,
            shop: app("shop"),
        };
        town.shop = town.app("shop", Policy::default()).await;
        town.notice().await;
        town
    }

    /// The server is killed, and starts again.
    async fn next_life(mut self) -> Self {
        self.showing.send(Dies).await.unwrap();
        let client = client(&self.github);
        let mut showing = None;
        let house = self
            .house
            .next_life(Box::new(|_, _| "token".into()), |house| {
                showing = Some(show(client, house));
            });
        self.house = house.await;
        (self.showing, self.not_shown) = showing.unwrap();
        self
    }

    /// An app of the repository.
    async fn app(&self, name: &str, policy: Policy) -> App {
        let app = App {
            repository: self.repository,
            owner: "acme".into(),
            id: AppId::derive(self.repository, name),
            policy,
            ..app(name)
        };
        self.store.put_app(&app).await.unwrap()
    }

    /// The shop, whose people want no comment.
    async fn quiet_app(&self) -> App {
        let quiet = Policy {
            comment: Comments::Off,
            ..Policy::default()
        };
        self.app("shop", quiet).await
    }

    /// The forge says what GitHub says; answers the head.
    async fn notice(&self) -> Commit {
        let pull = self.github.look(|state| state.see_pull_request(SHOP, 1));
        let pull = pull.unwrap();
        let head = CommitInfo {
            id: Commit::parse(&pull.head).unwrap(),
            message: pull.title.clone(),
            author: ANN.into(),
            trust: nestling_domain::deployment::Trust::Member,
        };
        let record = PullRequest {
            labels: Vec::new(),
            base: None,
            draft: false,
            repository: self.repository,
            number: 1,
            branch: BRANCH.into(),
            title: pull.title,
            status: PullRequestStatus::Open,
            head: Some(head.clone()),
            orders: Orders::default(),
        };
        self.store.put_pull_request(&record).await.unwrap();
        *self.house.outside.head.borrow_mut() = pull.open.then(|| head.clone());
        head.id
    }

    async fn push(&self, content: &str) -> Commit {
        let change = [Change::file("basket.js", content)];
        let pushed = self
            .github
            .act(|state| state.push(SHOP, BRANCH, ANN, &change));
        pushed.unwrap();
        self.notice().await
    }

    async fn hint(&self, app: &App, trigger: Trigger) {
        let hint = Event::Hint {
            commit: None,
            trigger,
        };
        self.house.tell(app, PREVIEW, hint).await.unwrap();
    }

    async fn order(&self, command: Command) {
        let order = Event::Command(command);
        self.house.tell(&self.shop, PREVIEW, order).await.unwrap();
    }

    /// The pull request is closed, and nothing of it is left.
    async fn close(&self) {
        self.github.act(|state| state.close(SHOP, 1, ANN)).unwrap();
        self.notice().await;
        for app in self
            .store
            .apps_of_repository(self.repository)
            .await
            .unwrap()
        {
            self.hint(&app, Trigger::Refresh).await;
            self.shown(&app, "is closed", |one| one.lifecycle.is_closed())
                .await;
        }
    }

    /// Waits until an app's preview is so, and GitHub shows it.
    async fn shown(&self, app: &App, what: &str, so: impl Fn(&Environment) -> bool) -> Environment {
        let id = EnvironmentId::derive(&app.id, PREVIEW);
        let told = |one: &Environment| {
            let world = &one.lifecycle.world;
            so(one) && world.announced == world.edition
        };
        until(&*self.store, &id, what, told).await
    }

    /// A deployment of the shop begins, and stays at its beginning.
    async fn begin(&self, head: &Commit) {
        self.house.outside.runners.set(false);
        self.hint(&self.shop, Trigger::Push).await;
        let begun = |one: &Environment| {
            let next = one.lifecycle.next();
            next.is_some_and(|next| next.commit.id == *head && next.phase.builds())
        };
        self.shown(&self.shop, "has begun", begun).await;
    }

    /// The runner of the shop's deployment says something.
    async fn report(&self, generation: u32, (seq, phase): (u64, Phase)) {
        let reported = Observation::Reported {
            generation: Generation(generation),
            boot: "boot".into(),
            seq,
            phase,
        };
        let event = Event::Observed(reported);
        self.house.tell(&self.shop, PREVIEW, event).await.unwrap();
    }

    /// A deployment that has begun goes through all phases, until that is shown.
    async fn run(&self, generation: u32, head: &Commit) {
        for report in (1..).zip(phases()) {
            self.report(generation, report).await;
        }
        let so = |one: &Environment| serves(one, head);
        self.shown(&self.shop, "serves", so).await;
    }

    /// Deploys the head of the pull request, until that is shown.
    async fn deploy(&self, app: &App, head: &Commit) {
        self.hint(app, Trigger::Push).await;
        self.shown(app, "serves", |one| serves(one, head)).await;
    }

    async fn announce(&self) -> Result<(), ForgeError> {
        self.announce_at(PREVIEW).await
    }

    async fn announce_at(&self, kind: Kind) -> Result<(), ForgeError> {
        let announce = Announce {
            repository: self.repository,
            kind,
            version: 1,
        };
        self.showing.send(announce).await.unwrap()
    }

    fn fault(&self, route: &str, fault: Fault, times: Times) {
        self.github.act(|state| state.order(route, fault, times));
    }

    fn comments(&self) -> Vec<Comment> {
        let seen = self.github.look(|state| state.see_comments(SHOP, 1));
        seen.unwrap()
    }

    /// The conclusions of our check runs on a commit, `-` for one without.
    fn checks(&self, head: &Commit) -> Vec<String> {
        let seen = |state: &State| state.see_check_runs(SHOP, head.as_str());
        let runs = self.github.look(seen).unwrap().into_iter();
        let line = runs.map(|run| {
            let conclusion = run.conclusion.unwrap_or_else(|| "-".into());
            format!("{} {conclusion}", run.name)
        });
        line.collect()
    }

    /// Every state that each of our deployments went through.
    fn deployments(&self) -> Vec<String> {
        let seen = self.github.look(|state| state.see_deployments(SHOP));
        let line = seen.unwrap().into_iter().map(|one| {
            let states = one.statuses.iter().map(|status| status.state.as_str());
            let states: Vec<&str> = states.collect();
            format!("{} {}", one.environment, states.join(" "))
        });
        line.collect()
    }

    /// How often GitHub was asked, tokens aside.
    fn calls(&self) -> usize {
        let asked = |state: &State| {
            let all = state.ledger.requests.iter();
            all.filter(|one| !one.target.contains("access_tokens"))
                .count()
        };
        self.github.look(asked)
    }

    /// The story ends: GitHub holds nothing that it should not.
    fn finish(self) {
        self.github.look(State::finish).unwrap();
        let doubled = self.github.look(State::doubled_comments);
        assert_eq!(doubled, Vec::<String>::new());
    }
}

/// Ends in the middle of whatever it does.
#[derive(Message)]
#[rtype(result = "()")]
struct Dies;

impl Handler<Dies> for Showing {
    type Result = ();

    fn handle(&mut self, _: Dies, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// What is announced in a house is shown through this client.
fn show(client: GitHub, house: &mut Neighbours) -> (Addr<Showing>, NotShown) {
    let addresses = Addresses {
        scheme: "https".into(),
        dashboard: "nestling.example".into(),
        preview_domain: "preview.example".into(),
    };
    let records = (
        house.store.clone(),
        Arc::new(Memory::default()) as Arc<dyn Blobs>,
    );
    let (admission, seal) = (house.admission.clone(), Arc::new(Sealing));
    let actor = Showing::new(Arc::new(client), records, admission, addresses, seal);
    let not_shown = actor.not_shown();
    let actor = actor.start();
    house.forge.announce = actor.clone().recipient();
    house.times.announce_again = vec![Duration::from_millis(50)];
    (actor, not_shown)
}

/// The one App's client.
fn client(github: &Model) -> GitHub {
    let (app, key) = github.act(|state| {
        let app = *state.apps.keys().next().unwrap();
        (app, state.private_key(app).unwrap())
    });
    GitHub::new(&github.base(), app, key.as_bytes()).unwrap()
}

fn serves(environment: &Environment, head: &Commit) -> bool {
    let life = &environment.lifecycle;
    life.next().is_none()
        && life
            .serving()
            .is_some_and(|serving| serving.commit.id == *head)
}

/// A repository with a pull request, and an App that is installed on it.
fn open(github: &Model) -> (RepositoryId, u64, GitHub) {
    let permissions = [
        ("metadata", Level::Read),
        ("contents", Level::Read),
        ("pull_requests", Level::Write),
        ("checks", Level::Write),
        ("deployments", Level::Write),
    ];
    let permissions = permissions.map(|(name, level)| (name.to_owned(), level));
    let (repository, installation) = github.act(|state| {
        state.create_organisation("acme");
        let page = [("index.html", "<h1>Shop</h1>")];
        let repository = state.create_repository(SHOP, true, &page).unwrap();
        state.set_role(SHOP, ANN, Some(Role::Write)).unwrap();
        let change = [Change::file("basket.js", "1")];
        state.push(SHOP, BRANCH, ANN, &change).unwrap();
        let opening = Opening::of(BRANCH, ANN).titled("Add a basket");
        state.open_pull_request(SHOP, opening).unwrap();
        let app = state.register_app("acme", "Nestling", permissions.into(), &["push"]);
        let app = app.unwrap();
        let installation = state.install(app, "acme", Selection::All).unwrap();
        (repository, installation)
    });
    (RepositoryId(repository), installation, client(github))
}
