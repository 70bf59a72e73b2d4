//! A server whose logs are in S3 and whose secrets are sealed by KMS: the same life, and nothing of it on the disk.

use std::process::{Command, Stdio};

use nestling_world::aws::{ACCESS_KEY, Model, SECRET_KEY};

use crate::server::{SOON, Server, commit, free_port, get, head, quiet_site};

const NAME: &str = "local/site/production";
const SECRET: &str = "/v1/apps/local/site/secrets/production/API_KEY";

/// An account with two buckets and a key.
pub(crate) fn account() -> Model {
    let model = Model::start().unwrap();
    model.act(|aws| {
        aws.create_bucket("nestling-logs", "eu-central-1");
        aws.create_bucket("nestling-artifacts", "eu-central-1");
        aws.create_key("key-1", "alias/nestling");
    });
    model
}

/// What the server's environment says of the account.
fn settings(model: &Model) -> Vec<(String, String)> {
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("NESTLING__AWS__REGION", "eu-central-1"),
        ("NESTLING__AWS__ENDPOINT_URL", &model.base()),
        ("NESTLING__BLOBS__DRIVER", "s3"),
        ("NESTLING__BLOBS__S3__LOGS_BUCKET", "nestling-logs"),
        (
            "NESTLING__BLOBS__S3__ARTIFACTS_BUCKET",
            "nestling-artifacts",
        ),
        ("NESTLING__KEYS__DRIVER", "kms"),
        ("NESTLING__KEYS__KMS__KEY_ID", "alias/nestling"),
    ];
    let owned = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.into()
}

/// How many segments of a deployment's log are in the bucket.
fn segments(model: &Model, number: u32) -> usize {
    model.act(|aws| {
        let keys = aws.s3.buckets["nestling-logs"].objects.keys();
        let of_it = format!("/{number}/logs/deployment/");
        keys.filter(|key| key.contains(&of_it)).count()
    })
}

#[test]
fn a_site_lives_on_s3_and_kms_and_its_log_and_its_secret_outlive_the_server() {
    let model = account();
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let data = folder.path().join("data");
    let port = free_port();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let mut server = Server::start_with(&order, &data, port, &settings(&model), Stdio::inherit());
    server.until("it runs", SOON, |server| server.status(NAME).0 == "running");
    assert_eq!(
        get("site.localhost", port, "/"),
        (200, "a quiet site".to_owned())
    );

    let put = server.answer("PUT", SECRET, r#"{"value": "hunter2-hunter2"}"#);
    assert_eq!(put.unwrap().0, 204);
    let second = commit(&repository, "Use the key");
    let runs = |server: &Server, commit: &str| {
        server.status(NAME) == ("running".to_owned(), commit.to_owned())
    };
    server.until("the second runs, with its secret", SOON, |server| {
        runs(server, &second)
    });
    server.until("its log is in the bucket", SOON, |_| {
        segments(&model, 2) >= 1
    });
    let log = server.log(NAME, 2, "deployment");
    assert!(!log.is_empty());

    let asked = model.times("kms:Decrypt");
    server.die();
    server.rise();
    server.until("it serves again", SOON, |server| runs(server, &second));
    assert_eq!(
        server.log(NAME, 2, "deployment"),
        log,
        "read from the bucket"
    );
    let revealed = server.answer("GET", SECRET, "").unwrap();
    assert!(revealed.1.contains("hunter2-hunter2"), "{}", revealed.0);
    assert!(
        model.times("kms:Decrypt") >= asked + 2,
        "a look at the key, and the secret"
    );
    assert!(!data.join("blobs").exists() && !data.join("master.key").exists());

    // The key is changed for another: everything is sealed anew, and the old one may go.
    model.act(|aws| aws.create_key("key-2", "alias/new"));
    server.interrupt();
    drop(server);
    let mut settings = settings(&model);
    settings.retain(|(name, _)| name != "NESTLING__KEYS__KMS__KEY_ID");
    settings.extend([
        (
            "NESTLING__KEYS__KMS__KEY_ID".to_owned(),
            "alias/new".to_owned(),
        ),
        (
            "NESTLING__KEYS__KMS__PREVIOUS_KEY_IDS".to_owned(),
            r#"["key-1"]"#.to_owned(),
        ),
    ]);
    let server = Server::start_with(&order, &data, port, &settings, Stdio::inherit());
    server.until("it answers", SOON, |server| {
        server.text("/healthz").is_some()
    });
    let anew = nestling(&["secret", "reseal", "--data", data.to_str().unwrap()], &[]);
    assert_eq!(anew, (true, "1 secrets are sealed anew\n".to_owned()));
    model.act(|aws| aws.kms.keys.remove("key-1"));
    let third = commit(&repository, "Go on");
    server.until("the third has its secret, too", SOON, |server| {
        runs(server, &third)
    });
    assert_eq!(head(&repository), third);
}

#[test]
fn credentials_that_expire_while_it_works_are_named_and_nothing_is_lost() {
    let model = account();
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let (data, port) = (folder.path().join("data"), free_port());
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let start = |log: Stdio| Server::start_with(&order, &data, port, &settings(&model), log);
    let serves = |server: &Server, commit: &str| server.serving(NAME).0 == commit;
    let mut server = start(Stdio::inherit());
    let first = head(&repository);
    server.until("it runs", SOON, |server| serves(server, &first));
    let put = server.answer("PUT", SECRET, r#"{"value": "hunter2-hunter2"}"#);
    assert_eq!(put.unwrap().0, 204);
    // It forgets what it has of the key.
    server.die();
    drop(server);
    let log_file = folder.path().join("log");
    let server = start(std::fs::File::create(&log_file).unwrap().into());
    server.until("it serves again", SOON, |server| serves(server, &first));

    let expire = |is_so: bool| {
        model.act(|aws| {
            let all = aws.credentials.values_mut();
            all.for_each(|credential| credential.has_expired = is_so);
        });
    };
    expire(true);
    let second = commit(&repository, "Use the key");
    let words = "the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves";
    let is_said = |server: &Server| {
        let page = server.text("/").unwrap_or_default();
        page.contains(words)
    };
    server.until("the page says so", SOON, is_said);
    let log = std::fs::read_to_string(&log_file).unwrap();
    let line = log.lines().find(|line| line.contains(words)).unwrap();
    assert!(line.contains("secrets cannot be used: "), "{line}");
    assert!(serves(&server, &first));
    assert_eq!(get("site.localhost", port, "/").0, 200);

    expire(false);
    server.until("what was pushed serves", SOON, |server| {
        serves(server, &second)
    });
    server.until("nothing is in the way", SOON, |server| !is_said(server));
    server.until("its log is in the bucket", SOON, |_| {
        segments(&model, 2) >= 1
    });
}

#[test]
fn a_server_whose_bucket_is_missing_says_so_before_anything_happens() {
    let model = account();
    model.act(|aws| {
        aws.s3.buckets.remove("nestling-logs");
        aws.kms.keys.get_mut("key-1").unwrap().state = "Disabled";
    });
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&model);
    let data = folder.path().join("data").display().to_string();
    settings.push(("NESTLING__SERVER__DATA_DIR".to_owned(), data));
    settings.push((
        "NESTLING__SERVER__LISTEN".to_owned(),
        format!("127.0.0.1:{}", free_port()),
    ));
    let (is_well, says) = nestling(&["check"], &settings);
    assert!(!is_well);
    assert!(
        says.contains(
            "logs bucket      MISSING  there is no bucket nestling-logs in eu-central-1: make it"
        ),
        "{says}"
    );
    assert!(says.contains("KMS key          MISSING  the master key cannot be used: the KMS key alias/nestling is disabled"), "{says}");
    let (is_well, says) = nestling(&["serve"], &settings);
    assert!(!is_well);
    assert!(
        says.contains("logs and artifacts cannot be kept: there is no bucket nestling-logs"),
        "{says}"
    );
}

/// Whether a command went well in this environment, and all that it said.
pub(crate) fn nestling(arguments: &[&str], settings: &[(String, String)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nestling"))
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}
