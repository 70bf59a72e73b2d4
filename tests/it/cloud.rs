//! A server as a team runs it in production: pull requests of GitHub, machines at Fly, records in DynamoDB, secrets under a key of KMS,
//! blobs in S3, names at DNSimple. A pull request lives from its webhook to its end and leaves nothing but what is to be kept; so it does where one of
//! them after the other is on this box instead.

mod left;

use nestling_world::{
    aws::{ACCESS_KEY, Model as Aws, SECRET_KEY, dynamodb::Model as Tables},
    dnsimple::Model as DnSimple,
    fly::Model as Fly,
    github::{Change, Opening},
};

use crate::{
    aws::{account, nestling},
    dns,
    fly::{IMAGE, first, fly, of_others, there},
    github::{PREVIEW, PRODUCTION, Place, SHOP, Team},
    server::{SOON, Server, get},
};

/// What the app answers: it has it from the secrets of previews, so that a page shows that these came through.
const TILL: &str = "what-opens-the-till";
const SECRET: &str = "/v1/apps/acme/shop/secrets/preview/TILL";
const HOST: &str = "pr-1--shop.preview.example.com";
const PRODUCTION_HOST: &str = "shop.preview.example.com";
const APP: &str = r#"
require("http").createServer((_, response) => response.end(process.env.TILL || "closed")).listen(process.env.PORT);
"#;
const CONFIGURATION: &str = "[start]\nrun = \"node app.js\"\n";

/// What the server stands on, as its file names it.
#[derive(Clone, Copy)]
struct Drivers {
    machines: &'static str,
    store: &'static str,
    keys: &'static str,
    blobs: &'static str,
}

const CLOUD: Drivers = Drivers {
    machines: "fly",
    store: "dynamodb",
    keys: "kms",
    blobs: "s3",
};

/// One after the other on this box.
const SWAPPED: [Drivers; 4] = [
    Drivers {
        machines: "local",
        ..CLOUD
    },
    Drivers {
        store: "sqlite",
        ..CLOUD
    },
    Drivers {
        keys: "local",
        ..CLOUD
    },
    Drivers {
        blobs: "directory",
        ..CLOUD
    },
];

/// A team, and where its server works. The server ends before what it stands on.
struct Story {
    drivers: Drivers,
    team: Team,
    fly: Fly,
    aws: Aws,
    tables: Tables,
    dnsimple: DnSimple,
    /// What was changed at Fly of what is not ours, by those whose it is.
    theirs: Vec<String>,
    _disks: tempfile::TempDir,
}

#[test]
fn a_pull_request_lives_where_everything_is_in_the_cloud_and_leaves_what_is_to_be_kept() {
    let story = Story::begin(CLOUD);
    story.lives_and_ends();
    story.leaves_what_is_kept();
}

#[test]
fn it_lives_the_same_with_each_of_them_on_this_box() {
    // All of them wait together for what takes time: absence is believed when it was seen twice.
    let stories = SWAPPED.map(Story::begin);
    for story in &stories {
        story.lives_and_ends();
    }
    for story in stories {
        story.leaves_what_is_kept();
    }
}

impl Drivers {
    /// The file of such a server: that of production, but for the addresses of the models. The settings of a driver that is not chosen stay.
    fn file(self, place: &Place<'_>, fly: &Fly, dnsimple: &DnSimple) -> String {
        let Drivers {
            machines,
            store,
            keys,
            blobs,
        } = self;
        let Place {
            port, github, app, ..
        } = place;
        let (data, fly) = (place.folder.join("data"), fly.base());
        let data = data.display();
        let (names, account, zone) = (dnsimple.api(), dns::ACCOUNT, dns::ZONE);
        let target = dns::TARGET;
        format!(
            r#"
[server]
listen = "127.0.0.1:{port}"
data_dir = "{data}"
preview_domain = "preview.{zone}"

[dns]
driver = "dnsimple"
target = "{target}"

[dns.dnsimple]
api_url = "{names}"
account = {account}
zone = "{zone}"

[forge]
driver = "github"

[forge.github]
api_url = "{github}"
web_url = "{github}"
app_id = {app}

[machines]
driver = "{machines}"

[machines.fly]
api_url = "{fly}/v1"
organisation = "acme"
image = "{IMAGE}"
regions = ["ams", "fra"]
server_url = "http://127.0.0.1:{port}"

[aws]
region = "eu-central-1"

[store]
driver = "{store}"

[keys]
driver = "{keys}"

[keys.kms]
key_id = "alias/nestling"

[blobs]
driver = "{blobs}"

[blobs.s3]
logs_bucket = "nestling-logs"
artifacts_bucket = "nestling-artifacts"
"#
        )
    }
}

/// What stands in no file: what is secret, and where AWS answers, as the SDK's own variables say it.
fn environment(
    place: &Place<'_>,
    (token, names_token): (&str, &str),
    aws: &Aws,
    tables: &Tables,
) -> Vec<(String, String)> {
    let github = "NESTLING__FORGE__GITHUB";
    let key = place.key.display().to_string();
    let secret = place.secret.display().to_string();
    let environment = [
        (format!("{github}__PRIVATE_KEY__FILE"), key),
        (format!("{github}__WEBHOOK_SECRET__FILE"), secret),
        ("NESTLING__MACHINES__FLY__TOKEN".into(), token.into()),
        ("NESTLING__DNS__DNSIMPLE__TOKEN".into(), names_token.into()),
        ("AWS_ACCESS_KEY_ID".into(), ACCESS_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY".into(), SECRET_KEY.into()),
        ("AWS_ENDPOINT_URL".into(), aws.base()),
        ("AWS_ENDPOINT_URL_DYNAMODB".into(), tables.base()),
    ];
    environment.into()
}

impl Story {
    /// The team's server works, and has nothing to do yet.
    fn begin(drivers: Drivers) -> Self {
        let disks = tempfile::tempdir().unwrap();
        let (fly, token) = fly(disks.path());
        let theirs = of_others(&fly);
        let (aws, tables) = (account(), Tables::start().unwrap());
        let (dnsimple, names_token) = dns::zone();
        let files = [("app.js", APP), ("nestling.toml", CONFIGURATION)];
        let team = Team::served(&files, |place| {
            let file = place.folder.join("nestling.toml");
            std::fs::write(&file, drivers.file(place, &fly, &dnsimple)).unwrap();
            let environment = environment(place, (&token, &names_token), &aws, &tables);
            if drivers.store == CLOUD.store {
                let order = ["tables", "create", "--config", file.to_str().unwrap()];
                let (is_well, says) = nestling(&order, &environment);
                assert!(is_well, "{says}");
            }
            let data = place.folder.join("data");
            Server::serve_file(&file, &data, place.port, &environment)
        });
        Story {
            drivers,
            team,
            fly,
            aws,
            tables,
            dnsimple,
            theirs,
            _disks: disks,
        }
    }

    /// Whether a host's name leads to the server.
    fn leads(&self, host: &str) -> bool {
        let to = self.dnsimple.look(|dns| dns.leads_to(host));
        to.as_deref() == Some(dns::TARGET)
    }

    /// An app is confirmed, and a pull request is opened, seen and closed.
    fn lives_and_ends(&self) {
        let team = &self.team;
        let (status, app) = team.add_app();
        assert_eq!((status, &app["kind"]), (201, &"any".into()), "{app}");
        let put = format!(r#"{{"value":"{TILL}"}}"#);
        let put = team.server.answer("PUT", SECRET, &put);
        assert_eq!(put.map(|(status, _)| status), Some(204));
        team.serves(PRODUCTION, &team.head("main"));
        team.server.until("production has a name", SOON, |_| {
            self.leads(PRODUCTION_HOST)
        });
        let before = self.fly.look(left::ours);
        let names = self.dnsimple.look(dns::records);

        let head = team.act(|state| {
            let change = [Change::file("basket.txt", "a basket")];
            let head = state.push(SHOP, "basket", "ann", &change)?;
            state.open_pull_request(SHOP, Opening::of("basket", "ann"))?;
            Ok(head)
        });
        team.serves(PREVIEW, &head);
        assert_eq!(get(HOST, team.port, "/"), (200, TILL.to_owned()));
        team.server
            .until("it has a name", SOON, |_| self.leads(HOST));
        team.until_github("shows a comment, a green check and a deployment", |state| {
            let comments = state.see_comments(SHOP, 1).unwrap();
            let checks = state.see_check_runs(SHOP, &head).unwrap();
            let deployments = state.see_deployments(SHOP).unwrap();
            comments.len() == 1
                && comments[0].body.contains(HOST)
                && checks.len() == 1
                && checks[0].conclusion.as_deref() == Some("success")
                && deployments
                    .iter()
                    .any(|one| one.sha == head && one.active())
        });
        let alone = first(&["generation-1 started"], &["NESTLING_GENERATION_1"]);
        let expected = alone.filter(|_| self.drivers.machines == CLOUD.machines);
        assert_eq!(self.fly.look(there), expected);
        team.server.until("its log is kept", SOON, |_| {
            let of_it = self.blobs_of_preview();
            of_it.iter().any(|key| key.contains("/logs/deployment/"))
        });
        let is_far = self.drivers.machines == CLOUD.machines && self.drivers.blobs == CLOUD.blobs;
        assert_eq!(
            self.aws.act(|aws| !aws.put_past.is_empty()),
            is_far,
            "machines at Fly put their logs past the server"
        );

        team.act(|state| state.close(SHOP, 1, "ann"));
        team.stops(PREVIEW, "closed");
        team.until_github("shows that it is gone", |state| {
            let comments = state.see_comments(SHOP, 1).unwrap();
            comments.len() == 1
                && comments[0].body.contains("Removed")
                && state.open_check_runs().is_empty()
                && state.forgotten_deployments().is_empty()
        });
        team.server.until("Fly has what it had before", SOON, |_| {
            self.fly.look(left::ours) == before
        });
        team.server
            .until("the zone has what it had before", SOON, |_| {
                self.dnsimple.look(dns::records) == names
            });
        let (_, page) = get(HOST, team.port, "/");
        assert!(!page.contains(TILL), "nobody answers: {page}");
    }
}
