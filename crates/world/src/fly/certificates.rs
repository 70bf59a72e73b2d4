//! When certificates become good, and how Fly writes them.

use serde_json::{Value, json};

use super::state::{Address, App, Certificate, State};
use crate::clock::iso;

/// How long a certificate of Let's Encrypt is good, in milliseconds.
const LIFE_MS: i64 = 90 * 24 * 3_600_000;

impl State {
    /// Looks whether the outside DNS leads to the app that wants a certificate: then Let's Encrypt issues it.
    pub(crate) fn check_certificates(&mut self, hostname: &str) {
        let now = self.now();
        let Some(leads_to) = self.dns.get(hostname).and_then(|dns| dns.leads_to.clone()) else {
            return;
        };
        let app = self.apps.get_mut(&leads_to);
        let one = app.and_then(|app| app.certificates.get_mut(hostname));
        if let Some(one) = one.filter(|one| one.acme_requested && one.issued.is_none()) {
            one.issued = Some((now, now + LIFE_MS));
            one.updated_at = now;
        }
    }

    /// Whether the outside DNS says that the hostname leads to the app, and that the app owns it.
    fn dns_of(&self, app: &App, hostname: &str) -> (bool, bool) {
        let dns = self.dns.get(hostname);
        let is = |named: Option<&String>| named == Some(&app.name);
        let leads = is(dns.and_then(|dns| dns.leads_to.as_ref()));
        let owned = is(dns.and_then(|dns| dns.owned_by.as_ref()));
        (leads, owned)
    }

    /// `active` once one of them is good.
    fn certificate_status(&self, app: &App, one: &Certificate) -> &'static str {
        let (_, owned) = self.dns_of(app, &one.hostname);
        match (one.issued.is_some(), one.custom.is_some() && owned) {
            (true, _) | (_, true) => "active",
            _ if one.acme_requested => "pending_validation",
            _ => "pending_ownership",
        }
    }

    pub(crate) fn show_certificate_summary(&self, app: &App, one: &Certificate) -> Value {
        let (leads, owned) = self.dns_of(app, &one.hostname);
        json!({
            "hostname": one.hostname,
            "status": self.certificate_status(app, one),
            "dns_provider": "",
            "acme_dns_configured": leads,
            "acme_alpn_configured": leads,
            "acme_http_configured": leads,
            "ownership_txt_configured": owned,
            "configured": leads,
            "acme_requested": one.acme_requested,
            "has_custom_certificate": one.custom.is_some(),
            "has_fly_certificate": one.issued.is_some(),
            "created_at": iso(one.created_at),
            "updated_at": iso(one.updated_at),
        })
    }

    pub(crate) fn show_certificate(&self, app: &App, one: &Certificate) -> Value {
        let (leads, owned) = self.dns_of(app, &one.hostname);
        let bare = one.hostname.trim_start_matches("*.");
        let addresses = |v4: bool| -> Vec<String> {
            let fits = |address: &&Address| address.ip.is_ipv4() == v4;
            let all = app.addresses.iter().filter(fits);
            all.map(|address| address.ip.to_string()).collect()
        };
        let mut certificates = Vec::new();
        if let Some((_, at)) = &one.custom {
            certificates.push(json!({
                "source": "custom",
                "status": if owned { "active" } else { "pending_ownership" },
                "created_at": iso(*at),
                "expires_at": iso(at + LIFE_MS),
                "issuer": "uploaded",
                "issued": [],
            }));
        }
        if let Some((at, until)) = one.issued {
            certificates.push(json!({
                "source": "fly",
                "status": "active",
                "created_at": iso(at),
                "expires_at": iso(until),
                "issuer": null,
                "issued": [{
                    "type": "ecdsa",
                    "expires_at": iso(until),
                    "certificate_authority": "lets_encrypt",
                }],
            }));
        }
        json!({
            "hostname": one.hostname,
            "configured": leads,
            "acme_requested": one.acme_requested,
            "status": self.certificate_status(app, one),
            "dns_provider": "",
            "rate_limited_until": null,
            "certificates": certificates,
            "validation": {
                "dns_configured": leads,
                "alpn_configured": leads,
                "http_configured": leads,
                "ownership_txt_configured": owned,
            },
            "dns_requirements": {
                "a": addresses(true),
                "aaaa": addresses(false),
                "cname": format!("{}.fly.dev", app.name),
                "acme_challenge": {
                    "name": format!("_acme-challenge.{bare}"),
                    "target": format!("{bare}.{}.flydns.net", app.id),
                },
                "ownership": {
                    "name": format!("_fly-ownership.{bare}"),
                    "app_value": format!("app-{}", app.id),
                    "org_value": format!("org-{}", app.organisation),
                },
            },
            "validation_errors": [],
        })
    }

    /// What the outside DNS says of a hostname.
    pub(crate) fn show_dns(&self, app: &App, hostname: &str) -> Value {
        let (leads, owned) = self.dns_of(app, hostname);
        let name = format!("{}.fly.dev", app.name);
        let cname: Vec<&str> = leads.then_some(name.as_str()).into_iter().collect();
        let ownership = if owned {
            format!("app-{}", app.id)
        } else {
            String::new()
        };
        json!({
            "a": [],
            "aaaa": [],
            "cname": cname,
            "resolved_addresses": [],
            "acme_challenge_cname": "",
            "ownership_txt": ownership,
            "soa": "",
        })
    }
}
