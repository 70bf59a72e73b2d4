//! Orders in comments where GitHub cannot reach the server.

use nestling_domain::github::Says;

use super::*;

impl World {
    /// The orders in the inbox: who wrote which lines.
    async fn ordered(&self) -> Vec<(String, Vec<String>)> {
        let inbox = self.store.pending(100).await.unwrap().into_iter();
        let orders = inbox.filter_map(|one| {
            let Fact::Webhook { webhook, .. } = one.fact else {
                return None;
            };
            let Says::Comment { lines, .. } = webhook.says else {
                return None;
            };
            Some((webhook.sender?.login, lines))
        });
        orders.collect()
    }
}

#[actix::test]
async fn where_github_cannot_tell_of_comments_each_is_read_once_with_the_next_look() {
    let polled = |forge: &mut GitHubForge| {
        let desk = Arc::get_mut(&mut forge.desk).unwrap();
        desk.places.hook = None;
    };
    let world = World::arranged(|_| {}, polled).await;
    world.act(|state| {
        let number = propose(state, "basket", "ann")?;
        state.comment(SHOP, number.into(), "ann", "Looks good!")?;
        state.comment(SHOP, number.into(), "ann", "A while longer.\n/keep")?;
        let issue = state.open_issue(SHOP, "A basket?")?;
        state.comment(SHOP, issue, "ann", "/stop")
    });
    let keep = ("ann".to_owned(), vec!["/keep".to_owned()]);
    for _ in 0..2 {
        assert_eq!(world.desk.list(Scope::All).await, None);
        assert_eq!(world.ordered().await, std::slice::from_ref(&keep));
    }
    world.act(|state| state.comment(SHOP, 1, "rita", "/stop shop"));
    assert_eq!(world.desk.list(Scope::All).await, None);
    let stop = ("rita".to_owned(), vec!["/stop shop".to_owned()]);
    assert_eq!(world.ordered().await, [keep, stop]);
}

#[actix::test]
async fn where_github_tells_of_comments_nobody_asks_for_them() {
    let world = World::start().await;
    world.act(|state| {
        let number = propose(state, "basket", "ann")?;
        state.comment(SHOP, number.into(), "ann", "/keep")
    });
    assert_eq!(world.desk.list(Scope::All).await, None);
    assert_eq!(world.ordered().await, []);
}
