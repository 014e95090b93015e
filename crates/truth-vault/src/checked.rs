//! Small files that begin with what they are and end with a hash of all before it: no changed bit is
//! believed.

/// Ends a file with the hash of its bytes.
pub(crate) fn close(mut bytes: Vec<u8>) -> Vec<u8> {
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

/// What is between beginning and hash; `None` for bytes that are not as they were written.
pub(crate) fn open<'b>(bytes: &'b [u8], magic: &[u8]) -> Option<&'b [u8]> {
    let (content, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
    match blake3::hash(content) == *hash {
        true => content.strip_prefix(magic),
        false => None,
    }
}

/// The first bytes of `rest`, which goes on behind them.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

/// What a file ends with.
pub(crate) const HASH_BYTES: usize = blake3::OUT_LEN;
