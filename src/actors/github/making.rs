//! Makes the GitHub App that the server is: proposes it to GitHub by a person's browser, takes its keys when the browser is
//! back, and keeps them sealed (ADR 28).
//!
//! - An App that the configuration names is left alone, and none is made beside it.
//! - What the browser brings back counts once, for the sign-in that asked, for an hour.
//! - The keys are in the store before they are used, and nowhere else but in memory.

pub mod kept;
mod pending;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix::prelude::*;
use nestling_domain::github::manifest::{Found, Wanted};
use tracing::info;

use self::{
    kept::{Kept, keep},
    pending::Pending,
};
use crate::{
    drivers::{
        clock,
        github::{GitHub, GitHubError, made_app},
        keys::Keys,
        store::Store,
    },
    messages::{
        forge::LookAround,
        github_app::{
            Handle, Installed, Lost, Made, NotMade, Proposal, Propose, Standing, Take, Which,
        },
    },
};

/// The longest code that is passed on; GitHub's have 40 letters.
const LONGEST_CODE: usize = 100;

/// Where things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// GitHub's API.
    pub api: String,
    /// GitHub's pages.
    pub web: String,
    /// Our dashboard.
    pub dashboard: String,
    /// Where the browser comes back to when the App is made.
    pub created: String,
    /// Where the browser comes back to when it is installed.
    pub installed: String,
    /// Where webhooks go; `None` when GitHub cannot reach the server.
    pub hook: Option<String>,
}

/// Where keys are kept, and what becomes of them.
#[derive(Clone)]
pub struct Safe {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// What seals them.
    pub keys: Arc<dyn Keys>,
    /// Who asks GitHub with them.
    pub client: Arc<GitHub>,
    /// Has webhooks taken that are signed with this secret.
    pub trust: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The actor.
pub struct Making {
    safe: Safe,
    addresses: Addresses,
    forge: Recipient<LookAround>,
    standing: Standing,
    pending: Pending,
    /// Whether keys are on their way: a second App would take the place of the first.
    takes: bool,
}

impl Making {
    /// `standing` is which App is in use already; `forge` is told when there is one.
    pub fn new(
        safe: Safe,
        addresses: Addresses,
        forge: Recipient<LookAround>,
        standing: Standing,
    ) -> Self {
        Making {
            safe,
            addresses,
            forge,
            standing,
            pending: Pending::default(),
            takes: false,
        }
    }

    /// The way to this actor.
    pub fn handle(making: &Addr<Self>) -> Handle {
        Handle {
            propose: making.clone().recipient(),
            take: making.clone().recipient(),
            installed: making.clone().recipient(),
            which: making.clone().recipient(),
        }
    }

    /// Why no App may be made now.
    fn refusal(&self) -> Option<String> {
        match &self.standing {
            Standing::None
            | Standing::Lost(Lost {
                may_be_replaced: true,
                ..
            }) => self.safe.keys.trouble().map(|trouble| {
                format!(
                    "An App could not be kept: {trouble}. Mend that, and start the server again."
                )
            }),
            Standing::Lost(lost) => Some(lost.reason.clone()),
            Standing::Configured { number } => Some(format!(
                "The configuration names App {number}, which is in use: nothing was changed."
            )),
            Standing::Made(made) => Some(format!(
                "{}, App {}, is in use already: nothing was changed.",
                made.name, made.number
            )),
        }
    }
}

impl Actor for Making {
    type Context = Context<Self>;
}

impl Handler<Which> for Making {
    type Result = MessageResult<Which>;

    fn handle(&mut self, _: Which, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.standing.clone())
    }
}

impl Handler<Installed> for Making {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Installed, _: &mut Self::Context) -> Self::Result {
        let looked = self.forge.send(LookAround);
        Box::pin(async move {
            // Without a forge the server is ending.
            let _ = looked.await;
        })
    }
}

impl Handler<Propose> for Making {
    type Result = Result<Proposal, NotMade>;

    fn handle(&mut self, propose: Propose, _: &mut Self::Context) -> Self::Result {
        if let Some(reason) = self.refusal() {
            return Err(NotMade::Refused(reason));
        }
        let wanted = Wanted::parse(&propose.name, &propose.owner)
            .map_err(|unfit| NotMade::Refused(format!("Nothing was sent: {unfit}.")))?;
        let state = self.pending.begin(propose.by, clock::now());
        let state = state.ok_or_else(|| {
            NotMade::Failed("the system has no random numbers: nothing was sent".to_owned())
        })?;
        let addresses = &self.addresses;
        let found = Found {
            dashboard: &addresses.dashboard,
            created: &addresses.created,
            installed: &addresses.installed,
            hook: addresses.hook.as_deref(),
        };
        Ok(Proposal {
            address: wanted.address(&addresses.web, &state),
            manifest: wanted.manifest(found).to_string(),
        })
    }
}

impl Handler<Take> for Making {
    type Result = ResponseActFuture<Self, Result<(), NotMade>>;

    fn handle(&mut self, take: Take, _: &mut Self::Context) -> Self::Result {
        if let Err(refused) = self.admit(&take) {
            return Box::pin(fut::err(refused));
        }
        self.takes = true;
        let (safe, addresses) = (self.safe.clone(), self.addresses.clone());
        let taken = async move { make(&safe, &addresses, &take.code).await };
        Box::pin(taken.into_actor(self).map(|taken, actor, _| {
            actor.takes = false;
            let made = taken?;
            info!(
                app.number = made.number,
                "the server is the GitHub App {:?} from now on", made.name
            );
            actor.standing = Standing::Made(made);
            actor.forge.do_send(LookAround);
            Ok(())
        }))
    }
}

impl Making {
    /// Whether keys may be taken for this: if so, its state is used up.
    fn admit(&mut self, take: &Take) -> Result<(), NotMade> {
        let refused = |why: &str| Err(NotMade::Refused(why.to_owned()));
        if let Some(reason) = self.refusal() {
            return Err(NotMade::Refused(reason));
        }
        if self.takes {
            return refused("An App is being made: nothing more was done. Look again in a moment.");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if take.code.is_empty() || take.code.len() > LONGEST_CODE || !take.code.bytes().all(plain) {
            return refused("This address has no code of GitHub's: nothing was changed.");
        }
        if !self.pending.take(&take.by, &take.state, clock::now()) {
            return refused(
                "This did not begin here, in this browser, within the last hour, or it came back before: nothing was changed. An App that was made on GitHub meanwhile is of no use: delete it there, and begin again.",
            );
        }
        Ok(())
    }
}

/// Takes the keys for this code, keeps them, and uses them.
async fn make(safe: &Safe, addresses: &Addresses, code: &str) -> Result<Made, NotMade> {
    let app = made_app(&addresses.api, code).await.map_err(not_made)?;
    let made = Made {
        number: app.id,
        name: app.name.clone(),
        page: page(&app.html_url, &addresses.web),
    };
    let kept = keep(safe, &made, &app).await;
    kept.map_err(|why| {
        NotMade::Failed(format!(
            "GitHub has made {}, and its keys could not be kept: {why}. Delete it at {}, and begin again.",
            made.name, made.page
        ))
    })?;
    Ok(made)
}

fn not_made(error: GitHubError) -> NotMade {
    match error {
        GitHubError::Absent { .. } => NotMade::Refused(
            "GitHub does not know this code, which is good for an hour, and once: nothing was changed. Begin again."
                .to_owned(),
        ),
        error @ (GitHubError::Unknown { .. } | GitHubError::Unreadable { .. }) => {
            NotMade::Failed(format!(
                "{}. An App may have been made at GitHub, whose keys nobody has: delete it there, and begin again.",
                capital(&error.to_string())
            ))
        }
        error @ (GitHubError::Refused { .. }
        | GitHubError::Limited { .. }
        | GitHubError::Failed { .. }) => NotMade::Failed(format!(
            "{}. Nothing was changed here: delete the App at GitHub, and begin again.",
            capital(&error.to_string())
        )),
    }
}

/// Only an address at GitHub itself is ever shown as a link.
fn page(told: &str, web: &str) -> String {
    let rest = told.strip_prefix(web).filter(|rest| rest.starts_with('/'));
    rest.map_or_else(|| web.to_owned(), |_| told.to_owned())
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

impl Kept {
    /// Which App is in use by this.
    pub fn standing(&self) -> Standing {
        match self {
            Kept::Nothing => Standing::None,
            Kept::Lost(lost) => Standing::Lost(lost.clone()),
            Kept::App(app) => Standing::Made(app.made.clone()),
        }
    }
}
