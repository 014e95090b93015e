//! CIDv1 of plain bytes under SHA-256: the one kind of CID that an address is.

use super::{Address, AddressError};

/// `version || codec || hash function || length of the hash`, each a uvarint of one byte.
const PREFIX: [u8; 4] = [VERSION, RAW, SHA2_256, 32];
const VERSION: u8 = 1;
const RAW: u8 = 0x55;
const SHA2_256: u8 = 0x12;

/// RFC 4648, section 6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a CID: `b`, then 288 bits at 5 a character.
const TEXT_LEN: usize = 1 + (8 * Address::CID_LEN).div_ceil(5);

/// Longer texts are not looked at: the CIDs of others that we name are shorter.
const TEXT_LEN_MAX: usize = 256;

pub(super) fn to_bytes(address: &Address) -> [u8; Address::CID_LEN] {
    let mut bytes = [0; Address::CID_LEN];
    bytes[..PREFIX.len()].copy_from_slice(&PREFIX);
    bytes[PREFIX.len()..].copy_from_slice(address.as_bytes());
    bytes
}

pub(super) fn from_bytes(bytes: &[u8]) -> Result<Address, AddressError> {
    let too_short = AddressError::BadLength {
        length: bytes.len(),
    };
    // Version 0 is a bare multihash.
    if bytes.starts_with(&[SHA2_256, 32]) {
        return Err(AddressError::OtherVersion { version: 0 });
    }
    let (version, rest) = uvarint(bytes).ok_or(too_short)?;
    if version != u64::from(VERSION) {
        return Err(AddressError::OtherVersion { version });
    }
    let (codec, rest) = uvarint(rest).ok_or(too_short)?;
    if codec != u64::from(RAW) {
        return Err(AddressError::OtherCodec { codec });
    }
    let (code, _) = uvarint(rest).ok_or(too_short)?;
    if code != u64::from(SHA2_256) {
        return Err(AddressError::OtherHash { code });
    }
    let address = bytes.strip_prefix(&PREFIX).ok_or(too_short)?;
    let address = <[u8; 32]>::try_from(address).map_err(|_| too_short)?;
    Ok(Address::from_bytes(address))
}

pub(super) fn to_text(bytes: &[u8; Address::CID_LEN]) -> String {
    let mut text = String::with_capacity(TEXT_LEN);
    text.push('b');
    let [mut bits, mut held] = [0_u32, 0];
    for byte in bytes {
        (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
        while held >= 5 {
            held -= 5;
            text.push(digit(bits >> held));
        }
    }
    if held > 0 {
        text.push(digit(bits << (5 - held)));
    }
    text
}

pub(super) fn from_text(text: &str) -> Result<Address, AddressError> {
    let length = text.chars().count();
    if length > TEXT_LEN_MAX {
        return Err(AddressError::BadLength { length });
    }
    match text.chars().next() {
        None => return Err(AddressError::BadLength { length }),
        Some('b') => {}
        Some('Q') if length == 46 => return Err(AddressError::OtherVersion { version: 0 }),
        Some(prefix) => return Err(AddressError::OtherEncoding { prefix }),
    }
    let mut bytes = Vec::with_capacity(text.len());
    let [mut bits, mut held] = [0_u32, 0];
    for (at, digit) in text.bytes().enumerate().skip(1) {
        let value = ALPHABET.iter().position(|it| *it == digit);
        let value = value.ok_or(AddressError::BadDigit { at })?;
        bits = bits << 5 | u32::try_from(value).expect("below 32");
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    let address = from_bytes(&bytes)?;
    if length != TEXT_LEN {
        return Err(AddressError::BadLength { length });
    }
    // What is left of the last character is no part of any byte, so another one would do as well.
    if bits & ((1 << held) - 1) != 0 {
        return Err(AddressError::BadDigit { at: TEXT_LEN - 1 });
    }
    Ok(address)
}

fn digit(bits: u32) -> char {
    ALPHABET[(bits & 31) as usize].into()
}

/// An unsigned LEB128 of at most nine bytes, as multiformats have it, and what follows it.
fn uvarint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
