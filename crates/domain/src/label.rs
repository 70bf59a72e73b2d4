//! Slugs and labels: the names that make addresses.
//!
//! An environment's address is one DNS label under the preview domain, so that one wildcard certificate
//! serves all: `shop` (production), `pr-12--shop`, `admin--pr-12--shop`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{Kind, hex};

/// The longest DNS label, RFC 1035 section 2.3.4.
const LONGEST_LABEL: usize = 63;
/// The longest slug: leaves room for `pr-4294967295--` and an endpoint's name in one label.
const LONGEST_SLUG: usize = 32;
/// Labels that the server itself answers at.
const RESERVED: [&str; 5] = ["nestling", "www", "api", "admin", "localhost"];

/// An app's name in addresses: lower-case letters, digits and single hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Makes a slug of any text: what cannot stand in an address becomes a hyphen, what is reserved or could
    /// be read as something else (`pr-12`, `xn--…`) gets `app-` in front, what is empty becomes `app`.
    pub fn of(text: &str) -> Self {
        let mut slug = String::new();
        for c in text.to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(LONGEST_SLUG);
        let slug = slug.trim_end_matches('-');
        if slug.is_empty() {
            return Slug("app".to_owned());
        }
        if RESERVED.contains(&slug) || looks_like_pull_request(slug) || slug.starts_with("xn-") {
            return Slug(format!("app-{slug}").chars().take(LONGEST_SLUG).collect());
        }
        Slug(slug.to_owned())
    }

    /// The slug for the second app of that name: four hex digits of `seed` at its end, for ever.
    #[must_use]
    pub fn with_suffix(&self, seed: &str) -> Self {
        let stem: String = self.0.chars().take(LONGEST_SLUG - 5).collect();
        Slug(format!(
            "{}-{}",
            stem.trim_end_matches('-'),
            &hash(seed)[..4]
        ))
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The DNS label of an environment, or of one of its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// The label at which the environment's primary endpoint answers.
    pub fn environment(slug: &Slug, kind: Kind) -> Self {
        match kind {
            Kind::Production => Label(slug.as_str().to_owned()),
            Kind::Preview(number) => Label(format!("pr-{number}--{slug}")),
        }
    }

    /// The label of a further endpoint; slug and a short hash where it would pass 63.
    pub fn endpoint(name: &str, slug: &Slug, kind: Kind) -> Self {
        let environment = Self::environment(slug, kind).0;
        let whole = format!("{name}--{environment}");
        if whole.len() <= LONGEST_LABEL {
            return Label(whole);
        }
        let room = LONGEST_LABEL - environment.len() - 2 - 9;
        let stem: String = name.chars().take(room).collect();
        Label(format!(
            "{}-{}--{environment}",
            stem.trim_end_matches('-'),
            &hash(name)[..8]
        ))
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a label from a Host header's first part.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST_LABEL).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Label(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn looks_like_pull_request(slug: &str) -> bool {
    slug.strip_prefix("pr-")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..4])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_slugs_that_no_address_can_mistake() {
        for (text, slug) in [
            ("Shop", "shop"),
            ("my_app.js", "my-app-js"),
            ("--a--b--", "a-b"),
            ("pr-12", "app-pr-12"),
            ("pr-review", "pr-review"),
            ("xn--caf-dma", "app-xn-caf-dma"),
            ("nestling", "app-nestling"),
            ("日本", "app"),
            ("", "app"),
        ] {
            assert_eq!(Slug::of(text).as_str(), slug, "for {text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_label_is_one_dns_label(name in "[a-z0-9]([a-z0-9-]{0,80}[a-z0-9])?", app in ".{0,60}", number in 1u32.., production: bool) {
            let kind = if production { Kind::Production } else { Kind::Preview(number) };
            let slug = Slug::of(&app);
            prop_assert!(!slug.as_str().contains("--") && !slug.as_str().starts_with('-') && !slug.as_str().ends_with('-'));
            prop_assert!(slug.with_suffix("x").as_str().len() <= LONGEST_SLUG);
            let label = Label::endpoint(&name, &slug, kind);
            prop_assert!(Label::parse(label.as_str()).is_some(), "{label}");
        }
    }
}
