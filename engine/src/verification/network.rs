//! The unit in which clients are counted: the network of an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

fn of_ipv6(address: Ipv6Addr) -> Network {
    const NAT64: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    let octets = address.octets();
    if let Some(address) = address.to_ipv4_mapped() {
        return of_ipv4(address);
    }
    if let Some(&[a, b, c, d]) = octets.strip_prefix(&NAT64) {
        return of_ipv4(Ipv4Addr::new(a, b, c, d));
    }
    let is_link_local = octets[0] == 0xfe && octets[1] & 0xc0 == 0x80;
    let (kind, half) = if is_link_local { (OF_LINK_LOCAL, &octets[8..]) } else { (OF_IPV6, &octets[..8]) };
    let mut network = [kind; 9];
    network[1..].copy_from_slice(half);
    network
}

#[cfg(test)]
mod tests {
    use super::network;

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
}
