//! A server whose records are in DynamoDB: the same life, and another server that follows when it ends.

use std::process::Stdio;

use nestling_world::aws::dynamodb::{Fault, Model, Times};

use crate::{
    aws::nestling,
    server::{SOON, Server, commit, free_port, get, head, quiet_site},
};

const NAME: &str = "local/site/production";

/// What the server's environment says of the tables.
fn settings(model: &Model) -> Vec<(String, String)> {
    let settings = [
        ("AWS_ACCESS_KEY_ID", "of-the-story"),
        ("AWS_SECRET_ACCESS_KEY", "of-the-story"),
        ("NESTLING__AWS__REGION", "eu-central-1"),
        ("NESTLING__AWS__ENDPOINT_URL", &model.base()),
        ("NESTLING__STORE__DRIVER", "dynamodb"),
    ];
    let owned = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    owned.into()
}

/// Whether `nestling tables` went well, and what it said.
fn tables(model: &Model, what: &str) -> (bool, String) {
    nestling(&["tables", what], &settings(model))
}

#[test]
fn a_site_lives_on_dynamodb_and_its_records_outlive_the_server() {
    let model = Model::start().unwrap();
    let (well, said) = tables(&model, "check");
    assert!(!well);
    assert!(
        said.contains("there is no table nestling in eu-central-1"),
        "{said}"
    );
    let (well, said) = tables(&model, "create");
    assert!(well, "{said}");
    let (well, said) = tables(&model, "check");
    assert_eq!(
        (well, said.as_str()),
        (true, "the tables are as they must be\n")
    );

    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let data = folder.path().join("data");
    let port = free_port();
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let mut server = Server::start_with(&order, &data, port, &settings(&model), Stdio::inherit());
    let runs = |server: &Server, commit: &str| {
        server.status(NAME) == ("running".to_owned(), commit.to_owned())
    };
    let first = head(&repository);
    server.until("it runs", SOON, |server| runs(server, &first));
    assert_eq!(
        get("site.localhost", port, "/"),
        (200, "a quiet site".to_owned())
    );
    let second = commit(&repository, "Say more");
    server.until("the second runs", SOON, |server| runs(server, &second));

    // A server of the same folder does not wait for the one that died.
    server.die();
    server.rise();
    server.until("it serves again", SOON, |server| runs(server, &second));
    assert_eq!(server.deployments(NAME).len(), 2);
    assert!(!data.join("nestling.db").exists());
}

#[test]
fn credentials_that_expire_while_it_works_are_named_and_nothing_is_lost() {
    let model = Model::start().unwrap();
    assert!(tables(&model, "create").0);
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let (data, port) = (folder.path().join("data"), free_port());
    let order = ["up", "--repo", repository.to_str().unwrap()];
    let log_file = folder.path().join("log");
    let log = std::fs::File::create(&log_file).unwrap();
    let server = Server::start_with(&order, &data, port, &settings(&model), log.into());
    let serves = |server: &Server, commit: &str| server.serving(NAME).0 == commit;
    let first = head(&repository);
    server.until("it runs", SOON, |server| serves(server, &first));

    model.order("*", Fault::Refused("ExpiredTokenException"), Times::Always);
    let second = commit(&repository, "Say more");
    let words = "the credentials have expired (ExpiredTokenException): renew them; those of a role renew themselves";
    let is_said = |server: &Server| {
        let asked = std::time::Instant::now();
        let answered = server.answer("GET", "/local/site/production", "");
        assert!(
            asked.elapsed() < SOON / 6,
            "people do not wait for what a person has to mend"
        );
        answered.is_some_and(|(status, page)| status == 503 && page.contains(words))
    };
    server.until("the page says so", SOON, is_said);
    // Long enough for another server to take its place, if there were one.
    server.until("it may write no more, and says why", SOON, |_| {
        let log = std::fs::read_to_string(&log_file).unwrap();
        let of_acting = log
            .lines()
            .filter(|line| line.contains("could not say that this server acts"));
        of_acting.filter(|line| line.contains(words)).count() >= 2
    });
    server.until("the page says the same still", SOON, is_said);
    assert_eq!(
        get("site.localhost", port, "/").0,
        200,
        "visitors do not notice"
    );

    model.act(|tables| tables.faults.clear());
    server.until("what was pushed serves", SOON, |server| {
        serves(server, &second)
    });
    assert_eq!(server.deployments(NAME).len(), 2);
}

#[test]
fn a_second_server_on_the_same_tables_serves_reads_and_follows_when_the_first_is_gone() {
    let model = Model::start().unwrap();
    assert!(tables(&model, "create").0);
    let folder = tempfile::tempdir().unwrap();
    let repository = quiet_site(folder.path());
    let start = |name: &str, port: u16| {
        let order = ["up", "--repo", repository.to_str().unwrap()];
        let data = folder.path().join(name);
        Server::start_with(&order, &data, port, &settings(&model), Stdio::inherit())
    };
    let mut first = start("first", free_port());
    let commit = head(&repository);
    let runs = |server: &Server| server.status(NAME) == ("running".to_owned(), commit.clone());
    first.until("it runs", SOON, runs);

    let port = free_port();
    let second = start("second", port);
    second.until("it waits, and says so", SOON, |server| {
        let answer = server.answer("GET", "/readyz", "");
        answer.is_some_and(|(status, says)| status == 503 && says.contains("takes over"))
    });
    assert_eq!(second.text("/healthz").as_deref(), Some("ok\n"));

    // What the records hold is read there: by the client commands, by programs, and on pages.
    assert!(runs(&second), "{:#?}", second.environments());
    assert_eq!(second.deployments(NAME).len(), 1);
    let troubles = second.get("/v1/troubles");
    assert_eq!(troubles["troubles"][0]["about"], "this server");
    let page = second.text("/").unwrap();
    assert!(page.contains("acts on these tables"), "{page}");

    // Nothing is ordered there, and nobody is led anywhere.
    let stop = "/v1/apps/local/site/environments/production/stop";
    let (status, refused) = second.order("POST", stop, "{}");
    assert_eq!(status, 503);
    assert_eq!(refused["type"], "urn:nestling:waits");
    let (status, says) = second.answer("POST", "/github/webhook", "{}").unwrap();
    assert_eq!(status, 503);
    assert!(says.contains("another server acts"), "{says}");
    assert_eq!(get("site.localhost", port, "/").0, 503);
    assert!(runs(&first), "nobody took anything from it");

    first.interrupt();
    second.until("it acts", SOON, |server| {
        server.text("/readyz").as_deref() == Some("ready\n")
    });
    second.until("it serves what the first did", SOON, |server| {
        let visited = get("site.localhost", port, "/");
        runs(server) && visited == (200, "a quiet site".to_owned())
    });
}
