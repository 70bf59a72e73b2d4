use std::collections::HashSet;

use nestling_domain::{
    fly::{AppName, generation_of_secret, secret_name, service_port},
    ids::{EnvironmentId, Generation, Kind},
    label::Slug,
};
use proptest::prelude::*;

fn name(prefix: &str, server: &str, id: &str, slug: &str, kind: Kind) -> String {
    let id = EnvironmentId(id.to_owned());
    let name = AppName::of(prefix, server, (&id, &Slug::of(slug), kind)).unwrap();
    name.as_str().to_owned()
}

#[test]
fn people_can_read_whose_app_it_is() {
    let shop = name("nestling", "box", "a-production", "shop", Kind::Production);
    assert!(shop.starts_with("nestling-shop-production-"), "{shop}");
    let preview = name("acme", "box", "a-pr-12", "shop", Kind::Preview(12));
    assert!(preview.starts_with("acme-shop-pr-12-"), "{preview}");
}

#[test]
fn another_nestling_in_the_same_organisation_has_other_apps() {
    let one = name("nestling", "one", "a-pr-1", "shop", Kind::Preview(1));
    let other = name("nestling", "other", "a-pr-1", "shop", Kind::Preview(1));
    assert_ne!(one, other);
    // Server and id do not run into each other.
    let ab = name("nestling", "a", "bc", "shop", Kind::Preview(1));
    let bc = name("nestling", "ab", "c", "shop", Kind::Preview(1));
    assert_ne!(ab, bc);
}

#[test]
fn a_hundred_thousand_environments_of_one_slug_have_as_many_apps() {
    let names = (0..100_000).map(|n| name("n", "box", &format!("{n}"), "shop", Kind::Production));
    assert_eq!(names.collect::<HashSet<_>>().len(), 100_000);
}

#[test]
fn a_name_proves_whose_app_it_is_with_what_its_machines_say() {
    let id = EnvironmentId("a-pr-1".to_owned());
    let ours = name("nestling", "box", &id.0, "shop", Kind::Preview(1));
    let proven = |name: &str, prefix, server, id| AppName::proven(name, (prefix, server), id);
    let proof = proven(&ours, "nestling", "box", &id).unwrap();
    assert_eq!(proof.as_str(), ours);
    // What people read in it changes with the record, which is gone.
    let hash = &ours[ours.len() - 16..];
    assert!(proven(&format!("nestling-{hash}"), "nestling", "box", &id).is_some());
    let other = EnvironmentId("a-pr-2".to_owned());
    assert_eq!(proven(&ours, "nestling", "other", &id), None);
    assert_eq!(proven(&ours, "nestling", "box", &other), None);
    assert_eq!(proven(&ours, "nest", "box", &id), None);
    assert_eq!(
        proven(&format!("nestlings-{hash}"), "nestling", "box", &id),
        None
    );
    assert_eq!(proven(&format!("{ours}-2"), "nestling", "box", &id), None);
    assert_eq!(proven("", "nestling", "box", &id), None);
}

#[test]
fn a_prefix_that_fly_would_not_take_is_named() {
    let id = EnvironmentId("a".to_owned());
    let of = |prefix| AppName::of(prefix, "box", (&id, &Slug::of("shop"), Kind::Production));
    let long = "a".repeat(21);
    for wrong in ["", "Acme", "1st", "-a", "a_b", "ä", &long] {
        let said = of(wrong).unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("{wrong:?} cannot begin")),
            "{said}"
        );
    }
    assert!(of("a").is_ok());
    assert!(
        of("acme-previews-")
            .unwrap()
            .as_str()
            .starts_with("acme-previews-shop")
    );
}

#[test]
fn a_secret_of_somebody_else_is_none_of_ours() {
    assert_eq!(
        generation_of_secret(&secret_name(Generation(12))),
        Some(Generation(12))
    );
    for theirs in [
        "",
        "DATABASE_URL",
        "NESTLING_GENERATION_",
        "NESTLING_GENERATION_+1",
        "NESTLING_GENERATION_01",
        "NESTLING_GENERATION_-1",
    ] {
        assert_eq!(generation_of_secret(theirs), None, "{theirs}");
    }
}

proptest! {
    /// Generations that live beside each other are never reached by the same port, nor by one that has a meaning of its own.
    #[test]
    fn every_generation_has_a_port_of_its_own(one in any::<u32>(), later in 1u32..50_000) {
        let port = service_port(Generation(one));
        prop_assert!((10_000..60_000).contains(&port));
        prop_assert_ne!(port, service_port(Generation(one.wrapping_add(later))));
    }

    #[test]
    fn every_name_is_a_dns_label(slug in ".{0,80}", prefix in "[a-z][a-z0-9-]{0,19}", number in any::<u32>(), id in ".{1,90}") {
        let name = name(&prefix, "box", &id, &slug, Kind::Preview(number));
        prop_assert!(name.len() <= 63);
        prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        prop_assert!(!name.ends_with('-') && name.starts_with(|c: char| c.is_ascii_lowercase()));
    }
}
