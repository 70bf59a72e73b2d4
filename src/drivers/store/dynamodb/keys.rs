//! The keys of the tables (ADR 34). A key that lists something among others of its kind ends in the id of what it lists, so that
//! two of them never meet; branches, inputs and deliveries are hashed, because they may be long and hold anything.

use aws_lc_rs::digest::{SHA256, digest};
use nestling_domain::{
    app::App,
    environment::Environment,
    ids::{AppId, Class, EnvironmentId, Generation, InputId, Kind, RepositoryId, Timestamp},
    label::Slug,
    record::EventNumber,
};

/// Lists to which the whole store adds are written in so many parts, since one partition takes 1,000 write units a second: four
/// carry 2,000 entries a second, more than one server writes. Each reading asks all parts, so more are no gain. Changing it
/// needs the lists written anew.
pub(super) const PARTS: u32 = 4;

/// The list of all environments, by id.
pub(super) const ENVIRONMENTS: &str = "ENVIRONMENTS";
/// The list of the environments that may have a machine, by id.
pub(super) const MACHINES: &str = "MACHINES";
/// The list of all events, by number.
pub(super) const EVENTS: &str = "EVENTS";
/// The list of all deliveries, by when they came.
pub(super) const DELIVERIES: &str = "DELIVERIES";
/// The list of the deliveries that are pending, by when they came.
pub(super) const PENDING: &str = "PENDING";
/// The environments of one part of the index by when they are due.
pub(super) const DUE: &str = "DUE";
/// The partition that lists all apps.
pub(super) const APPS: &str = "APPS";
/// The partition that lists all apps that are removed.
pub(super) const REMOVED: &str = "REMOVED";
/// The partition that lists all repositories.
pub(super) const REPOSITORIES: &str = "REPOSITORIES";
/// The partition of how far each consumer of events has read.
pub(super) const CURSORS: &str = "CURSORS";
/// The one record of what the server is at GitHub: partition and sort key.
pub(super) const OWN_APP: (&str, &str) = ("FORGE", "GITHUB#APP");
/// The one record that counts the blocks of numbers.
pub(super) const SEQUENCE: &str = "SEQUENCE";
/// The one record that checks write.
pub(super) const HEALTH: &str = "HEALTH";
/// The one record of which server acts.
pub(super) const OWNER: &str = "OWNER";
/// What the sort keys of the deployments of an environment begin with.
pub(super) const DEPLOYMENTS: &str = "DEPLOYMENT#";
/// What the sort keys of the events of an environment begin with.
pub(super) const EVENTS_OF: &str = "EVENT#";
/// The sort key of the last visit of an environment.
pub(super) const VISIT: &str = "VISIT";
/// What the sort keys of environments begin with, among those of an app or pull request.
pub(super) const ENVIRONMENTS_OF: &str = "ENVIRONMENT#";
/// What the sort keys of apps begin with, in their repository.
pub(super) const APPS_OF: &str = "APP#";
/// What the sort keys of the slugs begin with that an app has or had.
pub(super) const SLUGS_OF: &str = "SLUG#";
/// What the sort keys of pull requests begin with, in their repository.
pub(super) const PULLS_OF: &str = "PULL#";

/// One part of a list.
pub(super) fn part(list: &str, part: u32) -> String {
    format!("{list}#{part}")
}

/// The part of a list in which this is.
pub(super) fn part_of(list: &str, id: &str) -> String {
    let byte = digest(&SHA256, id.as_bytes()).as_ref()[0];
    part(list, u32::from(byte) % PARTS)
}

/// The partition of one environment; its record by id has the same sort key.
pub(super) fn environment(id: &EnvironmentId) -> String {
    format!("ENVIRONMENT#{id}")
}

/// The partition of an app; its record by id has the same sort key.
pub(super) fn app(id: &AppId) -> String {
    format!("APP#{id}")
}

/// An environment among those of its app: production first, then by number.
pub(super) fn by_app(environment: &Environment) -> String {
    let number = environment.kind.pull_request().unwrap_or_default();
    format!("ENVIRONMENT#{number:010}#{}", environment.id)
}

/// An environment among those of its app's branches.
pub(super) fn by_branch(environment: &Environment) -> String {
    format!("{}{}", of_branch(&environment.branch), environment.id)
}

/// Where the environments of this branch begin.
pub(super) fn of_branch(name: &str) -> String {
    format!("BRANCH#{}#", hash(name))
}

/// The partition of the environments of a pull request.
pub(super) fn of_pull_request(repository: RepositoryId, number: u32) -> String {
    format!("PULL#{repository}#{number}")
}

/// A deployment in the partition of its environment.
pub(super) fn deployment(generation: Generation) -> String {
    format!("{DEPLOYMENTS}{:010}", generation.0)
}

/// What happened with one save, in the partition of its environment: by the first number.
pub(super) fn event(first: u64) -> String {
    format!("{EVENTS_OF}{first:020}")
}

/// What happened with one save, in the list of all: by the last number.
pub(super) fn listed_event(last: EventNumber, id: &EnvironmentId) -> String {
    format!("{:020}#{id}", last.0)
}

/// An input that was answered, in the partition of its environment.
pub(super) fn input(id: &InputId) -> String {
    format!("INPUT#{}", hash(&id.0))
}

/// The partition of a repository.
pub(super) fn repository(id: RepositoryId) -> String {
    format!("REPOSITORY#{:020}", id.0)
}

/// An app in the list of all: by owner and slug.
pub(super) fn listed(app: &App) -> String {
    format!("OWNER#{}#{}#{}", app.owner, app.slug, app.id)
}

/// An app in its repository: by folder.
pub(super) fn by_folder(app: &App) -> String {
    format!("{APPS_OF}{}#{}", hash(&app.root), app.id)
}

/// The claim of a slug.
pub(super) fn slug(slug: &Slug) -> String {
    format!("{SLUGS_OF}{slug}")
}

/// A pull request in its repository.
pub(super) fn pull_request(number: u32) -> String {
    format!("{PULLS_OF}{number:010}")
}

/// What GitHub shows of production or of a pull request.
pub(super) fn shown(kind: Kind) -> String {
    match kind {
        Kind::Production => "SHOWN#PRODUCTION".to_owned(),
        Kind::Preview(number) => format!("SHOWN#PULL#{number:010}"),
    }
}

/// The number that a branch of a repository has.
pub(super) fn number_of_branch(name: &str) -> String {
    format!("BRANCH#{}", hash(name))
}

/// Where the values of an app for one kind of environment begin, in the partition of the app.
pub(super) fn values(class: Class) -> String {
    format!("VALUE#{}#", class.name())
}

/// A delivery; its record has the same sort key.
pub(super) fn delivery(id: &str) -> String {
    format!("DELIVERY#{}", hash(id))
}

/// A delivery in the lists: by when it came, and many come in one millisecond.
pub(super) fn listed_delivery(at: Timestamp, number: u64, id: &str) -> String {
    format!("{:020}#{number:020}#{}", at.0, hash(id))
}

/// The partition of the pieces of a large body.
pub(super) fn pieces(pk: &str) -> String {
    format!("PIECES#{pk}")
}

/// Thirty-two hex digits: enough that two never meet.
fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
