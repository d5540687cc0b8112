//! The networks that a token is bound to (SPEC 2 and 11).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

/// The most networks of one token.
pub const NETWORKS_MAX: usize = 64;
/// The bits before an IPv4 address that is written as an IPv6 one.
const MAPPED_BITS: u8 = 96;

/// Networks, IPv4 and IPv6. A call from elsewhere is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Networks in CIDR notation, or single addresses. `None` for none, for more than [`NETWORKS_MAX`], or for one that
    /// is not readable.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let networks: Vec<IpNet> = texts.into_iter().map(network).collect::<Option<_>>()?;
        (1..=NETWORKS_MAX).contains(&networks.len()).then_some(Self(networks))
    }

    /// Parses the stored form, which [`fmt::Display`] writes.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Self::parse(stored.split(','))
    }

    /// Whether `address` is in one of them. An IPv4 address that is written as an IPv6 one is the IPv4 address.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = text.parse().ok().or_else(|| text.parse().map(|address: IpAddr| address.into()).ok())?;
    Some(canonical(network).trunc())
}

/// An IPv4 network that is written as an IPv6 one is the IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped: Option<Ipv4Addr> = v6.addr().to_ipv4_mapped();
    let v4 = mapped.zip(v6.prefix_len().checked_sub(MAPPED_BITS));
    v4.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok()).map_or(network, IpNet::V4)
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Serialize for Networks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_networks() {
        let cases = [
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7/32", "203.0.113.8", false),
            ("203.0.113.77/24", "203.0.113.8", true),
            ("203.0.113.0/24", "::ffff:203.0.113.8", true),
            ("::ffff:203.0.113.0/120", "203.0.113.8", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
        ];
        for (network, address, expected) in cases {
            let networks = Networks::parse([network]).expect(network);
            assert_eq!(
                networks.contain(address.parse().expect("an address")),
                expected,
                "{network} {address}"
            );
            assert_eq!(Networks::from_stored(&networks.to_string()), Some(networks));
        }
        let several = Networks::parse(["203.0.113.0/24", "2001:db8::/32"]).expect("good");
        assert!(several.contain("2001:db8::5".parse().expect("an address")));
        assert_eq!(Networks::from_stored(&several.to_string()), Some(several));
        for not in ["", "203.0.113.7/33", "city.example.kr", "203.0.113", "2001:db8::/129"] {
            assert_eq!(Networks::parse([not]), None, "{not}");
        }
        assert_eq!(Networks::parse([]), None);
        assert_eq!(Networks::parse(["203.0.113.7"; NETWORKS_MAX + 1]), None);
    }
}
