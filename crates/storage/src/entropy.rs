//! The one source of randomness of the process.

use parking_lot::Mutex;

/// The operating system's, or a seeded sequence for simulations.
#[derive(Debug)]
pub struct Entropy(Source);

#[derive(Debug)]
enum Source {
    /// With bytes that were fetched ahead for ids, since asking the system for each would cost more than the rest of
    /// making one. Each byte is handed out once.
    System(Mutex<Ahead>),
    Seeded(Mutex<u64>),
}

#[derive(Debug)]
struct Ahead {
    bytes: Box<[u8; AHEAD]>,
    used: usize,
}

const AHEAD: usize = 4_096;

impl Entropy {
    pub fn system() -> Self {
        Self(Source::System(Mutex::new(Ahead { bytes: Box::new([0; AHEAD]), used: AHEAD })))
    }

    /// The same seed gives the same sequence. Never for keys.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Mutex::new(seed)))
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            Source::System(_) => from_system(bytes),
            Source::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let word = split_mix(&mut state.lock()).to_le_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
        }
    }

    /// For ids; secrets take [`Entropy::fill`].
    pub fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        match &self.0 {
            Source::System(ahead) => {
                let mut ahead = ahead.lock();
                if ahead.used + bytes.len() > AHEAD {
                    from_system(&mut ahead.bytes[..]);
                    ahead.used = 0;
                }
                let next = ahead.used..ahead.used + bytes.len();
                bytes.copy_from_slice(&ahead.bytes[next]);
                ahead.used += bytes.len();
            }
            Source::Seeded(_) => self.fill(&mut bytes),
        }
        u128::from_le_bytes(bytes)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
fn from_system(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("a system without randomness cannot make keys or ids");
}

/// The splitmix64 generator (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
