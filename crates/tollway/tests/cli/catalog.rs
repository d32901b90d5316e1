//! `catalog check|diff|apply`: mistakes with their places, what a customer would notice, and who keeps what.

use testkit::server::Engine;

use crate::stage::{Customer, ENCRYPTION_KEY, SMALL_CATALOG, Site, TextFile, limit, tollway};

#[test]
fn every_mistake_of_a_catalog_is_told_with_its_place_and_its_mend() {
    let site = Site::on(Engine::Sqlite);
    let broken = TextFile::new(
        "broken.toml",
        "product = \"X\"\ndefault_plan = \"fre\"\n[meters.pages]\n[plans.free.limits]\npagges = 10\npages = { amount = \"lots\" }\n",
    );
    let checked = tollway(&site.folder, &["catalog", "check", broken.path()], &[]).expect(1);
    for (place, mend) in [("2:16", "Did you mean"), ("5:1", "Did you mean"), ("6:20", "")] {
        let start = format!("{}:{place}: ", broken.path());
        let line = checked.errors.lines().find(|line| line.starts_with(&start));
        assert!(line.is_some_and(|line| line.contains(mend)), "{start} in\n{}", checked.errors);
    }
    assert!(checked.errors.trim_end().ends_with("3 mistakes."), "{}", checked.errors);
    // The server refuses it in the same words.
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--catalog", broken.path()];
    let served = tollway(&site.folder, &arguments, &[ENCRYPTION_KEY]).expect(1);
    assert!(served.errors.contains("Did you mean `free`?"), "{}", served.errors);
    let right = TextFile::new("small.toml", SMALL_CATALOG);
    let checked = tollway(&site.folder, &["catalog", "check", right.path()], &[]).expect(0);
    assert!(checked.out.contains("is right: 2 plans, "), "{}", checked.out);
    let nowhere = tollway(&site.folder, &["catalog", "check", "nowhere.toml"], &[]).expect(1);
    assert!(nowhere.errors.contains("nowhere.toml"), "{}", nowhere.errors);
    let starter = tollway(&site.folder, &["catalog", "check"], &[]).expect(0);
    assert!(starter.out.contains("the starter catalog is right: 3 plans"), "{}", starter.out);
}

#[tokio::test]
async fn applying_a_catalog_keeps_what_subscribers_have() {
    for engine in Engine::all() {
        let file = TextFile::new("catalog.toml", SMALL_CATALOG);
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), file.path().into()];
        let database = site.database().unwrap_or_else(|| site.folder.join("tollway.db").display().to_string());
        let mut server = site.start();
        let customer = Customer::new(&server, "loyal");
        customer.grant("pro").await;
        assert_eq!(limit(&customer.usage().await, "requests")["limit"], 200);
        assert_eq!(server.stop().code(), Some(0));
        file.write(&SMALL_CATALOG.replace("requests = 200", "requests = 150"));
        let run =
            |verb: &str| tollway(&site.folder, &["catalog", verb, file.path(), "--database", &database], &[]).expect(0);
        for _ in 0..2 {
            let told = run("diff").out;
            assert!(told.contains("200") && told.contains("150"), "{told}");
        }
        let applied = run("apply").out;
        assert!(applied.contains("is in force; the plan pro got a new version."), "{applied}");
        assert!(run("diff").out.contains("Customers will notice nothing."));
        let server = site.start();
        let (loyal, fresh) = (Customer::new(&server, "loyal"), Customer::new(&server, "fresh"));
        fresh.grant("pro").await;
        assert_eq!(limit(&loyal.usage().await, "requests")["limit"], 200);
        assert_eq!(limit(&fresh.usage().await, "requests")["limit"], 150);
        let subscription = server.get("/api/v1/subscription?external_id=loyal").await.expect(200).json();
        assert_eq!((&subscription["plan_version"], &subscription["has_newer_version"]), (&1.into(), &true.into()));
        // Moved on purpose, the newer version holds.
        loyal.grant("pro").await;
        assert_eq!(limit(&loyal.usage().await, "requests")["limit"], 150);
    }
}

#[tokio::test]
async fn one_limit_is_set_by_the_environment() {
    for engine in Engine::all() {
        let mut site = Site::on(engine);
        site.environment = vec![("TOLLWAY_LIMIT_FREE_REQUESTS_PERIOD".into(), "2".into())];
        let server = site.start();
        let customer = Customer::new(&server, "limited");
        customer.consume(2).await.expect(200);
        customer.consume(1).await.expect(429);
    }
    let site = Site::on(Engine::Sqlite);
    let wrong = [ENCRYPTION_KEY, ("TOLLWAY_LIMIT_FREE_REQESTS_PERIOD", "2")];
    let refused = tollway(&site.folder, &["serve", "--listen", "127.0.0.1:0"], &wrong).expect(1);
    assert!(refused.errors.contains("TOLLWAY_LIMIT_FREE_REQESTS_PERIOD"), "{}", refused.errors);
}
