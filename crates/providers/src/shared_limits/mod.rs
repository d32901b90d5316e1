//! Requests counted for all nodes at once, in Redis or what speaks like it. Start at [`SharedLimits::take`].
//!
//! Thin: what is counted, for whom, and what happens when Redis is away is decided by the caller. One request is one
//! round trip of one script, so that nothing comes between looking and counting. The time is the caller's: the clock of
//! development can be moved, and both ways of counting then go by it; for one key it never goes back. Every key expires a
//! second after its window.

use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisError, RedisResult, Script};

use crate::secret::SecretText;

/// How long an answer may take. Whoever signs in waits no longer for it.
const ANSWER_TIME: Duration = Duration::from_millis(50);
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Where a new connection counts one request to see whether it can.
const PROBE: &str = "tollway:rate:probe";

/// The connection to Redis, or none for the moment.
pub struct SharedLimits {
    client: Client,
    script: Script,
    connection: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Counts connections, so that the failure of an old one does not close the next.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

/// What a request is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub requests: u32,
    pub window_micros: i64,
    /// Requests that come closer together than this are counted as one spell.
    pub spell_micros: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Counted { remaining: u32 },
    Refused { wait_micros: i64 },
}

/// A few requests that came close together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spell {
    pub first_micros: i64,
    pub last_micros: i64,
    pub requests: u32,
}

/// Why the address of Redis cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "is no address of Redis; write redis://host:6379/0, or rediss:// for TLS, with user:password@ where it wants them"
)]
pub struct NoRedisUrl;

/// Why Redis did not count.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("there is no connection to Redis")]
    NotConnected,
    #[error("Redis did not answer in time")]
    TooSlow,
    #[error("Redis failed: {0}")]
    Failed(String),
}

impl SharedLimits {
    /// Reads the address; connects to nothing yet.
    pub fn new(url: &SecretText) -> Result<Self, NoRedisUrl> {
        let url = url.expose();
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(NoRedisUrl);
        }
        if url.starts_with("rediss://") {
            // Where another one was chosen before, that is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let info = url.into_connection_info().map_err(|_| NoRedisUrl)?;
        let client = Client::open(info).map_err(|_| NoRedisUrl)?;
        Ok(Self { client, script: Script::new(include_str!("take.lua")), connection: Mutex::default() })
    }

    /// Connects anew and counts once, to see that it can.
    pub async fn connect(&self) -> Result<(), NoAnswer> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIME))
            .set_response_timeout(Some(ANSWER_TIME));
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            let rate = Rate { requests: 1, window_micros: 1_000, spell_micros: 1 };
            self.run(&mut connection, &[PROBE.to_owned()], rate, 0).await?;
            Ok(connection)
        };
        let connected = tokio::time::timeout(CONNECT_TIME, connecting).await;
        let connection = connected.map_err(|_| NoAnswer::TooSlow)?.map_err(|error: RedisError| failed(&error))?;
        let mut open = self.connection.lock();
        *open = Open { number: open.number + 1, connection: Some(connection) };
        Ok(())
    }

    /// Counts one request for every key, or for none when one of them is past the rate. After an error there is no
    /// connection until [`SharedLimits::connect`].
    pub async fn take(&self, keys: &[String], rate: Rate, now_micros: i64) -> Result<Outcome, NoAnswer> {
        self.ask(async |connection| self.run(connection, keys, rate, now_micros).await).await
    }

    /// What is counted for each key, oldest first; what is over is still there.
    pub async fn counted(&self, keys: &[String]) -> Result<Vec<Vec<Spell>>, NoAnswer> {
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("LRANGE").arg(key).arg(0).arg(-1);
        }
        let found: Vec<Vec<String>> = self.ask(async |connection| pipeline.query_async(connection).await).await?;
        Ok(found.iter().map(|texts| texts.iter().filter_map(|text| spell(text)).collect()).collect())
    }

    /// Forgets what was counted for these keys.
    pub async fn clear(&self, keys: &[String]) -> Result<(), NoAnswer> {
        let mut command = redis::cmd("DEL");
        command.arg(keys);
        self.ask(async |connection| command.query_async(connection).await).await
    }

    async fn run(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &[String],
        rate: Rate,
        now_micros: i64,
    ) -> RedisResult<Outcome> {
        let mut invocation = self.script.prepare_invoke();
        for key in keys {
            invocation.key(key);
        }
        invocation.arg(now_micros).arg(rate.window_micros).arg(rate.spell_micros).arg(rate.requests);
        let (counted, remaining, wait_micros): (i64, i64, i64) = invocation.invoke_async(connection).await?;
        Ok(match counted {
            0 => Outcome::Refused { wait_micros },
            _ => Outcome::Counted { remaining: u32::try_from(remaining).unwrap_or(0) },
        })
    }

    /// Asks over the open connection, in time; closes it when that fails.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, NoAnswer> {
        let (number, connection) = {
            let open = self.connection.lock();
            (open.number, open.connection.clone())
        };
        let mut connection = connection.ok_or(NoAnswer::NotConnected)?;
        let answered = tokio::time::timeout(ANSWER_TIME, question(&mut connection)).await;
        let outcome = match answered {
            Ok(answer) => answer.map_err(|error| failed(&error)),
            Err(_) => Err(NoAnswer::TooSlow),
        };
        if outcome.is_err() {
            let mut open = self.connection.lock();
            if open.number == number {
                open.connection = None;
            }
        }
        outcome
    }
}

/// The text of an error may hold what Redis said, but never the address with its password.
fn failed(error: &RedisError) -> NoAnswer {
    if error.is_timeout() { NoAnswer::TooSlow } else { NoAnswer::Failed(error.to_string()) }
}

fn spell(text: &str) -> Option<Spell> {
    let mut parts = text.split(':');
    let mut next = || parts.next()?.parse::<i64>().ok();
    let (first_micros, last_micros, requests) = (next()?, next()?, next()?);
    Some(Spell { first_micros, last_micros, requests: u32::try_from(requests).ok()? })
}

impl std::fmt::Debug for SharedLimits {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let connected = self.connection.lock().connection.is_some();
        formatter.debug_struct("SharedLimits").field("connected", &connected).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_redis_are_taken() {
        for url in ["redis://localhost", "redis://:secret@localhost:6379/2", "rediss://user:secret@redis.example:6380"]
        {
            assert!(SharedLimits::new(&SecretText::new(url)).is_ok(), "{url}");
        }
        for url in ["", "localhost:6379", "http://localhost", "redis://", "redis://localhost/x", "unix:///run/redis"] {
            assert!(SharedLimits::new(&SecretText::new(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn a_spell_is_read_back() {
        assert_eq!(spell("1:2:3"), Some(Spell { first_micros: 1, last_micros: 2, requests: 3 }));
        assert_eq!(spell("1:2"), None);
    }

    #[tokio::test]
    async fn without_a_connection_the_answer_comes_at_once() {
        let limits = SharedLimits::new(&SecretText::new("redis://127.0.0.1:1")).expect("an address");
        let rate = Rate { requests: 1, window_micros: 1, spell_micros: 1 };
        assert_eq!(limits.take(&["a".into()], rate, 0).await, Err(NoAnswer::NotConnected));
        assert!(matches!(limits.connect().await, Err(NoAnswer::Failed(_))));
    }
}
