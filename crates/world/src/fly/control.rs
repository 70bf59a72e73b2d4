//! Acting by hand: `POST /_world/ACT` with a body of JSON, and pages of plain text for people.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    faults::Fault,
    state::{LeaseShape, Machine, Phase, State},
    wire::{Answer, Request},
};
use crate::orders::Times;

/// What can be done by hand, as `GET /_world` says it.
const HELP: &str = "\
GET /_world/state shows everything that there is. POST /_world/ACT with JSON:
  organisation   slug: answers a token of it
  token          organisation, app (one app only): answers a token
  expire         token
  capacity       region, left (a number, or null for no limit)
  silence        region, silent (true or false): organisation-wide lists leave it out
  quota          organisation, megabytes (in one region, or null)
  remove-image   image
  lose-host      machine, still_runs (true: what runs there goes on)
  find-host      machine
  fill-host      machine, full
  exit           machine, code
  sick           machine, sick
  hold           app (or *), phase (created, starting, stopping, destroying …), seconds
  sicken         app (or *): the next machine never becomes healthy
  point, prove   hostname, app (what the outside DNS says)
  visit          app: which machine Fly's proxy leads to
  advance        seconds
  limits         hold (true or false), retry_after
  leases         shape (wrapped or flat)
  fault          route (\"POST /apps/*/machines\", without /v1), times, and status or one of:
                 kind: limited, cut, lost, silent, hangs, half, garbled, empty, partial; or after: a status once it is done
  storm          percent, seed
  clear
The API itself is below /v1.
";

/// The answer to what only the model knows; `None` if it is for Fly.
pub(crate) fn answer(state: &mut State, request: &Request) -> Option<Answer> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let text = |page: String| Answer::other("text/plain; charset=utf-8", page);
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["_world"]) => Some(text(HELP.to_owned())),
        ("GET", ["_world", "state"]) => {
            state.tick();
            Some(text(page(state).unwrap_or_default()))
        }
        ("POST", ["_world", act]) => Some(done(state, request, act)),
        _ => None,
    }
}

fn done(state: &mut State, request: &Request, act: &str) -> Answer {
    state.tick();
    let result = match request.object() {
        Some(body) => perform(state, &Order { act, body }),
        None => Err(anyhow::anyhow!("the body is no JSON object")),
    };
    state.tick();
    match result {
        Ok(result) => Answer::ok(result),
        Err(error) => Answer::json(422, json!({ "message": format!("{error:#}") })),
    }
}

/// What a person wrote, with the fields that acts need.
struct Order<'a> {
    act: &'a str,
    body: Value,
}

impl Order<'_> {
    fn said(&self, field: &str) -> Option<&str> {
        self.body.get(field).and_then(Value::as_str)
    }

    fn text(&self, field: &str) -> Result<&str> {
        let said = self.said(field);
        said.with_context(|| format!("{} needs \"{field}\"", self.act))
    }

    fn number(&self, field: &str) -> Result<u64> {
        let said = self.body.get(field).and_then(Value::as_u64);
        said.with_context(|| format!("{} needs the number \"{field}\"", self.act))
    }

    fn flag(&self, field: &str) -> bool {
        self.body.get(field) == Some(&Value::Bool(true))
    }

    fn milliseconds(&self, field: &str) -> Result<i64> {
        Ok(i64::try_from(self.number(field)?)? * 1000)
    }

    fn times(&self) -> Result<Times> {
        Ok(match self.body.get("times").and_then(Value::as_u64) {
            Some(times) => Times::Only(u32::try_from(times)?),
            None => Times::Only(1),
        })
    }

    fn fault(&self) -> Result<Fault> {
        let status = |field: &str| Ok::<_, anyhow::Error>(u16::try_from(self.number(field)?)?);
        if self.body.get("status").is_some() {
            return Ok(Fault::Status(status("status")?));
        }
        if self.body.get("after").is_some() {
            return Ok(Fault::StatusAfter(status("after")?));
        }
        let kind = self.text("kind")?;
        Ok(match kind {
            "limited" => Fault::Limited(Some(1)),
            "cut" => Fault::Cut,
            "lost" => Fault::LostAnswer,
            "silent" => Fault::NoAnswer,
            "hangs" => Fault::Hangs,
            "half" => Fault::HalfAnswer,
            "garbled" => Fault::Garbled,
            "empty" => Fault::EmptyList,
            "partial" => Fault::PartialList,
            _ => anyhow::bail!("there is no kind {kind} of fault; GET /_world lists them"),
        })
    }

    fn phase(&self) -> Result<Phase> {
        let phases = [
            Phase::Created,
            Phase::Starting,
            Phase::Stopping,
            Phase::Suspending,
            Phase::Replacing,
            Phase::Destroying,
        ];
        let said = self.text("phase")?;
        let found = phases.into_iter().find(|phase| phase.name() == said);
        found.with_context(|| format!("no machine leaves {said} by itself"))
    }
}

fn perform(state: &mut State, order: &Order<'_>) -> Result<Value> {
    match order.act {
        "organisation" => {
            let slug = order.text("slug")?;
            state.create_organisation(slug);
            return Ok(json!({ "token": state.issue_token(slug) }));
        }
        "token" => {
            let organisation = order.text("organisation")?;
            let token = match order.said("app") {
                Some(app) => state.issue_deploy_token(organisation, app),
                None => state.issue_token(organisation),
            };
            return Ok(json!({ "token": token }));
        }
        "visit" => return Ok(json!({ "machine": state.visit(order.text("app")?) })),
        "expire" => {
            let now = state.now();
            state.expire_token(order.text("token")?, now)?;
        }
        "capacity" => {
            let left = order.number("left").ok().map(u32::try_from).transpose()?;
            state.set_capacity(order.text("region")?, left)?;
        }
        "silence" => state.silence(order.text("region")?, order.flag("silent"))?,
        "quota" => {
            let megabytes = order.number("megabytes").ok();
            state.set_memory_quota(order.text("organisation")?, megabytes)?;
        }
        "remove-image" => state.remove_image(order.text("image")?),
        "point" => state.point(order.text("hostname")?, order.text("app")?),
        "prove" => state.prove(order.text("hostname")?, order.text("app")?),
        "advance" => state.clock.advance(order.milliseconds("seconds")?),
        _ => return on_machine(state, order),
    }
    Ok(json!({}))
}

fn on_machine(state: &mut State, order: &Order<'_>) -> Result<Value> {
    match order.act {
        "lose-host" => state.lose_host(order.text("machine")?, order.flag("still_runs"))?,
        "find-host" => state.find_host(order.text("machine")?)?,
        "fill-host" => state.fill_host(order.text("machine")?, order.flag("full"))?,
        "exit" => {
            let code = i32::try_from(order.number("code").unwrap_or(1))?;
            state.exit(order.text("machine")?, code)?;
        }
        "sick" => state.set_sick(order.text("machine")?, order.flag("sick"))?,
        "hold" => {
            let (app, phase) = (order.text("app")?, order.phase()?);
            let ms = order.milliseconds("seconds")?;
            state.faults.hold(app, phase, ms, order.times()?);
        }
        "sicken" => state.faults.sicken(order.text("app")?, order.times()?),
        _ => return with_answers(state, order),
    }
    Ok(json!({}))
}

fn with_answers(state: &mut State, order: &Order<'_>) -> Result<Value> {
    match order.act {
        "limits" => {
            state.limits.hold = order.flag("hold");
            state.manners.retry_after = order.flag("retry_after");
        }
        "leases" => {
            let shape = order.text("shape")?;
            state.manners.leases = match shape {
                "wrapped" => LeaseShape::Wrapped,
                "flat" => LeaseShape::Flat,
                _ => anyhow::bail!("leases are wrapped or flat, not {shape}"),
            };
        }
        "fault" => {
            let fault = order.fault()?;
            state.order(order.text("route")?, fault, order.times()?);
        }
        "storm" => {
            let percent = u8::try_from(order.number("percent")?)?;
            state
                .faults
                .storm(percent, order.number("seed").unwrap_or(1));
        }
        "clear" => state.faults.clear(),
        act => anyhow::bail!("there is no act {act}; GET /_world lists them"),
    }
    Ok(json!({}))
}

/// Everything that there is, as people see it. Values of secrets are not.
fn page(state: &State) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    for app in state.apps.values() {
        writeln!(
            page,
            "{} of {} in {}",
            app.name, app.organisation, app.network
        )?;
        for machine in state.machines_of(&app.name) {
            writeln!(page, "  {}", line(state, machine))?;
        }
        for volume in state.volumes_of(&app.name) {
            let bound = volume.attached.as_deref().unwrap_or("nobody");
            let (id, name, size) = (&volume.id, &volume.name, volume.size_gb);
            writeln!(
                page,
                "  volume {id} {name} {size} GB in {}, of {bound}",
                volume.region
            )?;
        }
        for address in &app.addresses {
            writeln!(page, "  address {}", address.ip)?;
        }
        for hostname in app.certificates.keys() {
            writeln!(page, "  certificate {hostname}")?;
        }
        let secrets = app.secret_names();
        if !secrets.is_empty() {
            writeln!(
                page,
                "  secrets {} (version {})",
                secrets.join(", "),
                app.secrets_version()
            )?;
        }
    }
    if page.is_empty() {
        page.push_str("nothing\n");
    }
    Ok(page)
}

fn line(state: &State, machine: &Machine) -> String {
    let Machine {
        id, name, region, ..
    } = machine;
    let mut line = format!("machine {id} {name} in {region}, {}", machine.phase.name());
    if state.is_healthy(id) {
        line.push_str(", healthy");
    }
    if machine.cordoned {
        line.push_str(", cordoned");
    }
    if !state.reaches(machine) {
        line.push_str(", its host does not answer");
    }
    let pairs = machine.metadata().into_iter();
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    format!("{line} {}", pairs.join(" "))
}
