//! The keys of the single table. A key that lists something ends in the id of what it lists, so that two of
//! them never meet; branches are hashed, because they may be long and hold anything.

use aws_lc_rs::digest::{SHA256, digest};
use nestling_domain::{
    app::App,
    environment::Environment,
    ids::{AppId, EnvironmentId, Kind, RepositoryId},
    label::Slug,
};

/// The partition that lists all apps.
pub(super) const APPS: &str = "APPS";
/// The partition that lists all apps that are removed.
pub(super) const REMOVED: &str = "REMOVED";
/// The one record of what the server is at GitHub: partition and sort key.
pub(super) const OWN_APP: (&str, &str) = ("FORGE", "GITHUB#APP");
/// The partition that lists all repositories.
pub(super) const REPOSITORIES: &str = "REPOSITORIES";
/// Where the environments by id begin, and the first key after them.
pub(super) const ENVIRONMENTS: (&str, &str) = ("ENVIRONMENT#", "ENVIRONMENT$");

/// The partition of one environment; its record by id has the same sort key.
pub(super) fn environment(id: &EnvironmentId) -> String {
    format!("ENVIRONMENT#{id}")
}

/// The last visit of one environment, in a partition of its own, so that no list of environments meets it.
pub(super) fn visit(id: &EnvironmentId) -> String {
    format!("VISIT#{id}")
}

/// The environment whose partition this is.
pub(super) fn environment_of(pk: &str) -> EnvironmentId {
    EnvironmentId(pk.strip_prefix(ENVIRONMENTS.0).unwrap_or(pk).to_owned())
}

/// The partition of an app.
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

/// A pull request, as the index knows it.
pub(super) fn pull_request_of(repository: RepositoryId, number: u32) -> String {
    format!("{repository}#{number}")
}

/// The partition of a repository.
pub(super) fn repository(id: RepositoryId) -> String {
    format!("REPOSITORY#{id:020}", id = id.0)
}

/// An app in the list of all: by owner and slug.
pub(super) fn listed(app: &App) -> String {
    format!("OWNER#{}#{}#{}", app.owner, app.slug, app.id)
}

/// An app in its repository: by folder.
pub(super) fn by_folder(app: &App) -> String {
    format!("APP#{}#{}", app.root, app.id)
}

/// The claim of a slug.
pub(super) fn slug(slug: &Slug) -> String {
    format!("SLUG#{slug}")
}

/// A pull request in its repository.
pub(super) fn pull_request(number: u32) -> String {
    format!("PULL#{number:010}")
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

/// The first key that does not begin with `prefix`, which ends in `#`.
pub(super) fn after(prefix: &str) -> String {
    format!("{}$", prefix.trim_end_matches('#'))
}

/// Sixteen hex digits: enough that two branches of one app never meet.
fn hash(branch: &str) -> String {
    use std::fmt::Write as _;
    let digest = digest(&SHA256, branch.as_bytes());
    digest
        .as_ref()
        .iter()
        .take(16)
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
