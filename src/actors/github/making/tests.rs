//! Stories of a person who makes the App, against the model of GitHub.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use nestling_domain::github::manifest::{EVENTS, PERMISSIONS};
use nestling_world::github::{Fault, Model, Outcome, Request, Times};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::drivers::{
    keys::local::{KEY_ID, LocalKeys, MASTER_KEY},
    store::sqlite::Sqlite,
};

const ANN: &str = "ann's browser";
const CONVERSIONS: &str = "POST /app-manifests/*/conversions";

/// Whoever looks at what the App covers.
struct Forge;

impl Actor for Forge {
    type Context = Context<Self>;
}

impl Handler<LookAround> for Forge {
    type Result = ();
    fn handle(&mut self, _: LookAround, _: &mut Self::Context) {}
}

/// GitHub, and a server that is no App yet.
struct World {
    folder: TempDir,
    github: Model,
    store: Arc<Sqlite>,
    server: Server,
}

/// What lives as long as a process.
struct Server {
    making: Addr<Making>,
    client: Arc<GitHub>,
    trusted: Arc<Mutex<Option<String>>>,
}

impl World {
    async fn start() -> Self {
        let (github, folder) = (Model::start().unwrap(), TempDir::new().unwrap());
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let server = Server::start(&github, &folder, &store).await;
        World {
            folder,
            github,
            store,
            server,
        }
    }

    async fn restart(&mut self) {
        self.server = Server::start(&self.github, &self.folder, &self.store).await;
    }

    async fn propose(&self) -> Proposal {
        self.server.propose(ANN, "Nest").await.unwrap()
    }

    /// A person agrees at GitHub; answers the code and the state that their browser brings back.
    fn agree(&self, proposal: &Proposal) -> (String, String) {
        let base = self.github.base();
        let (path, state) = proposal.address.split_once("/new?state=").unwrap();
        let path = path.strip_prefix(&base).unwrap();
        let form = [
            ("manifest", proposal.manifest.as_str()),
            ("state", state),
            ("name", "Nest"),
        ];
        let body = url_encoded(&form);
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", "a browser".parse().unwrap());
        let request = Request::new(Method::POST, path, headers, Bytes::from(body));
        let Outcome::Answered(answer) = self.github.ask(&request) else {
            panic!("no answer");
        };
        let mut sent = answer.headers.iter();
        let back = sent.find(|(name, _)| name.as_str() == "location").unwrap();
        let (_, query) = back.1.split_once("/-/github/created?").unwrap();
        let query: BTreeMap<&str, &str> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        (query["code"].to_owned(), query["state"].to_owned())
    }

    async fn take(&self, (code, state): (&str, &str)) -> Result<(), NotMade> {
        self.server.take(ANN, code, state).await
    }

    /// What must not stand anywhere: the App's private key and its webhook secret.
    fn secrets(&self) -> [String; 2] {
        self.github.look(|state| {
            let app = state.apps.values().next().unwrap();
            let key = state.private_key(app.id).unwrap();
            let line = key.lines().nth(1).unwrap().to_owned();
            [line, app.webhook_secret.clone()]
        })
    }

    fn finish(&self) {
        let violations = self.github.look(|state| state.ledger.violations.clone());
        assert_eq!(violations, Vec::<String>::new());
    }
}

impl Server {
    async fn start(github: &Model, folder: &TempDir, store: &Arc<Sqlite>) -> Self {
        let keys = Arc::new(LocalKeys::open(folder.path()).unwrap());
        let client = Arc::new(GitHub::without_app(&github.base()));
        let trusted: Arc<Mutex<Option<String>>> = Arc::default();
        let kept = Kept::read(&**store, &*keys).await.unwrap();
        let standing = kept.standing();
        let seen = trusted.clone();
        let trust = move |secret: &str| {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.to_owned());
        };
        if let Kept::App(app) = kept {
            app.use_in(&client).unwrap();
            trust(&app.webhook_secret);
        }
        let safe = Safe {
            store: store.clone(),
            keys,
            client: client.clone(),
            trust: Arc::new(trust),
        };
        let addresses = Addresses {
            api: github.base(),
            web: github.base(),
            dashboard: "https://nest.example".to_owned(),
            created: "https://nest.example/-/github/created".to_owned(),
            installed: "https://nest.example/-/github/installed".to_owned(),
            hook: Some("http://127.0.0.1:9/github/webhook".to_owned()),
        };
        let forge = Forge.start().recipient();
        Server {
            making: Making::new(safe, addresses, forge, standing).start(),
            client,
            trusted,
        }
    }

    async fn propose(&self, by: &str, name: &str) -> Result<Proposal, NotMade> {
        let propose = Propose {
            by: by.to_owned(),
            name: name.to_owned(),
            owner: "acme".to_owned(),
        };
        self.making.send(propose).await.unwrap()
    }

    async fn take(&self, by: &str, code: &str, state: &str) -> Result<(), NotMade> {
        let take = Take {
            by: by.to_owned(),
            state: state.to_owned(),
            code: code.to_owned(),
        };
        self.making.send(take).await.unwrap()
    }

    async fn standing(&self) -> Standing {
        self.making.send(Which).await.unwrap()
    }

    fn trusts(&self) -> Option<String> {
        self.trusted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn url_encoded(fields: &[(&str, &str)]) -> String {
    let escaped =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", escaped(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[actix::test]
async fn a_person_makes_the_app_and_the_server_is_it_also_after_a_restart() {
    let mut world = World::start().await;
    assert_eq!(world.server.standing().await, Standing::None);
    let unasked = world.server.client.app().await.unwrap_err();
    assert!(
        unasked.to_string().contains("no GitHub App yet"),
        "{unasked}"
    );

    let proposal = world.propose().await;
    let organisation = format!(
        "{}/organizations/acme/settings/apps/new?",
        world.github.base()
    );
    assert!(proposal.address.starts_with(&organisation), "{proposal:?}");
    let (code, state) = world.agree(&proposal);
    world.take((&code, &state)).await.unwrap();
    let made = Made {
        number: 1_000_001,
        name: "Nest".to_owned(),
        page: format!("{}/apps/nest", world.github.base()),
    };
    let [_, secret] = world.secrets();
    for _ in 0..2 {
        assert_eq!(world.server.standing().await, Standing::Made(made.clone()));
        let app = world.server.client.app().await.unwrap();
        let needed = PERMISSIONS.map(|(name, level)| (name.to_owned(), level.to_owned()));
        assert_eq!(app.permissions, needed.into());
        let told: BTreeSet<&str> = app.events.iter().map(String::as_str).collect();
        assert_eq!(told, EVENTS.into());
        assert_eq!(world.server.trusts(), Some(secret.clone()));
        world.restart().await;
    }
    let again = world.server.propose(ANN, "Another").await.unwrap_err();
    assert_eq!(
        again.to_string(),
        "Nest, App 1000001, is in use already: nothing was changed."
    );
    world.finish();
}

#[actix::test]
async fn the_keys_of_the_app_stand_nowhere_in_the_clear() {
    let world = World::start().await;
    let (code, state) = world.agree(&world.propose().await);
    world.take((&code, &state)).await.unwrap();
    let record = world.store.own_app().await.unwrap().unwrap();
    let stored = serde_json::to_string(&record).unwrap();
    let standing = world.server.standing().await;
    for secret in world.secrets() {
        let bytes = serde_json::to_string(secret.as_bytes()).unwrap();
        let bytes = bytes.trim_matches(['[', ']']);
        assert!(!stored.contains(&secret) && !stored.contains(bytes));
        let shown = format!("{record:?} {standing:?}");
        assert!(!shown.contains(&secret), "{shown}");
    }
    // An envelope of one App opens for no other.
    let keys = LocalKeys::open(world.folder.path()).unwrap();
    let mut other = record.clone();
    other.number += 1;
    world.store.put_own_app(&other).await.unwrap();
    let kept = Kept::read(&*world.store, &keys).await.unwrap();
    assert!(matches!(kept, Kept::Lost(_)));
}

#[actix::test]
async fn what_did_not_begin_here_changes_nothing() {
    let world = World::start().await;
    let proposal = world.propose().await;
    let (code, state) = world.agree(&proposal);
    let wrong = [
        (ANN, code.as_str(), "", "did not begin here"),
        (ANN, &code, "guessed", "did not begin here"),
        ("bob's browser", &code, &state, "did not begin here"),
        (ANN, "", &state, "has no code"),
        (ANN, "../../user", &state, "has no code"),
        (ANN, &"c".repeat(101), &state, "has no code"),
    ];
    for (by, code, state, says) in wrong {
        let refused = world.server.take(by, code, state).await.unwrap_err();
        assert!(matches!(refused, NotMade::Refused(_)), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(world.server.standing().await, Standing::None);
    assert_eq!(world.store.own_app().await.unwrap(), None);
    // The right one is still good, and only once.
    world.take((&code, &state)).await.unwrap();
    let reused = world.take((&code, &state)).await.unwrap_err();
    assert!(reused.to_string().contains("is in use already"), "{reused}");
    world.finish();
}

#[actix::test]
async fn a_state_of_before_a_restart_is_good_no_more() {
    let mut world = World::start().await;
    let (code, state) = world.agree(&world.propose().await);
    world.restart().await;
    let refused = world.take((&code, &state)).await.unwrap_err();
    assert!(
        refused.to_string().contains("did not begin here"),
        "{refused}"
    );
}

#[actix::test]
async fn a_code_that_github_does_not_know_is_said_and_the_next_attempt_works() {
    let world = World::start().await;
    let (code, state) = world.agree(&world.propose().await);
    // An hour passes at GitHub, less than that here: its clock is its own.
    world.github.act(|state| state.clock.advance(3_600_000));
    let refused = world.take((&code, &state)).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("GitHub does not know this code"),
        "{refused}"
    );
    let used_up = world.take((&code, &state)).await.unwrap_err();
    assert!(
        used_up.to_string().contains("it came back before"),
        "{used_up}"
    );
    let (code, state) = world.agree(&world.propose().await);
    world.take((&code, &state)).await.unwrap();
    world.finish();
}

#[actix::test]
async fn without_an_answer_of_github_there_is_no_app_and_it_is_said_what_to_do() {
    let world = World::start().await;
    for (fault, says) in [
        (Fault::Status(500), "An App may have been made at GitHub"),
        (Fault::LostAnswer, "An App may have been made at GitHub"),
        (Fault::Status(403), "Nothing was changed here"),
        (Fault::SecondaryLimit(60), "Nothing was changed here"),
    ] {
        let (code, state) = world.agree(&world.propose().await);
        world
            .github
            .act(|state| state.order(CONVERSIONS, fault, Times::Only(1)));
        let failed = world.take((&code, &state)).await.unwrap_err();
        assert!(matches!(failed, NotMade::Failed(_)), "{fault:?}: {failed}");
        assert!(failed.to_string().contains(says), "{fault:?}: {failed}");
        assert!(!failed.to_string().contains(&code), "{failed}");
        assert_eq!(world.server.standing().await, Standing::None);
        // The lost one is there all the same.
        world.github.act(|state| state.apps.clear());
    }
    let mut away = World::start().await;
    let (code, state) = away.agree(&away.propose().await);
    away.github = Model::start().unwrap();
    let failed = away.take((&code, &state)).await.unwrap_err();
    assert!(
        failed.to_string().contains("GitHub could not be asked"),
        "{failed}"
    );
}

#[actix::test]
async fn a_lost_master_key_is_said_with_what_is_lost_and_what_to_do() {
    let mut world = World::start().await;
    let (code, state) = world.agree(&world.propose().await);
    world.take((&code, &state)).await.unwrap();
    let master = world.folder.path().join(MASTER_KEY);
    let saved = std::fs::read(&master).unwrap();
    let lost = async |world: &World| match world.server.standing().await {
        Standing::Lost(lost) => lost,
        other @ (Standing::None | Standing::Configured { .. } | Standing::Made(_)) => {
            panic!("{other:?}")
        }
    };

    std::fs::remove_file(&master).unwrap();
    world.restart().await;
    let missing = lost(&world).await;
    assert!(
        !missing.may_be_replaced,
        "nothing can be sealed: {missing:?}"
    );
    for part in [
        "Nest was made here, and its keys cannot be opened",
        "master",
        "forge.github.app_id = 1000001",
        "/apps/nest",
    ] {
        assert!(missing.reason.contains(part), "{part}: {}", missing.reason);
    }
    let refused = world.server.propose(ANN, "Another").await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot be opened"),
        "{refused}"
    );
    assert!(!world.server.client.is_app() && world.server.trusts().is_none());

    // Somebody began anew with another key: the App may be made anew, too.
    std::fs::remove_file(world.folder.path().join(KEY_ID)).unwrap();
    world.restart().await;
    let other = lost(&world).await;
    assert!(
        other.may_be_replaced && other.reason.contains("was sealed with key"),
        "{other:?}"
    );
    world.server.propose(ANN, "Another").await.unwrap();

    std::fs::write(&master, saved).unwrap();
    let _ = std::fs::remove_file(world.folder.path().join(KEY_ID));
    world.restart().await;
    assert!(matches!(world.server.standing().await, Standing::Made(_)));
}

#[actix::test]
async fn a_server_that_github_cannot_reach_gets_a_secret_of_its_own() {
    let world = World::start().await;
    let mut proposal = world.propose().await;
    let mut manifest: Value = serde_json::from_str(&proposal.manifest).unwrap();
    let fields = manifest.as_object_mut().unwrap();
    fields.remove("hook_attributes");
    fields.remove("default_events");
    proposal.manifest = manifest.to_string();
    let (code, state) = world.agree(&proposal);
    world.take((&code, &state)).await.unwrap();
    let ours = world.server.trusts().unwrap();
    assert_eq!(ours.len(), 43, "32 random bytes");
    // Once it is reached, GitHub is told where webhooks go, and how they are signed.
    let hook = "https://nest.example/github/webhook";
    world.server.client.set_hook_address(hook).await.unwrap();
    let [_, theirs] = world.secrets();
    assert_eq!(theirs, ours);
    world.finish();
}
