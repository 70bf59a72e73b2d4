//! The configuration as an operator writes it.

use std::collections::BTreeMap;

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

#[test]
fn a_server_that_others_reach_needs_https() {
    let load = |keys: &[(&str, &str)]| {
        let variables = keys.iter().map(|(key, value)| {
            let name = format!("NESTLING__SERVER__{key}");
            (name, (*value).to_owned())
        });
        Config::load(None, variables).map(|config| config.server)
    };
    let refused = |keys: &[(&str, &str)]| load(keys).unwrap_err().to_string();
    let everywhere = ("LISTEN", "0.0.0.0:4100");
    let public = ("PUBLIC_URL", "https://nestling.example.com");
    let proxy = ("TRUSTED_PROXIES", r#"["10.0.0.7"]"#);
    assert!(refused(&[everywhere]).contains("use 127.0.0.1:4100"));
    assert!(refused(&[everywhere, public]).contains("server.trusted_proxies"));
    let server = load(&[everywhere, public, proxy]).unwrap();
    let read = server.public().unwrap();
    assert_eq!(
        (read.scheme, read.host, read.port),
        ("https", "nestling.example.com", None)
    );
    assert!(!server.has_tls());
    let certificate = ("TLS_CERTIFICATE", "/etc/nestling/certificate.pem");
    let key = ("TLS_KEY", "/etc/nestling/key.pem");
    assert!(
        load(&[everywhere, public, certificate, key])
            .unwrap()
            .has_tls()
    );
    assert!(refused(&[public, certificate]).contains("belong together"));
    assert!(refused(&[certificate, key]).contains("must be an https address"));
    for odd in [
        "nestling.example.com",
        "https://nestling.example.com/x",
        "ftp://x",
        "https://a:b",
    ] {
        assert!(
            refused(&[("PUBLIC_URL", odd)]).contains("no address of a dashboard"),
            "{odd}"
        );
    }
}

/// A private key as GitHub hands it out.
fn key() -> String {
    let github = nestling_world::github::Model::start().unwrap();
    github.act(|github| {
        let app = github.register_app("acme", "Nestling", BTreeMap::new(), &[]);
        github.private_key(app.unwrap()).unwrap()
    })
}

/// Variables that make a GitHub App, with these instead.
fn app(instead: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let key = key();
    let usual = [
        ("DRIVER", "github"),
        ("GITHUB__APP_ID", "1000001"),
        ("GITHUB__PRIVATE_KEY", key.as_str()),
        ("GITHUB__WEBHOOK_SECRET", "0123456789"),
    ];
    let mut all: BTreeMap<&str, &str> = usual.into();
    all.extend(instead.iter().copied());
    let variable = |(name, value): (&str, &str)| (format!("NESTLING__FORGE__{name}"), value.into());
    all.into_iter()
        .map(variable)
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn a_github_app_is_read_and_its_secrets_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("previous");
    std::fs::write(&file, "\"quoted\"\n").unwrap();
    let previous = (
        "GITHUB__WEBHOOK_SECRET_PREVIOUS__FILE",
        file.to_str().unwrap(),
    );
    let config = Config::load(None, app(&[previous])).unwrap();
    let github = &config.forge.github;
    assert_eq!(config.forge.driver, ForgeDriver::GitHub);
    assert_eq!(
        (github.app_id, github.api_url.as_str()),
        (1_000_001, "https://api.github.com")
    );
    // Digits stay text, and a file is taken as it is.
    assert_eq!(github.webhook_secret.reveal(), "0123456789");
    assert_eq!(github.webhook_secret_previous.reveal(), "\"quoted\"");
    let shown = format!("{config:?}");
    for secret in ["0123456789", "quoted", "PRIVATE"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_server_without_an_app_starts_and_one_with_half_of_an_app_does_not() {
    let none = [
        ("GITHUB__APP_ID", "0"),
        ("GITHUB__PRIVATE_KEY", ""),
        ("GITHUB__WEBHOOK_SECRET", ""),
    ];
    let config = Config::load(None, app(&none)).unwrap();
    assert!(!config.forge.github.names_app());
    let half = Config::load(None, app(&none[..2])).unwrap_err().to_string();
    assert!(half.contains("forge.github.app_id is missing"), "{half}");
}

#[test]
fn whatever_an_app_lacks_is_named_with_what_to_do() {
    let lacks = |name: &str, value: &str| {
        let error = Config::load(None, app(&[(name, value)])).unwrap_err();
        error.to_string()
    };
    let not_a_key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----";
    let errors = [
        lacks("GITHUB__API_URL", "api.github.com/"),
        lacks("GITHUB__APP_ID", "0"),
        lacks("GITHUB__PRIVATE_KEY", ""),
        lacks("GITHUB__PRIVATE_KEY", not_a_key),
        lacks("GITHUB__WEBHOOK_SECRET", ""),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    the configuration: forge.github.api_url is "api.github.com/", which is no base address: write https://api.github.com, or https://HOST/api/v3 without a slash at the end
    the configuration: forge.github.app_id is missing: it is the number at the top of the App's settings on GitHub
    the configuration: forge.github.private_key is missing: generate one in the App's settings on GitHub, and name the file in NESTLING__FORGE__GITHUB__PRIVATE_KEY__FILE
    the configuration: forge.github.private_key is no RSA key in PEM: name the file that GitHub generated, as it is, in NESTLING__FORGE__GITHUB__PRIVATE_KEY__FILE
    the configuration: forge.github.webhook_secret is missing, without which anybody could send webhooks: write a random one into the App's settings on GitHub and into a file, and name that in NESTLING__FORGE__GITHUB__WEBHOOK_SECRET__FILE
    "#);
    // None of it matters to a server without GitHub.
    assert!(Config::load(None, app(&[("DRIVER", "local"), ("GITHUB__APP_ID", "0")])).is_ok());
}

#[test]
fn w20_what_comes_from_github_runs_in_a_sandbox_or_not_at_all() {
    let plain = (
        "NESTLING__MACHINES__LOCAL__ISOLATION".to_owned(),
        "none".to_owned(),
    );
    let error = Config::load(None, app(&[]).chain([plain.clone()])).unwrap_err();
    insta::assert_snapshot!(error, @r#"the configuration: machines.local.isolation is "none", which is for your own code only: what comes from GitHub runs in a sandbox or not at all; `nestling check` says what a sandbox lacks here"#);
    // A flag comes after the file and the variables.
    let mut config = Config::load(None, app(&[])).unwrap();
    config.machines.local.isolation = Isolation::None;
    assert!(config.check("the command line".to_owned()).is_err());
    assert!(Config::load(None, [plain].into_iter()).is_ok());
}

#[test]
fn a_mistake_beside_a_secret_does_not_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nestling.toml");
    let said = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let error = Config::load(Some(&file), none()).unwrap_err().to_string();
        assert!(!error.contains("4711"), "{error}");
        error.replace(folder.path().to_str().unwrap(), "HERE")
    };
    let unquoted = said("[forge.github]\nwebhook_secret = hush-4711\n");
    let number = said("[forge.github]\nwebhook_secret = 4711\n");
    insta::assert_snapshot!(format!("{unquoted}\n{number}"), @r#"
    HERE/nestling.toml, line 2: string values must be quoted, expected literal string
    HERE/nestling.toml: this secret is not a text: write it in quotes
    in `forge.github.webhook_secret`
    "#);
}

/// These variables, and others in place of some of them.
fn load_with(usual: &[(&str, &str)], instead: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all: BTreeMap<_, _> = usual.iter().copied().collect();
    all.extend(instead.iter().copied());
    let variable = |(name, value): (&str, &str)| (format!("NESTLING__{name}"), value.to_owned());
    Config::load(None, all.into_iter().map(variable))
}

#[test]
fn buckets_keys_and_the_address_of_aws_are_looked_at_before_anybody_is_asked() {
    let usual = [
        ("BLOBS__DRIVER", "s3"),
        ("BLOBS__S3__LOGS_BUCKET", "nestling-logs"),
        ("BLOBS__S3__ARTIFACTS_BUCKET", "nestling-artifacts"),
        ("KEYS__DRIVER", "kms"),
        ("KEYS__KMS__KEY_ID", "alias/nestling"),
    ];
    let load = |instead: &[(&str, &str)]| load_with(&usual, instead);
    let config = load(&[("BLOBS__S3__PREFIX", "team/nestling/")]).unwrap();
    assert_eq!(config.keys.driver, KeysDriver::Kms);
    assert_eq!(config.blobs.driver, BlobsDriver::S3);
    assert!(load(&[("AWS__ENDPOINT_URL", "http://127.0.0.1:4566")]).is_ok());
    assert!(load(&[("AWS__ENDPOINT_URL", "http://[::1]:4566")]).is_ok());
    let errors = [
        ("BLOBS__S3__LOGS_BUCKET", ""),
        ("BLOBS__S3__ARTIFACTS_BUCKET", "s3://Mine"),
        ("BLOBS__S3__PREFIX", "nestling"),
        ("KEYS__KMS__KEY_ID", ""),
        ("KEYS__KMS__PREVIOUS_KEY_IDS", "[\"a key\"]"),
        ("AWS__ENDPOINT_URL", "localhost:4566"),
        ("AWS__ENDPOINT_URL", "http://aws.example.com"),
    ];
    let errors = errors.map(|wrong| load(&[wrong]).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"), @r#"
    the configuration: blobs.s3.logs_bucket is missing: name a bucket that is there already
    the configuration: blobs.s3.artifacts_bucket is "s3://Mine", which is no name of a bucket: 3 to 63 small letters, digits, dots and dashes
    the configuration: blobs.s3.prefix is "nestling": write letters, digits, `.`, `_` and `-`, with a slash at the end, such as "nestling/", or leave it empty
    the configuration: keys.kms.key_id is missing: write the ARN of a symmetric key, or its alias, such as "alias/nestling"
    the configuration: keys.kms names "a key", which is no key: write its ARN, its id, or its alias, such as "alias/nestling"
    the configuration: aws.endpoint_url is "localhost:4566", which is no base address: write https://HOST without a slash at the end, or leave it empty for AWS itself
    the configuration: aws.endpoint_url is "http://aws.example.com", and what is sent there by plain HTTP can be read on the way: write https://, or an address of this machine
    "#);
    // None of it matters to a server without AWS.
    let none = [
        ("BLOBS__DRIVER", "directory"),
        ("KEYS__DRIVER", "local"),
        ("KEYS__KMS__KEY_ID", ""),
    ];
    assert!(load(&none).is_ok());
}

#[test]
fn what_machines_at_fly_lack_is_named_with_what_to_do() {
    let usual = [
        ("MACHINES__DRIVER", "fly"),
        ("MACHINES__FLY__ORGANISATION", "acme"),
        ("MACHINES__FLY__TOKEN", "hush-4711"),
        ("MACHINES__FLY__IMAGE", "registry.fly.io/nestling-runner:v1"),
        ("MACHINES__FLY__REGIONS", r#"["ams", "fra"]"#),
        ("SERVER__PUBLIC_URL", "https://nestling.example.com"),
    ];
    let load = |instead: &[(&str, &str)]| load_with(&usual, instead);
    let config = load(&[]).unwrap();
    assert!(!format!("{config:?}").contains("4711"));
    let public_url = &config.server.public_url;
    assert_eq!(config.machines.fly.server_url(public_url), public_url);
    // Plain processes of this box are another driver's business.
    assert!(load(&[("MACHINES__LOCAL__ISOLATION", "none")]).is_ok());
    assert!(load(&[("MACHINES__FLY__NETWORK", "nestling-1")]).is_ok());
    assert_eq!(config.machines.fly.sweep, Sweep::Remove);
    assert!(load(&[("MACHINES__FLY__SWEEP", "report")]).is_ok());
    assert!(load(&[("MACHINES__FLY__SWEEP", "sometimes")]).is_err());
    let errors = [
        ("MACHINES__FLY__API_URL", "http://api.machines.dev/v1"),
        ("MACHINES__FLY__ORGANISATION", ""),
        ("MACHINES__FLY__NETWORK", "my network"),
        ("MACHINES__FLY__TOKEN", ""),
        ("MACHINES__FLY__APP_PREFIX", "Nestling"),
        ("MACHINES__FLY__IMAGE", ""),
        ("MACHINES__FLY__REGIONS", "[]"),
        ("MACHINES__FLY__REGIONS", r#"["Amsterdam"]"#),
        ("MACHINES__FLY__CPUS", "0"),
        ("MACHINES__FLY__MEMORY_MIB", "1000"),
        ("MACHINES__FLY__LIMITS__REGIONS", r#"["London"]"#),
        ("MACHINES__FLY__LIMITS__MEMORY_MIB", "1000"),
        ("SERVER__PUBLIC_URL", ""),
        ("MACHINES__FLY__SERVER_URL", "http://nestling.example.com"),
    ];
    let errors = errors.map(|wrong| load(&[wrong]).unwrap_err().to_string());
    insta::assert_snapshot!(errors.join("\n"), @r#"
    the configuration: machines.fly.api_url is "http://api.machines.dev/v1", and the token that is sent there by plain HTTP can be read on the way: write https://, or an address of this machine
    the configuration: machines.fly.organisation is "": write the slug of the organisation, as `fly orgs list` shows it
    the configuration: machines.fly.network is "my network": write the name of the private network in which the server is (letters, digits and hyphens, beginning with a letter), or "" for the organisation's default
    the configuration: machines.fly.token is missing: make one with `fly tokens create org`, and name the file that holds it in NESTLING__MACHINES__FLY__TOKEN__FILE
    the configuration: machines.fly.app_prefix: "Nestling" cannot begin the name of an app at Fly: it has 1 to 20 lower-case letters, digits and hyphens, and begins with a letter
    the configuration: machines.fly.image is missing: name the image of the runner, such as registry.fly.io/nestling-runner:v1
    the configuration: machines.fly.regions is empty: name at least one region, such as ["ams"]; `fly platform regions` lists them
    the configuration: machines.fly.regions names "Amsterdam", and a region has three letters: `fly platform regions` lists them
    the configuration: machines.fly.cpus is 0, and must be 1 at least
    the configuration: machines.fly.memory_mib is 1000, and must be a multiple of 256
    the configuration: machines.fly.limits.regions names "London", and a region has three letters: `fly platform regions` lists them
    the configuration: machines.fly.limits.memory_mib is 1000, and must be a multiple of 256, or 0
    the configuration: machines.driver is "fly", and machines there reach the server over the network: set server.public_url, or machines.fly.server_url
    the configuration: machines at Fly would reach the server at http://nestling.example.com, where tokens and secrets can be read on the way: set server.public_url or machines.fly.server_url to an https address
    "#);
    // None of it matters where machines are on this box.
    assert!(load(&[("MACHINES__DRIVER", "local"), ("MACHINES__FLY__IMAGE", "")]).is_ok());
}

#[test]
fn the_template_of_a_server_at_fly_is_a_configuration() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/fly.toml");
    let template: Table = std::fs::read_to_string(template).unwrap().parse().unwrap();
    let variables = template["env"].as_table().unwrap().iter();
    let said = variables.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let token = (
        "NESTLING__MACHINES__FLY__TOKEN".to_owned(),
        "hush".to_owned(),
    );
    let config = Config::load(None, said.chain([token])).unwrap();
    let service = &template["http_service"];
    let port = service["internal_port"].as_integer().unwrap();
    assert_eq!(i64::from(config.server.listen.port()), port);
    assert!(
        config
            .server
            .trusted_proxies
            .contain([172, 16, 0, 1].into())
    );
    // Machines of previews are in that network, and would say of themselves what they like.
    assert!(
        !config
            .server
            .trusted_proxies
            .contain("fdaa::2".parse().unwrap())
    );
    let check = &service["checks"][0]["headers"];
    assert_eq!(
        check["Host"].as_str(),
        config.server.public().map(|public| public.host)
    );
}
