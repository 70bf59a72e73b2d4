//! Rules of retention: S3 removes what is old by itself where a lifecycle rule says so.

use std::io;

use aws_sdk_s3::{
    error::ProvideErrorMetadata as _,
    types::{ExpirationStatus, LifecycleRule, LifecycleRuleFilter},
};

use super::objects::Bucket;

/// How long a bucket keeps our objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    /// So many days by a rule; with several, the shortest.
    Days(u32),
    /// Until somebody removes them.
    Forever,
}

impl Bucket {
    /// What the rules of the bucket say of everything that begins with our prefix.
    pub(super) async fn retention(&self) -> io::Result<Retention> {
        let request = self.client.get_bucket_lifecycle_configuration();
        let rules = match request.bucket(&self.name).send().await {
            Ok(rules) => rules,
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => {
                return Ok(Retention::Forever);
            }
            Err(error) => return Err(self.words("s3:GetLifecycleConfiguration", &error)),
        };
        let days = rules
            .rules()
            .iter()
            .filter_map(|rule| self.days(rule))
            .min();
        Ok(days.map_or(Retention::Forever, Retention::Days))
    }

    fn days(&self, rule: &LifecycleRule) -> Option<u32> {
        let days = rule.expiration()?.days()?;
        let applies = rule.status() == &ExpirationStatus::Enabled && self.is_covered(rule);
        applies.then_some(days.unsigned_abs())
    }

    /// Whether the rule is for all of our objects, not for some with a tag or of a size.
    fn is_covered(&self, rule: &LifecycleRule) -> bool {
        #[allow(
            deprecated,
            reason = "rules that were made long ago have their prefix there"
        )]
        let outside = rule.prefix();
        let prefix = match rule.filter() {
            None => outside,
            Some(LifecycleRuleFilter {
                prefix,
                tag: None,
                object_size_greater_than: None,
                object_size_less_than: None,
                and: None,
                ..
            }) => prefix.as_deref().or(outside),
            Some(_) => return false,
        };
        self.prefix.starts_with(prefix.unwrap_or_default())
    }
}
