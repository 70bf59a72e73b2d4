//! Fetching from a server over HTTPS into a mirror of ours: one ref at a time, with a token that no argument, address or file
//! ever holds.

use std::{fs::File, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Git, GitError,
    call::Call,
    mirror::{alone, broken, unlock, write_input},
};

/// A repository on a server.
#[derive(Debug, Clone, Copy)]
pub struct Remote<'a> {
    /// Where it is cloned from, `https://github.com/acme/shop.git`: of our own making, without a user in it.
    pub url: &'a str,
    /// Reads it, as the password of `x-access-token`, which is how GitHub takes tokens of Apps.
    pub token: &'a str,
}

impl Git {
    /// Brings one ref of the mirror in the folder `mirror` up to date with its server, and makes the mirror when there is
    /// none. `name` is a whole one: `refs/heads/main`, `refs/pull/7/head`. Callers see to it that one mirror is fetched
    /// into once at a time.
    pub async fn fetch_ref(
        &self,
        remote: Remote<'_>,
        name: &str,
        mirror: &Path,
    ) -> Result<(), GitError> {
        if !is_one_ref(name) {
            return Err(GitError::Refused {
                what: "fetch".to_owned(),
                said: format!("{name:?} is no name of a ref"),
            });
        }
        if !tokio::fs::try_exists(mirror.join("HEAD"))
            .await
            .unwrap_or(false)
        {
            // No server that we know has repositories of another format.
            self.make_mirror("sha1", mirror).await?;
        }
        let lock = alone(mirror).await.map_err(broken)?;
        match self.fetch_over_http(remote, name, mirror, &lock).await {
            Err(GitError::Refused { said, .. }) if said.contains(".lock") => {
                unlock(mirror).await;
                self.fetch_over_http(remote, name, mirror, &lock).await
            }
            fetched => fetched,
        }
    }

    async fn fetch_over_http(
        &self,
        remote: Remote<'_>,
        name: &str,
        mirror: &Path,
        lock: &File,
    ) -> Result<(), GitError> {
        // Git holds the lock, too, for as long as it lives.
        let input = write_input(lock, b"").map_err(broken)?;
        let refspec = format!("+{name}:{name}");
        let args = [
            "--quiet",
            "--no-tags",
            "--force",
            "--no-write-fetch-head",
            "--end-of-options",
            remote.url,
            &refspec,
        ];
        let call = Call::at(mirror, "fetch", args).holding(input);
        let call = call.over_http(remote.url, credential(remote.token));
        self.run(call.long()).await?;
        Ok(())
    }
}

/// What says who we are, as HTTP's basic authentication.
fn credential(token: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("x-access-token:{token}"));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    Zeroizing::new(format!("Authorization: Basic {}", encoded.as_str()))
}

/// Whether this names one ref and nothing else: a branch is called by somebody else, and `a:refs/heads/b` would write
/// another's ref. By git's rules for names (git-check-ref-format).
fn is_one_ref(name: &str) -> bool {
    let odd = |c: char| {
        c.is_ascii_control() || matches!(c, ' ' | ':' | '*' | '?' | '[' | '\\' | '^' | '~')
    };
    let dotted = name.contains("..") || name.contains("/.") || name.contains("@{");
    name.starts_with("refs/") && !name.contains(odd) && !dotted && !name.ends_with(['/', '.'])
}

#[cfg(test)]
mod tests {
    use super::is_one_ref;

    #[test]
    fn a_name_is_one_ref_or_none() {
        for good in [
            "refs/heads/main",
            "refs/pull/7/head",
            "refs/heads/feat/ünï-$(x)&&y",
        ] {
            assert!(is_one_ref(good), "{good}");
        }
        for bad in [
            "main",
            "refs/heads/a:refs/heads/main",
            "refs/heads/*",
            "refs/heads/../x",
            "refs/heads/a b",
            "refs/heads/",
            "--upload-pack=x",
        ] {
            assert!(!is_one_ref(bad), "{bad}");
        }
    }
}
