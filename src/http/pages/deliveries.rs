//! What the forge told, and what came of it.

use super::{NoPageAnswer, Visitor};
use crate::http::dashboard::deliveries::{self as deliveries_page, DeliveriesView};

/// How many are shown at once.
const PAGE: usize = 50;

pub(super) async fn deliveries(visitor: Visitor) -> NoPageAnswer {
    let (store, asked) = (&visitor.services.store, &visitor.asked);
    let after = asked.after.as_deref();
    let found = store.deliveries(after, PAGE + 1).await?;
    let view = DeliveriesView::of(&found, PAGE, visitor.visit(None));
    Ok(asked.choose(
        || deliveries_page::page(&view),
        || deliveries_page::fragment(&view),
    ))
}
