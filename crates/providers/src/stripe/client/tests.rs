//! Calls over real connections to a little server.

use super::super::test_server::{KEY, Reply, TestServer};
use super::super::{NewCustomer, NewPrice};
use super::*;

const CUSTOMER: &str = r#"{"id": "cus_1", "object": "customer", "email": "a@example.com"}"#;

impl Stripe {
    /// The same client, with less patience.
    fn hasty(self, waits: Waits) -> Self {
        let mut shared = Arc::into_inner(self.shared).expect("nobody shares it yet");
        shared.waits = waits;
        Self { shared: Arc::new(shared) }
    }
}

const SHORT: Waits =
    Waits { patience: Duration::from_secs(20), pause: Duration::from_millis(2), longest_pause: Duration::from_secs(1) };

fn customer() -> NewCustomer {
    NewCustomer { email: Some("a@example.com".into()), ..NewCustomer::default() }
}

#[tokio::test]
async fn a_call_carries_version_secret_key_and_form() {
    let server = TestServer::start(|_, _| Reply::good(CUSTOMER)).await;
    let stripe = server.client();
    let made = stripe.create_customer(&customer(), "customer/acct_1").await.unwrap();
    assert_eq!((made.id.as_str(), made.email.as_deref()), ("cus_1", Some("a@example.com")));
    stripe.get_customer("cus_1").await.unwrap();
    stripe.cancel_subscription("sub_1", true, false, "cancel/1").await.unwrap_err();
    let asked = server.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/v1/customers"));
    for call in &asked {
        assert_eq!(call.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(call.header("stripe-version"), Some("2026-10-28.endive"));
        assert!(call.header("user-agent").is_some_and(|agent| agent.starts_with("tollway/")));
    }
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked[0].header("idempotency-key"), Some("customer/acct_1"));
    assert_eq!(asked[0].parameters, [("email".to_owned(), "a@example.com".to_owned())]);
    assert_eq!(asked[1].header("idempotency-key"), None);
    assert_eq!((asked[2].method.as_str(), asked[2].path.as_str()), ("DELETE", "/v1/subscriptions/sub_1"));
    assert_eq!(asked[2].header("idempotency-key"), Some("cancel/1"));
    assert_eq!(asked[2].parameters, [("invoice_now".to_owned(), "true".to_owned())]);
    assert_eq!(asked.iter().map(|call| call.connection).max(), Some(0), "the connection is kept");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_key_and_the_same_form() {
    let refusals: [fn() -> Reply; 9] = [
        || Reply::Cut,
        || Reply::Half,
        || Reply::status(409, ""),
        || Reply::status(429, ""),
        || Reply::status(500, ""),
        || Reply::status(502, ""),
        || Reply::status(503, ""),
        || Reply::status(504, ""),
        || Reply::status(400, "Stripe-Should-Retry: true\r\n"),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        let server =
            TestServer::start(move |_, before| if before < 2 { refusal() } else { Reply::good(CUSTOMER) }).await;
        let made = server.client().hasty(SHORT).create_customer(&customer(), "k").await;
        assert_eq!(made.map(|made| made.id), Ok("cus_1".to_owned()), "refusal {number}");
        let asked = server.asked();
        assert_eq!(asked.len(), 3, "refusal {number}");
        assert!(asked.iter().all(|call| call.header("idempotency-key") == Some("k")));
        assert!(asked.iter().all(|call| call.parameters == asked[0].parameters));
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_after_three_tries() {
    let cases: [(fn() -> Reply, StripeError); 4] = [
        (|| Reply::Cut, StripeError::Unavailable("the connection broke".into())),
        (|| Reply::Half, StripeError::Unavailable("the connection broke while it answered".into())),
        (|| Reply::status(429, ""), StripeError::RateLimited),
        (
            || Reply::status(500, "Request-Id: req_9\r\n"),
            StripeError::Unavailable("it answered with status 500 (request req_9)".into()),
        ),
    ];
    for (refusal, expected) in cases {
        let server = TestServer::start(move |_, _| refusal()).await;
        let error = server.client().hasty(SHORT).get_customer("cus_1").await.unwrap_err();
        assert!(error.is_passing());
        assert_eq!(error, expected);
        assert_eq!(server.asked().len(), 3, "{expected}");
    }
}

#[tokio::test]
async fn what_would_be_refused_again_is_asked_once() {
    let refusals: [fn() -> Reply; 5] = [
        || Reply::status(400, ""),
        || Reply::status(401, ""),
        || Reply::status(402, ""),
        || Reply::status(404, ""),
        || Reply::status(500, "Stripe-Should-Retry: false\r\n"),
    ];
    for refusal in refusals {
        let server = TestServer::start(move |_, _| refusal()).await;
        server.client().hasty(SHORT).create_customer(&customer(), "k").await.unwrap_err();
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn who_is_told_to_come_back_later_waits_that_long_or_gives_up() {
    let answer = |_: &_, before| {
        if before == 0 { Reply::status(429, "Retry-After: 1\r\n") } else { Reply::good(CUSTOMER) }
    };
    let server = TestServer::start(answer).await;
    let waiting = server.client().hasty(SHORT);
    let early = tokio::time::timeout(Duration::from_millis(900), waiting.get_customer("cus_1")).await;
    assert!(early.is_err(), "a second has to pass");
    let server = TestServer::start(answer).await;
    assert!(server.client().hasty(SHORT).get_customer("cus_1").await.is_ok());
    let server = TestServer::start(|_, _| Reply::status(429, "Retry-After: 60\r\n")).await;
    assert_eq!(server.client().hasty(SHORT).get_customer("cus_1").await, Err(StripeError::RateLimited));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn patience_ends() {
    let server = TestServer::start(|_, _| Reply::Nothing).await;
    let hasty = server.client().hasty(Waits { patience: Duration::from_millis(60), ..SHORT });
    let error = hasty.create_customer(&customer(), "k").await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable("it did not answer in time".into()));
}

#[tokio::test]
async fn nobody_there_is_an_unknown_outcome() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut settings = StripeSettings::new(crate::secret::SecretText::new(KEY));
    settings.base_url = url::Url::parse(&address).unwrap();
    let error = Stripe::new(&settings).unwrap().hasty(SHORT).account().await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable("no connection could be made".into()));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_unknown_outcome() {
    for (body, expected) in [
        ("<html>", "its answer is not JSON"),
        (r#"{"object": "customer"}"#, "its answer cannot be read: customer without id"),
    ] {
        let server = TestServer::start(move |_, _| Reply::good(body)).await;
        let error = server.client().get_customer("cus_1").await.unwrap_err();
        assert_eq!(error, StripeError::Unavailable(expected.into()));
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn pages_are_read_to_the_end() {
    let server = TestServer::start(|asked, _| {
        Reply::good(match asked.parameter("starting_after") {
            None => r#"{"data": [{"id": "cus_3"}, {"id": "cus_2"}], "has_more": true}"#,
            Some("cus_2") => r#"{"data": [{"id": "cus_1"}], "has_more": false}"#,
            Some(_) => "{}",
        })
    })
    .await;
    let found = server.client().customers_by_email("a@example.com").await.unwrap();
    assert_eq!(found.iter().map(|customer| customer.id.as_str()).collect::<Vec<_>>(), ["cus_3", "cus_2", "cus_1"]);
    assert!(server.asked().iter().all(|call| call.parameter("limit") == Some("100")));
    let endless = TestServer::start(|_, _| Reply::good(r#"{"data": [{"id": "cus_3"}], "has_more": true}"#)).await;
    let error = endless.client().customers().await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable("the list /v1/customers has no end".into()));
}

#[tokio::test]
async fn more_lookup_keys_than_one_call_takes_are_asked_for_in_several() {
    let server = TestServer::start(|_, _| Reply::good(r#"{"data": [], "has_more": false}"#)).await;
    let keys: Vec<String> = (0..21).map(|number| format!("plan_{number}")).collect();
    assert_eq!(server.client().prices_by_lookup_keys(&keys).await, Ok(vec![]));
    let asked = server.asked();
    let count = |call: &super::super::test_server::Asked| {
        call.parameters.iter().filter(|(name, _)| name.starts_with("lookup_keys[")).count()
    };
    assert_eq!(asked.iter().map(count).collect::<Vec<_>>(), [10, 10, 1]);
}

#[tokio::test]
async fn events_of_many_types_are_asked_for_in_parts_and_told_oldest_first() {
    let server = TestServer::start(|asked, _| {
        let event = |id: &str, created: i64| {
            format!(r#"{{"id": "{id}", "type": "a", "created": {created}, "data": {{"object": {{"id": "in_1"}}}}}}"#)
        };
        let events = match asked.parameters.iter().filter(|(name, _)| name.starts_with("types[")).count() {
            20 => [event("evt_4", 40), event("evt_2", 20), event("evt_1", 20)].join(","),
            _ => event("evt_3", 30),
        };
        Reply::good(format!(r#"{{"data": [{events}], "has_more": false}}"#))
    })
    .await;
    let since = domain::time::Timestamp::from_seconds(10);
    let events = server.client().events_since(since, &super::super::events::FOLLOWED).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["evt_1", "evt_2", "evt_3", "evt_4"]);
    assert!(server.asked().iter().all(|call| call.parameter("created[gte]") == Some("10")));
}

#[tokio::test]
async fn an_invoice_has_all_its_lines() {
    let line = |id: &str| format!(r#"{{"id": "{id}", "amount": 5}}"#);
    let invoice = r#""currency": "usd", "amount_due": 1, "amount_paid": 0, "amount_remaining": 1, "subtotal": 1,
        "total": 1, "created": 1"#;
    let server = TestServer::start(move |asked, _| {
        Reply::good(match asked.path.as_str() {
            "/v1/invoices/in_1" => {
                format!(r#"{{"id": "in_1", {invoice}, "lines": {{"data": [{}], "has_more": true}}}}"#, line("il_1"))
            }
            _ => format!(r#"{{"data": [{},{}], "has_more": false}}"#, line("il_1"), line("il_2")),
        })
    })
    .await;
    let invoice = server.client().get_invoice("in_1").await.unwrap();
    let lines: Vec<_> = invoice.lines.iter().filter_map(|line| line.id.as_deref()).collect();
    assert_eq!((lines, invoice.has_more_lines), (vec!["il_1", "il_2"], false));
    assert_eq!(server.asked()[1].path, "/v1/invoices/in_1/lines");
}

#[tokio::test]
async fn an_id_stays_an_id() {
    let server = TestServer::start(|_, _| Reply::good(CUSTOMER)).await;
    let stripe = server.client();
    for id in ["", ".", ".."] {
        assert!(matches!(stripe.delete_customer(id, "k").await, Err(StripeError::NotFound { .. })), "{id:?}");
    }
    stripe.get_customer("cus_1/../../x?a=b#c").await.unwrap();
    assert_eq!(
        server.asked().iter().map(|call| call.path.as_str()).collect::<Vec<_>>(),
        ["/v1/customers/cus_1%2F..%2F..%2Fx%3Fa%3Db%23c"]
    );
}

#[tokio::test]
async fn what_cannot_be_a_key_is_not_sent() {
    let server = TestServer::start(|_, _| Reply::good(CUSTOMER)).await;
    let error = server.client().create_price(&NewPrice::default(), "a\r\nb").await.unwrap_err();
    assert!(matches!(error, StripeError::Invalid { .. }));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn stripe_is_not_looked_for_in_a_private_network() {
    let mut settings = StripeSettings::new(crate::secret::SecretText::new(KEY));
    settings.base_url = url::Url::parse("https://10.0.0.1").unwrap();
    let error = Stripe::new(&settings).unwrap().account().await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable("its address is not public".into()));
}

#[tokio::test]
async fn no_secret_is_printed() {
    let server = TestServer::start(|_, _| Reply::status(401, "")).await;
    let stripe = server.client();
    assert!(!format!("{stripe:?}").contains("secret"));
    assert_eq!(stripe.account().await, Err(StripeError::Unauthorized));
    assert!(!stripe.is_live());
}

#[test]
fn pauses_grow_and_are_spread() {
    let stripe = Stripe::new(&StripeSettings::new(crate::secret::SecretText::new(KEY))).unwrap();
    let keys: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let pauses = |tries| {
        let call = |key| Call { method: Method::POST, path: "/v1/x", form: Form::new(), key: Some(key) };
        keys.iter().map(|key| stripe.pause(&call(key), tries)).collect::<std::collections::BTreeSet<_>>()
    };
    for (tries, due) in [(1, 500), (2, 1_000)] {
        let pauses = pauses(tries);
        assert!(pauses.len() > 20, "they differ");
        let (least, most) = (pauses.first().unwrap(), pauses.last().unwrap());
        assert!(*least >= Duration::from_millis(due / 2) && *most <= Duration::from_millis(due));
    }
}
