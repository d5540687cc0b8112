//! Determines a request's client address, and the network that an address belongs to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The client's address: the connection's peer, or what a trusted proxy reports. Only the last entry of the
/// last `X-Forwarded-For` value comes from the proxy; the ones before it come from the client and may be
/// forged. An entry that is not an address is ignored.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl Iterator<Item = &'a [u8]>,
    behind_proxy: bool,
) -> IpAddr {
    let forwarded = forwarded_for
        .last()
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| address(value.rsplit(',').next()?.trim()));
    forwarded.filter(|_| behind_proxy).unwrap_or(peer).to_canonical()
}

/// Parses an address as proxies write it: plain, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().map(|socket: SocketAddr| socket.ip()).ok())
}

/// The network that per-client limits use as the key: an IPv6 client controls its whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_proxy_s_word_counts_and_only_behind_one() {
        let peer: IpAddr = [10, 0, 0, 9].into();
        let of = |values: &[&str], behind_proxy| {
            client_address(peer, values.iter().map(|value| value.as_bytes()), behind_proxy).to_string()
        };
        for (values, address) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7", "198.51.100.1"], "198.51.100.1"),
            (&["203.0.113.7:4711"], "203.0.113.7"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&["unknown"], "10.0.0.9"),
            (&["203.0.113.7,"], "10.0.0.9"),
            (&[], "10.0.0.9"),
        ] {
            assert_eq!(of(values, true), address, "{values:?}");
            assert_eq!(of(values, false), "10.0.0.9");
        }
    }

    #[test]
    fn one_peer_of_ipv6_is_its_network() {
        let address = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
    }
}
