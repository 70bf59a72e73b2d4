//! Certificates of hostnames: Fly's own from Let's Encrypt, and those that somebody uploads.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::fly::{
    state::Certificate,
    wire::{self, Answer, Answered},
};

/// Certificates of a page if nobody says how many, and at most.
const PAGE: (usize, usize) = (25, 500);

#[derive(Deserialize)]
struct NewCertificate {
    hostname: Option<String>,
    fullchain: Option<String>,
    private_key: Option<String>,
}

impl Asking<'_> {
    pub(super) fn certificates(&mut self) -> Answered {
        let app = self.app()?;
        let wanted = self.request.parameter("filter").unwrap_or_default();
        let behind = self.request.parameter("cursor").unwrap_or_default();
        let limit = self.request.parameter("limit");
        let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(PAGE.0);
        let all = app.certificates.values();
        let fitting: Vec<&Certificate> = all.filter(|one| one.hostname.contains(wanted)).collect();
        let total = fitting.len();
        let mut rest = fitting
            .into_iter()
            .filter(|one| one.hostname.as_str() > behind);
        let page: Vec<&Certificate> = rest.by_ref().take(limit.clamp(1, PAGE.1)).collect();
        let next = page.last().filter(|_| rest.next().is_some());
        let list: Vec<Value> = page
            .iter()
            .map(|one| self.state.show_certificate_summary(app, one))
            .collect();
        let mut answer = json!({ "certificates": list, "total_count": total });
        if let Some(next) = next {
            answer["next_cursor"] = json!(next.hostname);
        }
        Ok(Answer::ok(answer))
    }

    pub(super) fn request_certificate(&mut self) -> Answered {
        let new: NewCertificate = wire::body(self.request)?;
        let hostname = hostname(new.hostname)?;
        let app = self.app_mut()?;
        let old = app.certificates.get(&hostname);
        if old.is_some_and(|old| old.acme_requested) {
            let words = format!("Validation failed: Hostname {hostname} already exists on app");
            return Err(wire::error(422, words));
        }
        self.with_certificate(&hostname, |one| one.acme_requested = true)?;
        self.created(&hostname)
    }

    pub(super) fn import_certificate(&mut self) -> Answered {
        self.app_mut()?;
        let now = self.state.now();
        let new: NewCertificate = wire::body(self.request)?;
        let hostname = hostname(new.hostname)?;
        let chain = new.fullchain.unwrap_or_default();
        let key = new.private_key.unwrap_or_default();
        if !chain
            .trim_start()
            .starts_with("-----BEGIN CERTIFICATE-----")
        {
            return Err(wire::error(
                422,
                "fullchain is not a PEM-encoded certificate",
            ));
        }
        if !key.trim_start().starts_with("-----BEGIN") || !key.contains("PRIVATE KEY-----") {
            return Err(wire::error(422, "private_key is not a PEM-encoded key"));
        }
        let print = fingerprint(&chain);
        self.with_certificate(&hostname, |one| one.custom = Some((print, now)))?;
        self.created(&hostname)
    }

    fn created(&mut self, hostname: &str) -> Answered {
        self.wrote(hostname, BTreeMap::new());
        self.state.check_certificates(hostname);
        let app = self.app()?;
        let one = app.certificates.get(hostname).ok_or_else(not_found)?;
        Ok(Answer::created(self.state.show_certificate(app, one)))
    }

    fn with_certificate(
        &mut self,
        hostname: &str,
        change: impl FnOnce(&mut Certificate),
    ) -> Result<(), Answer> {
        let now = self.state.now();
        let app = self.app_mut()?;
        let fresh = || Certificate {
            hostname: hostname.to_owned(),
            acme_requested: false,
            issued: None,
            custom: None,
            created_at: now,
            updated_at: now,
        };
        let one = app.certificates.entry(hostname.to_owned());
        let one = one.or_insert_with(fresh);
        change(one);
        one.updated_at = now;
        Ok(())
    }

    fn certificate(&self) -> Result<&Certificate, Answer> {
        let found = self.app()?.certificates.get(&self.part(3));
        found.ok_or_else(not_found)
    }

    pub(super) fn get_certificate(&mut self) -> Answered {
        let one = self.certificate()?;
        Ok(Answer::ok(self.state.show_certificate(self.app()?, one)))
    }

    pub(super) fn check_certificate(&mut self) -> Answered {
        let hostname = self.certificate()?.hostname.clone();
        self.state.check_certificates(&hostname);
        let (app, one) = (self.app()?, self.certificate()?);
        let mut answer = self.state.show_certificate(app, one);
        answer["dns_records"] = self.state.show_dns(app, &hostname);
        Ok(Answer::ok(answer))
    }

    pub(super) fn delete_certificate(&mut self) -> Answered {
        let hostname = self.certificate()?.hostname.clone();
        self.app_mut()?.certificates.remove(&hostname);
        self.wrote(&hostname, BTreeMap::new());
        Ok(Answer::empty())
    }

    pub(super) fn delete_acme(&mut self) -> Answered {
        self.without(|one| {
            one.acme_requested = false;
            one.issued = None;
        })
    }

    pub(super) fn delete_custom(&mut self) -> Answered {
        self.without(|one| one.custom = None)
    }

    /// Takes a part of a hostname away; the hostname stays.
    fn without(&mut self, change: impl FnOnce(&mut Certificate)) -> Answered {
        let hostname = self.certificate()?.hostname.clone();
        self.with_certificate(&hostname, change)?;
        self.wrote(&hostname, BTreeMap::new());
        self.get_certificate()
    }
}

fn not_found() -> Answer {
    wire::message(404, "Certificate not found")
}

fn hostname(said: Option<String>) -> Result<String, Answer> {
    let said = said.unwrap_or_default().to_ascii_lowercase();
    let bare = said.strip_prefix("*.").unwrap_or(&said);
    let label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(fits)
    };
    let fits = bare.contains('.') && bare.split('.').all(label);
    let words = format!("Validation failed: Hostname \"{said}\" is invalid");
    fits.then_some(said).ok_or_else(|| wire::error(422, words))
}

fn fingerprint(chain: &str) -> String {
    let whole = digest::digest(&digest::SHA256, chain.trim().as_bytes());
    let bytes = whole.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
