//! Passwords are hashed by argon2id, on threads that may block, a few at a time: each takes 19 MiB and some 30 ms.
//!
//! A sign-in with an address that nobody has costs the same as one with a wrong password, so that the time tells nothing.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use parking_lot::Mutex;
use storage::{Entropy, StorageError};
use tokio::sync::Semaphore;

use crate::AppError;

const SALT_BYTES: usize = 16;
/// Callers that wait for their turn; more are told that the server is busy.
const MOST_WAITING: usize = 256;

/// How dear a hash is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordCost {
    pub memory_kib: u32,
    pub passes: u32,
}

impl PasswordCost {
    /// For a password that was made at random and is printed beside the server anyway: a dear hash would only cost memory
    /// that a server which has just started has no other use for. It is hashed anew when it is first used.
    pub const LIGHTEST: PasswordCost = PasswordCost { memory_kib: 8, passes: 1 };
}

/// Hashes and verifies. One a process.
#[derive(Debug)]
pub struct Passwords {
    cost: PasswordCost,
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    /// What a password is verified against where there is nobody to verify; made at the first use.
    nobodys: Mutex<Option<Arc<str>>>,
}

/// What came of a verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verified {
    No,
    Yes,
    /// Yes, and the hash was made by other parameters than today's: hash it again.
    YesOutdated,
}

impl Passwords {
    pub fn new(cost: PasswordCost) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cost,
            at_once: Arc::new(Semaphore::new(threads)),
            waiting: Semaphore::new(MOST_WAITING),
            nobodys: Mutex::default(),
        }
    }

    /// In PHC form.
    pub async fn hash(&self, entropy: &Entropy, password: &str) -> Result<String, AppError> {
        self.hash_at(self.cost, entropy, password).await
    }

    /// The same at another cost.
    pub async fn hash_at(&self, cost: PasswordCost, entropy: &Entropy, password: &str) -> Result<String, AppError> {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt);
        let password = password.to_owned();
        self.in_turn(move || {
            let hash = hasher(cost).hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| StorageError::unexpected(error).into())
        })
        .await?
    }

    /// Verifies against the hash; without one the same work is done, for nothing.
    pub async fn verify(&self, entropy: &Entropy, password: &str, hash: Option<&str>) -> Result<Verified, AppError> {
        let against: Arc<str> = match hash {
            Some(hash) => hash.into(),
            None => self.nobodys(entropy).await?,
        };
        let (password, is_somebodys, cost) = (password.to_owned(), hash.is_some(), self.cost);
        let matches = self
            .in_turn(move || {
                let Ok(parsed) = PasswordHash::new(&against) else { return Verified::No };
                match hasher(cost).verify_password(password.as_bytes(), &parsed) {
                    Ok(()) if Params::try_from(&parsed).is_ok_and(|params| is_of(&params, cost)) => Verified::Yes,
                    Ok(()) => Verified::YesOutdated,
                    Err(_) => Verified::No,
                }
            })
            .await?;
        Ok(if is_somebodys { matches } else { Verified::No })
    }

    async fn nobodys(&self, entropy: &Entropy) -> Result<Arc<str>, AppError> {
        let known = self.nobodys.lock().clone();
        match known {
            Some(hash) => Ok(hash),
            None => {
                let hash: Arc<str> = self.hash(entropy, "nobody has this password").await?.into();
                *self.nobodys.lock() = Some(hash.clone());
                Ok(hash)
            }
        }
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
        let Ok(_place) = self.waiting.try_acquire() else { return Err(StorageError::Busy.into()) };
        let turn = self.at_once.clone().acquire_owned().await.expect("the semaphore is never closed");
        // The turn goes with the work: it runs on when its caller has left.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|error| StorageError::unexpected(error).into())
    }
}

fn hasher(cost: PasswordCost) -> Argon2<'static> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn is_of(params: &Params, cost: PasswordCost) -> bool {
    (params.m_cost(), params.t_cost(), params.p_cost()) == (cost.memory_kib, cost.passes, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, passes: 1 };

    #[tokio::test]
    async fn a_password_is_verified_and_an_outdated_hash_is_noticed() {
        let (entropy, passwords) = (Entropy::system(), Passwords::new(CHEAP));
        let hash = passwords.hash(&entropy, "correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.verify(&entropy, "correct horse", Some(&hash)).await.unwrap(), Verified::Yes);
        assert_eq!(passwords.verify(&entropy, "Correct horse", Some(&hash)).await.unwrap(), Verified::No);
        let dearer = Passwords::new(PasswordCost { memory_kib: 128, passes: 1 });
        assert_eq!(dearer.verify(&entropy, "correct horse", Some(&hash)).await.unwrap(), Verified::YesOutdated);
        assert_eq!(passwords.verify(&entropy, "x", Some("no hash")).await.unwrap(), Verified::No);
    }

    #[tokio::test]
    async fn nobodys_password_is_never_right() {
        let (entropy, passwords) = (Entropy::system(), Passwords::new(CHEAP));
        let guess = "nobody has this password";
        assert_eq!(passwords.verify(&entropy, guess, None).await.unwrap(), Verified::No);
    }
}
