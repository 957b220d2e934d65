//! inet, cidr and macaddr: their values are kept as canonical text, taken apart here for input and binary forms.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::text::invalid_syntax;
use crate::error::{Result, SqlError, SqlState};

/// An address with the length of its network part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::types) struct Inet {
    pub(in crate::types) address: IpAddr,
    pub(in crate::types) bits: u8,
    /// cidr: always printed with its length.
    pub(in crate::types) is_cidr: bool,
}

impl Inet {
    /// Bits of a whole address.
    fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether bits right of the network part are set.
    pub(in crate::types) fn has_host_bits(&self) -> bool {
        let value = match self.address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        value.checked_shl(u32::from(self.bits)).is_some_and(|host| host != 0)
    }
}

impl fmt::Display for Inet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.is_cidr || self.bits != self.width() { write!(f, "/{}", self.bits) } else { Ok(()) }
    }
}

/// Reads an inet or cidr; a cidr may leave out trailing octets. Errors: 22P02.
pub(in crate::types) fn parse_inet(text: &str, is_cidr: bool) -> Result<Inet> {
    let type_name = if is_cidr { "cidr" } else { "inet" };
    let invalid = || invalid_syntax(type_name, text);
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let (address, implied) = if let Ok(v6) = address.parse::<Ipv6Addr>() {
        (IpAddr::V6(v6), 128)
    } else {
        let octets = address.split('.').map(|part| part.parse::<u8>().ok()).collect::<Option<Vec<u8>>>();
        let octets = octets.filter(|octets| octets.len() == 4 || (is_cidr && octets.len() < 4)).ok_or_else(invalid)?;
        let mut full = [0u8; 4];
        full[..octets.len()].copy_from_slice(&octets);
        // Octets left out make a network by the old classes, at least as long as what was written.
        let class: usize = match full[0] {
            _ if octets.len() == 4 => 32,
            240.. => 32,
            224 if octets.len() == 1 => return parse_inet(&format!("{text}.0.0.0/4"), is_cidr),
            224.. => 8,
            192.. => 24,
            128.. => 16,
            _ => 8,
        };
        (IpAddr::V4(Ipv4Addr::from(full)), u8::try_from(class.max(octets.len() * 8)).unwrap_or(32))
    };
    let bits = match bits {
        Some(bits) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
            bits.parse().map_err(|_| invalid())?
        }
        Some(_) => return Err(invalid()),
        None => implied,
    };
    let inet = Inet { address, bits, is_cidr };
    if bits > inet.width() {
        return Err(invalid());
    }
    if is_cidr && inet.has_host_bits() {
        return Err(SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("invalid cidr value: \"{text}\""))
            .detail("Value has bits set to right of mask."));
    }
    Ok(inet)
}

/// Reads a macaddr: six bytes in hex, with colons, dashes or dots, or none. Errors: 22P02.
pub(in crate::types) fn parse_mac(text: &str) -> Result<[u8; 6]> {
    let mut bytes = [0u8; 6];
    let digits: Vec<u8> = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()
        .filter(|digits: &Vec<u8>| digits.len() == 12)
        .ok_or_else(|| invalid_syntax("macaddr", text))?;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Ok(bytes)
}

/// The text of a macaddr.
pub(in crate::types) fn print_mac(b: [u8; 6]) -> String {
    format!("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4], b[5])
}
