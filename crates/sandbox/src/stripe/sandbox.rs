//! The running stand-in: its state behind one lock, its clock, its file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use tokio::sync::Notify;

use super::call::Asked;
use super::clock;
use super::faults::Faults;
use super::fields::Fields;
use super::play;
use super::refusal::Refusal;
use super::state::State;
use super::travel::Travel;
use super::webhook_endpoints;
use super::work::{Origin, Work};

/// The version that is spoken where nobody asks for another.
pub const NEWEST_VERSION: &str = "2026-10-28.endive";

/// What a stand-in is started with.
pub struct Options {
    /// None: in memory. Otherwise loaded at start and written after changes.
    pub state_file: Option<PathBuf>,
    /// The one key that is taken. It must begin with `sk_test_` or `rk_test_`.
    pub secret_key: String,
    /// Address and `whsec_…` secret of an endpoint that exists from the start.
    pub webhook: Option<(String, String)>,
}

/// A stand-in for Stripe. Serve it with [`super::serve`].
pub struct Stripe {
    state: Mutex<State>,
    state_file: Option<PathBuf>,
    pub(super) secret_key: String,
    pub(super) public_url: String,
    pub(super) faults: Mutex<Faults>,
    pub(super) travel: Mutex<Travel>,
    pub(super) asked: Mutex<Vec<Asked>>,
    /// Idempotency keys of calls that are on their way.
    pub(super) running_keys: Mutex<HashSet<String>>,
    /// Something may be there to deliver.
    pub(super) wake: Notify,
    changes: AtomicU64,
    saved: tokio::sync::Mutex<u64>,
}

impl Stripe {
    /// Loads or begins a state. `public_url` is where people and callers reach the stand-in, without a slash at the end.
    ///
    /// Errors: a live key; a state file that cannot be read; an address for webhooks that is not plain HTTP.
    pub fn open(options: Options, public_url: String) -> Result<Arc<Stripe>, String> {
        let is_test_key = ["sk_test_", "rk_test_"].iter().any(|prefix| options.secret_key.starts_with(prefix));
        if !is_test_key {
            return Err(
                "The Stripe sandbox takes test keys alone: the key must begin with sk_test_ or rk_test_.".to_owned()
            );
        }
        let public_url = public_url.trim_end_matches('/').to_owned();
        let mut state = match &options.state_file {
            Some(file) if file.exists() => load(file, &public_url)?,
            _ => State::new(format!("{}:{}", clock::real_ms(), std::process::id())),
        };
        state.public_url.clone_from(&public_url);
        if let Some((url, secret)) = &options.webhook {
            if !url.starts_with("http://") {
                return Err(format!("The Stripe sandbox delivers webhooks over plain http:// alone, not to {url}."));
            }
            keep_endpoint(&mut state, url, secret);
        }
        let stripe = Stripe {
            state: Mutex::new(state),
            state_file: options.state_file,
            secret_key: options.secret_key,
            public_url,
            faults: Mutex::default(),
            travel: Mutex::default(),
            asked: Mutex::default(),
            running_keys: Mutex::default(),
            wake: Notify::new(),
            changes: AtomicU64::new(1),
            saved: tokio::sync::Mutex::new(0),
        };
        Ok(Arc::new(stripe))
    }

    /// The stand-in's time, in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.state.lock().now()
    }

    /// Moves the clock to a moment and plays all that falls due on the way. It never goes back.
    pub fn move_clock_to(&self, seconds: i64) {
        let mut state = self.state.lock();
        let ahead = seconds * 1000 - clock::real_ms();
        state.ahead_ms = state.ahead_ms.max(ahead);
        self.play(&mut state);
        self.has_changed(&mut state);
    }

    /// Plays what falls due by now. Gives the time, and whether anything did.
    fn play(&self, state: &mut State) -> (i64, bool) {
        let now = state.now();
        let played = play::play_until(state, now, &self.public_url, NEWEST_VERSION);
        (now, played > 0)
    }

    /// Plays what has fallen due meanwhile.
    pub(super) fn tick(&self) {
        let mut state = self.state.lock();
        if self.play(&mut state).1 {
            self.has_changed(&mut state);
        }
    }

    /// One piece of work at the present time, kept or undone whole.
    pub(super) fn work<R>(
        &self,
        origin: Origin,
        carry_out: impl FnOnce(&mut Work) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let mut state = self.state.lock();
        let (now, has_played) = self.play(&mut state);
        let mut work = Work::new(&mut state, now, origin, &self.public_url);
        let result = carry_out(&mut work);
        let is_changed = work.has_changed();
        let is_kept = result.as_ref().err().is_none_or(|refusal| refusal.is_work_kept);
        match is_kept {
            true => work.keep(),
            false => work.undo(),
        }
        if has_played || (is_changed && is_kept) {
            self.has_changed(&mut state);
        }
        result
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// New webhooks set out, and the file is behind.
    pub(super) fn has_changed(&self, state: &mut State) {
        self.travel.lock().set_out(&mut state.deliveries, clock::real_ms());
        self.changes.fetch_add(1, SeqCst);
        self.wake.notify_one();
    }

    /// Returns once the state as it is now, or a later one, is in the file.
    pub(super) async fn save(&self) -> Result<(), String> {
        let Some(file) = self.state_file.clone() else { return Ok(()) };
        let wanted = self.changes.load(SeqCst);
        let mut saved = self.saved.lock().await;
        if *saved >= wanted {
            return Ok(());
        }
        let (version, text) = {
            let state = self.state.lock();
            (self.changes.load(SeqCst), serde_json::to_vec(&*state).map_err(|error| error.to_string())?)
        };
        let write = move || {
            // A sandbox of the same file that is just ending may write it too.
            static WRITTEN: AtomicU64 = AtomicU64::new(0);
            let number = WRITTEN.fetch_add(1, SeqCst);
            let temporary = file.with_extension(format!("{}-{number}.new", std::process::id()));
            std::fs::write(&temporary, text)?;
            std::fs::rename(&temporary, &file)
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
        written.map_err(|error| format!("The state of the Stripe sandbox cannot be written: {error}"))?;
        *saved = version;
        Ok(())
    }
}

/// Reads a state. Where the stand-in is reached elsewhere now, the addresses of its pages follow.
fn load(file: &Path, public_url: &str) -> Result<State, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let read = |text: &str| -> Result<State, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("{} is not a state of the Stripe sandbox: {error}", file.display()))
    };
    let state = read(&text)?;
    let mut state = match state.public_url.is_empty() || state.public_url == public_url {
        true => state,
        false => read(&text.replace(&format!("{}/", state.public_url), &format!("{public_url}/")))?,
    };
    state.index();
    Ok(state)
}

/// The endpoint of the options: one, with the address and secret of now.
fn keep_endpoint(state: &mut State, url: &str, secret: &str) {
    let known = state.all("webhook_endpoint").find(|endpoint| endpoint.is("_is_from_start")).cloned();
    let now = state.now();
    let mut work = Work::new(state, now, Origin::default(), "");
    let endpoint = known.unwrap_or_else(|| webhook_endpoints::make(&mut work, url, secret, &["*".to_owned()], None));
    let fields = json!({ "url": url, "_secret": secret, "_is_from_start": true });
    work.set("webhook_endpoint", endpoint.text("id"), fields);
    work.keep();
}
