//! Bytes as people write and read them.

use std::fmt::Write;

use merkle_core::Hash;

use crate::exit::{Code, Failure};

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    text
}

pub(crate) fn unhex(digits: &str) -> Result<Vec<u8>, Failure> {
    let bad = || {
        Failure::new(
            Code::Failed,
            format!("{digits:?} is not pairs of hexadecimal digits"),
        )
    };
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| bad()))
        .collect()
}

/// A hash from 64 hexadecimal digits.
pub(crate) fn hash(digits: &str) -> Result<Hash, Failure> {
    let bytes = unhex(digits)?;
    let bytes = bytes.try_into().map_err(|_| {
        Failure::new(
            Code::Failed,
            format!("{digits:?} is not a hash: it has 64 hexadecimal digits"),
        )
    })?;
    Ok(Hash::from_bytes(bytes))
}

/// The text that bytes are, or their digits behind `0x`.
pub(crate) fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("0x{}", hex(bytes)),
    }
}

/// A key or value as given on the command line: text, or digits behind `0x`.
pub(crate) fn given(text: &str) -> Result<Vec<u8>, Failure> {
    match text.strip_prefix("0x") {
        Some(digits) => unhex(digits),
        None => Ok(text.as_bytes().to_vec()),
    }
}
