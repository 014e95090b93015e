//! Bytes as people write and read them.

use merkle_core::Hash;

use crate::exit::{Code, Failure};

/// Bytes from pairs of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Result<Vec<u8>, Failure> {
    let bad = |_| {
        let message = format!("{digits:?} is not pairs of hexadecimal digits");
        Failure::new(Code::Failed, message)
    };
    hex::decode(digits).map_err(bad)
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
        _ => format!("0x{}", hex::encode(bytes)),
    }
}

/// A key or value as given on the command line: text, or digits behind `0x`.
pub(crate) fn given(text: &str) -> Result<Vec<u8>, Failure> {
    match text.strip_prefix("0x") {
        Some(digits) => unhex(digits),
        None => Ok(text.as_bytes().to_vec()),
    }
}
