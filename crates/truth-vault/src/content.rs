//! A blob's bytes as they are stored.

use std::borrow::Cow;

use crate::segment::{BLOB_BYTES_MAX, Coding, HEADER_BYTES, Header, Kind};
use crate::{Address, Damage};

/// The bytes to store for `plain`: compressed at `level` if that is shorter.
pub(crate) fn encode(plain: &[u8], level: Option<i32>) -> (Coding, Cow<'_, [u8]>) {
    if let Some(level) = level
        && let Ok(packed) = zstd::bulk::compress(plain, level)
        && packed.len() < plain.len()
    {
        return (Coding::Zstd, packed.into());
    }
    (Coding::Plain, plain.into())
}

/// The blob in `record`, which is a whole record without padding: checked against `address`.
pub(crate) fn decode(mut record: Vec<u8>, address: &Address) -> Result<Vec<u8>, Damage> {
    let header = header(&record, address)?;
    record.drain(..HEADER_BYTES);
    let plain = match header.coding {
        Coding::Plain => record,
        Coding::Zstd => decompress(&record, header.plain_bytes)?,
    };
    if Address::of(&plain) != *address {
        return Err(Damage::Content);
    }
    Ok(plain)
}

/// The header of a record, if it is that of the blob `address` and as long as it says.
pub(crate) fn header(record: &[u8], address: &Address) -> Result<Header, Damage> {
    let bytes = record.first_chunk().ok_or(Damage::Header)?;
    Header::decode(bytes)
        .filter(|header| header.address == *address && header.kind != Kind::Large)
        .filter(|header| header.stored_bytes == (record.len() - HEADER_BYTES) as u64)
        .ok_or(Damage::Header)
}

fn decompress(packed: &[u8], plain_bytes: u64) -> Result<Vec<u8>, Damage> {
    // The header bounds it, and the decompressor stops there.
    let room = usize::try_from(plain_bytes.min(BLOB_BYTES_MAX)).expect("a mebibyte fits");
    let plain = zstd::bulk::decompress(packed, room).map_err(|_| Damage::Compression)?;
    if plain.len() != room {
        return Err(Damage::Compression);
    }
    Ok(plain)
}
