//! What Fly says of the token, of the organisation and of regions.

use nestling_domain::fly::Outcome;

use super::{
    Fly,
    request::{Answered, Asked},
    shapes::{self, AppList, Regions},
};

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
        let apps = format!("/apps?org_slug={}", self.organisation);
        let apps = Asked::see("apps_list", &self.organisation, apps);
        let apps: AppList = read(self.send(&apps).await)?;
        let regions = "/platform/regions".to_owned();
        let regions = Asked::see("regions_list", &self.organisation, regions);
        let regions: Regions = read(self.send(&regions).await)?;
        let codes = regions.regions.into_iter().map(|region| region.code);
        Ok(Looked {
            apps: apps.total_apps,
            regions: codes.collect(),
        })
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
