//! A look of the sweeper that ends by a bug ends by itself: what is left at Fly goes all the same.

use std::collections::BTreeSet;

use async_trait::async_trait;
use hyper::{Request, Response};

use super::*;
use crate::{drivers::fly::Way, messages::machines::LeftBehind};

/// A way to Fly on which a bug strikes once.
struct Buggy {
    line: Line,
    strikes: AtomicBool,
}

#[async_trait]
impl Way for Buggy {
    async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, String> {
        let strikes = self.strikes.swap(false, Ordering::Relaxed);
        assert!(!strikes, "a bug that strikes once");
        self.line.carry(request).await
    }
}

fn fly(sky: &Arc<Sky>, strikes: bool) -> Arc<Fly> {
    let line = Line {
        sky: sky.clone(),
        cut: Arc::default(),
    };
    let strikes = AtomicBool::new(strikes);
    let token = Zeroizing::new(sky.token.clone());
    let way = Box::new(Buggy { line, strikes });
    let base = "http://fly.invalid/v1";
    Arc::new(Fly::over(way, base, ("acme", token), SERVER))
}

fn apps(sky: &Sky) -> BTreeSet<String> {
    sky.fly().apps.keys().cloned().collect()
}

/// Waits until it is so, by the run's own clock.
async fn until(so: impl Fn() -> bool) {
    let waits = async {
        while !so() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(Duration::from_hours(1), waits).await.unwrap();
}

/// Makes the app of an environment, whose caller asks until it is there.
async fn made(sky: &Arc<Sky>, store: &Arc<dyn Store>, environment: &EnvironmentId) {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(RunnerKeys::open(folder.path()).unwrap());
    let machines = FlyMachines::new(fly(sky, false), plan(), store.clone(), keys);
    let machines = FlyMachines::handle(&machines.start());
    let ensure = ensure(environment, 1);
    while machines.ensure.send(ensure.clone()).await.unwrap().is_err() {
        sleep(Duration::from_secs(1)).await;
    }
}

async fn swept_after_a_bug() {
    clock::simulated::run(Timestamp(DAWN.unsigned_abs()));
    let sky = Arc::new(Sky::new(1, 0));
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
    let left = preview("shop", 7);
    save_first(&store, &left).await;
    save_first(&store, &preview("shop", 8)).await;
    let of_others = apps(&sky);
    made(&sky, &store, &left.id).await;
    assert_eq!(apps(&sky).len(), of_others.len() + 1);
    store.forget_environment(&left.id).await.unwrap();

    let said = LeftBehind::default();
    let sweeper = Sweeper::new(fly(&sky, true), plan(), store, true).saying(said.clone());
    Sweeping::new(sweeper).start();
    until(|| {
        let said = said.said();
        said.iter().any(|one| one.reason.contains("ended by a bug"))
    })
    .await;
    until(|| apps(&sky) == of_others && said.said().is_empty()).await;
}

#[test]
fn what_is_left_goes_although_a_look_for_it_ended_by_a_bug() {
    on_its_own_clock(swept_after_a_bug());
}
