//! Tokens, and what git fetches with them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::*;

#[tokio::test]
async fn one_token_serves_all_requests_and_one_for_git_reads_one_repository() {
    let world = World::start();
    let all = (0..8).map(|_| world.client.pull_request(&world.shop, 1));
    for one in futures::future::join_all(all).await {
        one.unwrap();
    }
    assert_eq!(world.asked("POST", "/app/installations"), 1);
    let source = world
        .client
        .source_token(world.shop.installation, world.repository);
    let source = source.await.unwrap();
    assert_eq!(format!("{source:?}"), "SourceToken(…)");
    let token = world
        .github
        .look(|state| state.see_token(source.expose()))
        .unwrap();
    assert_eq!(
        token
            .repositories
            .iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>(),
        [world.repository.0]
    );
    let contents = [
        ("contents".to_owned(), Granted::Read),
        ("metadata".to_owned(), Granted::Read),
    ];
    assert!(
        token
            .permissions
            .iter()
            .all(|(name, level)| contents.contains(&(name.clone(), *level))),
        "{token:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_revoked_is_made_anew_and_a_key_that_is_revoked_is_said() {
    let world = World::start();
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world.github.act(State::revoke_tokens);
    world.client.pull_request(&world.shop, 1).await.unwrap();
    world
        .github
        .act(|state| state.revoke_key(world.app))
        .unwrap();
    let refused = world.client.app().await.unwrap_err();
    let words = "GitHub refuses the App: it does not take what the App's key signs: is it the key of this App, not revoked, and is this machine's clock right? (401)";
    assert_eq!(refused.to_string(), words);
}

#[tokio::test]
async fn w09_a_private_repository_and_the_pull_request_of_a_fork_are_fetched_with_a_narrowed_token()
{
    let world = World::start();
    let (number, fork_head) = world.github.act(|state| {
        state.fork(SHOP, "eve").unwrap();
        let change = [Change::file("evil.js", "1")];
        let head = state.push("eve/shop", "evil", "eve", &change).unwrap();
        let opening = Opening::of("evil", "eve").from("eve/shop");
        (state.open_pull_request(SHOP, opening).unwrap(), head)
    });
    let folder = tempfile::tempdir().unwrap();
    let git = Git::new(folder.path()).unwrap();
    let mirror = folder.path().join("1.git");
    let url = format!("{}/{SHOP}.git", world.github.base());
    let token = world
        .client
        .source_token(world.shop.installation, world.repository);
    let token = token.await.unwrap();
    let remote = Remote {
        url: &url,
        token: token.expose(),
    };
    // Slow enough for everybody to be seen.
    world
        .github
        .act(|state| state.faults.latency = std::time::Duration::from_millis(50));
    let over = Arc::new(AtomicBool::new(false));
    let watch = arguments_of_git(world.github.base(), over.clone());
    git.fetch_ref(remote, "refs/heads/feat/basket", &mirror)
        .await
        .unwrap();
    over.store(true, Ordering::Relaxed);
    let seen = watch.join().unwrap();
    world.github.act(|state| state.faults.clear());
    assert!(!seen.is_empty(), "git was seen at work");
    assert!(!seen.contains(token.expose()), "{seen}");
    assert!(git.has_commit(&mirror, &world.head()).await.unwrap());
    git.fetch_ref(remote, &format!("refs/pull/{number}/head"), &mirror)
        .await
        .unwrap();
    let fork_head = Commit::parse(&fork_head).unwrap();
    assert!(git.has_commit(&mirror, &fork_head).await.unwrap());

    let absent = git
        .fetch_ref(remote, "refs/heads/none", &mirror)
        .await
        .unwrap_err();
    assert!(
        absent.to_string().contains("couldn't find remote ref"),
        "{absent}"
    );
    let wrong = Remote {
        url: &url,
        token: "ghs_wrong",
    };
    let refused = git
        .fetch_ref(wrong, "refs/heads/main", &mirror)
        .await
        .unwrap_err();
    let told = refused.to_string();
    assert!(
        told.contains("fatal") && !told.contains("ghs_wrong"),
        "{told}"
    );
    let letters = token.expose().as_bytes();
    let kept = |path: &std::path::Path| {
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(letters.len()).any(|part| part == letters)
    };
    for file in [
        mirror.join("config"),
        mirror.join("HEAD"),
        folder.path().join("git/config"),
    ] {
        assert!(!kept(&file), "{}", file.display());
    }
}

/// What everybody on this machine can read of those who fetch from this server, until it is over.
fn arguments_of_git(server: String, over: Arc<AtomicBool>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut seen = String::new();
        while !over.load(Ordering::Relaxed) {
            for process in std::fs::read_dir("/proc").unwrap().flatten() {
                let read = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                let read = String::from_utf8_lossy(&read).into_owned();
                if read.contains(&server) {
                    seen.push_str(&read);
                }
            }
        }
        seen
    })
}
