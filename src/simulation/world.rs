//! What is outside of the server and outlives it: GitHub, machines, the store's disk, and time.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use nestling_domain::{
    app::{App, Repository},
    github::manifest::EVENTS,
    ids::{Commit, EnvironmentId, Kind, RepositoryId, Timestamp},
    policy::Policy,
    record::{Delivery, Fact},
};
use nestling_world::github::{Role, Selection, State};
use tokio::sync::Notify;

use super::{
    bugs::Bug,
    crashes::{Cell, Crashes, Lean, When},
    dice::Dice,
    flows::Flow,
    known::Known,
    letters::Letter,
    machines::{Echo, Key, Machines},
    network,
    story::Story,
};
use crate::{
    drivers::{
        clock,
        store::{Store as _, sqlite::Sqlite},
    },
    world::{granted, shop_on_github},
};

/// When every run begins: a moment as good as any.
pub(super) const BEGIN: Timestamp = Timestamp(1_790_000_000_000);
/// Where GitHub sends webhooks.
pub(super) const HOOK: &str = "https://nestling.example/github/webhook";
/// How many previews the one app has at once: fewer than pull requests are open.
pub(super) const PREVIEWS: u32 = 2;
/// One seed in so many has its requests, answers and webhooks held against GitHub's own description: that takes as long as all
/// the rest of a run.
const DESCRIBED: u64 = 25;

/// Something that is to happen outside.
pub(super) enum Deed {
    /// Somebody acts on GitHub.
    User,
    /// Somebody does with this one what a webhook tells that this run leans to.
    Meeting(Kind),
    /// A webhook reaches the server.
    Letter(Letter),
    /// GitHub waits no longer for an answer to a webhook.
    GivenUp(Letter),
    /// A runner goes on with what it does, unless this attempt has been made.
    Turn(Key, u32),
    /// A runner says that it lives.
    Beat(Key),
    /// A report arrives once more.
    Echo(Echo),
    /// A machine ends by itself.
    Death(Key),
    /// From now on nothing goes wrong.
    Calm,
    /// Somebody looks whether all is as it should be.
    Check,
}

/// All of it.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) bug: Option<Bug>,
    pub(super) scene: Scene,
    pub(super) town: Town,
    pub(super) store: Sqlite,
    pub(super) folder: PathBuf,
    github: Mutex<State>,
    machines: Mutex<Machines>,
    known: Mutex<Known>,
    crashes: Mutex<Crashes>,
    story: Mutex<Story>,
    dice: Mutex<Dice>,
    agenda: Mutex<BTreeMap<(Timestamp, u64), Deed>>,
    deeds: AtomicU64,
    calm: AtomicBool,
    dead: AtomicBool,
    changed: Notify,
    ended: Notify,
}

/// What goes wrong until all is calm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// Everything, now and then.
    Trouble,
    /// No webhook gets through for half an hour, and GitHub's log says so.
    Deaf,
    /// The same, and GitHub's log knows of none.
    Forgotten,
    /// Nothing, but that the server ends once at the boundary of this number, if any.
    Flow(Flow, Option<usize>),
}

/// Who is who.
pub(super) struct Town {
    /// The number of the App.
    pub(super) app: u64,
    pub(super) repository: RepositoryId,
    /// The one app of the repository.
    pub(super) shop: App,
}

impl World {
    /// As it is before the server starts for the first time.
    pub(super) async fn new(
        seed: u64,
        bug: Option<Bug>,
        scene: Scene,
        folder: PathBuf,
    ) -> Arc<Self> {
        clock::simulated::stand(BEGIN);
        let mut github = State::in_process();
        if seed.is_multiple_of(DESCRIBED) {
            github.hold_to_description();
        }
        github.clock.stop_at(i64::try_from(BEGIN.0).unwrap());
        let (town, repository) = settle(&mut github);
        let store = Sqlite::in_memory().unwrap();
        store.put_repository(&repository).await.unwrap();
        store.put_app(&town.shop).await.unwrap();
        // As when a person adds it.
        let added = Delivery {
            id: "added".to_owned(),
            at: BEGIN,
            repository: Some(town.repository),
            fact: Fact::Returned {
                app: town.shop.id.clone(),
                branch: "main".to_owned(),
                commit: Some(
                    Commit::parse(&network::main_head(&github, town.repository.0)).unwrap(),
                ),
            },
        };
        store.receive(&added).await.unwrap();
        github.take_webhooks();
        Arc::new(World {
            seed,
            bug,
            scene,
            town,
            store,
            folder,
            github: Mutex::new(github),
            machines: Mutex::default(),
            known: Mutex::default(),
            crashes: Mutex::new(Crashes::new(seed)),
            story: Mutex::default(),
            dice: Mutex::new(Dice::new(seed, 2)),
            agenda: Mutex::default(),
            deeds: AtomicU64::default(),
            calm: AtomicBool::default(),
            dead: AtomicBool::default(),
            changed: Notify::new(),
            ended: Notify::new(),
        })
    }

    /// GitHub, at this moment.
    pub(super) fn github(&self) -> MutexGuard<'_, State> {
        let mut github = self.github.lock().unwrap();
        let now = i64::try_from(clock::now().0).unwrap();
        github.clock.stop_at(now);
        github
    }

    pub(super) fn machines(&self) -> MutexGuard<'_, Machines> {
        self.machines.lock().unwrap()
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    pub(super) fn crashes(&self) -> MutexGuard<'_, Crashes> {
        self.crashes.lock().unwrap()
    }

    pub(super) fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap()
    }

    pub(super) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap()
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// One line of the story.
    pub(super) fn tell(&self, what: impl AsRef<str>) {
        self.story().tell(clock::now(), what.as_ref());
    }

    /// Whether something goes wrong now, which happens so often of a thousand times, until all is calm.
    pub(super) fn goes_wrong(&self, per_mille: u64) -> bool {
        self.is_troubled() && self.dice().happens(per_mille)
    }

    /// So often of a thousand times, or so much more often where the run leans that way.
    pub(super) fn often(&self, lean: Lean, (usually, leaning): (u64, u64)) -> u64 {
        let leans = self.crashes().lean == Some(lean);
        if leans { leaning } else { usually }
    }

    /// Whether this run leans to webhooks that tell of this.
    pub(super) fn leans_to(&self, event: &'static str) -> bool {
        self.crashes().lean == Some(Lean::Tells(event))
    }

    /// Whether what people do is to meet what is being built.
    pub(super) fn meets_builds(&self) -> bool {
        matches!(self.crashes().lean, Some(Lean::Pushes | Lean::Tells(_)))
    }

    /// Whether anything may go wrong now.
    pub(super) fn is_troubled(&self) -> bool {
        self.scene == Scene::Trouble && !self.is_calm()
    }

    /// So many milliseconds, by chance.
    pub(super) fn span(&self, least: u64, most: u64) -> std::time::Duration {
        std::time::Duration::from_millis(self.dice().span(least, most))
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.tell("from now on nothing goes wrong");
    }

    /// Something is to happen so many milliseconds from now.
    pub(super) fn plan(&self, after: u64, deed: Deed) {
        let number = self.deeds.fetch_add(1, Ordering::Relaxed);
        let at = Timestamp(clock::now().0 + after);
        self.agenda.lock().unwrap().insert((at, number), deed);
        self.changed.notify_one();
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let agenda = self.agenda.lock().unwrap();
        agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// What is to happen by now.
    pub(super) fn due(&self) -> Option<Deed> {
        let mut agenda = self.agenda.lock().unwrap();
        let first = agenda.first_entry()?;
        (first.key().0 <= clock::now()).then(|| first.remove())
    }

    /// Whether a webhook is still on its way.
    pub(super) fn awaits_letters(&self) -> bool {
        let agenda = self.agenda.lock().unwrap();
        agenda.values().any(|deed| matches!(deed, Deed::Letter(_)))
    }

    /// Waits until something was planned.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    // --- the life of the server

    /// The server starts.
    pub(super) fn revive(&self) {
        self.dead.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The server ends in the middle of whatever it does: from now on nothing of it reaches the outside.
    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.machines().forget_watchers();
        self.ended.notify_one();
    }

    /// Waits until the server has ended.
    pub(super) async fn ended(&self) {
        while !self.is_dead() {
            self.ended.notified().await;
        }
    }

    /// To be waited for before the outside is changed or heard: a server that has ended does neither.
    pub(super) async fn alive(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// Something is about to be done, or was done just now, for an environment: the server may end here.
    pub(super) async fn boundary(
        &self,
        of: Option<&EnvironmentId>,
        class: &'static str,
        when: When,
    ) {
        let state = self.known().state_of(of);
        self.boundary_in(state, class, when).await;
    }

    /// The same for an environment that is, or was, in this state.
    pub(super) async fn boundary_in(&self, state: &'static str, class: &'static str, when: When) {
        let cell = Cell { state, class, when };
        self.pass(Some(cell), || cell.to_string()).await;
    }

    /// The same for something that is written on GitHub, called `line`.
    pub(super) async fn boundary_of_write(
        &self,
        of: Option<&EnvironmentId>,
        line: &str,
        when: When,
    ) {
        let (state, class) = (self.known().state_of(of), "write");
        let cell = Cell { state, class, when };
        self.pass(Some(cell), || format!("{cell}: {line}")).await;
    }

    /// Something is asked, or written down, that is not about one environment alone: here only the server of a flow may end.
    pub(super) async fn seam(&self, what: &str, when: When) {
        self.pass(None, || format!("{when} {what}")).await;
    }

    async fn pass(&self, cell: Option<Cell>, name: impl Fn() -> String) {
        self.alive().await;
        let strikes = {
            let mut crashes = self.crashes();
            let aimed = cell.is_some_and(|cell| self.is_troubled() && crashes.strikes(cell));
            aimed || crashes.is_counted_out(&name)
        };
        if strikes {
            self.tell(format!("the server ends {}", name()));
            self.kill();
            std::future::pending::<()>().await;
        }
    }

    /// Something is not as it must be, ever.
    pub(super) fn violate(&self, what: impl AsRef<str>) {
        let what = what.as_ref();
        self.tell(format!("WRONG: {what}"));
        self.known().violations.push(what.to_owned());
        self.kill();
    }

    /// The environment of the one app.
    pub(super) fn environment(&self, kind: Kind) -> EnvironmentId {
        EnvironmentId::derive(&self.town.shop.id, kind)
    }

    /// What people call an environment.
    pub(super) fn name(&self, id: &EnvironmentId) -> String {
        let known = self.known();
        let record = known.records.get(id);
        record.map_or_else(|| id.to_string(), |record| record.kind.name())
    }
}

/// The repository with its people, and the App that is installed there.
fn settle(github: &mut State) -> (Town, Repository) {
    github.create_organisation("acme");
    let page = [("index.html", "<h1>Shop</h1>")];
    let id = github.create_repository("acme/shop", true, &page).unwrap();
    github
        .set_role("acme/shop", "ann", Some(Role::Write))
        .unwrap();
    github.fork("acme/shop", "eve").unwrap();
    let app = github.register_app("acme", "Nestling", granted(), &EVENTS);
    let app = app.unwrap();
    github.set_webhook_url(app, HOOK).unwrap();
    let selection = Selection::Selected([id].into());
    let installation = github.install(app, "acme", selection).unwrap();
    let (repository, shop) = shop_on_github(id, installation);
    let policy = Policy {
        previews: PREVIEWS,
        ..Policy::default()
    };
    let shop = App { policy, ..shop };
    let town = Town {
        app,
        repository: repository.id,
        shop,
    };
    (town, repository)
}
