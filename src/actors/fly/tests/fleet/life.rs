//! What becomes of one environment: deployments, changes of mind, its end, and perhaps another beginning.

use std::{cell::RefCell, collections::BTreeMap, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use nestling_domain::{
    environment::Environment,
    fly::{AppName, machine_name, secret_name, service_port},
    ids::{EnvironmentId, Generation},
    lifecycle::{State as Stage, Why},
};
use nestling_world::fly::Phase;
use tokio::time::{sleep, timeout};

use super::{ensure, sky::Sky};
use crate::{
    drivers::{
        clock,
        store::{
            Store,
            conformance::{next, preview, save_of, serving},
        },
    },
    messages::machines::{Destroy, Handle, LetIn, MachineError, Watch},
    simulation::dice::Dice,
};

/// As long as an environment waits for the end of an effect.
const EFFECT: Duration = Duration::from_secs(10);
/// How often a machine is asked for before another generation takes its place.
const TRIES: u32 = 12;
/// How long a machine may take to start, in looks a second apart.
const STARTS: u32 = 60;
/// Between two observations that nothing is left.
const ABSENT_AGAIN: Duration = Duration::from_secs(30);

/// What all environments share.
pub(super) struct House {
    pub(super) sky: Arc<Sky>,
    pub(super) store: Arc<dyn Store>,
    /// Those of the server that lives now.
    pub(super) machines: RefCell<Handle>,
    pub(super) server: String,
    /// What serves, and is watched.
    pub(super) serving: RefCell<BTreeMap<EnvironmentId, Generation>>,
}

impl House {
    /// A server follows, and watches what serves.
    pub(super) fn follows(&self, machines: Handle) {
        *self.machines.borrow_mut() = machines;
        for (id, generation) in self.serving.borrow().iter() {
            self.watch(id.clone(), *generation);
        }
    }

    fn watch(&self, environment: EnvironmentId, generation: Generation) {
        let watch = Watch {
            environment,
            generation,
        };
        self.machines.borrow().watch.do_send(watch);
    }
}

/// One environment.
pub(super) struct Life {
    house: Rc<House>,
    dice: Dice,
    record: Environment,
    pub(super) app: String,
    newest: Generation,
    serves: Option<Generation>,
    /// Where its machines are reached.
    address: Option<IpAddr>,
    pub(super) end: End,
}

/// How it stands with an environment when nothing is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This generation serves.
    Serves(Generation),
    /// It is closed.
    Closed,
    /// The store has lost its record.
    Lost,
}

impl Life {
    pub(super) fn new(house: Rc<House>, number: u32, seed: u64) -> Self {
        let record = preview("shop", number);
        let about = (&record.id, &record.slug, record.kind);
        let app = AppName::of("nestling", &house.server, about).unwrap();
        house.sky.decide(app.as_str(), |_| {});
        Life {
            dice: Dice::new(seed, u64::from(number) + 2),
            app: app.as_str().to_owned(),
            house,
            record,
            newest: Generation(0),
            serves: None,
            address: None,
            end: End::Closed,
        }
    }

    /// Lives to its end, which comes within `minutes` and what things take.
    pub(super) async fn live(mut self, minutes: u64) -> Self {
        self.pause(minutes * 60_000).await;
        self.save_first().await;
        loop {
            for _ in 0..=self.dice.below(3) {
                self.deploys().await;
                self.pause(300_000).await;
            }
            match self.dice.below(100) {
                0..1 => {
                    self.is_lost().await;
                    return self;
                }
                1..5 => return self,
                _ => self.closes().await,
            }
            if self.dice.happens(850) {
                return self;
            }
            self.pause(600_000).await;
            self.reopens().await;
        }
    }

    async fn pause(&mut self, most: u64) {
        sleep(Duration::from_millis(self.dice.span(0, most))).await;
    }

    /// Another commit: it is deployed until one generation of it serves.
    async fn deploys(&mut self) {
        loop {
            self.newest.0 += 1;
            let newest = self.newest;
            if self.dice.happens(500) {
                self.remove_others().await;
            }
            if !self.is_made(newest).await || !self.starts(newest).await {
                continue;
            }
            if self.is_let_in(newest).await {
                break;
            }
        }
        self.serves = Some(self.newest);
        self.end = End::Serves(self.newest);
        self.record.lifecycle.state = self.serving();
        self.record.lifecycle.world.machines = [self.newest].into();
        self.record.lifecycle.world.asked = self.newest;
        self.save().await;
        let id = self.record.id.clone();
        self.house
            .serving
            .borrow_mut()
            .insert(id.clone(), self.newest);
        self.house.watch(id, self.newest);
        while !self.remove_others().await {
            self.pause(5_000).await;
        }
    }

    fn serving(&self) -> Stage {
        let mut state = serving(self.newest.0);
        if let Stage::Running { serving, .. } = &mut state {
            serving.address = self.address;
        }
        state
    }

    /// Whether the machine is there; somebody may push another commit meanwhile.
    async fn is_made(&mut self, generation: Generation) -> bool {
        for _ in 0..TRIES {
            let patience = if self.dice.happens(80) {
                Duration::from_millis(self.dice.span(0, 8_000))
            } else {
                EFFECT
            };
            let ensure = ensure(&self.record.id, generation.0);
            let sent = self.house.machines.borrow().ensure.send(ensure);
            match timeout(patience, sent).await {
                Ok(Ok(Ok(made))) => {
                    self.address = made.address;
                    return true;
                }
                Ok(Ok(Err(MachineError::Rejected(_)))) => return false,
                Err(_) if patience < EFFECT => return false,
                _ => self.pause(5_000).await,
            }
        }
        false
    }

    /// Whether it comes up.
    async fn starts(&mut self, generation: Generation) -> bool {
        for _ in 0..STARTS {
            let all = self.house.sky.machines(&self.app);
            match all.iter().find(|(one, _)| *one == generation) {
                Some((_, Phase::Started)) => return true,
                Some((_, Phase::Created | Phase::Starting)) => sleep(Duration::from_secs(1)).await,
                other => {
                    let words = format!("{} is said to have {generation}: {other:?}", self.app);
                    self.house.sky.is_wrong(words);
                    return false;
                }
            }
        }
        false
    }

    async fn is_let_in(&mut self, generation: Generation) -> bool {
        for _ in 0..TRIES {
            let let_in = LetIn {
                environment: self.record.id.clone(),
                generation,
            };
            let recipient = self.house.machines.borrow().let_in.clone().unwrap();
            match timeout(EFFECT, recipient.send(let_in)).await {
                Ok(Ok(Ok(()))) => {
                    self.is_reached(generation);
                    return true;
                }
                Ok(Ok(Err(MachineError::Rejected(_)))) => return false,
                _ => self.pause(5_000).await,
            }
        }
        false
    }

    /// What was let in is where Fly's proxy leads to.
    fn is_reached(&self, generation: Generation) {
        let fly = self.house.sky.fly();
        let Some(IpAddr::V6(ip)) = self.address else {
            panic!("{:?} is no private address", self.address);
        };
        let led = fly.leads(("acme", "default"), ip, service_port(generation));
        let led = led.map(|(id, _)| &*fly.machines[id].name);
        if led != Some(&*machine_name(generation)) {
            let words = format!(
                "{generation} of {} is let in, and Fly leads to {led:?}",
                self.app
            );
            self.house.sky.is_wrong(words);
        }
    }

    /// At the end: what is wanted is there, and nothing else.
    pub(super) fn is_as_it_should(&self) {
        let sky = &self.house.sky;
        let machines = sky.machines(&self.app);
        let fly = sky.fly();
        let secrets = fly.apps.get(&self.app).map(|app| app.secret_names());
        let expected = match self.end {
            End::Serves(generation) => Some((generation, secret_name(generation))),
            End::Closed | End::Lost => None,
        };
        let is_so = match &expected {
            Some((generation, secret)) => {
                machines == [(*generation, Phase::Started)]
                    && secrets == Some(vec![secret.as_str()])
            }
            None => secrets.is_none(),
        };
        if !is_so {
            let words = format!(
                "{} is to be {:?}, and has machines {machines:?} and secrets {secrets:?}",
                self.app, self.end
            );
            sky.is_wrong(words);
        }
    }

    /// One try to remove what neither serves nor is on its way.
    async fn remove_others(&mut self) -> bool {
        let keep = self.serves.into_iter().chain([self.newest]).collect();
        self.remove(keep, false).await
    }

    async fn remove(&mut self, keep: Vec<Generation>, erase: bool) -> bool {
        let upto = self.newest;
        self.house.sky.decide(&self.app, |fate| {
            let older = (1..=upto.0).map(Generation);
            fate.doomed.extend(older.filter(|one| !keep.contains(one)));
        });
        let destroy = Destroy {
            environment: self.record.id.clone(),
            keep,
            upto,
            erase,
        };
        let sent = self.house.machines.borrow().destroy.send(destroy);
        matches!(timeout(EFFECT, sent).await, Ok(Ok(Ok(()))))
    }

    /// It is closed, and everything of it was observed absent twice.
    async fn closes(&mut self) {
        self.serves = None;
        self.house.serving.borrow_mut().remove(&self.record.id);
        self.end = End::Closed;
        self.record.lifecycle.state = Stage::Stopped {
            why: Why::Closed,
            last: None,
            since: clock::now(),
        };
        self.record.lifecycle.world.absent = 0;
        self.record.lifecycle.world.machines.clear();
        self.save().await;
        for absent in 1..=2 {
            while !self.remove(Vec::new(), true).await {
                self.pause(5_000).await;
            }
            self.record.lifecycle.world.absent = absent;
            self.save().await;
            sleep(ABSENT_AGAIN).await;
        }
    }

    async fn reopens(&mut self) {
        self.record.lifecycle.state = Stage::default();
        self.record.lifecycle.world.absent = 0;
        self.save().await;
    }

    /// A backup of the store that lacks it is restored.
    async fn is_lost(&mut self) {
        self.end = End::Lost;
        let House {
            sky,
            store,
            serving,
            ..
        } = &*self.house;
        serving.borrow_mut().remove(&self.record.id);
        sky.decide(&self.app, |fate| fate.unwanted = true);
        store.forget_environment(&self.record.id).await.unwrap();
    }

    async fn save_first(&mut self) {
        let save = save_of(&self.record);
        self.house.store.save(save).await.unwrap();
    }

    async fn save(&mut self) {
        self.record = next(&self.record);
        let save = save_of(&self.record);
        self.house.store.save(save).await.unwrap();
    }
}
