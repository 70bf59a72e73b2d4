//! What the doctor says of Fly: each fault is planted, and nothing has happened yet.

use nestling_world::fly::{Fault, Model, State, Times};

use super::*;

/// As it stands in the guide, in the registry of the model.
const IMAGE: &str = "nestling-example:runner";

/// Fly with the organisation of the configuration, and a token of it.
struct Town {
    model: Model,
    token: String,
    folder: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|fly| {
            // How often it is asked does not matter here.
            fly.limits.hold = false;
            fly.create_organisation("acme");
            fly.issue_token("acme")
        });
        let folder = tempfile::tempdir().unwrap();
        Town {
            model,
            token,
            folder,
        }
    }

    /// The model's own address, as part of an image's name.
    fn registry(&self) -> String {
        self.model.base().replace("http://", "")
    }

    /// What is said with these keys set otherwise than they should be; its addresses are always the same.
    async fn said(&self, otherwise: &[(&str, &str)]) -> String {
        let sound = [
            ("DRIVER", "fly".to_owned()),
            ("FLY__API_URL", format!("{}/v1", self.model.base())),
            ("FLY__ORGANISATION", "acme".to_owned()),
            ("FLY__TOKEN", self.token.clone()),
            ("FLY__IMAGE", format!("{}/{IMAGE}", self.registry())),
            ("FLY__REGIONS", r#"["ams", "fra"]"#.to_owned()),
            ("FLY__SERVER_URL", "https://nestling.test".to_owned()),
        ];
        let otherwise = otherwise
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()));
        // Of two values the later one counts.
        let mut keys: std::collections::BTreeMap<&str, String> = sound.into();
        keys.extend(otherwise);
        let variables = keys
            .into_iter()
            .map(|(key, value)| (format!("NESTLING__MACHINES__{key}"), value));
        let config = Config::load(None, variables).unwrap();
        let found = findings(&config, self.folder.path()).await;
        let lines: String = found.iter().map(|one| format!("{one}\n")).collect();
        lines.replace(&self.registry(), "FLY")
    }

    /// What is said while this is so.
    async fn said_while<T>(&self, fault: impl FnOnce(&mut State) -> T) -> String {
        self.model.act(fault);
        self.said(&[]).await
    }
}

#[tokio::test]
async fn what_is_sound_is_said_to_be_so_and_nothing_is_made() {
    let town = Town::new();
    insta::assert_snapshot!(town.said(&[]).await, @r"
    Fly              ok       takes the token for the organisation acme, which has 0 apps
    Fly regions      ok       ams, fra
    Fly room         ok       now for a machine of 1 CPU (shared) and 1024 MiB in ams, fra
    Fly image        ok       FLY/nestling-example:runner
    ");
    town.model.look(|fly| {
        assert_eq!(fly.left_over("acme"), Vec::<String>::new());
        fly.finish().unwrap();
    });
}

#[tokio::test]
async fn a_token_that_is_wrong_or_has_ended_and_an_organisation_of_others_are_told() {
    let town = Town::new();
    let mut all = town.said(&[("FLY__TOKEN", "wrong")]).await;
    all += &town.said(&[("FLY__ORGANISATION", "umbrella")]).await;
    let (theirs, deploy) = town.model.act(|fly| {
        fly.create_organisation("umbrella");
        let deploy = fly.issue_deploy_token("acme", "nestling-example");
        (fly.issue_token("umbrella"), deploy)
    });
    all += &town.said(&[("FLY__TOKEN", &theirs)]).await;
    all += &town.said(&[("FLY__TOKEN", &deploy)]).await;
    let ended = |fly: &mut State| fly.expire_token(&town.token, 0).unwrap();
    all += &town.said_while(ended).await;
    insta::assert_snapshot!(all, @r"
    Fly              MISSING  http://FLY/v1: Fly does not take machines.fly.token for machines.fly.organisation: Authenticate: token validation error; make one with `fly tokens create org`
    Fly              MISSING  http://FLY/v1: Fly shows the token in machines.fly.token no organisation umbrella: write its slug into machines.fly.organisation, as `fly orgs list` shows it, or make a token of that organisation with `fly tokens create org`
    Fly              MISSING  http://FLY/v1: Fly shows the token in machines.fly.token no organisation acme: write its slug into machines.fly.organisation, as `fly orgs list` shows it, or make a token of that organisation with `fly tokens create org`
    Fly              MISSING  http://FLY/v1: Fly shows the token in machines.fly.token no organisation acme: write its slug into machines.fly.organisation, as `fly orgs list` shows it, or make a token of that organisation with `fly tokens create org`
    Fly              MISSING  http://FLY/v1: Fly does not take machines.fly.token for machines.fly.organisation: Authenticate: token validation error; make one with `fly tokens create org`
    ");
}

#[tokio::test]
async fn regions_without_room_quotas_and_regions_that_there_are_not_are_told() {
    let town = Town::new();
    let of_places = |said: String| -> String {
        let lines = said
            .lines()
            .filter(|line| line.starts_with("Fly regions") || line.starts_with("Fly room"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let unknown = town.said(&[("FLY__REGIONS", r#"["ams", "xyz"]"#)]).await;
    let mut all = of_places(unknown);
    let one_full = |fly: &mut State| fly.set_capacity("ams", Some(0)).unwrap();
    all += &of_places(town.said_while(one_full).await);
    let both_full = |fly: &mut State| fly.set_capacity("fra", Some(0)).unwrap();
    all += &of_places(town.said_while(both_full).await);
    let quota = |fly: &mut State| {
        for region in ["ams", "fra"] {
            fly.set_capacity(region, None).unwrap();
        }
        fly.set_memory_quota("acme", Some(512)).unwrap();
    };
    all += &of_places(town.said_while(quota).await);
    let silent = |fly: &mut State| {
        let route = "POST /platform/placements";
        fly.faults.answer(route, Fault::Status(500), Times::Always);
    };
    all += &of_places(town.said_while(silent).await);
    insta::assert_snapshot!(all, @r"
    Fly regions      MISSING  machines.fly.regions names xyz, and Fly has no such region: `fly platform regions` lists them
    Fly room         ok       now for a machine of 1 CPU (shared) and 1024 MiB in ams
    Fly regions      ok       ams, fra
    Fly room         poor     none now for a machine of 1 CPU (shared) and 1024 MiB in ams: Fly is full there, or a quota of the organisation is reached; machines are made in fra
    Fly regions      ok       ams, fra
    Fly room         MISSING  none now for a machine of 1 CPU (shared) and 1024 MiB in ams, fra: Fly is full there, or a quota of the organisation is reached: name more regions in machines.fly.regions, ask Fly for more, or close something; what runs goes on
    Fly regions      ok       ams, fra
    Fly room         MISSING  none now for a machine of 1 CPU (shared) and 1024 MiB in ams, fra: Fly is full there, or a quota of the organisation is reached: name more regions in machines.fly.regions, ask Fly for more, or close something; what runs goes on
    Fly regions      ok       ams, fra
    Fly room         poor     Fly does not say where there is room (500 internal: server error): that is known when a machine is made
    ");
}

#[tokio::test]
async fn an_image_that_is_missing_or_cannot_be_looked_for_is_told() {
    let town = Town::new();
    let of_image = |said: String| -> String {
        let line = said.lines().find(|line| line.starts_with("Fly image"));
        line.unwrap().to_owned()
    };
    let image = format!("{}/{IMAGE}", town.registry());
    let missing = |fly: &mut State| fly.remove_image(&image);
    let mut all = vec![of_image(town.said_while(missing).await)];
    // Another registry than Fly's is not shown the token.
    let other = Model::start().unwrap();
    let theirs = other.base().replace("http://", "");
    let said_of = async |image: &str| {
        let said = town.said(&[("FLY__IMAGE", image)]).await;
        of_image(said).replace(&theirs, "OTHER")
    };
    let image = format!("{theirs}/{IMAGE}");
    all.push(said_of(&image).await);
    insta::assert_snapshot!(all.join("\n"), @r"
    Fly image        MISSING  there is no FLY/nestling-example:runner: push it (make images makes it), or name another in machines.fly.image
    Fly image        poor     OTHER/nestling-example:runner cannot be looked for (OTHER answers 401 Unauthorized): whether Fly gets it is known when the first machine is made
    ");
    drop(other);
    let nobody = said_of(&image).await;
    let begins = "Fly image        poor     OTHER/nestling-example:runner cannot be looked for (OTHER: it cannot be reached: ";
    assert!(nobody.starts_with(begins), "{nobody}");
}

#[tokio::test]
async fn a_fly_that_does_not_answer_is_told() {
    let town = Town::new();
    town.model.act(|fly| {
        fly.faults
            .answer("GET /apps", Fault::Status(503), Times::Always);
    });
    insta::assert_snapshot!(town.said(&[]).await, @"Fly              MISSING  http://FLY/v1: 503 internal: server error");
}
