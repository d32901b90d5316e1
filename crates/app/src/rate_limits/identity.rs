//! Who is held to a rate, and how that is written.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use domain::ids::AccountId;

/// Whom requests are counted for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    Account(AccountId),
    /// Of IPv6 the network of a single customer, its first 64 bits: the rest costs nobody anything to change.
    Address(IpAddr),
    /// What somebody signs in with, whether anybody has that name or not. Capitals and spaces around it do not matter.
    SignInName(String),
}

impl Identity {
    /// Reads what an operator writes: `acct_…`, an address, or else a name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(account) = AccountId::parse(text) {
            return Self::Account(account);
        }
        match text.strip_suffix("/64").unwrap_or(text).parse::<IpAddr>() {
            Ok(address) => Self::Address(address),
            Err(_) => Self::SignInName(text.to_owned()),
        }
    }
}

/// The same for all that are counted together. No two kinds are ever written alike.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "{account}"),
            Self::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => write!(f, "{address}"),
                IpAddr::V6(address) => {
                    let network = address.to_bits() >> 64 << 64;
                    write!(f, "{}/64", Ipv6Addr::from_bits(network))
                }
            },
            Self::SignInName(name) => write!(f, "name {}", name.trim().to_lowercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_together_is_written_alike() {
        let written = |text: &str| Identity::parse(text).to_string();
        assert_eq!(written("203.0.113.7"), "203.0.113.7");
        assert_eq!(written("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(written("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(written("2001:db8:1:2::/64"), "2001:db8:1:2::/64");
        assert_ne!(written("2001:db8:1:3::1"), "2001:db8:1:2::/64");
        assert_eq!(written(" Ada@Example.com "), "name ada@example.com");
        let account = AccountId::from_bits(7).to_string();
        assert_eq!(written(&account), account);
        // Nobody takes up another's rate by signing in under the name of an account or an address.
        assert_eq!(Identity::SignInName(account.clone()).to_string(), format!("name {account}"));
        assert_eq!(Identity::SignInName("203.0.113.7".into()).to_string(), "name 203.0.113.7");
    }
}
