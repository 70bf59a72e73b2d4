//! What is there when a pull request is over, and what of it is to be kept.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nestling_domain::ids::{AppId, EnvironmentId, Kind, RepositoryId};
use nestling_world::{
    aws::dynamodb::State as Records,
    fly::{Phase, State as Fly},
    github::State as GitHub,
};

use super::{CLOUD, Drivers, SOON, Story, TILL, of_others};
use crate::{github::SHOP, sight};

/// Until what is closed is at rest: its absence is looked for twice, 30 s apart, on a machine that others use, too.
const REST: Duration = Duration::from_secs(90);

/// The first words of the keys, of the partition and in it, under which records name a preview that is closed and are kept (ADR 34).
const KEPT: [(&str, &str); 10] = [
    // The closed environment, for whoever opens its pull request again, and where it is found: by app, branch, pull request, and in the list of all.
    ("ENVIRONMENT", "ENVIRONMENT"),
    ("APP", "ENVIRONMENT"),
    ("APP", "BRANCH"),
    ("PULL", "ENVIRONMENT"),
    ("ENVIRONMENTS", ""),
    // Its history, for people and for consumers.
    ("ENVIRONMENT", "DEPLOYMENT"),
    ("ENVIRONMENT", "EVENT"),
    ("EVENTS", ""),
    // What was answered, so that a repeat gets the same answer, until it expires; and when somebody visited it last.
    ("ENVIRONMENT", "INPUT"),
    ("ENVIRONMENT", "VISIT"),
];
/// What a record of an environment has only while something is due or it may have a machine.
const UNFINISHED: [&str; 3] = ["due_part", "due_at", "machines"];

/// All that is ours at Fly, a line each: apps with their addresses, secrets, volumes and certificates, and machines.
pub(super) fn ours(fly: &Fly) -> Vec<String> {
    let is_ours = |app: &str| app.starts_with("nestling-");
    let mut found = Vec::new();
    for app in fly.apps.values().filter(|app| is_ours(&app.name)) {
        let name = &app.name;
        found.push(format!("{name} on {}", app.network));
        let addresses = app.addresses.iter();
        found.extend(addresses.map(|one| format!("{name} at {}", one.ip)));
        let secrets = app.secret_names().into_iter();
        found.extend(secrets.map(|secret| format!("{name} knows {secret}")));
        let more = app.volumes.iter().chain(app.certificates.keys());
        found.extend(more.map(|one| format!("{name} has {one}")));
    }
    let machines = fly.machines.values().filter(|one| is_ours(&one.app));
    let machines = machines.filter(|one| one.phase != Phase::Destroyed);
    found.extend(machines.map(|one| format!("{} of {} {}", one.id, one.app, one.phase.name())));
    found
}

impl Story {
    /// Nothing is left of the preview but what is to be kept, wherever it was; and each of what the server stands on was used.
    pub(super) fn leaves_what_is_kept(self) {
        let team = &self.team;
        team.server.until("all of it was removed", REST, |server| {
            let page = server.answer("GET", "/acme/shop/pr-1", "");
            page.is_some_and(|(_, page)| page.contains("Everything of it was removed"))
        });
        let id = self.preview();
        team.server.until("no record waits", SOON, |_| {
            !self.tables.act(|records| awaits(records, &id))
        });
        let left = self.tables.act(|records| not_kept(records, &id));
        assert_eq!(left, Vec::<String>::new(), "records that name it");
        let blobs = self.blobs_of_preview();
        let tells = |key: &&String| {
            let of_generation = key.split_once('/').map_or("", |(_, rest)| rest);
            let what = of_generation.strip_prefix("sealed/");
            let what = what.unwrap_or(of_generation);
            what.starts_with("logs/") || what == "tests.json"
        };
        let others: Vec<&String> = blobs.iter().filter(|key| !tells(key)).collect();
        assert_eq!(
            others,
            Vec::<&String>::new(),
            "logs and tests, for people who ask why"
        );
        assert!(!blobs.is_empty());
        let data = &team.server.data;
        let machines = sight::folders(data)
            .into_iter()
            .chain(sight::alive(data).into_keys());
        let of_it: Vec<_> = machines.filter(|(of, _)| of.ends_with("-pr-1")).collect();
        assert!(of_it.is_empty(), "machines of this box: {of_it:?}");
        self.stands_where_it_was_told();

        assert_eq!(of_others(&self.fly), self.theirs, "what is of others");
        self.fly.look(|fly| {
            assert_eq!(fly.ledger.unleased_changes(), Vec::<String>::new());
            fly.finish().unwrap();
        });
        team.github.look(GitHub::finish).unwrap();
    }

    /// Each driver was used where the file names it, and nothing of its kind is anywhere else.
    fn stands_where_it_was_told(&self) {
        let Drivers {
            machines,
            store,
            keys,
            blobs,
        } = self.drivers;
        let here = |name: &str| self.team.server.data.join(name).exists();
        let asked = |action: &str| self.aws.times(action) > 0;
        let has_records = self.tables.act(|records| !records.asked.is_empty());
        let in_cloud = [
            (machines == CLOUD.machines, !self.fly.look(ours).is_empty()),
            (store == CLOUD.store, has_records),
            (keys == CLOUD.keys, asked("kms:GenerateDataKey")),
            (blobs == CLOUD.blobs, asked("s3:PutObject")),
        ];
        let on_this_box = [
            (store != CLOUD.store, here("nestling.db")),
            (keys != CLOUD.keys, here("master.key")),
            (blobs != CLOUD.blobs, here("blobs")),
        ];
        for (place, (told, found)) in in_cloud.into_iter().chain(on_this_box).enumerate() {
            assert_eq!(
                found, told,
                "{place} with {machines} {store} {keys} {blobs}"
            );
        }
        self.tables.act(|records| {
            let mut items = records
                .tables
                .values()
                .flat_map(|table| table.items.values());
            assert!(
                !items.any(|item| format!("{item:?}").contains(TILL)),
                "sealed"
            );
        });
    }

    /// The environment that the preview was.
    fn preview(&self) -> String {
        let shop = self.team.github.look(|state| state.repository_id(SHOP));
        let app = AppId::derive(RepositoryId(shop.unwrap()), "");
        EnvironmentId::derive(&app, Kind::Preview(1)).0
    }

    /// The keys of all blobs of the preview, below its own, wherever they are.
    pub(super) fn blobs_of_preview(&self) -> Vec<String> {
        let mut all: Vec<String> = self.aws.act(|aws| {
            let buckets = aws.s3.buckets.values();
            buckets
                .flat_map(|bucket| bucket.objects.keys().cloned())
                .collect()
        });
        let kept = self.team.server.data.join("blobs/kept");
        all.extend(files_below(&kept).iter().map(|path| {
            let key = path.strip_prefix(&kept).unwrap();
            key.to_str().unwrap().to_owned()
        }));
        let own = format!("environments/{}/", self.preview());
        let of_it = all.iter().filter_map(|key| key.strip_prefix(&own));
        of_it.map(str::to_owned).collect()
    }
}

/// Whether a delivery is not decided, or something is due for this environment or may still run for it.
fn awaits(records: &Records, id: &str) -> bool {
    let mut items = records.tables.values().flat_map(|table| &table.items);
    items.any(|((pk, sk), item)| {
        let is_unfinished = UNFINISHED.iter().any(|name| item.contains_key(*name));
        pk.starts_with("PENDING#") || is_unfinished && (pk.contains(id) || sk.contains(id))
    })
}

/// The keys of records that name this environment and are not to be kept.
fn not_kept(records: &Records, id: &str) -> Vec<String> {
    let items = records.tables.values().flat_map(|table| table.items.keys());
    let of_it = items.filter(|(pk, sk)| pk.contains(id) || sk.contains(id));
    let left = of_it.filter(|(pk, sk)| !KEPT.contains(&(word(pk), word(sk))));
    left.map(|(pk, sk)| format!("{pk} {sk}")).collect()
}

/// What a key begins with; nothing where that is a number or an id.
fn word(key: &str) -> &str {
    let word = key.split('#').next().unwrap_or_default();
    let is_word = word.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_word { word } else { "" }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}
