//! Dependency caches age, and never end an app for what its earlier deployments left.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use libtest_mimic::{Failed, Trial};
use nestling::{domain::ids::Timestamp, drivers::sandbox::INIT_INSIDE};

use crate::world::World;

pub(crate) fn trials() -> Vec<Trial> {
    let name = "a_cache_that_is_nearly_full_begins_anew_and_one_that_nothing_uses_goes";
    let story = || {
        begins_anew(World::new());
        Ok::<(), Failed>(())
    };
    vec![Trial::test(name, story)]
}

fn begins_anew(world: World) {
    let mut config = world.config(&[INIT_INSIDE, "inside", "idle"]);
    config.cache_mib = 4;
    let sandbox = world.open_as(config);
    world.ensure(&sandbox, "shop", 1);
    world.result("shop", 1);
    let caches = world.data.path().join("data/machines/cache");
    let (used, unused) = (caches.join("shop-trusted"), caches.join("gone-trusted"));
    let rights = |path: &Path| {
        let about = fs::metadata(path).unwrap();
        (about.uid(), about.gid(), about.mode())
    };
    let before = rights(&used);
    fs::write(used.join("package.tgz"), vec![1; 3_500_000]).unwrap();
    fs::create_dir(&unused).unwrap();
    let names = || {
        let entries = fs::read_dir(&caches).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let prune = |days: u64, hours: u64| {
        let later = Duration::from_hours(days * 24 + hours);
        let then = SystemTime::UNIX_EPOCH.elapsed().unwrap() + later;
        let then = Timestamp(u64::try_from(then.as_millis()).unwrap());
        let pruned = sandbox.prune_caches(then);
        world.runtime.block_on(pruned).unwrap();
    };
    prune(0, 0);
    assert!(!used.join("package.tgz").exists());
    assert_eq!(rights(&used), before);
    assert_eq!(
        names().len(),
        3,
        "what was set aside stays for now: {:?}",
        names()
    );
    prune(0, 3);
    assert_eq!(names().len(), 2, "and then goes: {:?}", names());
    prune(15, 0);
    assert_eq!(names(), ["shop-trusted".to_owned()].into());
    world.ask(&sandbox, "shop", 1);
    world.finish(&sandbox);
}
