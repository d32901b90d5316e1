//! Tokens as they should be, each attack on them, and an issuer that comes and goes.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::json;
use testkit::oidc_provider::OidcProvider;

use super::*;

const ISS: &str = "https://app.example.com/";
const NOW: i64 = 1_800_000_000;
/// What comes before the 32 bytes of a private key in PKCS #8, of Ed25519 and of P-256.
const ED25519: &[u8] = &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const P256: &[u8] = &[
    0x30, 0x41, 2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3,
    1, 7, 4, 0x27, 0x30, 0x25, 2, 1, 1, 4, 0x20,
];

/// A key pair of the issuer's.
struct Pair {
    name: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
}

impl Pair {
    fn ed25519(name: &'static str, seed: u8) -> Pair {
        let der = [ED25519, &[seed; 32]].concat();
        Pair { name, algorithm: Algorithm::EdDSA, private: EncodingKey::from_ed_der(&der) }
    }

    fn p256(name: &'static str, seed: u8) -> Pair {
        let der = [P256, &[seed; 32]].concat();
        Pair { name, algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(&der) }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.name.to_owned());
        serde_json::to_value(jwk).expect("JSON")
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_with(|_| {}, claims)
    }

    fn sign_with(&self, change: impl FnOnce(&mut Header), claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.name.to_owned());
        change(&mut header);
        jsonwebtoken::encode(&header, claims, &self.private).expect("a token")
    }
}

/// An issuer that publishes these keys, counts how often it is asked, and may be away.
struct Stand {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Stand {
    fn with(pairs: &[&Pair]) -> Stand {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let stand = Stand { url, keys: Arc::default(), asked: Arc::default(), away: Arc::default() };
        stand.publish(pairs);
        let (keys, asked, away) = (stand.keys.clone(), stand.asked.clone(), stand.away.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                asked.fetch_add(1, Ordering::SeqCst);
                let body = json!({ "keys": *keys.lock() }).to_string();
                let status = if away.load(Ordering::SeqCst) { "503 Away" } else { "200 OK" };
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        stand
    }

    fn publish(&self, pairs: &[&Pair]) {
        *self.keys.lock() = pairs.iter().map(|pair| pair.public()).collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn issuers(&self) -> Issuers {
        Issuers::new(vec![settings(&self.url)]).expect("an issuer")
    }
}

fn settings(jwks_url: &str) -> IssuerSettings {
    IssuerSettings {
        name: "app".into(),
        issuer: ISS.into(),
        jwks_url: jwks_url.into(),
        audiences: vec!["tollway".into(), "app".into()],
        external_id_claim: "sub".into(),
        email_claim: "email".into(),
        name_claim: "name".into(),
        algorithms: ["RS256", "ES256", "EdDSA"].map(str::to_owned).into(),
        allow_private: true,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW + seconds)
}

/// Good claims with these put over them; null takes one away.
fn claims(change: Value) -> Value {
    let mut claims = json!({ "iss": ISS, "sub": "user-1", "aud": "tollway", "exp": NOW + 600, "iat": NOW,
                             "email": "ada@example.com", "name": "Ada" });
    for (name, value) in change.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

/// Puts another header before a token's claims and keeps its signature.
fn with_header(token: &str, header: Value) -> String {
    let (_, rest) = token.split_once('.').expect("a token");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[tokio::test]
async fn a_good_token_says_whom_it_is_about() {
    let (ed, p256) = (Pair::ed25519("ed", 1), Pair::p256("p256", 2));
    let stand = Stand::with(&[&ed, &p256]);
    let issuers = stand.issuers();
    let expected = ExternalIdentity {
        issuer_name: "app".into(),
        external_id: "user-1".into(),
        email: Some("ada@example.com".into()),
        name: Some("Ada".into()),
    };
    for pair in [&ed, &p256] {
        assert_eq!(issuers.verify(&pair.sign(&claims(json!({}))), at(0)).await, Ok(expected.clone()), "{}", pair.name);
    }
    for fine in [
        json!({ "aud": ["somebody", "app"] }),
        json!({ "exp": NOW as f64 + 600.5 }),
        json!({ "nbf": NOW - 10 }),
        json!({ "iat": null }),
    ] {
        assert_eq!(issuers.verify(&ed.sign(&claims(fine.clone())), at(0)).await, Ok(expected.clone()), "{fine}");
    }
    let fine: [fn(&mut Header); 4] = [
        |header| header.kid = None,
        |header| header.typ = None,
        |header| header.typ = Some("at+jwt".into()),
        |header| header.typ = Some("application/AT+JWT".into()),
    ];
    for change in fine {
        assert_eq!(issuers.verify(&ed.sign_with(change, &claims(json!({}))), at(0)).await, Ok(expected.clone()));
    }
    let plain = ed.sign(&claims(json!({ "sub": 42, "email": "a\nb", "name": 7 })));
    let identity = issuers.verify(&plain, at(0)).await.expect("it is accepted");
    assert_eq!((identity.external_id.as_str(), identity.email, identity.name), ("42", None, None));
    assert_eq!(stand.asked(), 1);
}

#[tokio::test]
async fn a_token_that_is_not_for_us_or_not_for_now_is_refused() {
    let ed = Pair::ed25519("ed", 1);
    let issuers = Stand::with(&[&ed]).issuers();
    let claim = |name: &str| TokenError::Claim(name.into());
    for (change, expected) in [
        (json!({ "iss": "https://evil.example" }), TokenError::UnknownIssuer),
        (json!({ "iss": "https://app.example.com" }), TokenError::UnknownIssuer),
        (json!({ "iss": null }), TokenError::UnknownIssuer),
        (json!({ "aud": "somebody" }), TokenError::Audience),
        (json!({ "aud": null }), TokenError::Audience),
        (json!({ "aud": [] }), TokenError::Audience),
        (json!({ "aud": { "0": "tollway" } }), TokenError::Audience),
        (json!({ "exp": NOW - 60 }), TokenError::Expired),
        (json!({ "exp": -1 }), TokenError::Expired),
        (json!({ "exp": null }), claim("exp")),
        (json!({ "exp": "soon" }), claim("exp")),
        (json!({ "nbf": NOW + 61 }), TokenError::NotYetValid),
        (json!({ "iat": NOW + 61 }), TokenError::NotYetValid),
        (json!({ "nbf": "x" }), claim("nbf")),
        (json!({ "sub": null }), claim("sub")),
        (json!({ "sub": "" }), claim("sub")),
        (json!({ "sub": "a\u{0}b" }), claim("sub")),
        (json!({ "sub": "x".repeat(256) }), claim("sub")),
        (json!({ "sub": ["user-1"] }), claim("sub")),
        (json!({ "sub": 1.5 }), claim("sub")),
    ] {
        assert_eq!(issuers.verify(&ed.sign(&claims(change.clone())), at(0)).await, Err(expected), "{change}");
    }
    // A minute more or less is a matter of clocks.
    let token = ed.sign(&claims(json!({ "nbf": NOW, "exp": NOW + 600 })));
    for (seconds, is_good) in [(-61, false), (-60, true), (0, true), (659, true), (660, false)] {
        assert_eq!(issuers.verify(&token, at(seconds)).await.is_ok(), is_good, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_that_was_not_signed_by_a_published_key_is_refused() {
    let (ed, p256, stranger) = (Pair::ed25519("ed", 1), Pair::p256("p256", 2), Pair::ed25519("ed", 3));
    let stand = Stand::with(&[&ed, &p256]);
    let issuers = stand.issuers();
    let good = ed.sign(&claims(json!({})));
    assert!(issuers.verify(&good, at(0)).await.is_ok());
    let refused = async |token: &str, expected: TokenError| {
        assert_eq!(issuers.verify(token, at(0)).await, Err(expected), "{token}");
    };
    refused(&stranger.sign(&claims(json!({}))), TokenError::Signature).await;
    refused(&stranger.sign_with(|header| header.kid = None, &claims(json!({}))), TokenError::Signature).await;
    refused(&ed.sign_with(|header| header.kid = Some("made-up".into()), &claims(json!({}))), TokenError::UnknownKey)
        .await;
    // The name of a key of another form.
    refused(&ed.sign_with(|header| header.kid = Some("p256".into()), &claims(json!({}))), TokenError::UnknownKey).await;
    // Other claims under a good signature, and a signature cut short or left out.
    let (signed, signature) = good.rsplit_once('.').expect("a token");
    let other = URL_SAFE_NO_PAD.encode(claims(json!({ "sub": "root" })).to_string());
    let (header, _) = signed.split_once('.').expect("a token");
    refused(&format!("{header}.{other}.{signature}"), TokenError::Signature).await;
    refused(&format!("{signed}.{}", &signature[..signature.len() - 4]), TokenError::Signature).await;
    refused(&format!("{signed}."), TokenError::Signature).await;

    for alg in ["none", "None", "nOnE", "HS256", "HS512", "", "RS257"] {
        refused(&with_header(&good, json!({ "alg": alg, "kid": "ed" })), TokenError::Algorithm).await;
    }
    // A secret made of the public key, told to be a shared one.
    let public = URL_SAFE_NO_PAD.decode(ed.public()["x"].as_str().expect("a key")).expect("base64");
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("ed".into());
    let forged =
        jsonwebtoken::encode(&header, &claims(json!({})), &EncodingKey::from_secret(&public)).expect("a token");
    refused(&forged, TokenError::Algorithm).await;
    // A key that the token brings along is not looked at.
    let own = json!({ "alg": "EdDSA", "jwk": stranger.public(), "jku": "https://evil.example/keys" });
    let brought =
        stranger.sign_with(|header| header.jwk = serde_json::from_value(own["jwk"].clone()).ok(), &claims(json!({})));
    refused(&brought, TokenError::Signature).await;

    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", ""] {
        refused(&ed.sign_with(|header| header.typ = Some(typ.into()), &claims(json!({}))), TokenError::Type).await;
    }
    refused(&ed.sign_with(|header| header.crit = Some(vec!["exp".into()]), &claims(json!({}))), TokenError::Type).await;
    refused(&with_header(&good, json!({ "alg": "ES384", "kid": "ed" })), TokenError::Algorithm).await;
    assert_eq!(stand.asked(), 1, "no token makes the issuer be asked again within half a minute");
}

#[tokio::test]
async fn what_is_no_token_is_refused_before_anybody_is_asked() {
    let ed = Pair::ed25519("ed", 1);
    let stand = Stand::with(&[&ed]);
    let issuers = stand.issuers();
    for nonsense in ["", ".", "..", "a.b.c", "tw_live_123", "e30.e30.", "e30.e30.e30.e30.e30", "ey.ey.ey", "é.é.é"] {
        assert_eq!(issuers.verify(nonsense, at(0)).await, Err(TokenError::Malformed), "{nonsense}");
    }
    let good = ed.sign(&claims(json!({})));
    let padded = ed.sign(&claims(json!({ "more": "x".repeat(13_000) })));
    assert!(padded.len() > 16 * 1024);
    assert_eq!(issuers.verify(&padded, at(0)).await, Err(TokenError::TooLong));
    let twice = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","alg":"none"}"#),
        &good[good.find('.').unwrap() + 1..]
    );
    assert_eq!(issuers.verify(&twice, at(0)).await, Err(TokenError::Malformed));
    assert_eq!(stand.asked(), 0);
    assert!(Issuers::is_token(&good) && !Issuers::is_token("tw_live_1.2.3") && !Issuers::is_token("eyJ"));
}

#[tokio::test]
async fn new_keys_are_found_and_made_up_names_do_not_hammer_the_issuer() {
    let (old, new) = (Pair::ed25519("old", 1), Pair::p256("new", 2));
    let stand = Stand::with(&[&old]);
    let issuers = stand.issuers();
    assert!(issuers.verify(&old.sign(&claims(json!({}))), at(0)).await.is_ok());
    stand.publish(&[&new]);
    let of_new = new.sign(&claims(json!({})));
    assert_eq!(issuers.verify(&of_new, at(29)).await, Err(TokenError::UnknownKey));
    assert!(issuers.verify(&of_new, at(30)).await.is_ok());
    assert_eq!(stand.asked(), 2);
    // What is no longer published is no longer accepted.
    assert_eq!(issuers.verify(&old.sign(&claims(json!({}))), at(31)).await, Err(TokenError::UnknownKey));
    let made_up =
        |number: usize| new.sign_with(|header| header.kid = Some(format!("made-up-{number}")), &claims(json!({})));
    for number in 0..200 {
        assert_eq!(issuers.verify(&made_up(number), at(59)).await, Err(TokenError::UnknownKey));
    }
    assert_eq!(stand.asked(), 2);
    // All at once, when it may be asked again, they are one question.
    let tokens: Vec<String> = (0..50).map(made_up).collect();
    let asking = tokens.iter().map(|token| issuers.verify(token, at(61)));
    let refused = futures_util::future::join_all(asking).await;
    assert!(refused.iter().all(|refused| *refused == Err(TokenError::UnknownKey)));
    assert_eq!(stand.asked(), 3);
    assert!(issuers.verify(&of_new, at(62)).await.is_ok());
}

#[tokio::test]
async fn keys_are_kept_while_the_issuer_is_away_and_looked_at_again_every_hour() {
    let (old, new) = (Pair::ed25519("old", 1), Pair::ed25519("new", 2));
    let stand = Stand::with(&[&old]);
    let issuers = stand.issuers();
    let lasting = claims(json!({ "exp": NOW + 100_000 }));
    let (of_old, of_new) = (old.sign(&lasting), new.sign(&lasting));
    stand.away.store(true, Ordering::SeqCst);
    let unknown = issuers.verify(&of_old, at(0)).await.expect_err("its keys are not known");
    assert!(unknown.is_passing() && unknown.to_string().contains("status 503"), "{unknown}");
    stand.away.store(false, Ordering::SeqCst);
    assert!(issuers.verify(&of_old, at(4)).await.is_err_and(|error| error.is_passing()), "not asked again at once");
    assert!(issuers.verify(&of_old, at(5)).await.is_ok());
    assert_eq!(stand.asked(), 2);

    stand.away.store(true, Ordering::SeqCst);
    assert_eq!(issuers.verify(&of_new, at(40)).await, Err(TokenError::UnknownKey));
    assert!(issuers.verify(&of_old, at(7_200)).await.is_ok());
    until(|| stand.asked() == 4).await;
    stand.away.store(false, Ordering::SeqCst);
    stand.publish(&[&new]);
    // The old key serves this once more, while the issuer is asked; then it is withdrawn.
    assert!(issuers.verify(&of_old, at(7_300)).await.is_ok());
    until(|| stand.asked() == 5).await;
    until_async(async || issuers.verify(&of_old, at(7_301)).await == Err(TokenError::UnknownKey)).await;
    assert!(issuers.verify(&of_new, at(7_302)).await.is_ok());
}

async fn until(is_so: impl Fn() -> bool) {
    until_async(async || is_so()).await;
}

async fn until_async(is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.expect("within ten seconds");
}

#[tokio::test]
async fn tokens_of_a_real_issuer_are_accepted_by_its_discovery() {
    for alg in ["RS256", "ES256", "EdDSA"] {
        let Some(real) = OidcProvider::start(json!({ "alg": alg })) else { return };
        let mine = IssuerSettings { issuer: real.issuer().into(), ..settings("") };
        let issuers = Issuers::new(vec![settings("http://127.0.0.1:1/keys"), mine]).expect("two issuers");
        let said = claims(json!({ "iss": real.issuer() }));
        let token = async |by: &str| real.sign(json!({ "claims": said.clone(), "by": by })).await;
        let identity = issuers.verify(&token("key").await, at(0)).await;
        assert_eq!(identity.map(|identity| identity.external_id), Ok("user-1".into()), "{alg}");
        assert_eq!(issuers.verify(&token("public_key").await, at(0)).await, Err(TokenError::Algorithm));
        assert_eq!(issuers.verify(&token("none").await, at(0)).await, Err(TokenError::Algorithm));
        assert_eq!(issuers.verify(&token("stranger").await, at(0)).await, Err(TokenError::Signature));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good = || IssuerSettings { allow_private: false, ..settings("https://app.example.com/keys") };
    let refused = |settings: IssuerSettings| Issuers::new(vec![settings]).map(drop).map_err(|(_, error)| error);
    assert_eq!(refused(good()), Ok(()));
    assert_eq!(refused(IssuerSettings { issuer: String::new(), ..good() }), Err(IssuerError::NoIssuer));
    assert_eq!(refused(IssuerSettings { audiences: Vec::new(), ..good() }), Err(IssuerError::NoAudience));
    for algorithm in ["HS256", "none", "RS"] {
        let named = IssuerSettings { algorithms: vec![algorithm.into()], ..good() };
        assert_eq!(refused(named), Err(IssuerError::Algorithm(algorithm.into())));
    }
    let keys = |reason| Err(IssuerError::Address { field: "jwks_url", reason });
    assert_eq!(refused(settings_at("https://10.0.0.1/keys")), keys(FetchError::RefusedAddress));
    assert_eq!(refused(settings_at("http://app.example.com/keys")), keys(FetchError::NotEncrypted));
    // What is no address needs one for its keys.
    let named = IssuerSettings { issuer: "my-app".into(), ..good() };
    assert_eq!(refused(named.clone()), Ok(()));
    let by_discovery = IssuerSettings { jwks_url: String::new(), ..named };
    let reason = FetchError::NotEncrypted;
    assert_eq!(refused(by_discovery), Err(IssuerError::Address { field: "issuer", reason }));
    let twice = Issuers::new(vec![good(), good()]).map(drop);
    assert_eq!(twice, Err(("app".into(), IssuerError::Twice(ISS.into()))));
}

fn settings_at(jwks_url: &str) -> IssuerSettings {
    IssuerSettings { allow_private: false, ..settings(jwks_url) }
}
