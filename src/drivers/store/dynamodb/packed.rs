//! Bodies, packed: DynamoDB counts bytes, and each further KiB that a record has costs as much as the first with every save.
//!
//! A packed body is one byte that names the format, and raw DEFLATE of the text. Most of a record is the names of its fields, so
//! they stand in a preset dictionary: who packs compresses that first and throws away what came of it, who unpacks begins with
//! it as a stored block.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, bufread::DeflateDecoder, write::DeflateEncoder};

/// DEFLATE with [`WORDS`].
const FORMAT: u8 = 1;
/// The longest text: twice and more than what is ever packed, so that a damaged body fills no memory.
const LONGEST: usize = 1 << 20;

/// The preset dictionary of [`FORMAT`]: the words of a record in their usual order, the most usual ones last. Never to be
/// changed, since what was packed with it cannot be read without it: other words are another format.
const WORDS: &str = concat!(
    r#""cancelled":{"id":""skipped":{"id":""offered":{"id":""refused":"","remains":{"#,
    r#""silence":{"closing":"detail":"},"trust":"outsider","cause":"redeploy","cause":"start","cause":"visit","#,
    r#""cause":"reopened","cause":{"retry":"cause":{"lost":"cause":{"rolled-back":"production"#,
    r#"{"what":"tested","generation":{"what":"noted","generation":,"text":"{"what":"removed"}"#,
    r#"{"what":"skipped","reason":"{"what":"stopped","why":"closed"}{"what":"cancelled","generation":"#,
    r#"{"what":"superseded","generation":,"by":{"what":"failed","generation":,"exit":null,"tail":[],"at":,"asked":true}"#,
    r#""shown":"failed""shown":"stopped""shown":"superseded""failed":{"generation":"#,
    r#""name":"console","label":"console","kind":"console","primary":false,"browser":true,"address":{"tcp":"127.0.0.1:"}},"#,
    r#""tests":{"ran":{"passed":,"failed":0,"skipped":0}},"tests":{"broken":"","address":"fdaa:0:"#,
    r#","kind":"production","branch":"main","title":""state":{"is":"stopped","why":{"because":"closed"},"last":{"id":""#,
    r#"","author":""},"since":"because":"waits""because":"idle""state":{"is":"creating","next":null}"#,
    r#""look":{"number":,"announced":"","asked":0,"at":,"trigger":"push"},"looks":"#,
    r#"{"id":"-pr-1","app":"","owner":"local","slug":"","repository":,"kind":{"preview":},"branch":"","title":"","#,
    r#""lifecycle":{"generation":,"state":{"is":"creating","next":{"generation":,"commit":{"id":"","message":""#,
    r#""state":{"is":"running","serving":{"generation":"#,
    r#""state":{"is":"restarting","serving":{"generation":,"commit":{"id":"","message":"","author":""},"#,
    r#""cause":"push","attempt":1,"phase":"serving","since":,"created_at":,"deadline":null,"not_before":null,"#,
    r#""boot":{"id":"","seq":},"exclusive":false,"tests":"pending","endpoints":[{"name":"app","label":"app","kind":"app","#,
    r#""primary":true,"browser":true,"address":{"unix":"app.sock"}}],"trouble":null,"notes":[],"again":null},"#,
    r#""next":{"generation":,"commit":{"id":"","message":"","author":""},"cause":"push","attempt":1,"phase":"launching","#,
    r#""phase":"booting""phase":"cloning""phase":"setting-up""phase":"testing""phase":"prepared""phase":"probing","since":"#,
    r#","created_at":,"deadline":,"not_before":null,"boot":null,"exclusive":false,"tests":"pending","endpoints":[],"#,
    r#""trouble":null,"notes":[],"again":null},"rollback":null,"failed":null},"#,
    r#""world":{"machines":[],"asked":,"draining":null,"folder":true,"absent":0,"observe_at":null,"edition":,"announced":,"#,
    r#""announce_at":null,"not_announced":0,"reached":"http://*.localhost:4100"},"look":null,"looks":},"#,
    r#""version":,"created_at":,"updated_at":}"#,
    "\nT",
    r#"{"first":1,"version":,"at":,"by":"forge"}{"by":"push"}{"by":"clock"}"#,
    "\nW",
    r#"{"what":"queued","generation":,"commit":{"id":"","message":"","author":""},"cause":"push"}"#,
    "\nW",
    r#"{"what":"phase","generation":,"phase":"deploying"}{"phase":"running-tests"}{"phase":"starting"}"#,
    "\nW",
    r#"{"what":"retired","generation":}"#,
    "\nW",
    r#"{"what":"serving","generation":}"#,
    "\nD",
    r#"{"environment":"-pr-1","generation":,"commit":{"id":"","message":"","author":""},"cause":"push","shown":"running","#,
    r#""phases":[["queued",],["deploying",],["running-tests",],["starting",],["running",]],"#,
    r#""tests":"pending","endpoints":[],"failed":null,"created_at":,"ended_at":null}"#,
);

/// Packs a text.
pub(super) fn pack(text: &str) -> io::Result<Vec<u8>> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(WORDS.as_bytes())?;
    // Ends on a whole byte, and what follows may still refer to what was before.
    deflate.flush()?;
    let words = deflate.get_ref().len();
    deflate.write_all(text.as_bytes())?;
    let both = deflate.finish()?;
    let mut packed = vec![FORMAT];
    packed.extend(both.into_iter().skip(words));
    Ok(packed)
}

/// The text that was packed.
pub(super) fn unpack(packed: &[u8]) -> io::Result<String> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let Some((&FORMAT, body)) = packed.split_first() else {
        return Err(wrong(
            "it is packed in a way that this version does not know",
        ));
    };
    let words = stored();
    let both = DeflateDecoder::new(words.as_slice().chain(body));
    let most = WORDS.len() + LONGEST;
    let mut text = String::new();
    both.take(u64::try_from(most).unwrap_or(u64::MAX))
        .read_to_string(&mut text)?;
    if text.len() == most {
        return Err(wrong("it is longer than any record"));
    }
    match text.strip_prefix(WORDS) {
        Some(text) => Ok(text.to_owned()),
        None => Err(wrong("it is damaged")),
    }
}

/// The words as DEFLATE stores what it does not compress: no last block, its length, the same inverted, and the words.
fn stored() -> Vec<u8> {
    let length = u16::try_from(WORDS.len()).unwrap_or_default();
    let mut block = vec![0];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(WORDS.as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_is_small_because_its_words_are_known() {
        let body = r#"{"id":"5f0c3a9be1d24478-pr-1","app":"5f0c3a9be1d24478","owner":"local","slug":"shop","repository":7,"kind":{"preview":1}}"#;
        let packed = pack(body).unwrap();
        assert!(2 * packed.len() < body.len(), "{} bytes", packed.len());
        assert_eq!(unpack(&packed).unwrap(), body);
    }

    #[test]
    fn what_is_no_packed_body_is_refused_in_words() {
        let packed = pack("a body that nobody wrote").unwrap();
        let mut other = packed.clone();
        other[0] = 2;
        let error = unpack(&other).unwrap_err().to_string();
        assert!(error.contains("does not know"), "{error}");
        assert!(unpack(&[]).is_err());
        let long = pack(&"x".repeat(LONGEST)).unwrap();
        let error = unpack(&long).unwrap_err().to_string();
        assert!(error.contains("longer"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_packed_comes_back(text in "\\PC{0,2000}") {
            prop_assert_eq!(unpack(&pack(&text).unwrap()).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut damaged = vec![FORMAT];
            damaged.extend(bytes);
            let _ = unpack(&damaged);
        }
    }
}
