//! What `nestling check` says of the zone in which environments have names.

use super::{Finding, Verdict, finding};
use crate::{config::Config, server::chosen, telemetry::told};

/// Whether DNSimple takes the token and has the zone; nothing where a wildcard record leads here.
pub(super) async fn finding_of(config: &Config) -> Option<Finding> {
    const WHAT: &str = "names";
    let missing = |says: String| Some(finding(WHAT, Verdict::Missing, says));
    let dnsimple = match chosen::dnsimple(config) {
        Ok(dnsimple) => dnsimple?,
        Err(error) => return missing(told(&error.into())),
    };
    let place = &config.dns.dnsimple;
    match dnsimple.look().await {
        Ok(records) => {
            let says = format!(
                "*.{} in the zone {} at DNSimple, which has {records} records: each leads to {}",
                config.server.preview_domain,
                place.zone,
                config.dns.target(&config.server)
            );
            Some(finding(WHAT, Verdict::Ok, says))
        }
        Err(why) => missing(format!("{}: {why}", place.api_url)),
    }
}

#[cfg(test)]
mod tests {
    use nestling_world::dnsimple::{Fault, Model, Times};

    use super::*;

    /// What is said with these keys set otherwise than they should be; its address is always the same.
    async fn said(model: &Model, token: &str, otherwise: &[(&str, &str)]) -> String {
        let api = model.api();
        let sound = [
            ("DNS__DRIVER", "dnsimple"),
            ("DNS__DNSIMPLE__API_URL", &api),
            ("DNS__DNSIMPLE__ACCOUNT", "1010"),
            ("DNS__DNSIMPLE__ZONE", "example.com"),
            ("DNS__DNSIMPLE__TOKEN", token),
            ("SERVER__PREVIEW_DOMAIN", "preview.example.com"),
            ("SERVER__PUBLIC_URL", "https://nestling.example.com"),
        ];
        let mut keys = std::collections::BTreeMap::from(sound);
        keys.extend(otherwise.iter().copied());
        let variables = keys
            .into_iter()
            .map(|(key, value)| (format!("NESTLING__{key}"), value.to_owned()));
        let config = Config::load(None, variables).unwrap();
        let found = finding_of(&config).await.unwrap().to_string();
        found.replace(&api, "https://dnsimple.test")
    }

    #[tokio::test]
    async fn each_fault_of_names_is_said_before_anything_happens() {
        let model = Model::start().unwrap();
        let token = model.act(|dns| {
            dns.create_zone(1010, "example.com");
            dns.issue_token(1010)
        });
        let well = said(&model, &token, &[]).await;
        let wrong = said(&model, "wrong", &[]).await;
        let zone = [
            ("DNS__DNSIMPLE__ZONE", "example.org"),
            ("SERVER__PREVIEW_DOMAIN", "example.org"),
        ];
        let zone = said(&model, &token, &zone).await;
        let account = said(&model, &token, &[("DNS__DNSIMPLE__ACCOUNT", "7")]).await;
        model.act(|dns| {
            let route = "GET /v2/*/zones/*/records";
            dns.goes_wrong(route, Fault::Status(503), Times::Only(1));
        });
        let away = said(&model, &token, &[]).await;
        let all = [well, wrong, zone, account, away].join("\n");
        insta::assert_snapshot!(all, @"
        names            ok       *.preview.example.com in the zone example.com at DNSimple, which has 2 records: each leads to nestling.example.com
        names            MISSING  https://dnsimple.test: DNSimple does not take dns.dnsimple.token (Authentication failed): make an account token in its settings, and give that
        names            MISSING  https://dnsimple.test: DNSimple finds no zone example.org in the account 1010 (Zone `example.org` not found): look at dns.dnsimple.zone, dns.dnsimple.account and whose token dns.dnsimple.token is
        names            MISSING  https://dnsimple.test: DNSimple finds no zone example.com in the account 7 (Zone `example.com` not found): look at dns.dnsimple.zone, dns.dnsimple.account and whose token dns.dnsimple.token is
        names            MISSING  https://dnsimple.test: DNSimple answers 503 by order of the story
        ");
        assert_eq!(model.look(nestling_world::dnsimple::State::changes), 0);
    }
}
