//! Comparing every account with Stripe: by jobs, over a restart in the middle.

use serde_json::json;
use testkit::server::Engine;

use super::CATALOG;
use crate::stage::{
    Customer, ENCRYPTION_KEY, Shop, Site, StandIn, TextFile, reconcile_all, tollway, until, with_catalog,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_answered_at_once_and_says_what_it_found_when_it_has() {
    with_catalog(CATALOG, async |server| {
        // More than one job compares.
        let who: Vec<String> = (0..24).map(|number| format!("customer-{number}")).collect();
        for who in &who {
            let body = json!({ "external_id": who, "plan": "basic", "interval": "monthly" });
            server.post("/api/v1/accounts", json!({ "external_id": who })).await.expect(201);
            server.post("/api/v1/subscription/checkout", body).await.expect(201);
        }
        let run = reconcile_all(server).await;
        assert_eq!((&run["compared"], &run["found"]), (&json!(24), &json!([])), "{run}");
        assert!(run["ended_at"].is_string() && run["last_error"].is_null(), "{run}");
        let next = reconcile_all(server).await;
        assert_ne!(run["id"], next["id"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_goes_on_after_a_restart_and_the_command_waits_for_its_end() {
    for engine in Engine::all() {
        println!("on {}", engine.name());
        let stand_in = StandIn::start().await;
        let catalog = TextFile::new("catalog.toml", CATALOG);
        stand_in.put_up(catalog.path()).await;
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        site.environment = stand_in.environment();
        let mut server = site.start();
        stand_in.tell(&server).await;
        for who in ["ada", "bob", "eve"] {
            Customer::new(&server, who).account().await;
            Shop::at(&server, &stand_in).checkout(who, "basic", "monthly").await.expect(201);
        }
        // The second account cannot be asked about for now.
        let customers = stand_in.all("customers?").await;
        let second = customers[1]["id"].as_str().expect("an id").to_owned();
        let fault = json!({ "path": format!("/v1/customers/{second}"), "times": 1_000, "status": 503 });
        stand_in.steer("faults", fault).await;
        let begun = server.post("/api/v1/admin/reconcile", json!({})).await.expect(202).json();
        assert_eq!(begun["state"], "running", "{begun}");
        let path = format!("/api/v1/admin/reconcile/{}", begun["id"].as_str().expect("an id"));
        until("it does not get on", async || server.get(&path).await.json()["last_error"].is_string()).await;
        assert_eq!(server.get(&path).await.json()["compared"], 1);
        server.stop();
        stand_in.clear_faults().await;
        let mut server = site.start();
        server.advance(3_600).await;
        stand_in.follow(&server).await;
        let run = reconcile_all(&server).await;
        assert_eq!((&run["id"], &run["compared"]), (&begun["id"], &json!(3)), "it is the same one: {run}");
        server.stop();
        let folder = site.folder.display().to_string();
        let database = site.database();
        let mut environment = vec![ENCRYPTION_KEY, ("TOLLWAY_DATA_DIR", folder.as_str())];
        environment.extend(site.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        environment.extend(database.as_deref().map(|url| ("TOLLWAY_DATABASE", url)));
        let said = tollway(&site.folder, &["stripe", "reconcile", "--catalog", catalog.path()], &environment).expect(0);
        assert_eq!(said.out, "3 accounts were compared with Stripe.\n");
    }
}
