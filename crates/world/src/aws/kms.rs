//! KMS, as far as Nestling asks it: data keys, and what a key is.

use std::collections::BTreeMap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    ACCOUNT, State,
    wire::{Answer, Answered, Request},
};

/// What a ciphertext may have at most.
const LONGEST: usize = 6144;

/// All keys.
#[derive(Debug, Default)]
pub struct Keys {
    /// By id.
    pub keys: BTreeMap<String, Key>,
    /// Ids by alias, such as `alias/nestling`.
    pub aliases: BTreeMap<String, String>,
}

/// A symmetric key, or one of another kind.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its ARN.
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, `PendingImport` or `Unavailable`.
    pub state: &'static str,
    /// `SYMMETRIC_DEFAULT`, or something that cannot make data keys.
    pub spec: &'static str,
    material: [u8; 32],
}

impl State {
    /// Makes a key with this id and this alias, in the region that answers here.
    pub fn create_key(&mut self, id: &str, alias: &str) -> String {
        let arn = format!("arn:aws:kms:{}:{ACCOUNT}:key/{id}", self.region);
        let mut material = [0; 32];
        // Without randomness the key is the same for all, which a model may have.
        let _ = rand::fill(&mut material);
        let key = Key {
            arn: arn.clone(),
            state: "Enabled",
            spec: "SYMMETRIC_DEFAULT",
            material,
        };
        self.kms.keys.insert(id.to_owned(), key);
        self.kms.aliases.insert(alias.to_owned(), id.to_owned());
        arn
    }
}

pub(super) fn answer(state: &mut State, action: &str, request: &Request) -> Answered {
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| Answer::json_error(400, "SerializationException", "no JSON"))?;
    match action {
        "kms:DescribeKey" => {
            let (id, key) = state.find(&body["KeyId"])?;
            Ok(Answer::json(
                200,
                &json!({ "KeyMetadata": described(id, key) }),
            ))
        }
        "kms:GenerateDataKey" => state.generate(&body),
        "kms:Decrypt" => state.decrypt(&body),
        other => Err(Answer::json_error(400, "UnknownOperationException", other)),
    }
}

fn described(id: &str, key: &Key) -> Value {
    let algorithms: &[&str] = if key.spec == "SYMMETRIC_DEFAULT" {
        &["SYMMETRIC_DEFAULT"]
    } else {
        &["RSAES_OAEP_SHA_256"]
    };
    let mut shown = json!({
        "AWSAccountId": ACCOUNT, "Arn": key.arn, "KeyId": id, "KeyState": key.state, "KeySpec": key.spec,
        "CustomerMasterKeySpec": key.spec, "KeyUsage": "ENCRYPT_DECRYPT", "Enabled": key.state == "Enabled",
        "KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "EncryptionAlgorithms": algorithms, "CreationDate": 1_700_000_000,
    });
    if key.state == "PendingDeletion" {
        shown["DeletionDate"] = json!(1_800_000_000);
    }
    shown
}

impl State {
    /// A key by its id, its alias, or the ARN of either.
    fn find(&self, name: &Value) -> Result<(&str, &Key), Answer> {
        let name = name.as_str().unwrap_or_default();
        let missing = |says: String| Answer::json_error(400, "NotFoundException", &says);
        let id = match name.strip_prefix("arn:aws:kms:") {
            None => name,
            Some(rest) => {
                let mut parts = rest.splitn(3, ':');
                let region = parts.next().unwrap_or_default();
                if region != self.region {
                    return Err(missing(format!("Invalid arn {region}")));
                }
                let resource = parts.nth(1).unwrap_or_default();
                resource.strip_prefix("key/").unwrap_or(resource)
            }
        };
        let id = self.kms.aliases.get(id).map_or(id, String::as_str);
        let found = self.kms.keys.get_key_value(id);
        let found = found.map(|(id, key)| (id.as_str(), key));
        found.ok_or_else(|| missing(format!("Key '{name}' does not exist")))
    }

    fn generate(&self, body: &Value) -> Answered {
        let (_, key) = self.find(&body["KeyId"])?;
        usable(key)?;
        if body["KeySpec"] != "AES_256" {
            return Err(invalid("KeySpec"));
        }
        let context = context(body)?;
        let mut plain = [0; 32];
        let failed = |_| Answer::json_error(500, "KMSInternalException", "no randomness");
        rand::fill(&mut plain).map_err(failed)?;
        let sealed = seal(key, &context, &plain)?;
        Ok(Answer::json(
            200,
            &json!({
                "KeyId": key.arn, "Plaintext": STANDARD.encode(plain), "CiphertextBlob": STANDARD.encode(sealed),
            }),
        ))
    }

    fn decrypt(&self, body: &Value) -> Answered {
        let sealed = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap_or_default());
        let sealed = sealed.map_err(|_| invalid("CiphertextBlob"))?;
        if sealed.is_empty() || sealed.len() > LONGEST {
            return Err(invalid("CiphertextBlob"));
        }
        let context = context(body)?;
        let damaged = || Answer::json_error(400, "InvalidCiphertextException", "");
        let (arn, _) = parts(&sealed).ok_or_else(damaged)?;
        let of = self.kms.keys.values().find(|key| key.arn == arn);
        let of = of.ok_or_else(damaged)?;
        if !body["KeyId"].is_null() {
            let (_, named) = self.find(&body["KeyId"])?;
            if named.arn != of.arn {
                let says = "The key ID in the request does not identify a CMK that can perform this operation.";
                return Err(Answer::json_error(400, "IncorrectKeyException", says));
            }
        }
        usable(of)?;
        let plain = open(of, &context, &sealed).ok_or_else(damaged)?;
        Ok(Answer::json(
            200,
            &json!({
                "KeyId": of.arn, "Plaintext": STANDARD.encode(plain), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            }),
        ))
    }
}

fn usable(key: &Key) -> Result<(), Answer> {
    let arn = &key.arn;
    let (code, says) = match key.state {
        "Enabled" if key.spec == "SYMMETRIC_DEFAULT" => return Ok(()),
        "Enabled" => (
            "InvalidKeyUsageException",
            format!("{arn} key usage is ENCRYPT_DECRYPT which is not valid for GenerateDataKey."),
        ),
        "Disabled" => ("DisabledException", format!("{arn} is disabled.")),
        "PendingDeletion" => (
            "KMSInvalidStateException",
            format!("{arn} is pending deletion."),
        ),
        other => ("KMSInvalidStateException", format!("{arn} is {other}.")),
    };
    Err(Answer::json_error(400, code, &says))
}

/// The encryption context in one way of writing: its order says nothing.
fn context(body: &Value) -> Result<String, Answer> {
    let given = body["EncryptionContext"].as_object();
    let pairs = given.into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().filter(|value| !value.is_empty());
        value.map(|value| (name.clone(), value.to_owned()))
    });
    let pairs: Option<BTreeMap<String, String>> = pairs.collect();
    let pairs = pairs.ok_or_else(|| invalid("EncryptionContext"))?;
    Ok(json!(pairs).to_string())
}

/// `length of the ARN (1) · ARN · nonce · ciphertext and tag`, with ARN and context authenticated.
fn seal(key: &Key, context: &str, plain: &[u8]) -> Result<Vec<u8>, Answer> {
    let failed = |_| Answer::json_error(500, "KMSInternalException", "not sealed");
    let mut sealed = plain.to_vec();
    let nonce = RandomizedNonceKey::new(&AES_256_GCM, &key.material)
        .and_then(|seals| {
            seals.seal_in_place_append_tag(Aad::from(bound(key, context)), &mut sealed)
        })
        .map_err(failed)?;
    let length = u8::try_from(key.arn.len()).unwrap_or(u8::MAX);
    Ok([&[length], key.arn.as_bytes(), nonce.as_ref(), &sealed].concat())
}

fn open(key: &Key, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (_, rest) = parts(sealed)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut opened = sealed.to_vec();
    let opens = RandomizedNonceKey::new(&AES_256_GCM, &key.material).ok()?;
    let plain = opens.open_in_place(nonce, Aad::from(bound(key, context)), &mut opened);
    plain.ok().map(|plain| plain.to_vec())
}

fn bound(key: &Key, context: &str) -> Vec<u8> {
    [key.arn.as_bytes(), b"\n", context.as_bytes()].concat()
}

fn parts(sealed: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = sealed.split_first()?;
    let (arn, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(arn).ok()?, rest))
}

fn invalid(field: &str) -> Answer {
    let says = format!("1 validation error detected: {field}");
    Answer::json_error(400, "ValidationException", &says)
}
