//! Requests against a model of DNSimple behind HTTP, whatever goes wrong with each of them.

use nestling_domain::dns::{Kind, New, Record};
use nestling_world::dnsimple::{Fault, Model, Times};

use super::*;

const ACCOUNT: u64 = 1010;
const ZONE: &str = "example.com";
const RECORDS: &str = "/v2/*/zones/*/records";

struct Town {
    model: Model,
    dns: DnSimple,
}

impl Town {
    fn new() -> Self {
        let model = Model::start().unwrap();
        let token = model.act(|dns| {
            dns.create_zone(ACCOUNT, ZONE);
            dns.issue_token(ACCOUNT)
        });
        let dns = client(&model, (ACCOUNT, ZONE), &token);
        Town { model, dns }
    }

    fn goes_wrong(&self, method: &str, fault: Fault) {
        let route = format!("{method} {RECORDS}");
        self.model
            .act(|dns| dns.goes_wrong(&route, fault, Times::Only(1)));
    }
}

fn client(model: &Model, zone: (u64, &str), token: &str) -> DnSimple {
    let token = Zeroizing::new(token.to_owned());
    DnSimple::new(&model.api(), zone, token, Duration::from_mins(1)).unwrap()
}

fn mark(name: &str) -> Ask {
    Ask::Create(New {
        name: name.to_owned(),
        kind: Kind::Txt,
        content: "nestling=a environment=b target=c".to_owned(),
    })
}

async fn made(town: &Town, ask: &Ask) -> Record {
    let answered = town.dns.ask(ask).await;
    let Answered::Came(Came::Made(record)) = answered else {
        panic!("{answered:?}");
    };
    record
}

async fn seen(town: &Town, name: &str) -> Vec<Record> {
    let name = name.to_owned();
    let answered = town.dns.ask(&Ask::See { name }).await;
    let Answered::Came(Came::Records(records)) = answered else {
        panic!("{answered:?}");
    };
    records
}

#[tokio::test]
async fn a_record_is_made_seen_and_removed() {
    let town = Town::new();
    let record = made(&town, &mark("_nestling.shop")).await;
    let known = town.model.look(|dns| dns.records(ZONE)[0].clone());
    assert_eq!((known.kind.as_str(), known.ttl), ("TXT", 60));
    assert_eq!(
        seen(&town, "_nestling.shop").await,
        std::slice::from_ref(&record)
    );
    assert_eq!(seen(&town, "shop").await, []);
    let Record { id, name, .. } = record;
    let delete = Ask::Delete { id, name };
    let gone = Answered::Came(Came::Gone);
    assert_eq!(town.dns.ask(&delete).await, gone);
    assert_eq!(town.dns.ask(&delete).await, gone, "what is gone is gone");
    assert_eq!(town.model.look(|dns| dns.records(ZONE).len()), 0);
}

#[tokio::test]
async fn a_zone_is_listed_page_by_page() {
    let town = Town::new();
    town.model.act(|dns| {
        for number in 0..230 {
            dns.add(ACCOUNT, ZONE, (&format!("host-{number}"), "A", "10.0.0.1"));
        }
    });
    let mut found = Vec::new();
    for page in 1.. {
        let answered = town.dns.ask(&Ask::List { page }).await;
        let Answered::Came(Came::Page(records, is_last)) = answered else {
            panic!("{answered:?}");
        };
        found.extend(records);
        if is_last {
            assert_eq!(page, 3);
            break;
        }
    }
    assert_eq!(found.len(), 232, "with what DNSimple made");
    assert_eq!(town.dns.look().await, Ok(232));
}

#[tokio::test]
async fn what_is_refused_is_said_in_its_words() {
    let town = Town::new();
    made(&town, &mark("shop")).await;
    let leads = Ask::Create(New {
        name: "shop".to_owned(),
        kind: Kind::Cname,
        content: "nestling.example.com".to_owned(),
    });
    let said = "Validation failed: Zone record already exists".to_owned();
    assert_eq!(
        town.dns.ask(&leads).await,
        Answered::Came(Came::Refused(said))
    );
}

#[tokio::test]
async fn nobody_takes_a_lost_answer_for_a_refusal() {
    let town = Town::new();
    for (fault, is_there) in [
        (Fault::Cut, 0),
        (Fault::Status(503), 0),
        (Fault::LostAnswer, 1),
    ] {
        town.goes_wrong("POST", fault);
        let answered = town.dns.ask(&mark("shop")).await;
        assert!(matches!(answered, Answered::Unknown(_)), "{answered:?}");
        assert_eq!(seen(&town, "shop").await.len(), is_there, "{fault:?}");
    }
}

#[tokio::test]
async fn it_waits_until_the_hour_is_over() {
    let town = Town::new();
    town.model.act(|dns| dns.limit.each_hour = 1);
    seen(&town, "shop").await;
    let answered = town.dns.ask(&mark("shop")).await;
    let Answered::Later(wait) = answered else {
        panic!("{answered:?}");
    };
    let hour = Duration::from_hours(1);
    assert!(wait <= hour && wait > Duration::from_mins(59), "{wait:?}");
}

#[tokio::test]
async fn what_a_person_has_to_change_is_named() {
    let town = Town::new();
    let token = town.model.act(|dns| dns.issue_token(ACCOUNT));
    let mut said = Vec::new();
    for (zone, token) in [
        ((ACCOUNT, ZONE), "wrong"),
        ((ACCOUNT, "example.org"), token.as_str()),
        ((7, ZONE), token.as_str()),
    ] {
        let dns = client(&town.model, zone, token);
        said.push(dns.look().await.unwrap_err());
        assert!(matches!(dns.ask(&mark("x")).await, Answered::Not(_)));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    DNSimple does not take dns.dnsimple.token (Authentication failed): make an account token in its settings, and give that
    DNSimple finds no zone example.org in the account 1010 (Zone `example.org` not found): look at dns.dnsimple.zone, dns.dnsimple.account and whose token dns.dnsimple.token is
    DNSimple finds no zone example.com in the account 7 (Zone `example.com` not found): look at dns.dnsimple.zone, dns.dnsimple.account and whose token dns.dnsimple.token is
    ");
    let debug = format!("{:?}", town.dns);
    assert!(!debug.contains("dnsimple_a_"), "{debug}");
}
