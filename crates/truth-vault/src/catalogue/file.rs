//! The rows as a file: a cache, so that opening need not read every manifest.

use std::sync::Arc;

use super::Row;
use crate::checked::{self, take};
use crate::{Address, BundleAddress, LegacyKey, VerificationStatus};

const MAGIC: &[u8; 8] = b"d360cat\x01";

/// The bytes of a catalogue: `docs/formats/bundle.md`.
pub(crate) fn encode<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for row in rows {
        out.extend(row.address.address().as_bytes());
        out.extend(row.code.as_bytes());
        out.extend(row.created_ns.to_le_bytes());
        out.push(row.status.code());
        out.push(u8::from(row.has_certificate) | u8::from(row.legacy_key.is_some()) << 1);
        if let Some(key) = &row.legacy_key {
            out.extend(key.as_bytes());
        }
        let length = u16::try_from(row.intent.len()).expect("an intent's name is shorter");
        out.extend(length.to_le_bytes());
        out.extend(row.intent.as_bytes());
    }
    checked::close(out)
}

/// The rows; `None` if the bytes are not as they were written. They are made anew then.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Row>> {
    let mut rest = checked::open(bytes, MAGIC)?;
    let mut rows: Vec<Row> = Vec::new();
    while !rest.is_empty() {
        rows.push(read(&mut rest)?);
    }
    Some(rows)
}

fn read(rest: &mut &[u8]) -> Option<Row> {
    let address = Address::from_bytes(take(rest)?);
    let code = Address::from_bytes(take(rest)?);
    let created_ns = u64::from_le_bytes(take(rest)?);
    let [status, flags] = take(rest)?;
    let legacy_key = match flags & 2 {
        0 => None,
        _ => Some(LegacyKey::from_bytes(take(rest)?)),
    };
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let (intent, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(Row {
        address: BundleAddress::from_address(address),
        code,
        status: VerificationStatus::from_code(status)?,
        created_ns,
        has_certificate: flags & 1 != 0,
        legacy_key,
        intent: Arc::from(str::from_utf8(intent).ok()?),
    })
}
