//! What `nestling check` says of Fly, where machines run there.

use std::time::Duration;

use tokio::time::timeout;

use super::{Finding, Verdict, finding};
use crate::{
    config::Config,
    drivers::{fly::Looked, keys::signing::RunnerKeys},
    server::chosen,
    telemetry::told,
};

/// The longest that Fly may take to answer both questions.
const ANSWER: Duration = Duration::from_secs(20);

/// Whether Fly takes the token for the organisation, and has the regions. The folder holds the server's identity there.
pub(super) async fn findings(config: &Config, folder: &std::path::Path) -> Vec<Finding> {
    const WHAT: &str = "Fly";
    let place = &config.machines.fly;
    let missing = |says: String| vec![finding(WHAT, Verdict::Missing, says)];
    let fly = match RunnerKeys::open(folder) {
        Ok(keys) => chosen::fly(config, &keys).map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    let fly = match fly {
        Ok(fly) => fly,
        Err(error) => return missing(told(&error)),
    };
    let looked = match timeout(ANSWER, fly.look()).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(why)) => return missing(format!("{}: {why}", place.api_url)),
        Err(_) => {
            let waited = ANSWER.as_secs();
            return missing(format!(
                "{} has not answered within {waited} s",
                place.api_url
            ));
        }
    };
    let says = format!(
        "takes the token for the organisation {}, which has {} apps; machines are made of {}, which is looked for when the first is made",
        place.organisation, looked.apps, place.image
    );
    vec![
        finding(WHAT, Verdict::Ok, says),
        regions(&place.regions, &looked),
    ]
}

fn regions(wanted: &[String], looked: &Looked) -> Finding {
    const WHAT: &str = "Fly regions";
    let unknown: Vec<&str> = wanted
        .iter()
        .filter(|code| !looked.regions.contains(code))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return finding(WHAT, Verdict::Ok, wanted.join(", "));
    }
    let says = format!(
        "machines.fly.regions names {}, and Fly has no such region: `fly platform regions` lists them",
        unknown.join(", ")
    );
    finding(WHAT, Verdict::Missing, says)
}
