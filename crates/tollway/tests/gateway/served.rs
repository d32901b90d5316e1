//! The stand-in's own count of what it served, held against what Tollway counted.

use serde_json::{Value, json};
use testkit::server::TestServer;

/// `GET /sandbox/served` of the stand-in.
pub async fn served(server: &TestServer) -> Value {
    let address = server.model_url.strip_suffix("/v1").expect("the stand-in's address ends in /v1");
    let request = reqwest::Client::new().get(format!("{address}/sandbox/served"));
    server.send(request).await.expect("the stand-in answers").expect(200).json()
}

/// Asserts that an account has been charged for every call that was answered, with the tokens that the stand-in told of,
/// and for nothing else: by model, in all, and in its limits. For models that tell of no tokens only calls are compared.
/// Needs a catalog with limits on `requests`, `prompt_tokens` and `completion_tokens`, and no other account that calls.
pub async fn assert_charged_as_served(server: &TestServer, account: &str) {
    let served = served(server).await;
    let analytics = server.get(&format!("/api/v1/usage/analytics?account={account}")).await.expect(200).json();
    let models = served["by_model"].as_object().expect("counts by model");
    let mut silent = 0;
    for (model, counts) in models {
        let answered = answered(counts);
        let charged = of_model(&analytics, model);
        assert_eq!(charged["requests"], answered, "{model}: {counts} {charged}");
        if counts["usages_sent"] == 0 {
            silent += answered;
            continue;
        }
        assert_eq!(counts["usages_sent"], answered, "{model}: {counts}");
        for (meter, reported) in
            [("prompt_tokens", "prompt_tokens_reported"), ("completion_tokens", "completion_tokens_reported")]
        {
            // A meter that a call does not move has no sum.
            let amount = charged[meter].as_u64().unwrap_or(0);
            assert_eq!(counts[reported], amount, "{meter} of {model}: {counts} {charged}");
        }
    }
    let totals = by_meter(&analytics["totals"]);
    assert_eq!(totals["requests"], answered(&served), "{served}");
    let usage = server.get(&format!("/api/v1/usage?account={account}")).await.expect(200).json();
    for limit in usage["limits"].as_array().expect("limits") {
        let meter = limit["meter"].as_str().expect("a meter");
        assert_eq!((&limit["used"], &limit["reserved"]), (&totals[meter], &json!(0)), "{meter}");
    }
    println!("{} calls answered, {silent} of them without a word on tokens: {totals}", totals["requests"]);
}

/// Calls that the stand-in answered whole.
fn answered(counts: &Value) -> u64 {
    let count = |name: &str| counts[name].as_u64().expect("a count");
    count("calls") - count("errors") - count("faults") - count("cancelled")
}

/// What an account used of a model, by meter.
pub fn of_model(analytics: &Value, model: &str) -> Value {
    let models = analytics["by_model"].as_array().expect("usage by model");
    models.iter().find(|of| of["model"] == model).map_or_else(|| json!({}), |of| by_meter(&of["usage"]))
}

fn by_meter(sums: &Value) -> Value {
    let sums = sums.as_array().expect("sums of meters").iter();
    sums.map(|sum| (sum["meter"].as_str().expect("a meter").to_owned(), sum["amount"].clone())).collect()
}
