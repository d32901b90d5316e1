//! Which addresses may be called. Start at [`is_public`].

use std::net::IpAddr;

/// Whether an address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    !address.is_loopback()
}
