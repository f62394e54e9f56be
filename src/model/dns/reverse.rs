//! Reverse names: from an address to its name below `in-addr.arpa` or `ip6.arpa` and back, and the zones that a
//! network in CIDR notation stands for.
//!
//! Everybody may use it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Name;

/// The reverse name of an address, with the final dot.
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => {
            let mut out = String::with_capacity(29);
            for octet in ip.octets().into_iter().rev() {
                // By hand, not formatted: lists of records have tens of thousands of these.
                let digit = |number: u8| char::from(b'0' + number % 10);
                if octet >= 100 {
                    out.push(digit(octet / 100));
                }
                if octet >= 10 {
                    out.push(digit(octet / 10));
                }
                out.push(digit(octet));
                out.push('.');
            }
            out.push_str("in-addr.arpa.");
            out
        }
        IpAddr::V6(ip) => {
            let mut out = String::with_capacity(74);
            for byte in ip.octets().iter().rev() {
                // Writing to a String never fails.
                let _ = write!(out, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            out + "ip6.arpa."
        }
    }
}

/// The address that a reverse name stands for; `None` when it is not a whole one (CoreDNS
/// `dnsutil.ExtractAddressFromReverse`). Two of its traits follow from how it is written: below `ip6.arpa` up to three
/// labels before the 32 digits change nothing, as digits are taken in fours and what is left over is dropped; and an
/// IPv4 address that is mapped into IPv6 is the IPv4 address.
pub fn address_of(name: &Name) -> Option<IpAddr> {
    address_in(name.lower())
}

/// The same for a name that is known to be in lower case.
pub(super) fn address_in(name: &str) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(".in-addr.arpa.") {
        let mut octets = [0; 4];
        let mut count = 0;
        for label in labels.rsplit('.') {
            let plain =
                label.bytes().all(|b| b.is_ascii_digit()) && (label.len() == 1 || !label.starts_with('0'));
            *octets.get_mut(count)? = label.parse().ok().filter(|_| plain)?;
            count += 1;
        }
        return (count == 4).then(|| Ipv4Addr::from(octets).into());
    }
    let labels = name.strip_suffix(".ip6.arpa.")?;
    let (mut value, mut count) = (0_u128, 0);
    for label in labels.rsplit('.') {
        if count < 32 {
            let [digit] = label.as_bytes() else { return None };
            value = value << 4 | u128::from(char::from(*digit).to_digit(16)?);
        }
        count += 1;
    }
    (32..36).contains(&count).then(|| IpAddr::from(Ipv6Addr::from(value)).to_canonical())
}

/// Whether a name lies below one of the two reverse trees. Their apexes do not (CoreDNS `dnsutil.IsReverse`), which
/// is why a bare `in-addr.arpa` in front of the zones counts as a forward zone there.
pub fn is_reverse(name: &Name) -> bool {
    name.lower().ends_with(".in-addr.arpa.") || name.lower().ends_with(".ip6.arpa.")
}

/// The reverse zones that a network stands for in a Corefile (`10.96.0.0/12` is sixteen zones). `None` when the text
/// is no network.
pub fn zones_of_network(text: &str) -> Option<Vec<Name>> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let (width, step, value) = match address {
        IpAddr::V4(ip) => (32, 8, u128::from(ip.to_bits()) << 96),
        IpAddr::V6(ip) => (128, 4, ip.to_bits()),
    };
    if bits > width {
        return None;
    }
    let labels = bits.div_ceil(step);
    let free = labels * step - bits;
    let base = if bits == 0 { 0 } else { value & u128::MAX << (128 - bits) };
    let zone = |i: u128| {
        let value = if labels == 0 { base } else { base | i << (128 - labels * step) };
        let mut text = String::new();
        for at in (0..labels).rev() {
            let part = value >> (128 - (at + 1) * step) & ((1 << step) - 1);
            let _ = if width == 32 { write!(text, "{part}.") } else { write!(text, "{part:x}.") };
        }
        Name::parse(&(text + if width == 32 { "in-addr.arpa." } else { "ip6.arpa." })).ok()
    };
    (0..1_u128 << free).map(zone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zones_of_networks_end_at_labels() {
        let zones = |text| {
            zones_of_network(text).map(|z| z.iter().map(|n| n.as_str().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(zones("10.0.0.0/8").unwrap(), ["10.in-addr.arpa."]);
        assert_eq!(zones("10.0.0.0/24").unwrap(), ["0.0.10.in-addr.arpa."]);
        assert_eq!(zones("10.96.0.0/15").unwrap(), ["96.10.in-addr.arpa.", "97.10.in-addr.arpa."]);
        assert_eq!(zones("2001:db8::/32").unwrap(), ["8.b.d.0.1.0.0.2.ip6.arpa."]);
        assert_eq!(zones("fd00::/7").unwrap().len(), 2);
        assert_eq!(zones("0.0.0.0/0").unwrap(), ["in-addr.arpa."]);
        assert_eq!(zones("10.0.0.0/33"), None);
        assert_eq!(zones("cluster.local"), None);
    }

    #[test]
    fn only_whole_addresses_are_read() {
        let address = |text: &str| address_of(&Name::parse(text).unwrap());
        assert_eq!(address("1.0.96.10.in-addr.arpa."), Some("10.96.0.1".parse().unwrap()));
        assert_eq!(address("0.96.10.in-addr.arpa."), None);
        assert_eq!(address("1.1.0.96.10.in-addr.arpa."), None);
        assert_eq!(address("300.0.96.10.in-addr.arpa."), None);
        assert_eq!(address("01.0.96.10.in-addr.arpa."), None);
        assert_eq!(address("+1.0.96.10.in-addr.arpa."), None);
        assert_eq!(address("x.ip6.arpa."), None);
    }

    /// As CoreDNS 1.14.7 answered.
    #[test]
    fn labels_before_the_digits_of_an_ipv6_address_are_dropped_by_fours() {
        let address = |text: &str| address_of(&Name::parse(text).unwrap());
        let digits = "7".to_owned() + &".0".repeat(29) + ".d.f.ip6.arpa.";
        let ip = Some("fd00::7".parse().unwrap());
        assert_eq!(address(&digits), ip);
        assert_eq!(address(&format!("x.{digits}")), ip);
        assert_eq!(address(&format!("long.x.1.{digits}")), ip);
        assert_eq!(address(&format!("1.2.3.4.{digits}")), None);
        assert_eq!(address(&digits[2..]), None);
        let mapped = "1.0.0.0.0.6.a.0.f.f.f.f".to_owned() + &".0".repeat(20) + ".ip6.arpa.";
        assert_eq!(address(&mapped), Some("10.96.0.1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn there_and_back(four: u32, six: u128) {
            for ip in [IpAddr::V4(Ipv4Addr::from(four)), IpAddr::V6(Ipv6Addr::from(six))] {
                let name = Name::parse(&reverse_name(ip)).unwrap();
                prop_assert_eq!(address_of(&name), Some(ip));
                prop_assert!(is_reverse(&name));
            }
        }
    }
}
