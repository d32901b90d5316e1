//! Where a caller is, as far as that can be known: the other end of the connection, or what a trusted proxy says of it.
//!
//! A proxy adds the address that it was called from behind what was there before. So the list is read from its end, as
//! long as those who wrote it are trusted: whatever a caller sends along stands further in front and is never reached.
//! One header alone is read, the one that the operator's proxies write; any other might be the caller's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::WebState;
use crate::problem::Failure;
use crate::server::PeerAddress;

/// The address that a request came from. An IPv4 address is always written as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Whose word about addresses is taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: AddressHeader,
}

/// Where proxies write the address that they were called from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl AddressHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => HeaderName::from_static("forwarded"),
        }
    }
}

impl TrustedProxies {
    /// Reads addresses and networks, separated by commas: `10.0.0.0/8, 2001:db8::1`.
    ///
    /// # Errors
    /// What is wrong, as the second half of a sentence.
    pub fn parse(text: &str, header: AddressHeader) -> Result<Self, String> {
        let named = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { networks: named.map(network).collect::<Result<_, _>>()?, header })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Goes back from the connection's other end to the first that is not trusted.
    fn client_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let mut found = peer.ip().to_canonical();
        if !self.trusts(found) {
            return found;
        }
        let values = headers.get_all(self.header.name());
        let parts = values.iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for part in parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
            let address = match self.header {
                AddressHeader::XForwardedFor => node(part),
                AddressHeader::Forwarded => forwarded_for(part).and_then(node),
            };
            // Who wrote something else than an address is the last who is known.
            let Some(address) = address else { return found };
            found = address;
            if !self.trusts(found) {
                return found;
            }
        }
        found
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network.trunc(),
        (_, Ok(address)) => IpNet::from(address.to_canonical()),
        _ => return Err(format!("has {text:?} in it; write addresses and networks, such as 10.0.0.0/8, ::1")),
    };
    if network.prefix_len() == 0 {
        return Err(format!("has {text:?} in it: then every caller could say where they are; name your proxies alone"));
    }
    let is_mapped = matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some());
    if is_mapped { Err(format!("has {text:?} in it; write the network as one of IPv4")) } else { Ok(network) }
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let address = match (text.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(address), _) => address,
        (_, Ok(with_port)) => with_port.ip(),
        _ => text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// The `for` of one element: `for="[2001:db8::1]:4711";proto=https`. Names that stand for an address are none.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut pairs = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let value = pairs.find_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    })?;
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}

impl FromRequestParts<Arc<WebState>> for ClientAddress {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<WebState>) -> Result<Self, Failure> {
        let PeerAddress(peer) =
            parts.extensions.get().copied().expect("the server says of every request where its connection comes from");
        Ok(Self(state.trusted_proxies.client_address(peer, &parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_by(header: AddressHeader, peer: &str, values: &[&str]) -> String {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 192.0.2.1,2001:db8:aa::/48", header).unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header.name(), axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.client_address(SocketAddr::new(peer.parse().unwrap(), 4711), &headers).to_string()
    }

    fn found(peer: &str, values: &[&str]) -> String {
        found_by(AddressHeader::XForwardedFor, peer, values)
    }

    #[test]
    fn who_is_no_proxy_says_nothing_about_addresses() {
        assert_eq!(found("203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
        assert_eq!(found("::ffff:203.0.113.7", &["10.0.0.1"]), "203.0.113.7");
        assert_eq!(found("11.0.0.1", &["198.51.100.1"]), "11.0.0.1");
        let nobody = TrustedProxies::default();
        let headers = HeaderMap::from_iter([(AddressHeader::XForwardedFor.name(), "198.51.100.1".parse().unwrap())]);
        assert_eq!(nobody.client_address("127.0.0.1:1".parse().unwrap(), &headers).to_string(), "127.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_so_is_the_one_before_it() {
        assert_eq!(found("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(found("::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.7", "192.0.2.1,10.9.9.9"]), "203.0.113.7");
        assert_eq!(found("2001:db8:aa::1", &["2001:db8:bb::7"]), "2001:db8:bb::7");
        assert_eq!(found("10.0.0.1", &["::ffff:203.0.113.7"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.7:50123"]), "203.0.113.7");
        assert_eq!(found("10.0.0.1", &["[2001:db8:bb::7]:50123"]), "2001:db8:bb::7");
        assert_eq!(found("10.0.0.1", &["[2001:db8:bb::7]"]), "2001:db8:bb::7");
        // A proxy that asks for itself.
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn nothing_that_a_caller_sends_along_picks_an_address() {
        for forged in
            ["198.51.100.1", "10.0.0.2", "198.51.100.1, 10.0.0.2", "", ",,,", "unknown", "\"", "for=1.2.3.4", "\u{fc}"]
        {
            assert_eq!(found("10.0.0.1", &[&format!("{forged}, 203.0.113.7")]), "203.0.113.7", "{forged}");
            assert_eq!(found("10.0.0.1", &[forged, "203.0.113.7"]), "203.0.113.7", "{forged}");
            assert_eq!(found("10.0.0.1", &[forged, "203.0.113.7, 10.0.0.3"]), "203.0.113.7", "{forged}");
        }
        let huge = "198.51.100.1, ".repeat(4_000);
        assert_eq!(found("10.0.0.1", &[&format!("{huge}203.0.113.7")]), "203.0.113.7");
    }

    #[test]
    fn what_is_no_address_ends_the_search_at_who_wrote_it() {
        assert_eq!(found("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &["198.51.100.1, 203.0.113.999, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(found("10.0.0.1", &["fe80::1%eth0"]), "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_the_one() {
        let found = |values: &[&str]| found_by(AddressHeader::Forwarded, "10.0.0.1", values);
        assert_eq!(found(&["for=203.0.113.7;proto=https;by=10.0.0.1"]), "203.0.113.7");
        assert_eq!(found(&["for=198.51.100.1, proto=https; For=\"[2001:db8:bb::7]:4711\""]), "2001:db8:bb::7");
        assert_eq!(found(&["for=198.51.100.1", "for=203.0.113.7, for=10.0.0.2"]), "203.0.113.7");
        assert_eq!(found(&["for=\"198.51.100.1, for=203.0.113.7"]), "203.0.113.7");
        for hidden in ["for=_hidden", "for=unknown", "proto=https", "203.0.113.7", "fo"] {
            assert_eq!(found(&[&format!("for=198.51.100.1, {hidden}")]), "10.0.0.1", "{hidden}");
        }
    }

    #[test]
    fn mistakes_in_the_list_are_told() {
        let told = |text| TrustedProxies::parse(text, AddressHeader::default()).map(|proxies| proxies.networks.len());
        assert_eq!(told(""), Ok(0));
        assert_eq!(told("10.1.2.3/8, ::1, ::ffff:192.0.2.1"), Ok(3));
        assert!(told("10.0.0.0/33").unwrap_err().contains("\"10.0.0.0/33\""));
        assert!(told("localhost").unwrap_err().contains("write addresses and networks"));
        assert!(told("0.0.0.0/0").unwrap_err().contains("every caller"));
        assert!(told("::/0").unwrap_err().contains("every caller"));
        assert!(told("::ffff:10.0.0.0/104").unwrap_err().contains("IPv4"));
    }
}
