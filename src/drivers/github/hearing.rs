//! What people write below pull requests, read where GitHub cannot tell it.

use nestling_domain::github::Sender;
use serde::Deserialize;

use super::{GitHub, GitHubError, Place};

/// A comment of somebody on a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its number.
    pub id: u64,
    /// The pull request.
    pub number: u32,
    /// What it says.
    pub body: String,
    /// Who wrote it; none when they are gone.
    pub by: Option<Sender>,
    /// When, in GitHub's writing: `2026-03-07T09:05:07Z`, which sorts as time does.
    pub at: String,
}

#[derive(Deserialize)]
struct WrittenShown {
    id: u64,
    html_url: String,
    issue_url: String,
    #[serde(default)]
    body: String,
    created_at: String,
    user: Option<UserShown>,
}

#[derive(Deserialize)]
struct UserShown {
    id: u64,
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl GitHub {
    /// The comments that were written on pull requests at `since` (as GitHub writes moments) or later, the oldest first.
    pub async fn written_since(
        &self,
        at: &Place,
        since: &str,
    ) -> Result<Vec<Written>, GitHubError> {
        let what = format!("the newest comments of {at}");
        let route = at.path(&["issues", "comments"]);
        let query = format!("&since={since}");
        let pages: Vec<Vec<WrittenShown>> = self.pages(at.who(), what, &route, &query).await?;
        let written = pages.into_iter().flatten();
        // Those that were only changed since are shown, too.
        let written = written.filter(|one| one.created_at.as_str() >= since);
        Ok(written
            .filter_map(WrittenShown::on_a_pull_request)
            .collect())
    }
}

impl WrittenShown {
    /// Comments on issues are listed with them.
    fn on_a_pull_request(self) -> Option<Written> {
        let number = self.issue_url.rsplit('/').next()?.parse().ok()?;
        self.html_url.contains("/pull/").then(|| Written {
            id: self.id,
            number,
            body: self.body,
            by: self.user.map(|user| Sender {
                id: user.id,
                bot: user.kind.as_deref() == Some("Bot"),
                login: user.login,
            }),
            at: self.created_at,
        })
    }
}
