//! Watching machines: whoever waits for the end of one is told when Fly says that it has ended.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use nestling_domain::{
    fly::{Ask, Machine, MachineState, Outcome, Refusal, Seen},
    ids::{EnvironmentId, Generation},
};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use zeroize::Zeroizing;

use super::Shared;
use crate::{
    drivers::fly::{Confidential, Subject},
    messages::machines::End,
};

/// Between two looks at a machine. Its runner says more and earlier, and whose runner is silent for a minute is lost anyway: this is
/// for what ends without a word.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// After so many looks it is looked over, every ten minutes, whether something is left that nobody wants: Fly may have said of it once that it is gone, or not have shown it.
const LOOKED_OVER: u32 = 40;

/// How often in a row Fly must find no app: one such answer may be wrong.
const ABSENT_ENOUGH: u8 = 2;

/// Which machine.
type Key = (EnvironmentId, Generation);

/// Who waits for the end of which machine.
#[derive(Clone, Default)]
pub(super) struct Watches(Rc<RefCell<BTreeMap<Key, Looking>>>);

/// Looks at a machine again and again, until this is dropped.
struct Looking(JoinHandle<()>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watches {
    /// Looks until a machine has ended. Who watched it before does so no more: nobody watches twice.
    pub(super) fn begin(
        &self,
        key: Key,
        looks: impl Future<Output = End> + 'static,
    ) -> impl Future<Output = End> + 'static {
        let (ended, end) = oneshot::channel();
        let (all, watched) = (self.clone(), key.clone());
        let looking = Looking(actix::spawn(async move {
            let end = looks.await;
            // Who has left does not want to know.
            let _ = ended.send(end);
            // Last, because it ends this very task.
            let mine = all.0.borrow_mut().remove(&watched);
            drop(mine);
        }));
        self.0.borrow_mut().insert(key, looking);
        async move { end.await.unwrap_or_else(|_| gone("it was removed")) }
    }

    /// Ends those of these generations.
    pub(super) fn end(&self, environment: &EnvironmentId, those: impl Fn(Generation) -> bool) {
        let mut all = self.0.borrow_mut();
        all.retain(|(of, generation), _| of != environment || !those(*generation));
    }

    /// All that are watched.
    pub(super) fn all(&self) -> BTreeSet<Key> {
        self.0.borrow().keys().cloned().collect()
    }
}

/// Looks at a machine until Fly says that it has ended. That a listing lacks it says nothing.
pub(super) async fn until_it_ends(
    shared: Rc<Shared>,
    (environment, generation): Key,
    looks_over: impl AsyncFn(),
) -> End {
    let mut absent = 0;
    let mut looks = 0;
    loop {
        sleep(LOOK_EVERY).await;
        looks += 1;
        if looks % LOOKED_OVER == 0 {
            looks_over().await;
        }
        let Ok(app) = shared.app(&environment).await else {
            continue;
        };
        let subject = Subject {
            app: &app,
            environment: &environment,
            make: &shared.plan.make,
            confidential: &Confidential(Zeroizing::default()),
        };
        let is_its = |machine: &Machine| {
            machine.owner.as_ref().is_some_and(|owner| {
                owner.server == shared.fly.server()
                    && owner.environment == environment
                    && owner.generation == generation
            })
        };
        match shared.fly.ask(&subject, &Ask::List).await {
            (Outcome::Refused(Refusal::NotFound), _) => {
                absent += 1;
                if absent == ABSENT_ENOUGH {
                    return gone("its app at Fly is gone");
                }
            }
            (Outcome::Done, Seen::Machines(all)) => {
                absent = 0;
                let state = all.iter().find(|one| is_its(one)).map(|one| one.state);
                match state {
                    None | Some(MachineState::Lives) => {}
                    Some(MachineState::Ended) => return gone("its machine at Fly has ended"),
                    Some(MachineState::Destroying | MachineState::Destroyed) => {
                        return gone("its machine at Fly was removed");
                    }
                }
            }
            _ => {}
        }
    }
}

fn gone(reason: &str) -> End {
    End {
        reason: reason.to_owned(),
        retry: true,
        ..End::default()
    }
}
