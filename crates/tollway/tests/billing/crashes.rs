//! A call to Stripe is lost, cut or refused, or the server dies in the middle of it: then whoever asked asks again, and in
//! the end there is one customer, one subscription, one charge, one line for a window, one credit.
//!
//! Each flow is played once undisturbed, which tells the calls it makes; then once for each of them, with that call going
//! wrong. Webhooks are lost meanwhile, so that nothing but the flow and a comparison mends it. Start at [`flows`].

mod flows;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::server::{Engine, TestServer};

use super::CATALOG;
use crate::stage::{Site, StandIn, TextFile, until_within};
use flows::Flow;

/// What goes wrong with one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mishap {
    /// Done, not answered; the next try is.
    AnswerLostOnce,
    /// Done, and no try is answered.
    AnswerLost,
    /// Not even done, however often it is tried.
    Cut,
    Status(u16),
    /// The server dies before the call is done.
    KilledBefore,
    /// The server dies after it was done and before it is answered.
    KilledAfter,
}

/// More than the server tries.
const EVERY_TRY: u32 = 3;
const LONG_MS: u32 = 20_000;
/// Nothing was asked for so long: nothing is asked any more.
const QUIET: Duration = Duration::from_millis(300);
/// The same where what is asked besides would be taken for the flow's own.
const QUIET_ENOUGH_TO_COUNT: Duration = Duration::from_millis(1_500);

#[test]
fn a_lost_answer_is_found_by_asking_again() {
    in_lanes(&[Mishap::AnswerLostOnce, Mishap::AnswerLost], "");
}

#[test]
fn a_call_that_failed_is_made_by_asking_again() {
    in_lanes(&[Mishap::Cut, Mishap::Status(500), Mishap::Status(429)], "");
}

#[test]
fn a_server_that_was_killed_in_the_middle_finishes_by_asking_again_on_sqlite() {
    in_lanes(&[Mishap::KilledBefore, Mishap::KilledAfter], "SQLite");
}

#[test]
fn a_server_that_was_killed_in_the_middle_finishes_by_asking_again_on_postgresql() {
    in_lanes(&[Mishap::KilledBefore, Mishap::KilledAfter], "PostgreSQL");
}

/// Plays all flows on a few servers at once: of this engine, or of one after the other.
fn in_lanes(mishaps: &[Mishap], engine: &str) {
    let play = |number: usize, flows: &'static [Flow]| {
        let is_wanted = |found: &Engine| engine.is_empty() || found.name() == engine;
        let mut engines: Vec<Engine> = Engine::all().into_iter().filter(is_wanted).collect();
        if engines.is_empty() {
            return;
        }
        let engine = engines.swap_remove(number % engines.len());
        tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
            let mut lane = Lane::open(engine).await;
            for flow in flows {
                lane.play(*flow, mishaps).await;
            }
        });
    };
    std::thread::scope(|scope| {
        for (number, flows) in flows::LANES.into_iter().enumerate() {
            scope.spawn(move || play(number, flows));
        }
    });
}

/// One server after the other on one database, selling through one stand-in.
struct Lane {
    site: Site,
    stand_in: StandIn,
    server: TestServer,
    customers: usize,
    _catalog: TextFile,
}

impl Lane {
    async fn open(engine: Engine) -> Lane {
        let catalog = TextFile::new("catalog.toml", CATALOG);
        let stand_in = StandIn::start().await;
        stand_in.put_up(catalog.path()).await;
        stand_in.steer("webhooks", json!({ "lose": 100 })).await;
        let mut site = Site::on(engine);
        site.arguments = vec!["--catalog".into(), catalog.path().into()];
        site.environment = stand_in.environment();
        let server = site.start();
        stand_in.tell(&server).await;
        let lane = Lane { site, stand_in, server, customers: 0, _catalog: catalog };
        lane.quiet(QUIET).await;
        lane
    }

    /// A server that starts compares with Stripe by itself; after that nobody asks but the flow.
    async fn quiet(&self, long: Duration) {
        let mut asked = usize::MAX;
        loop {
            tokio::time::sleep(long).await;
            let now = self.requests().await.len();
            if now == asked {
                return;
            }
            asked = now;
        }
    }

    /// A name that no other customer has.
    fn customer(&mut self, flow: Flow) -> String {
        self.customers += 1;
        format!("{flow:?}-{}", self.customers)
    }

    async fn play(&mut self, flow: Flow, mishaps: &[Mishap]) {
        let id = self.customer(flow);
        flow.arrange(&self.server, &self.stand_in, &id).await;
        self.quiet(QUIET_ENOUGH_TO_COUNT).await;
        let before = self.requests().await.len();
        let answer = flow.act(&self.server, &self.stand_in, &id).await.expect("an answer");
        assert!(answer.status < 300, "{flow:?}: {}", answer.text);
        let calls = self.requests().await.split_off(before);
        flow.prove(&self.server, &self.stand_in, &id).await;
        println!("{flow:?} makes {} calls", calls.len());
        let mut seen = BTreeSet::new();
        // Several jobs hear of one purchase; the first calls are those of all of them.
        let most = if flow == Flow::Webhook { 4 } else { calls.len() };
        for (place, call) in calls.iter().enumerate().take(most) {
            let is_write = call["method"] != "GET";
            // Of questions, each kind once.
            if !is_write && !seen.insert(kind(call)) {
                continue;
            }
            for (number, mishap) in mishaps.iter().enumerate() {
                let fits = match mishap {
                    Mishap::AnswerLostOnce | Mishap::AnswerLost | Mishap::KilledAfter => is_write,
                    Mishap::Cut => is_write,
                    Mishap::Status(_) => is_write || (place + number) % 2 == 0,
                    Mishap::KilledBefore => is_write || flow == Flow::Webhook,
                };
                if fits {
                    self.suffer(flow, (place, &kind(call)), *mishap).await;
                }
            }
        }
    }

    /// Plays a flow with one call going wrong.
    async fn suffer(&mut self, flow: Flow, (place, call): (usize, &str), mishap: Mishap) {
        let id = self.customer(flow);
        println!("{id}: {mishap:?} at {call}, {} calls before", place);
        flow.arrange(&self.server, &self.stand_in, &id).await;
        let before = self.requests().await.len();
        let mut fault = json!({ "path": "/v1/", "after": place, "times": EVERY_TRY });
        match mishap {
            Mishap::AnswerLostOnce => (fault["effect"], fault["times"]) = (json!("lose_answer"), json!(1)),
            Mishap::AnswerLost | Mishap::KilledAfter => fault["effect"] = json!("lose_answer"),
            Mishap::Cut => fault["effect"] = json!("cut"),
            Mishap::Status(status) => fault["status"] = json!(status),
            Mishap::KilledBefore => fault["delay_ms"] = json!(LONG_MS),
        }
        self.stand_in.steer("faults", fault).await;
        if matches!(mishap, Mishap::KilledBefore | Mishap::KilledAfter) {
            self.kill_at(flow, &id, before + place).await;
        } else {
            let answer = flow.act(&self.server, &self.stand_in, &id).await.expect("an answer");
            let is_known = answer.status < 300 || (mishap != Mishap::AnswerLostOnce && answer.status == 503);
            assert!(is_known, "{id}: {} {}", answer.status, answer.text);
        }
        self.stand_in.clear_faults().await;
        assert!(self.requests().await.len() > before + place, "{id}: the call was never made");
        let again = flow.act(&self.server, &self.stand_in, &id).await.expect("an answer");
        assert!(again.status < 500, "{id}: {}", again.text);
        flow.prove(&self.server, &self.stand_in, &id).await;
    }

    /// Ends the server when the call of this number has come, and starts another.
    async fn kill_at(&mut self, flow: Flow, id: &str, call: usize) {
        let acting = flow.act(&self.server, &self.stand_in, id);
        let come = async {
            let has_come = async || self.requests().await.len() > call;
            until_within(Duration::from_secs(20), "the call comes", has_come).await;
        };
        tokio::select! {
            biased;
            () = come => {}
            // Of several jobs that hear of a purchase, another may have been faster.
            answer = acting => assert!(flow == Flow::Webhook, "{id}: answered before the call came: {answer:?}"),
        }
        self.server.kill();
        self.stand_in.clear_faults().await;
        self.server = self.site.start();
        self.stand_in.tell(&self.server).await;
        self.quiet(QUIET).await;
        if flow == Flow::Webhook {
            // The job is the dead server's for minutes still; a comparison is not.
            flow.compare(&self.server, id).await;
        }
    }

    /// What the stand-in was asked so far. While a flow is under way, nobody asks but the server.
    async fn requests(&self) -> Vec<Value> {
        let seen = self.stand_in.see("requests").await;
        seen["requests"].as_array().cloned().expect("requests")
    }
}

/// The call without ids.
fn kind(call: &Value) -> String {
    let path = call["path"].as_str().unwrap_or_default();
    let parts = path.split('/').map(|part| if part.contains('_') && part.len() > 20 { "…" } else { part });
    format!("{} {}", call["method"].as_str().unwrap_or_default(), parts.collect::<Vec<_>>().join("/"))
}
