//! The configuration as an operator writes it.

use super::*;

fn none() -> std::iter::Empty<(String, String)> {
    std::iter::empty()
}

#[test]
fn the_defaults_are_a_configuration_and_every_key_is_read() {
    let config = Config::load(None, none()).unwrap();
    assert_eq!(config.server.listen.port(), 4100);
    // Each key taken away must be missed: a key that nobody reads is not documentation.
    for (key, _) in leaves(&defaults().unwrap()) {
        let mut table = defaults().unwrap();
        let mut inner = &mut table;
        let (path, last) = key.rsplit_once('.').unwrap();
        for part in path.split('.') {
            let Some(Value::Table(next)) = inner.get_mut(part) else {
                panic!("{key}")
            };
            inner = next;
        }
        inner.remove(last);
        let read: Result<Config, _> = Value::Table(table).try_into();
        assert!(read.is_err(), "nobody reads {key}");
    }
}

#[test]
fn a_misspelt_key_names_the_nearest_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nestling.toml");
    std::fs::write(&file, "[server]\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
    let error = Config::load(Some(&file), none()).unwrap_err().to_string();
    assert!(error.ends_with(r#"there is no key "server.listen_on"; the nearest one is "server.listen" (config/default.toml lists them all)"#), "{error}");
}

#[test]
fn the_environment_wins_over_the_file_and_says_where_it_is_wrong() {
    let variables =
        |value: &str| vec![("NESTLING__LIMITS__SETUP".to_owned(), value.to_owned())].into_iter();
    assert_eq!(
        Config::load(None, variables("90s")).unwrap().limits.setup,
        Duration::from_secs(90)
    );
    let error = Config::load(None, variables("soon"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"soon\" is not a span of time: write 500ms, 90s, 15m, 12h or 30d"),
        "{error}"
    );
}

#[test]
fn a_limit_with_which_nothing_could_run_is_refused_by_name() {
    let load = |name: &str, value: &str| {
        let variable = (format!("NESTLING__{name}"), value.to_owned());
        Config::load(None, std::iter::once(variable))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        load("MACHINES__LOCAL__MEMORY_MIB", "1"),
        "the configuration: machines.local.memory_mib is 1, and must be 64 at least"
    );
    assert_eq!(
        load("LIMITS__SETUP", "0s"),
        "the configuration: limits.setup must be 1s at least"
    );
}
