//! Whose a label is, as environments come, change and go.

use std::path::PathBuf;

use nestling_domain::label::Slug;

use super::*;

fn route(slug: &str, kind: Kind, endpoints: &[&str]) -> Route {
    let slug = Slug::of(slug);
    let target = |name: &&str| Target {
        name: (*name).to_owned(),
        label: Label::endpoint(name, &slug, kind),
        primary: *name == "web",
        console: false,
        upstream: Upstream::Unix(PathBuf::from("/run/app.sock")),
    };
    let serving = Serving {
        generation: Generation(1),
        commit: Commit::parse(&"a".repeat(40)).unwrap(),
        endpoints: endpoints.iter().map(target).collect(),
    };
    Route {
        environment: EnvironmentId(format!("{slug}-{}", kind.name())),
        name: format!("local/{slug}/{}", kind.name()),
        kind,
        label: Label::environment(&slug, kind),
        to: To::Serving(serving),
    }
}

fn at(routes: &Routes, label: &str) -> Option<String> {
    let route = routes.get(&Label::parse(label).unwrap())?;
    Some(route.name.clone())
}

#[test]
fn an_environment_is_found_at_its_own_label_and_its_endpoints() {
    let routes = Routes::default();
    routes.set(route("shop", Kind::Preview(12), &["web", "admin"]));
    for label in ["pr-12--shop", "web--pr-12--shop", "admin--pr-12--shop"] {
        assert_eq!(
            at(&routes, label).as_deref(),
            Some("local/shop/pr-12"),
            "{label}"
        );
    }
    for label in [
        "shop",
        "pr-1--shop",
        "pr-13--shop",
        "admin--pr-13--shop",
        "pr-12",
    ] {
        assert_eq!(at(&routes, label), None, "{label}");
    }
}

#[test]
fn a_preview_that_is_gone_is_no_endpoint_of_production() {
    let routes = Routes::default();
    routes.set(route("shop", Kind::Production, &["web"]));
    routes.set(route("shop", Kind::Preview(12), &["web"]));
    routes.remove(&EnvironmentId("shop-pr-12".to_owned()));
    for label in ["pr-12--shop", "web--pr-12--shop", "admin--pr-12--shop"] {
        assert_eq!(at(&routes, label), None, "{label}");
    }
    assert_eq!(
        at(&routes, "shop").as_deref(),
        Some("local/shop/production")
    );
}

#[test]
fn an_endpoint_never_takes_an_address_of_another_environment() {
    let routes = Routes::default();
    let victim = route("shop", Kind::Preview(12), &["web"]);
    let mut thief = route("shop", Kind::Production, &["web", "x"]);
    if let To::Serving(serving) = &mut thief.to {
        serving.endpoints[1].label = victim.label.clone();
    }
    for order in [[&victim, &thief], [&thief, &victim]] {
        for route in order {
            routes.set(route.clone());
        }
        assert_eq!(
            at(&routes, "pr-12--shop").as_deref(),
            Some("local/shop/pr-12")
        );
    }
    // Also when the thief goes, the victim stays.
    routes.remove(&thief.environment);
    assert_eq!(
        at(&routes, "pr-12--shop").as_deref(),
        Some("local/shop/pr-12")
    );
}

#[test]
fn endpoints_that_are_no_more_are_forgotten() {
    let routes = Routes::default();
    let before = route("shop", Kind::Production, &["web", "admin"]);
    routes.set(before.clone());
    routes.set(Route {
        to: To::Switching,
        ..before.clone()
    });
    assert_eq!(
        at(&routes, "admin--shop").as_deref(),
        Some("local/shop/production"),
        "it may come back"
    );
    routes.set(route("shop", Kind::Production, &["web"]));
    let label = Label::parse("admin--shop").unwrap();
    assert!(matches!(routes.enter(&label, 10), Entrance::NoEndpoint(_)));
    assert_eq!(routes.of(&before.environment).unwrap().label, before.label);
}

#[test]
fn a_request_counts_from_the_look_up_until_its_end() {
    let routes = Routes::default();
    let one = route("shop", Kind::Production, &["web"]);
    routes.set(one.clone());
    let Entrance::Open { flight, .. } = routes.enter(&one.label, 1) else {
        panic!("it serves")
    };
    assert!(matches!(routes.enter(&one.label, 1), Entrance::Full(_)));
    assert!(
        routes.departed(&one.environment, Generation(1)).is_none(),
        "it serves"
    );
    routes.set(Route {
        to: To::Switching,
        ..one.clone()
    });
    let departed = routes.departed(&one.environment, Generation(1)).unwrap();
    assert!(!departed.has_landed());
    drop(flight);
    assert!(departed.has_landed());
    routes.landed(&one.environment, Generation(1));
    assert!(routes.departed(&one.environment, Generation(1)).is_none());
}
