//! What `nestling check` says of Fly, where machines run there.

use std::time::Duration;

use tokio::time::timeout;

use super::{Finding, Verdict, finding};
use crate::{
    config::Config,
    drivers::{
        fly::{Fly, Image, Looked, Make},
        keys::signing::RunnerKeys,
    },
    server::chosen,
    telemetry::told,
};

/// The longest that Fly may take to answer what belongs together.
const ANSWER: Duration = Duration::from_secs(20);

/// Whether Fly takes the token for the organisation, has the regions, and room there and the image as far as that can be known before. The folder holds
/// the server's identity there.
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
        "takes the token for the organisation {}, which has {} apps",
        place.organisation, looked.apps
    );
    let mut findings = vec![
        finding(WHAT, Verdict::Ok, says),
        regions("machines.fly.regions", &place.regions, &looked),
    ];
    let of_apps = &place.limits.regions;
    if !of_apps.is_empty() {
        findings.push(regions("machines.fly.limits.regions", of_apps, &looked));
    }
    let make = chosen::make(config);
    let mut known = place.regions.clone();
    known.retain(|code| looked.regions.contains(code));
    if !known.is_empty() {
        findings.push(room(&fly, &make, &known).await);
    }
    findings.push(image(&fly, &make.image).await);
    findings
}

fn regions(key: &str, wanted: &[String], looked: &Looked) -> Finding {
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
        "{key} names {}, and Fly has no such region: `fly platform regions` lists them",
        unknown.join(", ")
    );
    finding(WHAT, Verdict::Missing, says)
}

/// Whether there is room now for one more machine, by capacity and by quota. Fly keeps none for who asks, so that another answer may come when one is made.
async fn room(fly: &Fly, make: &Make, regions: &[String]) -> Finding {
    const WHAT: &str = "Fly room";
    let size = format!("a machine of {}", make.size);
    let asked = timeout(ANSWER, fly.room(make, regions)).await;
    let fits = match asked.unwrap_or_else(|_| Err("no answer".to_owned())) {
        Ok(fits) => fits,
        Err(why) => {
            let says = format!(
                "Fly does not say where there is room ({why}): that is known when a machine is made"
            );
            return finding(WHAT, Verdict::Poor, says);
        }
    };
    let (fits, full): (Vec<&str>, Vec<&str>) = regions
        .iter()
        .map(String::as_str)
        .partition(|code| fits.iter().any(|fit| fit == code));
    let full = full.join(", ");
    if fits.is_empty() {
        let says = format!(
            "none now for {size} in {full}: Fly is full there, or a quota of the organisation is reached: name more regions in machines.fly.regions, ask Fly for more, or close something; what runs goes on"
        );
        return finding(WHAT, Verdict::Missing, says);
    }
    let fits = fits.join(", ");
    if full.is_empty() {
        return finding(WHAT, Verdict::Ok, format!("now for {size} in {fits}"));
    }
    let says = format!(
        "none now for {size} in {full}: Fly is full there, or a quota of the organisation is reached; machines are made in {fits}"
    );
    finding(WHAT, Verdict::Poor, says)
}

/// Whether the image is where Fly will get it.
async fn image(fly: &Fly, image: &str) -> Finding {
    const WHAT: &str = "Fly image";
    match fly.image(image).await {
        Image::There => finding(WHAT, Verdict::Ok, image),
        Image::Missing => {
            let says = format!(
                "there is no {image}: push it (make images makes it), or name another in machines.fly.image"
            );
            finding(WHAT, Verdict::Missing, says)
        }
        Image::Unseen(why) => {
            let says = format!(
                "{image} cannot be looked for ({why}): whether Fly gets it is known when the first machine is made"
            );
            finding(WHAT, Verdict::Poor, says)
        }
    }
}

#[cfg(test)]
mod tests;
