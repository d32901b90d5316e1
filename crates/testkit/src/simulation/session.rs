//! One seed: a few accounts, forty things that happen to them, and the auditor after each.

use std::collections::{BTreeMap, BTreeSet};

use domain::entitlements::{LimitOverride, Overrides};
use domain::ids::{AccountId, EventId};
use domain::ledger::{Action, Outcome};
use domain::time::{MICROS_PER_HOUR, MICROS_PER_SECOND};
use storage::ledger::{Answer, LedgerError, Request};
use storage::records::accounts::{self, AccountStatus};
use storage::records::subscriptions;

use super::commands::{Known, Maker, Sent, asked};
use super::engine::{Engine, Node};
use super::plans::{PLANS, UNIT, rules};
use crate::auditor::{Auditor, Came, CreditTerms, Verdict};
use crate::proxy::Fault;
use crate::random::Random;

type Answered = Result<Answer, LedgerError>;

pub struct Session<'e> {
    engine: &'e mut Engine,
    random: Random,
    auditor: Auditor,
    accounts: Vec<AccountId>,
    known: BTreeMap<AccountId, Known>,
    standing: BTreeMap<AccountId, Agreed>,
    sent: Vec<Sent>,
    /// Accepted events that were answered for.
    accepted: BTreeMap<AccountId, BTreeSet<String>>,
}

/// What an account is held to, as the simulation has arranged it.
#[derive(Clone, Copy, Default)]
struct Agreed {
    plan: usize,
    a_day: Option<i64>,
    suspended: bool,
}

impl<'e> Session<'e> {
    pub async fn open(engine: &'e mut Engine, random: Random) -> Session<'e> {
        let mut session = Session {
            engine,
            random,
            auditor: Auditor::default(),
            accounts: Vec::new(),
            known: BTreeMap::new(),
            standing: BTreeMap::new(),
            sent: Vec::new(),
            accepted: BTreeMap::new(),
        };
        for _ in 0..2 {
            session.open_account().await;
        }
        session
    }

    async fn open_account(&mut self) {
        let now = self.engine.clock.now();
        let account = accounts::Account {
            id: self.engine.id(now),
            external_id: None,
            name: "Simulated".into(),
            email: None,
            billing_email: None,
            metadata: serde_json::Map::new(),
            status: AccountStatus::Active,
            created_at: now,
            updated_at: now,
        };
        let (id, subscription) = (account.id, self.engine.id(now));
        self.engine.write(move |tx| accounts::insert(tx, &account, subscription, None)).await;
        self.auditor.open_account(id, now.micros(), rules(PLANS[0], None));
        self.accounts.push(id);
        self.standing.insert(id, Agreed::default());
    }

    /// One thing happens, and is audited.
    pub async fn step(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        match self.random.below(100) {
            0..=54 => self.one(told).await,
            55..=66 => self.several(told).await,
            67..=76 => self.again(told).await,
            77..=84 => self.change_account(told).await,
            85..=91 => self.jump(told),
            92..=94 => self.settle(told).await,
            95..=96 => self.restart(told).await,
            97..=98 => self.crash(told).await,
            _ => {
                told.push("the catalog is applied again".into());
                self.engine.apply_catalog().await;
                Ok(())
            }
        }
    }

    fn account(&mut self) -> AccountId {
        self.accounts[self.random.below(self.accounts.len())]
    }

    /// Any node; one that stands behind a proxy may lose its next commit.
    fn node(&mut self) -> Node {
        let place = self.random.below(self.engine.nodes.len());
        if place > 0 && self.random.chance(20) {
            let fault = [Fault::LoseAnswer, Fault::LoseCommit][self.random.below(2)];
            self.engine.proxy().into_iter().for_each(|proxy| proxy.arm(&[fault]));
        }
        self.engine.nodes[place].clone()
    }

    async fn one(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        let account = self.account();
        let known = self.known.entry(account).or_default().clone();
        let request = Maker { engine: self.engine, random: &mut self.random, account }.any(&known).await;
        let node = self.node();
        self.submit(&node, request, told).await
    }

    /// Sends a request by itself, and checks its answer against the auditor's own.
    async fn submit(&mut self, node: &Node, request: Request, told: &mut Vec<String>) -> Result<(), String> {
        let (account, event) = (request.command.event.account, request.command.event);
        let before = self.engine.clock.now().micros();
        let remembered = node.ledger.remembered_denial(&request.command).is_some() && self.engine.is_sqlite();
        self.note_credit(&request);
        let answer = node.ledger.submit(request.clone()).await;
        let after = self.engine.clock.now().micros();
        told.push(format!("{account} {:?} key {:?}: {answer:?}", request.command, request.key.map(|key| key.hash[0])));
        let database = self.engine.nodes[0].database.clone();
        let fresh = self.auditor.observe(&database, account, Came::OneByOne).await?;
        self.note(&request, &answer, &fresh);
        let is_there = fresh.contains(&event.own_text());
        let own_verdict = |session: &mut Self| {
            let asked = asked(&request.command)?;
            let books = session.auditor.books(account);
            let verdicts = (books.judge(&asked, before), books.judge(&asked, after));
            (verdicts.0 == verdicts.1).then_some(verdicts.0)
        };
        match &answer {
            Ok(Answer::Judged(Outcome::Accepted(_))) if !is_there => Err("it was accepted and is not there".into()),
            Ok(Answer::Judged(Outcome::Accepted(_))) if remembered && request.key.is_none() => {
                Err("a denial was remembered for what is accepted".into())
            }
            Ok(Answer::Judged(Outcome::Accepted(_))) | Err(_) => Ok(()),
            _ if is_there => Err("it was not accepted and is there".into()),
            Ok(Answer::Judged(Outcome::Denied(_))) => match own_verdict(self) {
                Some(Verdict::Fits { .. }) => Err("it was denied and fits".into()),
                _ => Ok(()),
            },
            Ok(_) => Ok(()),
        }
    }

    fn note_credit(&mut self, request: &Request) {
        if let Action::Grant { credit } = &request.command.action {
            let expires_at = credit.expires_at.map(|expiry| expiry.micros());
            let terms = CreditTerms { priority: credit.priority.into(), expires_at };
            self.auditor.books(request.command.event.account).note_credit(credit.id.to_string(), terms);
        }
    }

    /// Remembers what was answered, for what is asked later.
    fn note(&mut self, request: &Request, answer: &Answered, fresh: &BTreeSet<String>) {
        let event = request.command.event;
        let is_accepted = matches!(answer, Ok(Answer::Judged(Outcome::Accepted(_))));
        // An answer that was lost may still have been counted.
        let is_there = is_accepted || fresh.contains(&event.own_text());
        if is_there {
            let known = self.known.entry(event.account).or_default();
            known.events.push(event);
            if let Action::Reserve { reservation, .. } = request.command.action {
                known.reservations.push(reservation);
            }
            self.accepted.entry(event.account).or_default().insert(event.own_text());
            if request.key.is_some() {
                self.auditor.books(event.account).note_key(event.own_text());
            }
        }
        if let Some(key) = request.key
            && !self.sent.iter().any(|sent| sent.request.key.is_some_and(|other| other.hash == key.hash))
        {
            self.sent.push(Sent { request: request.clone(), accepted: is_there.then_some(event) });
        } else if is_there && request.key.is_some() {
            let same = |sent: &&mut Sent| sent.request.key.map(|key| key.hash) == request.key.map(|key| key.hash);
            self.sent.iter_mut().find(same).into_iter().for_each(|sent| sent.accepted = Some(event));
        }
    }

    /// Consumes, Reserves and Releases of all accounts at once, on all nodes, some of them twice.
    async fn several(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        let requests = self.burst();
        told.push(format!("at once: {:?}", requests.iter().map(|request| &request.command).collect::<Vec<_>>()));
        let mut asked = Vec::new();
        for request in requests {
            let node = self.node();
            asked.push((request.clone(), tokio::spawn(async move { node.ledger.submit(request).await })));
        }
        let mut answers = Vec::new();
        for (request, answer) in asked {
            answers.push((request, answer.await.map_err(|error| error.to_string())?));
        }
        self.take_in(&answers, told).await
    }

    fn burst(&mut self) -> Vec<Request> {
        let mut requests: Vec<Request> = Vec::new();
        for _ in 0..self.random.between(2, 12) {
            let account = self.account();
            let request = match self.random.pick(&requests).cloned() {
                // The same once more, as a client does that got no answer: another event under the same key.
                Some(twin) if twin.key.is_some() && self.random.chance(25) => {
                    let event =
                        EventId::new(twin.command.event.account, self.engine.clock.now(), self.engine.entropy.bits());
                    Request { command: domain::ledger::Command { event, ..twin.command.clone() }, ..twin }
                }
                _ => {
                    let known = self.known.get(&account).cloned().unwrap_or_default();
                    let mut maker = Maker { engine: self.engine, random: &mut self.random, account };
                    let release = if maker.random.chance(20) { maker.releasing(&known) } else { None };
                    release.unwrap_or_else(|| maker.taking())
                }
            };
            requests.push(request);
        }
        requests
    }

    async fn take_in(&mut self, answers: &[(Request, Answered)], told: &mut Vec<String>) -> Result<(), String> {
        let database = self.engine.nodes[0].database.clone();
        for account in self.accounts.clone() {
            let fresh = self.auditor.observe(&database, account, Came::Together).await?;
            let of_account = answers.iter().filter(|(request, _)| request.command.event.account == account);
            for (request, answer) in of_account {
                told.push(format!("  {}: {answer:?}", request.command.event));
                let is_accepted = matches!(answer, Ok(Answer::Judged(Outcome::Accepted(_))));
                if is_accepted != fresh.contains(&request.command.event.own_text()) && answer.is_ok() {
                    return Err(format!("{} was answered otherwise than it is kept", request.command.event));
                }
                self.note(request, answer, &fresh);
            }
        }
        Ok(())
    }

    /// A request that was sent before, as it was or with other content under the same key.
    async fn again(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        let Some(sent) = self.random.pick(&self.sent).cloned() else { return Ok(()) };
        let account = sent.request.command.event.account;
        let event = EventId::new(account, self.engine.clock.now(), self.engine.entropy.bits());
        let command = domain::ledger::Command { event, ..sent.request.command.clone() };
        let mut request = Request { command, ..sent.request.clone() };
        let altered = self.random.chance(30);
        if let (true, Some(key)) = (altered, &mut request.key) {
            key.content = [2; 16];
        }
        // The ledger keeps keys for forty days; a key from before is free again.
        let age = sent.accepted.map(|event| self.engine.clock.now().since(event.made_at()));
        let Some(accepted) = sent.accepted.filter(|_| age.is_some_and(|age| age < 35 * 24 * MICROS_PER_HOUR)) else {
            if sent.accepted.is_some() || altered {
                return Ok(());
            }
            let node = self.node();
            return self.submit(&node, request, told).await;
        };
        let node = self.node();
        let answer = node.ledger.submit(request.clone()).await;
        told.push(format!("again {event}, altered {altered}: {answer:?}"));
        let database = self.engine.nodes[0].database.clone();
        let fresh = self.auditor.observe(&database, account, Came::OneByOne).await?;
        match answer {
            _ if fresh.contains(&event.own_text()) => Err("a key was counted twice".into()),
            Ok(Answer::Replayed { event, .. }) if !altered && event == accepted => Ok(()),
            Ok(Answer::Conflict(event)) if altered && event == accepted => Ok(()),
            Err(_) => Ok(()),
            other => Err(format!("the event of this key is {accepted}: {other:?}")),
        }
    }

    async fn change_account(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        let account = self.account();
        let mut agreed = self.standing.get(&account).copied().unwrap_or_default();
        let now = self.engine.clock.now();
        match self.random.below(5) {
            0 | 1 => {
                agreed.plan = self.random.below(PLANS.len());
                let plans = self.engine.nodes[0].ledger.plans().await.map_err(|error| error.to_string())?;
                let version = plans.and_then(|plans| plans.current.get(PLANS[agreed.plan]).map(|version| version.id));
                let version = version.ok_or("the catalog has no such plan")?;
                self.engine.write(move |tx| crate::plans::grant(tx, account, version, now)).await;
            }
            2 => {
                let amount = self.random.between(0, 40);
                agreed.a_day = Some(amount);
                let limit = LimitOverride {
                    meter: "requests".into(),
                    per: domain::windows::WindowKind::Day,
                    each: domain::catalog::LimitScope::Account,
                    amount: Some(amount * UNIT),
                    past: None,
                };
                let overrides = Overrides { limits: vec![limit], ..Overrides::default() };
                self.engine.write(move |tx| subscriptions::put_overrides(tx, account, &overrides, now)).await;
            }
            3 => {
                agreed.a_day = None;
                self.engine.write(move |tx| subscriptions::delete_overrides(tx, account)).await;
            }
            _ => {
                agreed.suspended = !agreed.suspended && self.random.chance(50);
                let status = if agreed.suspended { AccountStatus::Suspended } else { AccountStatus::Active };
                let change = move |tx: &mut storage::Tx<'_>| {
                    if let Some(found) = accounts::lock(tx, account)? {
                        accounts::update(tx, &accounts::Account { status, ..found })?;
                        accounts::raise_epoch(tx, account)?;
                    }
                    Ok(())
                };
                self.engine.write(change).await;
            }
        }
        told.push(format!(
            "{account} is on {} with {:?} a day, suspended {}",
            PLANS[agreed.plan], agreed.a_day, agreed.suspended
        ));
        self.standing.insert(account, agreed);
        let books = self.auditor.books(account);
        books.rules = rules(PLANS[agreed.plan], agreed.a_day);
        books.suspended = agreed.suspended;
        Ok(())
    }

    fn jump(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        let seconds = match self.random.below(4) {
            0 => self.random.between(1, 700),
            1 => self.random.between(700, 7_200),
            2 => self.random.between(7_200, 100_000),
            _ => self.random.between(100_000, 3_500_000),
        };
        self.engine.clock.set_offset_micros(self.engine.clock.offset_micros() + seconds * MICROS_PER_SECOND);
        told.push(format!("{seconds} s later"));
        Ok(())
    }

    async fn settle(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        told.push("what has expired is settled".into());
        let database = self.engine.nodes[0].database.clone();
        for account in self.accounts.clone() {
            let node = self.node();
            let settled = node.ledger.settle(account).await;
            self.auditor.observe(&database, account, Came::OneByOne).await?;
            settled.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn restart(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        told.push("a restart".into());
        self.engine.restart().await;
        self.audit().await
    }

    /// SQLite: everything ends in the middle of a burst. What was answered before is there, what was not may be.
    async fn crash(&mut self, told: &mut Vec<String>) -> Result<(), String> {
        if !self.engine.is_sqlite() {
            return self.several(told).await;
        }
        let requests = self.burst();
        let node = self.engine.nodes[0].clone();
        let mut asked = tokio::task::JoinSet::new();
        for request in requests.clone() {
            let node = node.clone();
            asked.spawn(async move { (request.clone(), node.ledger.submit(request).await) });
        }
        let mut answers = Vec::new();
        for _ in 0..self.random.below(requests.len()) {
            answers.extend(asked.join_next().await.transpose().map_err(|error| error.to_string())?);
        }
        self.engine.copy_as_after_a_crash().await;
        while asked.join_next().await.is_some() {}
        drop(node);
        told.push(format!("a crash after {} of {} answers", answers.len(), requests.len()));
        self.engine.go_on_after_the_crash().await;
        let database = self.engine.nodes[0].database.clone();
        for account in self.accounts.clone() {
            let there = self.auditor.start_over(&database, account).await?;
            let of_account = |request: &&Request| request.command.event.account == account;
            for (request, answer) in &answers {
                if of_account(&request) && matches!(answer, Ok(Answer::Judged(Outcome::Accepted(_)))) {
                    self.accepted.entry(account).or_default().insert(request.command.event.own_text());
                }
            }
            if let Some(lost) = self.accepted.entry(account).or_default().difference(&there).next() {
                return Err(format!("{lost} was answered and is lost"));
            }
            for request in requests.iter().filter(of_account) {
                let answer = Err(LedgerError::TooLate);
                self.note(request, &answer, &there);
            }
        }
        self.audit().await
    }

    async fn audit(&mut self) -> Result<(), String> {
        let database = self.engine.nodes[0].database.clone();
        for account in self.accounts.clone() {
            self.auditor.observe(&database, account, Came::OneByOne).await?;
            self.auditor.audit(&database, account).await?;
        }
        Ok(())
    }

    /// The last audit, by the product's own verification too.
    pub async fn close(mut self) -> Result<(), String> {
        self.audit().await?;
        let node = self.engine.nodes[0].clone();
        let verified = storage::ledger::verify::verify(&node.database, self.engine.clock.now()).await;
        let differences = verified.map_err(|error| error.to_string())?.differences;
        differences.first().map_or(Ok(()), |first| Err(format!("verification found: {first}")))
    }
}
