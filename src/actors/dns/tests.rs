//! Names beside a model of DNSimple behind HTTP, whose zone others use, too.

use nestling_domain::environment::Environment;
use nestling_world::dnsimple::{Fault, Model, State, Times};
use zeroize::Zeroizing;

use super::*;
use crate::{
    drivers::store::{
        conformance::{preview, save_first},
        sqlite::Sqlite,
    },
    messages::routes::{Route, To},
};

const ZONE: &str = "example.com";
const TARGET: &str = "nestling.example.com";
/// Longer than any of these stories takes.
const ENOUGH: Duration = Duration::from_secs(20);

struct Town {
    model: Model,
    token: String,
    store: Arc<dyn Store>,
    routes: Routes,
    said: Unnamed,
    _folder: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|dns| {
            dns.create_zone(1010, ZONE);
            dns.add(1010, ZONE, ("www", "A", "10.0.0.1"));
            dns.issue_token(1010)
        });
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.path().join("records")).unwrap());
        Town {
            model,
            token,
            store,
            routes: Routes::default(),
            said: Unnamed::default(),
            _folder: folder,
        }
    }

    /// The actor, as it is after a start of the server.
    fn starts(&self) -> Addr<Dns> {
        let token = Zeroizing::new(self.token.clone());
        let minute = Duration::from_mins(1);
        let dnsimple = DnSimple::new(&self.model.api(), (1010, ZONE), token, minute).unwrap();
        let place = Place {
            server: "this-server".to_owned(),
            below: "preview".to_owned(),
            target: TARGET.to_owned(),
        };
        let dns = Dns::new(dnsimple, place, self.store.clone(), self.routes.clone());
        dns.saying(self.said.clone()).start()
    }

    async fn opens(&self, number: u32) -> Environment {
        let record = preview("shop", number);
        save_first(&self.store, &record).await;
        self.is_routed(&record);
        record
    }

    fn is_routed(&self, record: &Environment) {
        self.routes.set(Route {
            environment: record.id.clone(),
            name: record.name(),
            kind: record.kind,
            label: record.label(),
            to: To::Switching,
        });
    }

    async fn ends(&self, record: &Environment) {
        self.store.forget_environment(&record.id).await.unwrap();
        self.routes.remove(&record.id);
    }

    /// Waits until the zone is so.
    async fn until(&self, what: &str, so: impl Fn(&State) -> bool) {
        let looks = async {
            while !self.model.look(&so) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(ENOUGH, looks).await;
        let asked = || self.model.look(|dns| format!("{:#?}", dns.asked));
        assert!(in_time.is_ok(), "never: {what}; {}", asked());
    }

    async fn until_said(&self, so: impl Fn(&Option<Vec<NotLed>>) -> bool) {
        let looks = async {
            while !so(&self.said.said()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(ENOUGH, looks).await;
        assert!(in_time.is_ok(), "{:?}", self.said.said());
    }
}

fn host(number: u32) -> String {
    format!("pr-{number}--shop.preview.example.com")
}

fn leads(dns: &State, number: u32) -> bool {
    dns.leads_to(&host(number)).as_deref() == Some(TARGET)
}

/// How many records are there beside that of somebody else, which is as it was.
fn ours(dns: &State) -> usize {
    let records = dns.records(ZONE);
    let (theirs, ours): (Vec<_>, Vec<_>) = records.into_iter().partition(|one| one.name == "www");
    assert_eq!(theirs.len(), 1);
    ours.len()
}

#[actix::test]
async fn a_name_comes_with_its_environment_and_goes_with_it() {
    let town = Town::new();
    let _actor = town.starts();
    let seventh = town.opens(7).await;
    town.opens(8).await;
    town.until("both lead here", |dns| leads(dns, 7) && leads(dns, 8))
        .await;
    town.ends(&seventh).await;
    town.until("the name of the one that is over is gone", |dns| {
        ours(dns) == 2 && leads(dns, 8)
    })
    .await;
    assert_eq!(town.said.said(), None);
}

#[actix::test]
async fn what_an_earlier_server_left_goes_and_what_lives_stays() {
    let town = Town::new();
    let actor = town.starts();
    let seventh = town.opens(7).await;
    let eighth = town.opens(8).await;
    town.until("both lead here", |dns| ours(dns) == 4).await;
    actor.send(Ends).await.unwrap();
    town.ends(&seventh).await;
    // Its table knows nothing yet when it begins anew.
    town.routes.remove(&eighth.id);
    let before = town.model.look(State::changes);
    let _actor = town.starts();
    town.until("what is over is gone", |dns| ours(dns) == 2)
        .await;
    assert!(town.model.look(|dns| leads(dns, 8)));
    assert_eq!(town.model.look(State::changes), before + 2);
    town.is_routed(&eighth);
    let ninth = town.opens(9).await;
    town.until("the next one leads here", |dns| leads(dns, 9))
        .await;
    assert_eq!(town.model.look(State::changes), before + 4, "{ninth:?}");
}

#[actix::test]
async fn a_name_that_somebody_else_has_is_left_alone_and_said() {
    let town = Town::new();
    let theirs = town.model.act(|dns| {
        let record = ("pr-7--shop.preview", "CNAME", "elsewhere.example.net");
        dns.add(1010, ZONE, record)
    });
    let _actor = town.starts();
    let seventh = town.opens(7).await;
    town.opens(8).await;
    town.until("the other one leads here", |dns| leads(dns, 8))
        .await;
    town.until_said(Option::is_some).await;
    let said = town.said.said().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (&*said[0].about, &said[0].environment),
        (&*host(7), &Some(seventh.id.clone()))
    );
    assert!(said[0].reason.contains("elsewhere.example.net"), "{said:?}");
    town.ends(&seventh).await;
    town.until_said(Option::is_none).await;
    let found = town.model.look(|dns| dns.leads_to(&host(7)));
    assert_eq!(found.as_deref(), Some("elsewhere.example.net"), "{theirs}");
}

#[actix::test]
async fn whatever_is_lost_on_the_way_the_names_are_right_in_the_end() {
    let town = Town::new();
    town.model.act(|dns| {
        let route = "POST /v2/*/zones/*/records";
        dns.goes_wrong(route, Fault::LostAnswer, Times::Only(2));
        dns.goes_wrong(
            "DELETE /v2/*/zones/*/records/*",
            Fault::LostAnswer,
            Times::Only(1),
        );
        dns.goes_wrong(
            "GET /v2/*/zones/*/records",
            Fault::Status(502),
            Times::Only(1),
        );
    });
    let _actor = town.starts();
    let seventh = town.opens(7).await;
    town.until("it leads here", |dns| leads(dns, 7)).await;
    town.ends(&seventh).await;
    town.until("it is gone", |dns| ours(dns) == 0 && dns.is_spent())
        .await;
    town.until_said(Option::is_none).await;
}

#[actix::test]
async fn a_token_that_is_good_no_more_is_said_with_what_to_do() {
    let town = Town::new();
    town.model.act(State::revoke_tokens);
    let _actor = town.starts();
    town.opens(7).await;
    town.until_said(Option::is_some).await;
    let said = town.said.said().unwrap();
    assert_eq!(said[0].about, "names");
    insta::assert_snapshot!(said[0].reason, @"names of environments in the zone example.com are neither made nor removed at present: DNSimple does not take dns.dnsimple.token (Authentication failed): make an account token in its settings, and give that. It is tried again by itself; names that lead here go on to, and environments live without theirs");
}

/// The server ends.
struct Ends;

impl Message for Ends {
    type Result = ();
}

impl Handler<Ends> for Dns {
    type Result = ();

    fn handle(&mut self, _: Ends, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
