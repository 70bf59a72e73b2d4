//! History: the record of each deployment, kept up with what happened.

use std::collections::BTreeMap;

use crate::{
    deployment::{Shown, Tests},
    ids::{EnvironmentId, Generation, Timestamp},
    lifecycle::{Happened, Lifecycle},
    record::DeploymentRecord,
};

/// The history records of an environment's newest deployments.
#[derive(Debug, Clone, Default)]
pub struct History {
    records: BTreeMap<Generation, DeploymentRecord>,
}

/// How many records of ended deployments are kept in memory beside those that the state names.
const KEPT: usize = 4;
/// The phases that a deployment passes through until it serves.
const FIRST_TIME: usize = 5;
/// How many phases a record holds: an app that is started again and again enters two each time, for ever.
const MOST_PHASES: usize = 65;

impl History {
    /// What the store holds of the newest deployments.
    pub fn of(records: Vec<DeploymentRecord>) -> Self {
        History {
            records: records
                .into_iter()
                .map(|record| (record.generation, record))
                .collect(),
        }
    }

    /// Brings the records up to what happened, and answers those that changed.
    pub fn keep_up(
        &mut self,
        id: &EnvironmentId,
        after: &Lifecycle,
        happened: &[Happened],
        now: Timestamp,
    ) -> Vec<DeploymentRecord> {
        let mut changed = BTreeMap::new();
        for what in happened {
            let Some(generation) = self.apply(id, after, what, now) else {
                continue;
            };
            if let Some(record) = self.records.get(&generation) {
                changed.insert(generation, record.clone());
            }
        }
        while self.records.len() > KEPT + 2 {
            let Some((oldest, _)) = self.records.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            if after.named(oldest).is_some() {
                break;
            }
            self.records.remove(&oldest);
        }
        changed.into_values().collect()
    }

    fn apply(
        &mut self,
        id: &EnvironmentId,
        after: &Lifecycle,
        what: &Happened,
        now: Timestamp,
    ) -> Option<Generation> {
        match what {
            Happened::Queued {
                generation,
                commit,
                cause,
            } => {
                let record = DeploymentRecord {
                    environment: id.clone(),
                    generation: *generation,
                    commit: commit.clone(),
                    cause: cause.clone(),
                    shown: Shown::Queued,
                    phases: vec![(Shown::Queued, now)],
                    tests: Tests::Pending,
                    endpoints: Vec::new(),
                    failed: None,
                    created_at: now,
                    ended_at: None,
                };
                self.records.insert(*generation, record);
                Some(*generation)
            }
            Happened::Phase { generation, phase } => self.enter(*generation, *phase, now),
            Happened::Tested { generation } => {
                let tests = after
                    .named(*generation)
                    .map(|deployment| deployment.tests.clone());
                let record = self.records.get_mut(generation)?;
                record.tests = tests.unwrap_or_default();
                Some(*generation)
            }
            Happened::Serving { generation } => {
                let deployment = after.named(*generation);
                if let (Some(record), Some(deployment)) =
                    (self.records.get_mut(generation), deployment)
                {
                    record.endpoints.clone_from(&deployment.endpoints);
                    record.tests = deployment.tests.clone();
                }
                self.enter(*generation, Shown::Running, now)
            }
            Happened::Failed(failed) => {
                if let Some(record) = self.records.get_mut(&failed.generation) {
                    record.failed = Some((**failed).clone());
                }
                self.end(failed.generation, Shown::Failed, now)
            }
            Happened::Superseded { generation, .. } => {
                self.end(*generation, Shown::Superseded, now)
            }
            Happened::Cancelled { generation } | Happened::Retired { generation } => {
                self.end(*generation, Shown::Stopped, now)
            }
            Happened::Again { .. }
            | Happened::Noted { .. }
            | Happened::Stopped { .. }
            | Happened::Removed
            | Happened::Skipped { .. } => None,
        }
    }

    fn enter(
        &mut self,
        generation: Generation,
        phase: Shown,
        now: Timestamp,
    ) -> Option<Generation> {
        let record = self.records.get_mut(&generation)?;
        record.shown = phase;
        record.phases.push((phase, now));
        if record.phases.len() > MOST_PHASES {
            // Its first time is what people look for; of its restarts the oldest is forgotten.
            record.phases.drain(FIRST_TIME..FIRST_TIME + 2);
        }
        Some(generation)
    }

    fn end(&mut self, generation: Generation, shown: Shown, now: Timestamp) -> Option<Generation> {
        let record = self.records.get_mut(&generation)?;
        if record.ended_at.is_none() {
            record.shown = shown;
            record.ended_at = Some(now);
        }
        Some(generation)
    }
}
