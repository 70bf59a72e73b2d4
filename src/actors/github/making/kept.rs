//! The keys of the App that was made here: sealed into the store, and opened again at a start.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nestling_domain::record::OwnApp;
use zeroize::Zeroizing;

use super::Safe;
use crate::{
    drivers::{
        clock,
        github::{GitHub, MadeApp},
        keys::{Context, KeyError, Keys},
        store::{Store, StoreError},
    },
    messages::github_app::{Lost, Made},
};

/// What the store holds.
pub enum Kept {
    /// No App was made.
    Nothing,
    /// One was made, and its keys cannot be opened.
    Lost(Lost),
    /// One was made.
    App(Box<Opened>),
}

/// An App that was made here, with its keys.
pub struct Opened {
    /// Which.
    pub made: Made,
    /// Its private key, in PEM.
    pub private_key: Zeroizing<String>,
    /// What GitHub signs webhooks with.
    pub webhook_secret: Zeroizing<String>,
}

impl Kept {
    /// What `store` holds, opened by `keys`.
    pub async fn read(store: &dyn Store, keys: &dyn Keys) -> Result<Self, StoreError> {
        let Some(app) = store.own_app().await? else {
            return Ok(Kept::Nothing);
        };
        let made = Made {
            number: app.number,
            name: app.name.clone(),
            page: app.page.clone(),
        };
        Ok(match open(keys, &app, made.clone()).await {
            Ok(opened) => Kept::App(Box::new(opened)),
            Err(error) => Kept::Lost(lost(made, &error, keys.trouble().is_none())),
        })
    }
}

impl Opened {
    /// Has the client ask as this App.
    pub fn use_in(&self, client: &GitHub) -> Result<(), crate::drivers::github::NotUsable> {
        let key = self.private_key.as_bytes();
        client.be(self.made.number, key, Some(self.webhook_secret.clone()))
    }
}

async fn open(keys: &dyn Keys, app: &OwnApp, made: Made) -> Result<Opened, KeyError> {
    let text = async |name, envelope: &[u8]| {
        let plain = keys.open(&context(app.number, name), envelope).await?;
        let text = String::from_utf8(plain).map_err(|_| {
            KeyError::Refused(
                name.to_owned(),
                "it is no text; make the App anew".to_owned(),
            )
        });
        text.map(Zeroizing::new)
    };
    Ok(Opened {
        private_key: text(PRIVATE_KEY, &app.private_key).await?,
        webhook_secret: text(WEBHOOK_SECRET, &app.webhook_secret).await?,
        made,
    })
}

fn lost(app: Made, error: &KeyError, may_be_replaced: bool) -> Lost {
    let reason = format!(
        "{} was made here, and its keys cannot be opened: {error}. Until that is mended the server asks GitHub nothing and takes no webhook; what runs goes on. If the master key is gone, so are the App's private key and webhook secret: make new ones in the App's settings, at {}, and name them in the configuration with forge.github.app_id = {}.",
        app.name, app.page, app.number
    );
    Lost {
        app,
        reason,
        may_be_replaced,
    }
}

const PRIVATE_KEY: &str = "the private key of the GitHub App";
const WEBHOOK_SECRET: &str = "the webhook secret of the GitHub App";

/// The envelope of one App opens for no other.
fn context(number: u64, name: &str) -> Context {
    Context {
        app: "the server".to_owned(),
        class: format!("GitHub App {number}"),
        name: name.to_owned(),
    }
}

/// Seals the keys of an App that was just made, records them, and only then uses them. An error is for people.
pub(super) async fn keep(safe: &Safe, made: &Made, app: &MadeApp) -> Result<(), String> {
    let opened = Opened {
        made: made.clone(),
        private_key: app.pem.clone(),
        // An App without a webhook has no secret. It gets one of ours with its first webhook address.
        webhook_secret: match &app.webhook_secret {
            Some(secret) => secret.clone(),
            None => random().ok_or("the system has no random numbers")?,
        },
    };
    let seal = async |name, text: &str| {
        let context = context(made.number, name);
        let sealed = safe.keys.seal(&context, text.as_bytes()).await;
        sealed.map_err(|error| error.to_string())
    };
    let record = OwnApp {
        number: made.number,
        name: made.name.clone(),
        page: made.page.clone(),
        private_key: seal(PRIVATE_KEY, &opened.private_key).await?,
        webhook_secret: seal(WEBHOOK_SECRET, &opened.webhook_secret).await?,
        created_at: clock::now(),
    };
    // Before it is recorded: a key that cannot sign is of no use after a restart either.
    let probe = GitHub::without_app("https://nobody.invalid");
    opened.use_in(&probe).map_err(|error| error.to_string())?;
    let recorded = safe.store.put_own_app(&record).await;
    recorded.map_err(|error| error.to_string())?;
    let used = opened.use_in(&safe.client);
    used.map_err(|error| error.to_string())?;
    (safe.trust)(&opened.webhook_secret);
    Ok(())
}

/// Seals the keys of the recorded App anew, and records them; how many there were.
pub(crate) async fn sealed_anew(
    store: &dyn Store,
    keys: &dyn Keys,
) -> Result<Result<u64, KeyError>, StoreError> {
    let Some(app) = store.own_app().await? else {
        return Ok(Ok(0));
    };
    let anew = async |name, envelope: &[u8]| {
        let context = context(app.number, name);
        let plain = Zeroizing::new(keys.open(&context, envelope).await?);
        keys.seal(&context, &plain).await
    };
    let private_key = match anew(PRIVATE_KEY, &app.private_key).await {
        Ok(envelope) => envelope,
        Err(error) => return Ok(Err(error)),
    };
    let webhook_secret = match anew(WEBHOOK_SECRET, &app.webhook_secret).await {
        Ok(envelope) => envelope,
        Err(error) => return Ok(Err(error)),
    };
    let app = OwnApp {
        private_key,
        webhook_secret,
        ..app
    };
    store.put_own_app(&app).await?;
    Ok(Ok(2))
}

fn random() -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(&mut *bytes).ok()?;
    Some(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
