//! Signatures made elsewhere, and headers that nobody honest sends.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

const BODY: &[u8] = b"{\"id\": \"evt_1\", \"object\": \"event\"}";
const SENT: i64 = 1_790_000_000;

fn secrets(texts: &[&str]) -> Vec<SecretText> {
    texts.iter().copied().map(SecretText::new).collect()
}

fn check(header: &str, texts: &[&str], now: i64) -> Result<(), SignatureError> {
    verify(header, BODY, &secrets(texts), Timestamp::from_seconds(now), TOLERANCE_SECONDS)
}

/// Made by Python's own `hmac` of `1790000000.` and the body above.
const OF_FIRST: &str = "0138ac37ab3b3b8d3c7938a370ec52bcc3a84dd42911be7b16efb513282ceb1a";
const OF_SECOND: &str = "5588e41c914e0b5ed001baa004252475b47eb69c5f9399f36cf8c9be38e248aa";

fn header(signatures: &[&str]) -> String {
    signatures.iter().fold(format!("t={SENT}"), |header, signature| format!("{header},v1={signature}"))
}

#[test]
fn a_signature_made_with_the_secret_is_good() {
    assert_eq!(check(&header(&[OF_FIRST]), &["whsec_first"], SENT), Ok(()));
    assert_eq!(check(&header(&[&OF_FIRST.to_ascii_uppercase()]), &["whsec_first"], SENT), Ok(()));
    let with_others = format!("t={SENT}, v0={OF_SECOND}, v1={OF_FIRST}, v2=x");
    assert_eq!(check(&with_others, &["whsec_first"], SENT), Ok(()));
}

#[test]
fn what_stripes_own_client_signs_and_believes_is_good() {
    let Some(python) = testkit::parts::stripe_client() else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stripe/signature/official_client.py");
    let body = "{\"id\": \"evt_\u{e9}\", \"object\": \"event\", \"data\": {\"object\": {\"name\": \"\u{1f600}\"}}}\n";
    let mut child = Command::new(python)
        .args([script, "whsec_official", &SENT.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python can be started");
    child.stdin.take().expect("an input").write_all(body.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout).expect("text");
    let header = said.trim().strip_prefix("evt_\u{e9} ").unwrap_or_else(|| panic!("{said}"));
    let judge = |body: &str| {
        let now = Timestamp::from_seconds(SENT + 10);
        verify(header, body.as_bytes(), &secrets(&["whsec_official"]), now, TOLERANCE_SECONDS)
    };
    assert_eq!(judge(body), Ok(()));
    assert_eq!(judge(body.trim_end()), Err(SignatureError::Mismatch));
}

#[test]
fn while_a_secret_is_replaced_either_is_good() {
    assert_eq!(check(&header(&[OF_SECOND, OF_FIRST]), &["whsec_first"], SENT), Ok(()));
    assert_eq!(check(&header(&[OF_FIRST]), &["whsec_second", "whsec_first"], SENT), Ok(()));
    assert_eq!(check(&header(&[OF_SECOND]), &["whsec_second", "whsec_first"], SENT), Ok(()));
}

#[test]
fn what_was_made_otherwise_is_not() {
    let mismatch = Err(SignatureError::Mismatch);
    assert_eq!(check(&header(&[OF_SECOND]), &["whsec_first"], SENT), mismatch);
    assert_eq!(check(&header(&[OF_FIRST]), &["first"], SENT), mismatch);
    assert_eq!(check(&header(&[OF_FIRST]), &[], SENT), mismatch);
    assert_eq!(check(&header(&[OF_FIRST]), &[""], SENT), mismatch);
    assert_eq!(check(&header(&[&OF_FIRST.replace('a', "b")]), &["whsec_first"], SENT), mismatch);
    assert_eq!(check(&format!("t=1790000001,v1={OF_FIRST}"), &["whsec_first"], SENT), mismatch);
    assert_eq!(check(&format!("t=01790000000,v1={OF_FIRST}"), &["whsec_first"], SENT), mismatch);
    let now = Timestamp::from_seconds(SENT);
    assert_eq!(verify(&header(&[OF_FIRST]), b"{}", &secrets(&["whsec_first"]), now, TOLERANCE_SECONDS), mismatch);
}

#[test]
fn a_webhook_is_good_for_five_minutes_both_ways() {
    let at = |now| check(&header(&[OF_FIRST]), &["whsec_first"], now);
    assert_eq!(at(SENT + 300), Ok(()));
    assert_eq!(at(SENT + 301), Err(SignatureError::TooOld));
    assert_eq!(at(SENT - 300), Ok(()));
    assert_eq!(at(SENT - 301), Err(SignatureError::FromTheFuture));
    // A signature that is wrong tells nothing about the clock.
    assert_eq!(check(&header(&[OF_SECOND]), &["whsec_first"], SENT + 301), Err(SignatureError::Mismatch));
}

#[test]
fn malformed_headers_are_refused_without_a_panic() {
    let long = format!("t={}", "9".repeat(400));
    for header in [
        "",
        ",",
        "=",
        "t",
        "t=",
        "v1=",
        &format!("t={SENT}"),
        &format!("v1={OF_FIRST}"),
        &format!("t=,v1={OF_FIRST}"),
        &format!("t=-5,v1={OF_FIRST}"),
        &format!("t=+5,v1={OF_FIRST}"),
        &format!("t=1 2,v1={OF_FIRST}"),
        &format!("t={SENT},t={SENT},v1={OF_FIRST}"),
        &format!("t={SENT},v1={}", &OF_FIRST[1..]),
        &format!("t={SENT},v1={OF_FIRST}0"),
        &format!("t={SENT},v1={}", OF_FIRST.replace('a', "\u{e9}")),
        &format!("t={SENT},v1={OF_FIRST},nonsense"),
        &format!("{long},v1={OF_FIRST}"),
    ] {
        assert_eq!(check(header, &["whsec_first"], SENT), Err(SignatureError::Malformed), "{header}");
    }
}

proptest::proptest! {
    #[test]
    fn no_header_panics(header in "\\PC{0,200}", times in proptest::collection::vec("(t|v1|v0)=[0-9a-f\u{e9}]{0,70}", 0..6)) {
        let _ = check(&header, &["whsec_first"], SENT);
        let _ = check(&times.join(","), &["whsec_first"], SENT);
    }
}
