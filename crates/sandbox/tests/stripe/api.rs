//! What holds for every call: keys, unknown parameters, lists, idempotency, faults.

use serde_json::json;

use crate::stage::{KEY, Stage, text};

#[tokio::test]
async fn the_same_key_and_parameters_get_the_same_answer_and_do_the_work_once() {
    let stage = Stage::start().await;
    let key = [("Idempotency-Key", "one")];
    let first = stage.call("POST", "/v1/customers", &[("email", "a@b.c")], &key).await;
    let again = stage.call("POST", "/v1/customers", &[("email", "a@b.c")], &key).await;
    assert_eq!(first.body, again.body);
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = stage.call("POST", "/v1/customers", &[("email", "x@y.z")], &key).await;
    assert_eq!((other.status, text(&other.body, "error.type")), (400, "idempotency_error"));
    assert_eq!(stage.seen("counts").await["customers"], 1);
}

#[tokio::test]
async fn a_request_that_was_not_understood_leaves_its_key_free() {
    let stage = Stage::start().await;
    let key = [("Idempotency-Key", "one")];
    let wrong = stage.call("POST", "/v1/customers", &[("emale", "a@b.c")], &key).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(text(&wrong.body, "error.code"), "parameter_unknown");
    assert_eq!(text(&wrong.body, "error.message"), "Received unknown parameter: emale");
    assert_eq!(stage.call("POST", "/v1/customers", &[("email", "a@b.c")], &key).await.status, 200);
}

#[tokio::test]
async fn a_key_whose_call_is_on_its_way_is_in_use() {
    let stage = Stage::start().await;
    stage.steer("faults", json!({ "path": "/v1/customers", "effect": { "delay_ms": 1500 } })).await;
    let key = [("Idempotency-Key", "one")];
    let slow = stage.call("POST", "/v1/customers", &[], &key);
    let fast = async {
        while stage.seen("requests").await["requests"].as_array().is_none_or(Vec::is_empty) {
            tokio::task::yield_now().await;
        }
        stage.call("POST", "/v1/customers", &[], &key).await
    };
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!((slow.status, fast.status), (200, 409));
    assert_eq!(text(&fast.body, "error.code"), "idempotency_key_in_use");
}

#[tokio::test]
async fn a_lost_answer_has_done_its_work_and_a_cut_call_has_not() {
    let stage = Stage::start().await;
    let send = |key: &'static str| {
        let request = stage.client.post(format!("{}/v1/customers", stage.url)).bearer_auth(KEY);
        request.header("Idempotency-Key", key).body("email=a%40b.c").send()
    };
    stage.steer("faults", json!({ "method": "POST", "path": "/v1/customers", "effect": "lose_answer" })).await;
    assert!(send("lost").await.is_err());
    assert_eq!(stage.seen("counts").await["customers"], 1);
    assert_eq!(send("lost").await.unwrap().headers()["idempotent-replayed"], "true");
    stage.steer("faults", json!({ "method": "POST", "path": "/v1/cust*", "effect": "cut" })).await;
    assert!(send("cut").await.is_err());
    assert_eq!(stage.seen("counts").await["customers"], 1);
    stage.steer("faults", json!({ "effect": { "status": 503 }, "path": "/v1/" })).await;
    assert_eq!(send("cut").await.unwrap().status(), 503);
    assert_eq!(send("cut").await.unwrap().status(), 200);
    let requests = stage.seen("requests").await;
    let statuses: Vec<_> =
        requests["requests"].as_array().unwrap().iter().map(|asked| asked["status"].clone()).collect();
    assert_eq!(statuses, [json!(null), json!(200), json!(null), json!(503), json!(200)]);
}

#[tokio::test]
async fn only_the_test_key_is_taken() {
    let stage = Stage::start().await;
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    let get = || stage.client.get(format!("{}/v1/customers", stage.url));
    assert_eq!(status(get()).await, 401);
    assert_eq!(status(get().bearer_auth("sk_test_other")).await, 401);
    assert_eq!(status(get().basic_auth(KEY, None::<&str>)).await, 200);
    let options = |key: &str| sandbox::stripe::Options { state_file: None, secret_key: key.to_owned(), webhook: None };
    assert!(sandbox::stripe::Stripe::open(options("sk_live_x"), String::new()).is_err());
}

#[tokio::test]
async fn lists_are_newest_first_and_paged_both_ways() {
    let stage = Stage::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let customer = stage.post("/v1/customers", &[("name", &number.to_string())]).await;
        made.insert(0, text(&customer, "id").to_owned());
    }
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|customer| text(customer, "id").to_owned()).collect()
    };
    let first = stage.get("/v1/customers", &[("limit", "2")]).await;
    assert_eq!((ids(&first), first["has_more"].clone()), (made[..2].to_vec(), json!(true)));
    let second = stage.get("/v1/customers", &[("limit", "3"), ("starting_after", &made[1])]).await;
    assert_eq!((ids(&second), second["has_more"].clone()), (made[2..].to_vec(), json!(false)));
    let back = stage.get("/v1/customers", &[("limit", "2"), ("ending_before", &made[3])]).await;
    assert_eq!((ids(&back), back["has_more"].clone()), (made[1..3].to_vec(), json!(true)));
}
