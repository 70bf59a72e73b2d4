//! What the forge told, newest first, and what came of it.

use maud::{Markup, html};
use nestling_domain::{
    ids::Timestamp,
    record::{Delivery, DeliveryState},
};

use super::{
    Visit,
    parts::time,
    paths,
    shell::{Page, fragment as wrap, whole},
};
use crate::http::api::{show, views::DeliveryView};

/// The page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveriesView {
    visit: Visit,
    deliveries: Vec<DeliveryView>,
    older: Option<String>,
}

impl DeliveriesView {
    /// Of what stands in the inbox, newest first, of which at most `limit` are shown: one more says that there are older ones.
    pub fn of(found: &[(Delivery, DeliveryState)], limit: usize, visit: Visit) -> Self {
        let shown = &found[..limit.min(found.len())];
        let last = shown.last().filter(|_| found.len() > limit);
        let deliveries = shown.iter();
        DeliveriesView {
            visit,
            older: last.map(|(delivery, _)| paths::deliveries_before(&delivery.id)),
            deliveries: deliveries
                .map(|(delivery, state)| show::delivery(delivery, state))
                .collect(),
        }
    }
}

/// The page.
pub fn page(view: &DeliveriesView) -> Markup {
    let body = html! {
        div.heading { h1 { "Deliveries" } }
        p.muted { "What the forge told this server, newest first, and what came of it: for each environment what it caused, or why nothing." }
        (live(view))
    };
    whole(&Page {
        visit: Some(&view.visit),
        title: "Deliveries",
        crumbs: vec![("Deliveries".to_owned(), paths::DELIVERIES.to_owned())],
        topics: vec!["*".to_owned()],
        body,
    })
}

/// What changes on it.
pub fn fragment(view: &DeliveriesView) -> Markup {
    wrap(&view.visit, &live(view))
}

fn live(view: &DeliveriesView) -> Markup {
    html! {
        div id="deliveries" data-live {
            @if view.deliveries.is_empty() { p.empty { "Nothing was told yet." } }
            ol.activity {
                @for one in &view.deliveries { (delivery(one, view.visit.now)) }
            }
            @if let Some(older) = &view.older { p { a href=(older) { "Older deliveries" } } }
        }
    }
}

fn decisions(one: &DeliveryView) -> Markup {
    html! {
        @if one.decisions.is_empty() { span.muted { (one.status) } }
        @for (about, decision) in &one.decisions { span { (about) ": " (decision) } }
    }
}

fn delivery(one: &DeliveryView, now: Timestamp) -> Markup {
    html! {
        li {
            span.what { (one.says) }
            (decisions(one))
            span.muted { (one.id) " · " (time::ago(Timestamp(one.at), now)) }
        }
    }
}
