//! What Fly says of the token, of the organisation with its apps, and of regions.

use std::time::Duration;

use nestling_domain::fly::{self, Listing, Outcome, Refusal};
use serde_json::json;
use tokio::time::sleep;

use super::{
    Fly, Make,
    request::{Answered, Asked},
    shapes::{self, AppList, Machine, Placements, Regions},
};

/// How often one thing is looked for while Fly says that it is asked too much. Fly counts when requests arrive, and others ask with the same organisation.
const TRIES: u32 = 3;
/// How long such a look waits for its next try at most: nobody's order depends on it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// How many apps the organisation has.
    pub apps: u64,
    /// Codes of the regions that there are.
    pub regions: Vec<String>,
}

impl Fly {
    /// Asks for the organisation's apps with the token, and for the regions; what is wrong, for people.
    pub async fn look(&self) -> Result<Looked, String> {
        let apps = self.app_list().await?;
        let regions = "/platform/regions".to_owned();
        let regions = Asked::see("regions_list", &self.organisation, regions);
        let regions: Regions = read(self.see(&regions).await)?;
        let codes = regions.regions.into_iter().map(|region| region.code);
        Ok(Looked {
            apps: apps.total_apps,
            regions: codes.collect(),
        })
    }

    /// In which of these regions Fly would place one more machine now, by capacity and by the organisation's limits; what is wrong, for people.
    /// Nothing is kept for who asks: whether there is room is known when a machine is made.
    pub async fn room(&self, make: &Make, regions: &[String]) -> Result<Vec<String>, String> {
        let body = json!({
            "org_slug": self.organisation,
            "region": regions.join(","),
            "count": 1,
            "compute": make.guest(),
        });
        let path = "/platform/placements".to_owned();
        let asked = Asked::make("placements", &self.organisation, path, body);
        let found: Placements = read(self.see(&asked).await)?;
        let fits = found.regions.into_iter().filter(|place| place.count > 0);
        Ok(fits.map(|place| place.region).collect())
    }

    /// The organisation's apps; what is wrong, for people. Fly's description knows no pages of this list.
    pub async fn apps(&self) -> Result<Listing, String> {
        let list = self.app_list().await?;
        let apps = list.apps.into_iter();
        Ok(Listing {
            apps: apps.map(|app| (app.name, app.machine_count)).collect(),
            total: list.total_apps,
        })
    }

    /// The machines of an app that are not gone, in which Fly counted so many when it listed the app; an answer that shows fewer is not all of them, and no
    /// answer here. What is wrong, for people.
    pub async fn machines(&self, app: &str, counted: u64) -> Result<Vec<fly::Machine>, String> {
        let asked = Asked::see("machines_list", app, format!("/apps/{app}/machines"));
        let all: Vec<Machine> = read(self.see(&asked).await)?;
        if (all.len() as u64) < counted {
            let listed = all.len();
            return Err(format!(
                "Fly counts {counted} machines in it and lists {listed}"
            ));
        }
        Ok(all.into_iter().map(Machine::seen).collect())
    }

    async fn app_list(&self) -> Result<AppList, String> {
        let apps = format!("/apps?org_slug={}", self.organisation);
        let asked = Asked::see("apps_list", &self.organisation, apps);
        match self.see(&asked).await {
            // Fly hides an organisation from the token of another one, and from that of a single app.
            Answered::Otherwise(Outcome::Refused(Refusal::NotFound)) => Err(format!(
                "Fly shows the token in machines.fly.token no organisation {}: write its slug into machines.fly.organisation, as `fly orgs list` shows it, or make a token of that organisation with `fly tokens create org`",
                self.organisation
            )),
            answered @ (Answered::Well(_) | Answered::Otherwise(_)) => read(answered),
        }
    }

    /// Asks when it is its turn, and again where Fly wants that a moment later.
    async fn see(&self, asked: &Asked) -> Answered {
        let mut tries = 1;
        loop {
            self.limits.turn(asked.action, &asked.about).await;
            let answered = self.send(asked).await;
            let Answered::Otherwise(Outcome::Later(wait)) = &answered else {
                return answered;
            };
            if tries == TRIES || *wait > LONGEST_WAIT {
                return answered;
            }
            sleep(*wait / self.pace.hurry).await;
            tries += 1;
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(answered: Answered) -> Result<T, String> {
    match answered {
        Answered::Well(body) => {
            shapes::read(&body).map_err(|why| format!("Fly's answer cannot be read: {why}"))
        }
        Answered::Otherwise(Outcome::Refused(why)) => Err(why.to_string()),
        Answered::Otherwise(Outcome::Later(_)) => Err("Fly is asked too much just now".to_owned()),
        Answered::Otherwise(Outcome::Unknown(why)) => Err(why),
        Answered::Otherwise(Outcome::Done) => Err("Fly said nothing".to_owned()),
    }
}
