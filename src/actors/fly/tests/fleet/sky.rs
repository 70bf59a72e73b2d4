//! The model of Fly in the same process, on the run's own clock, with what must never happen there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hyper::{HeaderMap, Method, Request, Response, header::AUTHORIZATION};
use nestling_domain::ids::Generation;
use nestling_world::fly::{
    self as model, Action, Answer, Body, Delays, Outcome, Phase, State, Write,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{drivers::fly::Way, simulation::dice::Dice};

/// When a run begins, in milliseconds since 1970.
pub(super) const DAWN: i64 = 1_800_000_000_000;
/// Between two looks whether a request that waits for a machine is answered.
const LOOK: Duration = Duration::from_millis(250);
/// How long a request is on its way, and its answer, in milliseconds.
const WAY: (u64, u64) = (2, 40);
/// The pair of metadata that says of which generation a machine is.
const GENERATION: &str = "nestling_generation";

/// Fly, and what is known of the apps there.
pub(super) struct Sky {
    pub(super) token: String,
    fly: Mutex<State>,
    since: Instant,
    dice: Mutex<Dice>,
    fates: Mutex<BTreeMap<String, Fate>>,
    wrong: Mutex<Vec<String>>,
    /// Apps whose name has this in it are told of, request by request.
    told: Option<String>,
}

/// What may be done with the app of an environment.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// The generations that were ordered to be gone.
    pub(super) doomed: BTreeSet<Generation>,
    /// Whether no record wants anything of it any more.
    pub(super) unwanted: bool,
}

impl Sky {
    pub(super) fn new(seed: u64, percent: u8) -> Self {
        let mut fly = State::in_process(seed);
        fly.clock.stop_at(DAWN);
        fly.ledger.keep_last(100);
        fly.create_organisation("acme");
        let token = fly.issue_token("acme");
        for (app, machine) in strangers() {
            by_hand(&mut fly, &token, "/v1/apps", &app);
            let machines = format!("/v1/apps/{}/machines", app["name"].as_str().unwrap());
            by_hand(&mut fly, &token, &machines, &machine);
        }
        fly.manners.delays = Delays::real();
        fly.faults.storm(percent, seed);
        Sky {
            token,
            fly: Mutex::new(fly),
            since: Instant::now(),
            dice: Mutex::new(Dice::new(seed, 1)),
            fates: Mutex::default(),
            wrong: Mutex::default(),
            told: std::env::var("NESTLING_FLEET_APP").ok(),
        }
    }

    /// Fly as it is now.
    pub(super) fn fly(&self) -> MutexGuard<'_, State> {
        let mut fly = self.fly.lock().unwrap();
        let passed = self.since.elapsed().as_millis();
        fly.clock.stop_at(DAWN + i64::try_from(passed).unwrap());
        fly.tick();
        fly
    }

    /// What may be done with an app from now on.
    pub(super) fn decide(&self, app: &str, change: impl FnOnce(&mut Fate)) {
        change(
            self.fates
                .lock()
                .unwrap()
                .entry(app.to_owned())
                .or_default(),
        );
    }

    pub(super) fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// The generations of the machines of an app that are not gone, with whether each runs.
    pub(super) fn machines(&self, app: &str) -> Vec<(Generation, Phase)> {
        there(&self.fly(), app)
    }

    /// What other people made is as they left it.
    pub(super) fn strangers_are_there(&self) {
        for (app, _) in strangers() {
            let name = app["name"].as_str().unwrap();
            if self.fly().machines_of(name).len() != 1 {
                self.is_wrong(format!("{name} is not as others left it"));
            }
        }
    }

    fn ask(&self, request: &model::Request) -> Outcome {
        let mut fly = self.fly();
        let app = request.segments.get(2).cloned().unwrap_or_default();
        let before = match request.method {
            Method::DELETE => there(&fly, &app),
            _ => Vec::new(),
        };
        fly.ledger.writes.clear();
        let outcome = fly.ask(request);
        if self.told.as_ref().is_some_and(|told| app.contains(told)) {
            let at = self.since.elapsed().as_secs_f32();
            let machines = there(&fly, &app);
            eprintln!(
                "{at:9.2} {} {}: {outcome:?}; {machines:?}",
                request.method, request.path
            );
        }
        let writes: Vec<Write> = fly.ledger.writes.drain(..).collect();
        for write in writes {
            let broken = self.breaks(&fly, &write, &before);
            self.wrong.lock().unwrap().extend(broken);
        }
        outcome
    }

    /// The laws that a change breaks, in words.
    fn breaks(&self, fly: &State, write: &Write, before: &[(Generation, Phase)]) -> Option<String> {
        let Write { action, app, .. } = write;
        let fates = self.fates.lock().unwrap();
        let Some(fate) = fates.get(app) else {
            return Some(format!("{action:?} of {app}, which is somebody else's"));
        };
        let is_wanted = |one: &Generation| !fate.unwanted && !fate.doomed.contains(one);
        if *action == Action::CreateMachine {
            let mut all: Vec<_> = there(fly, app).into_iter().map(|(one, _)| one).collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            let twice = all.len() < count;
            return twice.then(|| format!("two machines of one generation in {app}"));
        }
        if *action == Action::DeleteMachine {
            let one = generation(write.metadata.get(GENERATION)?);
            let wanted = Some(one).filter(is_wanted)?;
            return Some(format!(
                "the machine of generation {wanted} of {app} goes, which is wanted"
            ));
        }
        if *action == Action::DeleteApp {
            let mut there = before.iter().map(|(one, _)| one);
            let wanted = there.find(|one| is_wanted(one))?;
            return Some(format!(
                "{app} goes with generation {wanted}, which is wanted"
            ));
        }
        None
    }

    fn span(&self) -> Duration {
        let (least, most) = WAY;
        Duration::from_millis(self.dice.lock().unwrap().span(least, most))
    }
}

/// Apps that begin as ours do, with the machine in each: one that somebody made by hand, and one of another server.
fn strangers() -> [(Value, Value); 2] {
    let of = |name: &str, metadata: Value| {
        let app = json!({ "name": name, "org_slug": "acme" });
        let config = json!({ "image": "nginx", "metadata": metadata });
        (
            app,
            json!({ "name": "one", "region": "ams", "config": config }),
        )
    };
    let elses = json!({
        "nestling_server": "nestling-c3d4",
        "nestling_environment": "shop-pr-1",
        GENERATION: "1",
    });
    [
        of("nestling-by-hand", json!({})),
        of("nestling-shop-pr-1-elses", elses),
    ]
}

fn by_hand(fly: &mut State, token: &str, path: &str, body: &Value) {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    let body = body.to_string().into();
    let asked = model::Request::new(Method::POST, path, headers, body);
    let made = fly.ask(&asked);
    let is_made = matches!(&made, Outcome::Answered(answer) if answer.status < 300);
    assert!(is_made, "{made:?}");
}

/// The generations of the machines of an app that are not gone.
fn there(fly: &State, app: &str) -> Vec<(Generation, Phase)> {
    let all = fly.machines_of(app).into_iter();
    let all = all.filter(|machine| machine.phase != Phase::Destroyed);
    let all = all.filter_map(|machine| Some((generation(machine.tag(GENERATION)?), machine.phase)));
    all.collect()
}

fn generation(words: &str) -> Generation {
    Generation(words.parse().unwrap())
}

/// The way of one server to Fly, for as long as that lives.
pub(super) struct Line {
    pub(super) sky: std::sync::Arc<Sky>,
    pub(super) cut: std::sync::Arc<AtomicBool>,
}

impl Line {
    /// Who has ended asks nothing any more, and hears nothing.
    async fn alive(&self) {
        if self.cut.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Way for Line {
    async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let (head, body) = request.into_parts();
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let asked = model::Request::new(head.method, target, head.headers, body.into());
        sleep(self.sky.span()).await;
        self.alive().await;
        let outcome = self.sky.ask(&asked);
        sleep(self.sky.span()).await;
        let answered = answered(&self.sky, outcome).await;
        self.alive().await;
        answered
    }
}

async fn answered(sky: &Sky, mut outcome: Outcome) -> Result<Response<Vec<u8>>, String> {
    loop {
        outcome = match outcome {
            Outcome::Answered(answer) => return Ok(written(answer)),
            Outcome::Late(later, answer) => {
                sleep(later).await;
                return Ok(written(answer));
            }
            Outcome::Half(_) | Outcome::Cut => return Err("the connection broke".to_owned()),
            Outcome::Silence => std::future::pending().await,
            Outcome::Waits(waiting) => {
                sleep(LOOK).await;
                let answered = sky.fly().waited(&waiting);
                answered.unwrap_or(Outcome::Waits(waiting))
            }
        };
    }
}

fn written(answer: Answer) -> Response<Vec<u8>> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let body = match answer.body {
        Body::Json(body) => body.to_string().into_bytes(),
        Body::Nothing => Vec::new(),
        Body::Other(_, body) => body.to_vec(),
    };
    response.body(body).unwrap()
}
