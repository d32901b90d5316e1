//! Sign-ins by a real provider, and by one that errs or lies.

use serde_json::json;
use testkit::oidc_provider::{OidcProvider, REDIRECT_URI};

use super::*;
use crate::secret::SecretText;

const RANDOM: Random = [7; 96];

fn settings(issuer: &str, client: &str) -> ProviderSettings {
    ProviderSettings {
        name: "local".into(),
        display_name: "Local".into(),
        issuer: issuer.into(),
        client_id: client.into(),
        client_secret: SecretText::new(OidcProvider::secret_of(client)),
        scopes: ["openid", "email", "profile"].map(str::to_owned).into(),
        allow_private: true,
        patience: Duration::from_secs(10),
    }
}

fn client_of(real: &OidcProvider) -> Provider {
    Provider::new(settings(real.issuer(), "tollway")).expect("a provider")
}

#[expect(clippy::disallowed_methods, reason = "the provider goes by the wall clock, so its tokens hold by that one")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(since.as_secs() as i64)
}

/// The browser's part: from the start to the code that it comes back with.
async fn code_of(real: &OidcProvider, started: &Started, account: &str) -> String {
    let back = Url::parse(&real.sign_in(&started.url, account).await).expect("an address");
    let told = |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert!(back.as_str().starts_with(REDIRECT_URI), "{back}");
    assert!(started.is_answered_by(&told("state").expect("the state comes back")));
    told("code").unwrap_or_else(|| panic!("no code in {back}"))
}

/// A whole sign-in.
async fn sign_in(real: &OidcProvider, provider: &Provider, account: &str) -> Result<Identity, SignInError> {
    let started = provider.start(REDIRECT_URI, RANDOM, now()).await?;
    let code = code_of(real, &started, account).await;
    provider.finish(&code, &started, REDIRECT_URI, now()).await
}

#[tokio::test]
async fn people_sign_in_with_and_without_verified_emails() {
    for in_token in [true, false] {
        let Some(real) = OidcProvider::start(json!({ "claims_in_id_token": in_token })) else { return };
        let provider = client_of(&real);
        let ada = sign_in(&real, &provider, "ada").await.expect("Ada signs in");
        let expected = Identity {
            issuer: real.issuer().into(),
            subject: "ada".into(),
            email: Some("ada@example.com".into()),
            email_verified: true,
            name: Some("Ada Lovelace".into()),
        };
        assert_eq!(ada, expected, "claims in the token: {in_token}");
        let bob = sign_in(&real, &provider, "bob").await.expect("Bob signs in");
        assert_eq!((bob.email.as_deref(), bob.email_verified), (Some("bob@example.com"), false));
        let eve = sign_in(&real, &provider, "eve").await.expect("Eve signs in");
        assert_eq!((eve.subject.as_str(), eve.email, eve.email_verified, eve.name), ("eve", None, false, None));
        // Documents and keys were asked for once.
        assert_eq!((real.count("/jwks").await, real.count("/.well-known/openid-configuration").await), (1, 1));
    }
}

#[tokio::test]
async fn every_form_of_signature_with_a_public_key_is_understood() {
    for alg in ["ES256", "EdDSA", "PS256"] {
        let Some(real) = OidcProvider::start(json!({ "alg": alg })) else { return };
        let signed_in = sign_in(&real, &client_of(&real), "ada").await;
        assert_eq!(signed_in.map(|identity| identity.subject), Ok("ada".into()), "{alg}");
    }
}

#[tokio::test]
async fn a_secret_is_sent_as_the_provider_takes_it() {
    let Some(real) = OidcProvider::start(json!({ "client_auth_methods": ["client_secret_post"] })) else { return };
    // A provider that takes no other has no client with another.
    let posting = Provider::new(settings(real.issuer(), "posting")).expect("a provider");
    let started = posting.start(REDIRECT_URI, RANDOM, now()).await;
    assert!(started.is_ok(), "{started:?}");
    assert!(sign_in(&real, &posting, "ada").await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_a_code_of_another_and_a_used_code_sign_nobody_in() {
    let Some(real) = OidcProvider::start(json!({ "code_seconds": 1 })) else { return };
    let provider = client_of(&real);
    let started = provider.start(REDIRECT_URI, RANDOM, now()).await.expect("a start");
    let refused = |told: &str| Err(SignInError::Code(told.into()));

    let wrong = ProviderSettings { client_secret: SecretText::new("guessed"), ..settings(real.issuer(), "tollway") };
    let wrong = Provider::new(wrong).expect("a provider");
    let code = code_of(&real, &started, "ada").await;
    assert_eq!(wrong.finish(&code, &started, REDIRECT_URI, now()).await, refused("invalid_client"));

    // Whoever has the code but not the browser's verifier.
    let code = code_of(&real, &started, "ada").await;
    let stolen = Started { pkce_verifier: "a".repeat(43), ..started.clone() };
    assert_eq!(provider.finish(&code, &stolen, REDIRECT_URI, now()).await, refused("invalid_grant"));

    let code = code_of(&real, &started, "ada").await;
    assert!(provider.finish(&code, &started, REDIRECT_URI, now()).await.is_ok());
    assert_eq!(provider.finish(&code, &started, REDIRECT_URI, now()).await, refused("invalid_grant"));
    assert_eq!(provider.finish("made up", &started, REDIRECT_URI, now()).await, refused("invalid_grant"));

    let code = code_of(&real, &started, "ada").await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(provider.finish(&code, &started, REDIRECT_URI, now()).await, refused("invalid_grant"));
}

#[tokio::test]
async fn a_token_of_another_sign_in_or_for_another_is_refused() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let provider = client_of(&real);
    let started = provider.start(REDIRECT_URI, RANDOM, now()).await.expect("a start");
    let code = code_of(&real, &started, "ada").await;
    let other = Started { nonce: "another".into(), ..started.clone() };
    assert_eq!(provider.finish(&code, &other, REDIRECT_URI, now()).await, Err(SignInError::Nonce));
    assert!(started.is_answered_by(&started.state) && !started.is_answered_by("guessed"));

    let lied = async |told: Value| {
        real.control(json!({ "id_token": told })).await;
        sign_in(&real, &provider, "ada").await
    };
    let token = |error: TokenError| Err(SignInError::Token(error));
    let claims = |claims: Value| json!({ "claims": claims });
    assert!(lied(claims(json!({}))).await.is_ok());
    assert_eq!(lied(claims(json!({ "nonce": null }))).await, Err(SignInError::Nonce));
    assert_eq!(lied(claims(json!({ "aud": "somebody" }))).await, token(TokenError::Audience));
    assert_eq!(lied(claims(json!({ "aud": [] }))).await, token(TokenError::Audience));
    assert_eq!(lied(claims(json!({ "azp": "somebody" }))).await, token(TokenError::Audience));
    assert_eq!(lied(claims(json!({ "aud": ["tollway", "somebody"] }))).await, token(TokenError::Audience));
    assert!(lied(claims(json!({ "aud": ["tollway", "somebody"], "azp": "tollway" }))).await.is_ok());
    assert_eq!(lied(claims(json!({ "iss": "https://evil.example" }))).await, token(TokenError::UnknownIssuer));
    assert_eq!(lied(claims(json!({ "exp": 1_000_000_000 }))).await, token(TokenError::Expired));
    assert_eq!(lied(claims(json!({ "exp": null }))).await, token(TokenError::Claim("exp".into())));
    assert_eq!(lied(claims(json!({ "iat": 4_000_000_000u32 }))).await, token(TokenError::NotYetValid));
    assert_eq!(lied(claims(json!({ "sub": "" }))).await, token(TokenError::Claim("sub".into())));
    let by = |by: &str| json!({ "by": by });
    assert_eq!(lied(by("none")).await, token(TokenError::Algorithm));
    assert_eq!(lied(by("public_key")).await, token(TokenError::Algorithm));
    assert_eq!(lied(by("stranger")).await, token(TokenError::Signature));
    assert_eq!(lied(json!({ "header": { "typ": "logout+jwt" } })).await, token(TokenError::Type));
    assert_eq!(lied(json!({ "header": { "kid": "made-up" } })).await, token(TokenError::UnknownKey));
}

#[tokio::test]
async fn what_is_told_about_somebody_else_is_not_heeded() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let lie = json!({ "sub": "bob", "email": "root@example.com", "email_verified": true });
    real.control(json!({ "user_info": lie })).await;
    let eve = sign_in(&real, &client_of(&real), "eve").await.expect("Eve signs in");
    assert_eq!((eve.subject.as_str(), eve.email, eve.email_verified), ("eve", None, false));
}

#[tokio::test]
async fn new_keys_are_found_and_made_up_ones_do_not_make_the_provider_be_asked_again() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let provider = client_of(&real);
    assert!(sign_in(&real, &provider, "ada").await.is_ok());
    real.control(json!({ "rotate": true })).await;
    let started = provider.start(REDIRECT_URI, RANDOM, now()).await.expect("a start");
    let code = code_of(&real, &started, "ada").await;
    // Within the minute the new key is as good as a made-up one.
    let early = provider.finish(&code, &started, REDIRECT_URI, now()).await;
    assert_eq!(early, Err(SignInError::Token(TokenError::UnknownKey)));
    assert_eq!(real.count("/jwks").await, 1);
    let code = code_of(&real, &started, "ada").await;
    let later = now().plus_micros(61_000_000);
    assert!(provider.finish(&code, &started, REDIRECT_URI, later).await.is_ok());
    assert_eq!(real.count("/jwks").await, 2);
    real.control(json!({ "id_token": { "header": { "kid": "made-up" } } })).await;
    for _ in 0..3 {
        let code = code_of(&real, &started, "ada").await;
        let made_up = provider.finish(&code, &started, REDIRECT_URI, later).await;
        assert_eq!(made_up, Err(SignInError::Token(TokenError::UnknownKey)));
    }
    assert_eq!(real.count("/jwks").await, 2);
}

#[tokio::test]
async fn a_provider_that_is_slow_broken_or_endless_holds_nobody_up() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let impatient = || {
        let patience = Duration::from_millis(300);
        Provider::new(ProviderSettings { patience, ..settings(real.issuer(), "tollway") }).expect("a provider")
    };
    let provider = client_of(&real);
    let started = provider.start(REDIRECT_URI, RANDOM, now()).await.expect("a start");
    for (path, fault) in [("/token", "big"), ("/token", "broken"), ("/me", "broken"), ("/me", "big")] {
        let code = code_of(&real, &started, "ada").await;
        real.control(json!({ fault: path })).await;
        let failed = provider.finish(&code, &started, REDIRECT_URI, now()).await.expect_err("a failure");
        let expected = if fault == "big" { FetchError::TooLarge } else { FetchError::Status(500) };
        assert_eq!(failed, SignInError::Fetch(expected), "{fault} {path}");
        assert!(failed.is_passing());
        real.control(json!({ fault: null })).await;
    }
    for (path, fault) in [("/.well-known/openid-configuration", "big"), ("/jwks", "big"), ("/jwks", "broken")] {
        real.control(json!({ fault: path })).await;
        let failed = client_of(&real).start(REDIRECT_URI, RANDOM, now()).await.expect_err("a failure");
        assert!(matches!(failed, SignInError::Published(PublishedError::Fetch(..))), "{failed}");
        assert!(failed.is_passing() && failed.to_string().contains(path), "{failed}");
        real.control(json!({ fault: null })).await;
    }
    real.control(json!({ "delay_ms": 5_000 })).await;
    let failed = impatient().start(REDIRECT_URI, RANDOM, now()).await.expect_err("a failure");
    assert!(failed.to_string().contains("did not answer in time"), "{failed}");
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_and_works_once_it_is_back() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let provider = client_of(&real);
    real.control(json!({ "broken": "/jwks" })).await;
    let at = now();
    assert!(provider.start(REDIRECT_URI, RANDOM, at).await.is_err());
    real.control(json!({ "broken": null })).await;
    // Not asked again at once, and soon after it is.
    let failed = provider.start(REDIRECT_URI, RANDOM, at).await.expect_err("too early");
    assert!(failed.to_string().contains("status 500"), "{failed}");
    assert!(provider.start(REDIRECT_URI, RANDOM, at.plus_micros(5_000_000)).await.is_ok());
    let issuer = real.issuer().to_owned();
    drop(real);
    // What is known stays known; nobody answers for the code.
    let started = provider.start(REDIRECT_URI, RANDOM, at).await.expect("its documents are known");
    let failed = provider.finish("code", &started, REDIRECT_URI, at).await;
    assert_eq!(failed, Err(SignInError::Fetch(FetchError::Connect)));
    let stranger = Provider::new(settings(&issuer, "tollway")).expect("a provider");
    assert!(stranger.start(REDIRECT_URI, RANDOM, at).await.is_err_and(|error| error.is_passing()));
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_or_sends_people_elsewhere_is_refused() {
    let Some(real) = OidcProvider::start(json!({})) else { return };
    let lied = async |metadata: Value| {
        real.control(json!({ "metadata": metadata })).await;
        client_of(&real).start(REDIRECT_URI, RANDOM, now()).await.expect_err("a refusal").to_string()
    };
    let told = lied(json!({ "issuer": "https://evil.example" })).await;
    assert!(told.contains("calls itself \"https://evil.example\""), "{told}");
    assert!(lied(json!({ "authorization_endpoint": "javascript:alert(1)" })).await.contains("javascript"));
    let unencrypted = json!({ "token_endpoint": "ftp://elsewhere.example/token" });
    assert!(lied(unencrypted).await.contains("no https:// address"));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let good = ProviderSettings { allow_private: false, ..settings("https://accounts.example.com", "tollway") };
    let refused = |settings: ProviderSettings| Provider::new(settings).map(drop);
    assert_eq!(refused(good.clone()), Ok(()));
    let private = Err(ProviderError::Address(FetchError::RefusedAddress));
    assert_eq!(refused(ProviderSettings { issuer: "https://127.0.0.1".into(), ..good.clone() }), private);
    let plain = Err(ProviderError::Address(FetchError::NotEncrypted));
    assert_eq!(refused(ProviderSettings { issuer: "http://accounts.example.com".into(), ..good.clone() }), plain);
    assert_eq!(refused(ProviderSettings { issuer: "accounts.example.com".into(), ..good.clone() }), plain);
    let query = ProviderSettings { issuer: "https://accounts.example.com/?a=b".into(), ..good.clone() };
    assert_eq!(refused(query), Err(ProviderError::Query));
    let missing = Err(ProviderError::Missing("client_id"));
    assert_eq!(refused(ProviderSettings { client_id: String::new(), ..good.clone() }), missing);
    assert_eq!(refused(ProviderSettings { scopes: vec!["email".into()], ..good.clone() }), Err(ProviderError::Scopes));
    assert_eq!(refused(ProviderSettings { name: "a/b".into(), ..good }), Err(ProviderError::Name));
}
