//! A node: a database that is open with its ledger, and what tests ask of it.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use domain::ids::{AccountId, EventId, Id, ReservationId};
use domain::ledger::{Accepted, Action, Amount, Command, Denial, LimitState, OnExpiry, Original, Outcome, Scopes};
use domain::name::Name;
use domain::quantity::Quantity;
use domain::time::MICROS_PER_SECOND;
use storage::ledger::verify::{Verified, verify};
use storage::ledger::{Answer, CallerKey, Durability, Freshness, Ledger, LedgerError, LedgerSettings, Request, rows};
use storage::records::{accounts, catalogs, usage_daily};
use storage::{Clock, Database, DatabaseUrl, Entropy, StorageError, Tx};
use testkit::postgres::TestDatabase;
use tokio::task::JoinHandle;

use crate::engines::Folder;

/// Periods of a hundred requests, a thousand tokens and five seats; the pro plan has a hundred times as much.
const CATALOG: &str = r#"
    product = "Test"
    default_plan = "free"
    [meters.requests]
    [meters.tokens]
    [meters.seats]
    kind = "level"
    [plans.free]
    limits = { requests = 100, tokens = 1_000, seats = 5 }
    [plans.pro]
    price = 15
    limits = { requests = 10_000, tokens = 100_000, seats = 500 }
"#;

/// How long anything here may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An empty database that goes with this value.
pub struct Place {
    pub url: DatabaseUrl,
    pub server: Option<TestDatabase>,
    _folder: Option<Folder>,
}

#[derive(Clone)]
pub struct Node {
    pub database: Database,
    pub ledger: Ledger,
    pub clock: Arc<Clock>,
    entropy: Arc<Entropy>,
}

impl Place {
    pub fn sqlite() -> Place {
        let folder = Folder::new();
        Place { url: DatabaseUrl::Sqlite(folder.0.join("ledger.db")), server: None, _folder: Some(folder) }
    }

    /// `None`: PostgreSQL is missing and the test is skipped.
    pub fn postgres() -> Option<Place> {
        TestDatabase::create().map(Place::on)
    }

    pub fn on(server: TestDatabase) -> Place {
        Place { url: DatabaseUrl::Postgres(server.url()), server: Some(server), _folder: None }
    }

    pub fn both() -> Vec<Place> {
        std::iter::once(Place::sqlite()).chain(Place::postgres()).collect()
    }

    pub async fn open(&self) -> Node {
        self.open_with(LedgerSettings::default()).await
    }

    pub async fn open_with(&self, settings: LedgerSettings) -> Node {
        Node::open(&self.url, Arc::new(Clock::new()), settings).await.expect("the database opens")
    }

    /// Open, with the catalog and one account.
    pub async fn node(&self) -> (Node, AccountId) {
        self.node_with(LedgerSettings::default()).await
    }

    pub async fn node_with(&self, settings: LedgerSettings) -> (Node, AccountId) {
        let node = self.open_with(settings).await;
        node.apply_catalog().await;
        let account = node.new_account().await;
        (node, account)
    }
}

/// Runs a test on SQLite, then on PostgreSQL where that is installed, and verifies the ledger after it.
pub async fn on_both<F: Future<Output = Node>>(test: impl Fn(Node, AccountId) -> F) {
    for place in Place::both() {
        let (node, account) = place.node().await;
        let node = test(node, account).await;
        node.must_be_exact().await;
        node.database.close().await;
    }
}

pub fn units(amount: i64) -> i64 {
    Quantity::from_units(amount).expect("a small number").millionths()
}

pub fn amounts(named: &[(&str, i64)]) -> Vec<Amount> {
    named.iter().map(|(meter, amount)| Amount { meter: (*meter).into(), amount: units(*amount) }).collect()
}

pub fn accepted(answer: Result<Answer, LedgerError>) -> Accepted {
    match answer {
        Ok(Answer::Judged(Outcome::Accepted(accepted))) => *accepted,
        other => panic!("this should have been accepted: {other:?}"),
    }
}

pub fn denied(answer: Result<Answer, LedgerError>) -> Denial {
    match answer {
        Ok(Answer::Judged(Outcome::Denied(denial))) => *denial,
        other => panic!("this should have been denied: {other:?}"),
    }
}

pub fn replayed(answer: Result<Answer, LedgerError>) -> EventId {
    match answer {
        Ok(Answer::Replayed { event, .. }) => event,
        other => panic!("this should have been answered before: {other:?}"),
    }
}

pub fn is_accepted(answer: &Result<Answer, LedgerError>) -> bool {
    matches!(answer, Ok(Answer::Judged(Outcome::Accepted(_))))
}

pub fn is_denied(answer: &Result<Answer, LedgerError>) -> bool {
    matches!(answer, Ok(Answer::Judged(Outcome::Denied(_))))
}

pub trait Keyed {
    fn keyed(self, key: u64) -> Self;
}

impl Keyed for Request {
    /// With a caller's key; its content goes by the meters and amounts.
    fn keyed(self, key: u64) -> Self {
        let mut hash = [7; 16];
        hash[..8].copy_from_slice(&key.to_be_bytes());
        let mut content = [0; 16];
        for amount in &self.command.amounts {
            content[..8].copy_from_slice(&amount.amount.to_be_bytes());
        }
        Request { key: Some(CallerKey { hash, content }), ..self }
    }
}

impl Node {
    pub async fn open(url: &DatabaseUrl, clock: Arc<Clock>, settings: LedgerSettings) -> Result<Node, StorageError> {
        let (database, ledger) = Database::open(url, clock.clone(), settings).await?;
        Ok(Node { database, ledger, clock, entropy: Arc::new(Entropy::system()) })
    }

    pub async fn apply_catalog(&self) {
        self.apply(CATALOG).await;
    }

    /// Applies the catalog with this line of the free plan's limits.
    pub async fn apply_catalog_with(&self, free_limits: &str) {
        self.apply(&CATALOG.replace("limits = { requests = 100, tokens = 1_000, seats = 5 }", free_limits)).await;
    }

    async fn apply(&self, text: &str) {
        let catalog = domain::catalog::parse(text).expect("a good catalog");
        let (now, entropy, text) = (self.clock.now(), self.entropy.clone(), text.to_owned());
        self.write(move |tx| catalogs::apply(tx, &catalog, &text, now, || Id::new(now, entropy.bits()))).await;
    }

    pub async fn new_account(&self) -> AccountId {
        self.new_account_named(None).await
    }

    pub async fn new_account_named(&self, external_id: Option<String>) -> AccountId {
        let now = self.clock.now();
        let account = accounts::Account {
            id: Id::new(now, self.entropy.bits()),
            external_id,
            name: "Ada".into(),
            email: None,
            billing_email: None,
            metadata: serde_json::Map::new(),
            status: accounts::AccountStatus::Active,
            created_at: now,
            updated_at: now,
        };
        let (id, subscription) = (account.id, Id::new(now, self.entropy.bits()));
        assert!(self.write(move |tx| accounts::insert(tx, &account, subscription, None)).await);
        id
    }

    /// Puts an account on the pro plan.
    pub async fn upgrade(&self, account: AccountId) {
        let plans = self.ledger.plans().await.unwrap().expect("a catalog");
        let (pro, now) = (plans.current["pro"].id, self.clock.now());
        assert!(self.write(move |tx| testkit::plans::grant(tx, account, pro, now)).await);
    }

    pub async fn write<T: Send + 'static>(
        &self,
        closure: impl FnMut(&mut Tx<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> T {
        self.database.write("test", closure).await.unwrap()
    }

    pub fn request(&self, account: AccountId, action: Action, named: &[(&str, i64)]) -> Request {
        Request {
            command: Command {
                event: EventId::new(account, self.clock.now(), self.entropy.bits()),
                action,
                scopes: Scopes::default(),
                amounts: amounts(named),
                occurred_at: None,
            },
            key: None,
            model: Name::new(""),
            details: Arc::from("{}"),
            epoch: None,
            durability: Durability::Synced,
        }
    }

    pub fn consuming(&self, account: AccountId, requests: i64) -> Request {
        self.request(account, Action::Consume, &[("requests", requests)])
    }

    pub async fn ask(&self, request: Request) -> Result<Answer, LedgerError> {
        tokio::time::timeout(PATIENCE, self.ledger.submit(request)).await.expect("the ledger answers in time")
    }

    pub async fn consume(&self, account: AccountId, requests: i64) -> Result<Answer, LedgerError> {
        self.ask(self.consuming(account, requests)).await
    }

    /// Asks in the background.
    pub fn asking(&self, request: Request) -> JoinHandle<Result<Answer, LedgerError>> {
        let node = self.clone();
        tokio::spawn(async move { node.ask(request).await })
    }

    /// Asks everything at once.
    pub async fn ask_all(&self, requests: Vec<Request>) -> Vec<Result<Answer, LedgerError>> {
        let asked: Vec<_> = requests.into_iter().map(|request| self.asking(request)).collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        answers
    }

    /// A reservation of requests, and the request that makes it.
    pub fn reserving(&self, account: AccountId, requests: i64, ttl_seconds: i64) -> (ReservationId, Request) {
        let reservation = ReservationId::new(account, self.clock.now(), self.entropy.bits());
        let ttl_micros = ttl_seconds * MICROS_PER_SECOND;
        let action = Action::Reserve { reservation, ttl_micros, on_expiry: OnExpiry::Release };
        (reservation, self.request(account, action, &[("requests", requests)]))
    }

    /// Grants tokens.
    pub fn granting(&self, account: AccountId, tokens: i64) -> Request {
        let credit = domain::ledger::Credit {
            id: Id::new(self.clock.now(), self.entropy.bits()),
            meter: "tokens".into(),
            granted: units(tokens),
            remaining: units(tokens),
            priority: 0,
            expires_at: None,
        };
        self.request(account, Action::Grant { credit }, &[("tokens", tokens)])
    }

    /// The void of an event, put together from its row.
    pub async fn voiding(&self, event: EventId) -> Request {
        let row = self.ledger.event(event).await.unwrap().expect("the event is there");
        let original = Original {
            event,
            reservation: row
                .parsed_or_null("reservation_id", |text| ReservationId::from_own_text(event.account, text))
                .unwrap(),
            postings: rows::decode_postings(row.text("postings").unwrap()).unwrap(),
            draws: rows::decode_draws(row.text("draws").unwrap()).unwrap(),
            reversed_by: None,
            is_usage: true,
        };
        self.request(event.account, Action::Reverse { original: Box::new(original) }, &[])
    }

    /// How a meter stands in the account's period, read from the database.
    pub async fn limit(&self, account: AccountId, meter: &str) -> LimitState {
        let standing = self.ledger.limits(account, &Scopes::default(), Freshness::Exact).await.unwrap();
        let mut limits = standing.expect("the account is there").limits;
        limits.retain(|limit| limit.meter.as_str() == meter);
        assert_eq!(limits.len(), 1);
        limits.remove(0)
    }

    /// Used and reserved requests.
    pub async fn usage(&self, account: AccountId) -> (i64, i64) {
        let limit = self.limit(account, "requests").await;
        (limit.used / units(1), limit.reserved / units(1))
    }

    /// How many events of an account there are.
    pub async fn events(&self, account: AccountId) -> i64 {
        let count = move |tx: &mut Tx<'_>| {
            let row = tx.query_optional(
                "SELECT CAST(COUNT(*) AS BIGINT) AS count FROM usage_events WHERE account_id = $1",
                &[account.into()],
            )?;
            row.expect("a count has a row").integer("count")
        };
        self.database.read("count_events", count).await.unwrap()
    }

    /// Requests by the account's daily sums, and how many events made them.
    pub async fn days(&self, account: AccountId) -> (i64, i64) {
        self.database.write_back_of(account).await.unwrap();
        let days = usage_daily::Days { first: 0, last: 1_000_000 };
        let sums = self.database.read("read_days", move |tx| usage_daily::totals(tx, account, days)).await.unwrap();
        let requests = sums.iter().find(|sum| sum.meter.as_str() == "requests");
        requests.map_or((0, 0), |sum| (sum.amount / units(1), sum.events))
    }

    pub async fn verify(&self) -> Verified {
        verify(&self.database, self.clock.now()).await.unwrap()
    }

    /// Every balance, hold and credit is what the events say.
    pub async fn must_be_exact(&self) {
        let told: Vec<String> = self.verify().await.differences.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{told:#?}");
    }

    /// Keeps the account's commands from being judged until the value is dropped.
    pub async fn hold(&self, account: AccountId) -> Hold {
        let (let_go, until) = mpsc::channel::<()>();
        let (is_held, held) = tokio::sync::oneshot::channel();
        let (until, mut is_held) = (std::sync::Mutex::new(until), Some(is_held));
        let database = self.database.clone();
        let work = tokio::spawn(async move {
            let wait = move |tx: &mut Tx<'_>| {
                let statement = "UPDATE ledger_accounts SET last_at = last_at WHERE account_id = $1";
                tx.execute(statement, &[account.into()])?;
                if tx.is_postgres() {
                    tx.execute_script("LOCK TABLE ledger_journal IN SHARE MODE")?;
                }
                if let Some(is_held) = is_held.take() {
                    let _ = is_held.send(());
                }
                // Ends when the test lets go, or is over.
                let _ = until.lock().unwrap().recv_timeout(PATIENCE);
                Ok::<_, StorageError>(())
            };
            database.write("hold", wait).await
        });
        held.await.expect("the transaction holds the account");
        Hold { let_go, work }
    }

    /// Waits until this node has noticed that it is alone at its PostgreSQL database, and keeps a journal.
    pub async fn wait_until_alone(&self) {
        let alone = async {
            while self.ledger.noted().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, alone).await.expect("the node notices that it is alone");
    }

    /// Waits until this node has noticed that it is not alone.
    pub async fn wait_until_beside_others(&self) {
        let beside_others = async {
            while self.ledger.noted().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, beside_others).await.expect("the node notices that it is not alone");
    }

    /// Waits until so many commands are in line.
    pub async fn wait_for_depth(&self, depth: usize) {
        let reached = async {
            while self.ledger.queue_depth() != depth {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the commands come to wait in line");
    }

    /// Asks these so that they share one batch, in this order.
    pub async fn ask_in_one_batch(
        &self,
        account: AccountId,
        requests: Vec<Request>,
    ) -> Vec<Result<Answer, LedgerError>> {
        let hold = self.hold(account).await;
        // On PostgreSQL the lane takes the first command at once and waits for the account with it.
        let mut first = Box::pin(self.consume(account, 0));
        if self.database.is_postgres() {
            std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await;
            self.wait_for_depth(0).await;
        }
        let mut asked = Vec::new();
        for (place, request) in requests.into_iter().enumerate() {
            asked.push(self.asking(request));
            self.wait_for_depth(place + 1).await;
        }
        hold.let_go().await;
        if self.database.is_postgres() {
            accepted(first.await);
        }
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        answers
    }
}

/// Commands of an account wait until this is let go.
pub struct Hold {
    let_go: mpsc::Sender<()>,
    work: JoinHandle<Result<(), StorageError>>,
}

impl Hold {
    pub async fn let_go(self) {
        drop(self.let_go);
        self.work.await.unwrap().unwrap();
    }
}
