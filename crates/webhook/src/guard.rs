//! The address guard, against server-side request forgery (SSRF): which addresses a webhook that somebody else registered may reach (SPEC 15): public ones, and networks that the
//! operator allows. Checked for what the URL says, and again for what its name resolves to when it is sent.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use crate::lookups::Lookups;

/// IPv4 networks that are not public: the special-purpose registry of IANA, multicast, and what is reserved.
const NOT_PUBLIC_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 31, 196, 0], 24),
    v4([192, 52, 193, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 3),
];
/// IPv6 addresses that are routed: everything else, mapped and translated IPv4 addresses too, is refused.
const ROUTED_V6: Ipv6Net = v6([0x2000, 0, 0], 3);
/// Networks in it that are not public: protocol assignments with Teredo, documentation, 6to4, which carry IPv4 addresses.
const NOT_PUBLIC_V6: [Ipv6Net; 5] = [
    v6([0x2001, 0, 0], 23),
    v6([0x2001, 0x0db8, 0], 32),
    v6([0x2002, 0, 0], 16),
    v6([0x2620, 0x004f, 0x8000], 48),
    v6([0x3fff, 0, 0], 20),
];

const fn v4(address: [u8; 4], bits: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(begin: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(begin[0], begin[1], begin[2], 0, 0, 0, 0, 0), bits)
}

/// Whether an address belongs to the public Internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            ROUTED_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedAddress {
    /// It is no absolute URL, or has credentials in it.
    Malformed,
    /// It is not https.
    NotHttps,
    /// It names an address that is not public.
    NotPublic,
}

/// The rule of a deployment. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allowed: Arc<[IpNet]>,
    lookups: Lookups,
}

impl AddressGuard {
    /// Public addresses, and those in `allowed`.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into(), lookups: Lookups::default() }
    }

    /// Whether an address may be reached. An IPv4 address that is written as an IPv6 one is refused, unless the operator
    /// allows the IPv4 address.
    pub fn allows(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        is_public(address) || self.allowed.iter().any(|network| network.contains(&canonical))
    }

    /// Checks what a URL says. A name is checked again when it is resolved.
    pub fn check(&self, url: &str) -> Result<Url, RefusedAddress> {
        let url = Url::parse(url).map_err(|_| RefusedAddress::Malformed)?;
        if url.scheme() != "https" {
            return Err(RefusedAddress::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedAddress::Malformed);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) if is_local(name) && self.allowed.is_empty() => {
                return Err(RefusedAddress::NotPublic);
            }
            Some(Host::Domain(_)) => return Ok(url),
            None => return Err(RefusedAddress::Malformed),
        };
        if self.allows(address) { Ok(url) } else { Err(RefusedAddress::NotPublic) }
    }
}

/// A name that no public name server answers.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ends = [".localhost", ".local", ".internal", ".home.arpa"];
    name == "localhost" || !name.contains('.') || ends.iter().any(|end| name.ends_with(end))
}

/// Resolves names to the addresses that may be reached, at the moment of the connection: what a name meant when it was
/// registered does not count.
impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = guard.lookups.addresses(name.as_str()).await?;
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|found| guard.allows(found.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that may be reached".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_addresses_are_refused() {
        let guard = AddressGuard::default();
        for host in [
            // Loopback, in every form that a URL takes.
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0x7f.1",
            "127.255.255.254",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "①②⑦.⓪.⓪.①",
            // This host, private, shared, link-local.
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "[::]",
            "10.0.0.1",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.0.1",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            // Metadata services.
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "[fd00:ec2::254]",
            "metadata.internal",
            "100.100.100.200",
            "metadata",
            "192.0.0.192",
            // Mapped, compatible, translated, tunnelled.
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::1]",
            "[2001:0:7f00:1::]",
            "[2001::1]",
            // Documentation, benchmarks, multicast, reserved.
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[ff02::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[100::1]",
            "[5f00::1]",
            "[4000::1]",
            // Names of the inside.
            "printer",
            "nas.local",
            "db.internal",
            "router.home.arpa",
        ] {
            let refused = guard.check(&format!("https://{host}/hook"));
            assert_eq!(refused.err(), Some(RefusedAddress::NotPublic), "{host}");
        }
        for (url, why) in [
            ("http://hooks.example.kr/", RefusedAddress::NotHttps),
            ("ftp://hooks.example.kr/", RefusedAddress::NotHttps),
            ("file:///etc/passwd", RefusedAddress::NotHttps),
            ("hooks.example.kr/", RefusedAddress::Malformed),
            ("https://", RefusedAddress::Malformed),
            ("https://user@hooks.example.kr/", RefusedAddress::Malformed),
            ("https://user:secret@hooks.example.kr/", RefusedAddress::Malformed),
            ("https://999.1.1.1/", RefusedAddress::Malformed),
        ] {
            assert_eq!(guard.check(url).err(), Some(why), "{url}");
        }
    }

    #[test]
    fn public_addresses_are_taken() {
        let guard = AddressGuard::default();
        for host in [
            "hooks.example.kr",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "192.0.1.1",
            "223.255.255.1",
            "[2606:4700::1111]",
            "[2a00:1450::1]",
            "hooks.example.kr:8443",
        ] {
            assert!(guard.check(&format!("https://{host}/hook")).is_ok(), "{host}");
        }
    }

    #[test]
    fn an_operator_allows_networks() {
        let guard = AddressGuard::new(vec!["10.20.0.0/16".parse().expect("a network")]);
        for (host, is_allowed) in [
            ("10.20.3.4", true),
            ("[::ffff:10.20.3.4]", true),
            ("10.21.0.1", false),
            ("127.0.0.1", false),
            ("hooks.internal", true),
        ] {
            assert_eq!(guard.check(&format!("https://{host}/")).is_ok(), is_allowed, "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_when_it_is_resolved() {
        let resolve =
            async |guard: AddressGuard| guard.resolve("localhost".parse().expect("a name")).await.is_ok();
        assert!(!resolve(AddressGuard::default()).await, "whatever it was registered with");
        let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
        assert!(resolve(AddressGuard::new(loopback.to_vec())).await);
    }
}
