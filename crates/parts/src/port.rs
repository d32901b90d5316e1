//! Ports for servers that cannot choose one themselves. A server of ours listens on port 0 instead.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

const FIRST: u16 = 15_000;
const LAST: u16 = 32_000;

/// A port on the loopback address that nothing listens on. It lies below the range from which systems serve port 0,
/// so that no other test is handed it while its server is being started or restarted.
pub fn unused() -> u16 {
    let start = RandomState::new().build_hasher().finish();
    let span = u64::from(LAST - FIRST);
    (0..span)
        .map(|step| FIRST + u16::try_from((start % span + step) % span).expect("the span is below 65,536"))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of 17,000 ports is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_port_can_be_listened_on() {
        let port = unused();
        assert!((FIRST..LAST).contains(&port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
