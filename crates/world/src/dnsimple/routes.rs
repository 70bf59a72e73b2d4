//! What is answered.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value, json};

use super::state::{Asked, Fault, Record, State};
use crate::{
    clock::iso,
    wire::{Answer, Answered, Request},
};

/// Records of a page, unless more are asked for; and the most (<https://developer.dnsimple.com/v2/#pagination>).
const PAGE: usize = 30;
const LONGEST_PAGE: usize = 100;
const HOUR_MS: i64 = 3_600_000;
/// The kinds that can be made, as far as anybody asks.
const KINDS: [&str; 9] = [
    "A", "AAAA", "ALIAS", "CAA", "CNAME", "MX", "NS", "SRV", "TXT",
];
/// The shortest time for which resolvers keep a record, in seconds.
const SHORTEST_TTL: u64 = 60;

impl State {
    pub(super) fn exchange(&mut self, request: &Request) -> (Answer, Option<Fault>) {
        let method = request.method.as_str();
        let fault = self.faults.take(method, &request.path);
        let answered = match fault {
            Some(Fault::Status(status)) => Err(says(status, "by order of the story")),
            Some(Fault::Cut) => Err(Answer::empty()),
            Some(Fault::LostAnswer) | None => self.answer(request),
        };
        let (Ok(answer) | Err(answer)) = answered;
        let is_lost = matches!(fault, Some(Fault::Cut | Fault::LostAnswer));
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let target = format!("{}?{}", request.path, query.join("&"));
        self.asked.push(Asked {
            method: method.to_owned(),
            target: target.trim_end_matches('?').to_owned(),
            status: if is_lost { 0 } else { answer.status },
        });
        let left = self.limit.each_hour.saturating_sub(self.limit.used);
        let answer = answer
            .with("x-ratelimit-limit", self.limit.each_hour.to_string())
            .with("x-ratelimit-remaining", left.to_string())
            .with("x-ratelimit-reset", (self.limit.until / 1000).to_string());
        (answer, fault)
    }

    fn answer(&mut self, request: &Request) -> Answered {
        let account = self.account(request)?;
        self.counts()?;
        let parts: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let [_, of, "zones", zone, rest @ ..] = parts.as_slice() else {
            return Err(says(404, "Not found"));
        };
        let key = (account, (*zone).to_owned());
        if of.parse() != Ok(account) || !self.zones.contains_key(&key) {
            return Err(says(404, &format!("Zone `{zone}` not found")));
        }
        match (&request.method, rest) {
            (&Method::GET, []) => Ok(Answer::ok(json!({ "data": {
                "id": 1, "account_id": account, "name": zone, "reverse": false, "active": true,
            } }))),
            (&Method::GET, ["records"]) => {
                let records = self.zones.get(&key).into_iter().flat_map(BTreeMap::values);
                Ok(listed(records, zone, request))
            }
            (&Method::POST, ["records"]) => self.create(key, request),
            (&Method::DELETE, ["records", id]) => {
                let missing = || says(404, &format!("Record `{id}` not found"));
                let id: u64 = id.parse().map_err(|_| missing())?;
                let records = self.zones.entry(key).or_default();
                if records.get(&id).is_some_and(|one| one.system) {
                    return Err(says(400, "System records cannot be deleted"));
                }
                records.remove(&id).ok_or_else(missing)?;
                Ok(Answer::empty())
            }
            _ => Err(says(404, "Not found")),
        }
    }

    fn account(&self, request: &Request) -> Result<u64, Answer> {
        let shown = request.header("authorization").unwrap_or_default();
        let token = shown.strip_prefix("Bearer ").unwrap_or_default();
        let account = self.tokens.get(token).copied();
        account.ok_or_else(|| says(401, "Authentication failed"))
    }

    fn counts(&mut self) -> Result<(), Answer> {
        let now = self.clock.now();
        let limit = &mut self.limit;
        if now >= limit.until {
            limit.until = now + HOUR_MS;
            limit.used = 0;
        }
        if limit.used >= limit.each_hour {
            return Err(says(429, "quota exceeded"));
        }
        limit.used += 1;
        Ok(())
    }

    fn create(&mut self, key: (u64, String), request: &Request) -> Answered {
        let body = request.object();
        let body = body.ok_or_else(|| says(400, "Problems parsing JSON"))?;
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        let (Some(name), Some(kind)) = (text("name"), text("type")) else {
            return Err(invalid("record_type", "unsupported"));
        };
        let content = text("content").filter(|content| !content.is_empty());
        let content = content.ok_or_else(|| invalid("content", "can't be blank"))?;
        let ttl = &body["ttl"];
        let ttl = if ttl.is_null() {
            3600
        } else {
            ttl.as_u64()
                .ok_or_else(|| invalid("ttl", "is not a number"))?
        };
        if ttl < SHORTEST_TTL {
            return Err(invalid("ttl", "must be greater than or equal to 60"));
        }
        if !KINDS.contains(&kind.as_str()) {
            return Err(invalid("record_type", "unsupported"));
        }
        if name.split('.').any(|label| label.len() > 63) {
            return Err(invalid("name", "is invalid"));
        }
        let at = self.zones.get(&key).into_iter().flat_map(BTreeMap::values);
        let mut at = at.filter(|one| one.name == name);
        // A CNAME stands alone at its name (RFC 1034 section 3.6.2).
        if at.any(|one| {
            kind == "CNAME" || one.kind == "CNAME" || (one.kind == kind && one.content == content)
        }) {
            return Err(invalid("base", "Zone record already exists"));
        }
        self.last += 1;
        let record = Record {
            id: self.last,
            name,
            kind,
            content,
            ttl,
            system: false,
        };
        let shown = shown(&record, &key.1);
        self.zones.entry(key).or_default().insert(record.id, record);
        Ok(Answer::created(json!({ "data": shown })))
    }
}

fn listed<'a>(records: impl Iterator<Item = &'a Record>, zone: &str, request: &Request) -> Answer {
    let fits = |one: &&Record| {
        let is = |parameter: &str, value: &str| {
            let wanted = request.query.get(parameter);
            wanted.is_none_or(|wanted| wanted == value)
        };
        let like = request.parameter("name_like");
        is("name", &one.name)
            && is("type", &one.kind)
            && like.is_none_or(|part| one.name.contains(part))
    };
    let all: Vec<&Record> = records.filter(fits).collect();
    let number = |name: &str| request.parameter(name).and_then(|text| text.parse().ok());
    let page: usize = number("page").unwrap_or(1).max(1);
    let each = number("per_page").unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
    let of_page = all.iter().skip((page - 1) * each).take(each);
    let data: Vec<Value> = of_page.map(|one| shown(one, zone)).collect();
    Answer::ok(json!({
        "data": data,
        "pagination": {
            "current_page": page, "per_page": each, "total_entries": all.len(), "total_pages": all.len().div_ceil(each),
        },
    }))
}

fn shown(record: &Record, zone: &str) -> Value {
    // As it stands in a zone file.
    let content = match record.kind.as_str() {
        "TXT" => format!("\"{}\"", record.content),
        _ => record.content.clone(),
    };
    let made = iso(1_452_188_713_000);
    json!({
        "id": record.id, "zone_id": zone, "parent_id": null, "name": record.name, "content": content, "ttl": record.ttl, "priority": null, "type": record.kind,
        "regions": ["global"], "system_record": record.system, "created_at": made, "updated_at": made,
    })
}

fn says(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "message": message }))
}

fn invalid(field: &str, why: &str) -> Answer {
    let errors = json!({ field: [why] });
    Answer::json(
        400,
        json!({ "message": "Validation failed", "errors": errors }),
    )
}
