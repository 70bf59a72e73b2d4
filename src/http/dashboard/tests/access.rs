//! Who uses a keyboard, a screen reader or tired eyes can use every page.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dom::{Element, elements},
    gallery::{fragments, pages},
    sample::Words,
};
use crate::http::dashboard::assets;

#[test]
fn headings_are_in_order_and_landmarks_are_there_once() {
    for (name, page) in pages(&Words::ours()) {
        let all = elements(&page);
        let outside_pictures = |one: &&Element| !one.within.iter().any(|around| around == "svg");
        let count = |wanted: &str| {
            all.iter()
                .filter(outside_pictures)
                .filter(|one| one.name == wanted)
                .count()
        };
        for landmark in ["main", "h1", "title", "footer"] {
            assert_eq!(count(landmark), 1, "{landmark} on {name}");
        }
        assert_eq!(
            all.iter()
                .find(|element| element.name == "a")
                .and_then(|a| a.get("href")),
            Some("#main"),
            "{name}"
        );
        let mut last = 0;
        for level in all.iter().filter_map(level) {
            assert!(level <= last + 1, "{name}: h{level} follows h{last}");
            last = level;
        }
        for element in all.iter().filter(|element| element.name == "nav") {
            assert!(element.get("aria-label").is_some(), "{name}: {element:?}");
        }
    }
}

#[test]
fn every_field_has_a_label_every_button_a_name_and_every_id_is_one() {
    for (name, page) in pages(&Words::ours()) {
        let all = elements(&page);
        let labelled: BTreeSet<&str> = all
            .iter()
            .filter(|one| one.name == "label")
            .filter_map(|one| one.get("for"))
            .collect();
        let mut ids = BTreeSet::new();
        for element in &all {
            let field = matches!(element.name.as_str(), "input" | "select" | "textarea")
                && element.get("type") != Some("hidden");
            let within = element.within.iter().any(|around| around == "label");
            assert!(
                !field || within || element.get("id").is_some_and(|id| labelled.contains(id)),
                "{name}: {element:?}"
            );
            if matches!(element.name.as_str(), "button" | "a" | "summary") {
                assert!(!element.text.trim().is_empty(), "{name}: {element:?}");
            }
            if let Some(id) = element.get("id") {
                assert!(ids.insert(id), "{name}: #{id} twice");
            }
        }
        for element in &all {
            for to in ["aria-labelledby", "aria-describedby", "for"]
                .iter()
                .filter_map(|one| element.get(one))
            {
                assert!(ids.contains(to), "{name}: nothing has the id {to}");
            }
            let svg = element.name == "svg";
            assert!(
                !svg || element.get("aria-hidden") == Some("true"),
                "{name}: {element:?}"
            );
        }
    }
}

#[test]
fn every_form_that_orders_carries_the_token_and_works_without_a_script() {
    for (name, page) in pages(&Words::ours()) {
        let all = elements(&page);
        let posts = all
            .iter()
            .filter(|one| one.name == "form" && one.get("method") == Some("post"))
            .count();
        let tokens = all
            .iter()
            .filter(|one| {
                one.get("name") == Some("csrf") && one.get("value") == Some("c3JmLXRva2Vu")
            })
            .count();
        assert_eq!(posts, tokens, "{name}");
        for element in all
            .iter()
            .filter(|one| one.name == "button" && one.get("type") != Some("submit"))
        {
            assert!(
                element.get("hidden").is_some(),
                "{name} shows a button that needs a script: {element:?}"
            );
        }
    }
}

#[test]
fn a_fragment_holds_exactly_the_live_parts_of_its_page() {
    for (name, page, fragment) in fragments(&Words::ours()) {
        let live = |text: &str| -> Vec<Element> {
            elements(text)
                .into_iter()
                .filter(|one| one.get("data-live").is_some())
                .collect()
        };
        let strip = |all: Vec<Element>| {
            all.into_iter()
                .map(|one| (one.get("id").map(str::to_owned), one.text))
                .collect::<Vec<_>>()
        };
        let of_page = strip(live(&page));
        assert!(
            !of_page.is_empty() && of_page.iter().all(|(id, _)| id.is_some()),
            "{name}"
        );
        assert_eq!(of_page, strip(live(&fragment)), "{name}");
    }
}

fn level(element: &Element) -> Option<u8> {
    element.name.strip_prefix('h')?.parse().ok()
}

/// What stands on what. Text wants 4.5 : 1, borders of fields and signs 3 : 1 (WCAG 2.2, 1.4.3 and 1.4.11).
const TEXT_ON: [(&str, &str); 52] = [
    ("text", "page"),
    ("text", "surface"),
    ("text", "sunken"),
    ("muted", "page"),
    ("muted", "surface"),
    ("muted", "sunken"),
    ("accent", "page"),
    ("accent", "surface"),
    ("accent", "sunken"),
    ("accent-strong", "page"),
    ("accent-strong", "surface"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("good", "good-soft"),
    ("good", "surface"),
    ("working", "working-soft"),
    ("waiting", "waiting-soft"),
    ("troubled", "troubled-soft"),
    ("bad", "bad-soft"),
    ("bad", "surface"),
    ("bad", "sunken"),
    ("resting", "resting-soft"),
    ("resting", "surface"),
    ("gone", "gone-soft"),
    ("text", "working-soft"),
    ("muted", "working-soft"),
    ("log-text", "log"),
    ("log-muted", "log"),
    ("log-error", "log"),
    ("log-runner", "log"),
    ("log-text", "log-line"),
    ("log-error", "log-line"),
    ("log-runner", "log-line"),
    ("ink-0", "log"),
    ("ink-1", "log"),
    ("ink-2", "log"),
    ("ink-3", "log"),
    ("ink-4", "log"),
    ("ink-5", "log"),
    ("ink-6", "log"),
    ("ink-7", "log"),
    ("ink-8", "log"),
    ("ink-9", "log"),
    ("ink-10", "log"),
    ("ink-11", "log"),
    ("ink-12", "log"),
    ("ink-13", "log"),
    ("ink-14", "log"),
    ("ink-15", "log"),
    ("log", "ink-1"),
    ("log", "ink-4"),
    ("log", "ink-5"),
];
const SIGN_ON: [(&str, &str); 6] = [
    ("field", "surface"),
    ("field", "page"),
    ("ring", "page"),
    ("ring", "surface"),
    ("bad", "page"),
    ("good", "page"),
];

#[test]
fn the_palette_is_readable_in_light_and_in_dark() {
    let style = assets::style().content;
    let dark_begins = style.find("prefers-color-scheme: dark").unwrap();
    let light = palette(&style[..dark_begins]);
    let mut dark = light.clone();
    dark.extend(palette(&style[dark_begins..]));
    for (scheme, colours) in [("light", light), ("dark", dark)] {
        for (pairs, least) in [(&TEXT_ON[..], 4.5), (&SIGN_ON[..], 3.0)] {
            for (ink, paper) in pairs {
                let ratio = contrast(colours[*ink], colours[*paper]);
                assert!(
                    ratio >= least,
                    "{scheme}: {ink} on {paper} has {ratio:.2} : 1, wants {least} : 1"
                );
            }
        }
    }
}

/// The custom properties that are colours.
fn palette(style: &str) -> BTreeMap<&str, [f64; 3]> {
    let colour = |part: &str| {
        u8::from_str_radix(part, 16)
            .ok()
            .map(|part| f64::from(part) / 255.0)
    };
    let of = |declaration: &'static str| {
        let (name, value) = declaration.trim().strip_prefix("--")?.split_once(": #")?;
        Some((
            name,
            [
                colour(value.get(0..2)?)?,
                colour(value.get(2..4)?)?,
                colour(value.get(4..6)?)?,
            ],
        ))
    };
    let style: &'static str = Box::leak(style.to_owned().into_boxed_str());
    style
        .split(';')
        .map(|declaration| declaration.rsplit('{').next().unwrap_or_default())
        .filter_map(of)
        .collect()
}

/// The ratio of WCAG 2.2.
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let light = |colour: [f64; 3]| {
        let [red, green, blue] = colour.map(|part| {
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
    };
    let (one, other) = (light(one), light(other));
    one.max(other) / one.min(other)
}
