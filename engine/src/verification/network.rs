//! The unit in which clients are counted: the network of an address.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A client's network: the kind of address, then the part that its user cannot choose freely.
///
/// * IPv4: the whole address, also if written as IPv6 (`::ffff:0:0/96`) or translated by NAT64 (`64:ff9b::/96`, RFC
///   6052).
/// * IPv6: the first 64 bits. A client can use as many of the others as it likes.
/// * Link-local IPv6 (`fe80::/10`): the last 64 bits. All of a link shares the first.
pub(super) type Network = [u8; 9];

const OF_IPV4: u8 = 4;
const OF_IPV6: u8 = 6;
const OF_LINK_LOCAL: u8 = 1;

/// The network of a client's address, given as text. All other texts, such as a socket's path, are one network.
pub(super) fn network(client: &str) -> Network {
    // The zone only names the interface that reaches the address.
    let address = client.split_once('%').map_or(client, |(address, _zone)| address);
    match address.parse() {
        Ok(IpAddr::V4(address)) => of_ipv4(address),
        Ok(IpAddr::V6(address)) => of_ipv6(address),
        Err(_) => [0; 9],
    }
}

fn of_ipv4(address: Ipv4Addr) -> Network {
    let [a, b, c, d] = address.octets();
    [OF_IPV4, a, b, c, d, 0, 0, 0, 0]
}

/// The IPv4 address that an IPv6 address stands for.
fn as_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    let translated = || {
        let octets = address.octets();
        let &[a, b, c, d] = octets.strip_prefix(&NAT64)? else { return None };
        Some(Ipv4Addr::new(a, b, c, d))
    };
    address.to_ipv4_mapped().or_else(translated)
}

fn of_ipv6(address: Ipv6Addr) -> Network {
    if let Some(address) = as_ipv4(address) {
        return of_ipv4(address);
    }
    let octets = address.octets();
    let is_link_local = octets[0] == 0xfe && octets[1] & 0xc0 == 0x80;
    let (kind, half) = if is_link_local { (OF_LINK_LOCAL, &octets[8..]) } else { (OF_IPV6, &octets[..8]) };
    let mut network = [kind; 9];
    network[1..].copy_from_slice(half);
    network
}

/// A network as text: an address, an IPv6 address with `/64`, or `other`.
pub(super) fn text(network: &Network) -> String {
    let [kind, a, b, c, d, e, f, g, h] = *network;
    let ipv6 = |high: u64, low: u64| Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
    let half = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    match kind {
        OF_IPV4 => Ipv4Addr::new(a, b, c, d).to_string(),
        OF_IPV6 => format!("{}/64", ipv6(half, 0)),
        OF_LINK_LOCAL => ipv6(0xfe80 << 48, half).to_string(),
        _ => "other".to_owned(),
    }
}

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    bits: u32,
}

impl AddressRange {
    /// True if a client's address, given as text, is one of them.
    pub fn contains(&self, client: &str) -> bool {
        let client = client.split_once('%').map_or(client, |(address, _zone)| address);
        match (self.first, client.parse().map(canonical)) {
            (IpAddr::V4(first), Ok(IpAddr::V4(address))) => {
                let difference = u32::from(first) ^ u32::from(address);
                self.bits == 0 || difference >> (32 - self.bits) == 0
            }
            (IpAddr::V6(first), Ok(IpAddr::V6(address))) => {
                let difference = u128::from(first) ^ u128::from(address);
                self.bits == 0 || difference >> (128 - self.bits) == 0
            }
            _ => false,
        }
    }
}

/// `ADDRESS` or `ADDRESS/BITS`. An IPv4 address may be written as IPv6, without bits.
impl FromStr for AddressRange {
    type Err = ();

    fn from_str(text: &str) -> Result<AddressRange, ()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let written: IpAddr = address.parse().map_err(|_| ())?;
        let first = canonical(written);
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) && first == written => {
                digits.parse().ok().filter(|&bits| bits <= most).ok_or(())?
            }
            Some(_) => return Err(()),
        };
        Ok(AddressRange { first, bits })
    }
}

impl Display for AddressRange {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.bits)
    }
}

fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => as_ipv4(address).map_or(address.into(), IpAddr::V4),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressRange, network, text};

    #[test]
    fn a_network_is_all_of_ipv4_and_half_of_ipv6() {
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:2:ffff::4"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:1:3::3"));
    }

    #[test]
    fn clients_behind_nat64_are_told_apart_by_their_ipv4_address() {
        assert_eq!(network("64:ff9b::192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("64:ff9b::192.0.2.1"), network("64:ff9b::192.0.2.2"));
    }

    #[test]
    fn neighbours_on_a_link_are_told_apart_and_none_can_pass_for_another_network() {
        assert_ne!(network("fe80::1%eth0"), network("fe80::2%eth0"));
        assert_eq!(network("fe80::1%eth0"), network("fe80::1"));
        assert_ne!(network("fe80::2001:db8:1:2"), network("2001:db8:1:2::1"));
        assert_ne!(network("/run/socket"), network("192.0.2.1"));
    }

    #[test]
    fn a_network_is_written_as_an_address_that_belongs_to_it() {
        for (client, written) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2::3", "2001:db8:1:2::/64"),
            ("fe80::1:2%eth0", "fe80::1:2"),
            ("/run/socket", "other"),
        ] {
            assert_eq!(text(&network(client)), written);
            assert_eq!(network(written.trim_end_matches("/64")), network(client));
        }
    }

    #[test]
    fn a_range_contains_the_addresses_that_begin_with_its_bits() {
        let contains = |range: &str, client| range.parse::<AddressRange>().is_ok_and(|range| range.contains(client));
        for (range, inside, outside) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/25", "192.0.2.127", "192.0.2.128"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("fe80::/10", "fe80::1%eth0", "fec0::1"),
        ] {
            assert!(contains(range, inside), "{range} {inside}");
            assert!(!contains(range, outside), "{range} {outside}");
            assert!(!contains(range, "/run/socket") && !contains(range, ""));
        }
        let faulty =
            ["", "x", "192.0.2", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/+8", "2001:db8::/129", "1.2.3.4/8/8"];
        for text in faulty.into_iter().chain(["::ffff:192.0.2.0/120", "192.0.2.0/255.255.255.0"]) {
            assert_eq!(text.parse::<AddressRange>(), Err(()), "{text}");
        }
    }
}
