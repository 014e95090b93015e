//! The headers: DAG-CBOR of one known shape, and forty fixed bytes.

use std::io::Cursor;

use super::cid::{CarCid, write_uvarint};
use super::{CarError, PRAGMA, V2_HEADER_BYTES};
use crate::Address;

/// Longest header that is read: some 25,000 roots.
pub(super) const BYTES_MAX: u64 = 1 << 20;

/// What a CARv1 header says.
#[derive(Debug, PartialEq)]
pub(super) enum Header {
    V1 {
        roots: Vec<CarCid>,
    },
    /// Only the version: the pragma of a CARv2, or something later.
    Other {
        version: u64,
    },
}

/// `{"roots": [...], "version": 1}` with its length before it.
pub(super) fn encode(roots: &[Address]) -> Result<Vec<u8>, CarError> {
    let mut body = vec![MAP | 2];
    write_text(&mut body, "roots");
    write_head(&mut body, ARRAY, roots.len() as u64);
    for root in roots {
        let cid = root.to_cid_bytes();
        body.extend(TAG_CID);
        write_head(&mut body, BYTES, 1 + cid.len() as u64);
        body.push(0); // multibase: plain bytes
        body.extend(cid);
    }
    write_text(&mut body, "version");
    body.push(1);
    let length = body.len() as u64;
    if length > BYTES_MAX {
        return Err(CarError::BadHeader);
    }
    let mut out = Vec::new();
    write_uvarint(&mut out, length);
    out.extend(body);
    Ok(out)
}

/// Reads a header without its length, of the members in either order and nothing else.
pub(super) fn decode(bytes: &[u8]) -> Option<Header> {
    let mut reader = Reader(bytes);
    let members = reader.head(MAP)?;
    if members > 2 {
        return None;
    }
    let (mut roots, mut version) = (None, None);
    for _ in 0..members {
        match reader.text()? {
            "roots" if roots.is_none() => roots = Some(reader.roots()?),
            "version" if version.is_none() => version = Some(reader.head(UNSIGNED)?),
            _ => return None,
        }
    }
    if !reader.0.is_empty() {
        return None;
    }
    match (version?, roots) {
        (1, roots) => Some(Header::V1 { roots: roots? }),
        (version, _) => Some(Header::Other { version }),
    }
}

/// The header of a CARv2, behind its pragma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct V2Header {
    /// From the start of the file.
    pub(super) data_offset: u64,
    pub(super) data_bytes: u64,
    /// From the start of the file; 0 if there is none.
    pub(super) index_offset: u64,
}

impl V2Header {
    pub(super) fn encode(&self) -> [u8; V2_HEADER_BYTES] {
        let mut out = [0; V2_HEADER_BYTES]; // the first 16 bytes are characteristics: none
        let fields = [self.data_offset, self.data_bytes, self.index_offset];
        for (field, place) in fields.iter().zip(out[16..].chunks_exact_mut(8)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        out
    }

    /// `None` if its parts overlap or exceed a file.
    pub(super) fn decode(bytes: &[u8; V2_HEADER_BYTES]) -> Option<Self> {
        let mut fields = bytes[16..].chunks_exact(8);
        let mut field = || {
            let bytes = fields.next().expect("three of them");
            u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
        };
        let header = Self {
            data_offset: field(),
            data_bytes: field(),
            index_offset: field(),
        };
        let first = (PRAGMA.len() + V2_HEADER_BYTES) as u64;
        let data_end = header.data_offset.checked_add(header.data_bytes)?;
        let has_index = header.index_offset != 0;
        let is_good =
            header.data_offset >= first && (!has_index || header.index_offset >= data_end);
        is_good.then_some(header)
    }
}

/// What is left to read of DAG-CBOR, which has one form for each value.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The number in the head of an item of the kind `major`, in its shortest form.
    fn head(&mut self, major: u8) -> Option<u64> {
        let [first] = self.take(1)?.try_into().ok()?;
        if first & 0xe0 != major {
            return None;
        }
        let (value, least) = match first & 0x1f {
            low @ 0..=23 => return Some(low.into()),
            24 => (u64::from(u8::from_be_bytes(self.array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array()?), 1 << 32),
            _ => return None,
        };
        (value >= least).then_some(value)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn string(&mut self, major: u8) -> Option<&'b [u8]> {
        let length = usize::try_from(self.head(major)?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'b str> {
        str::from_utf8(self.string(TEXT)?).ok()
    }

    fn roots(&mut self) -> Option<Vec<CarCid>> {
        let count = self.head(ARRAY)?;
        let mut roots = Vec::new(); // grows with what is there, not with what is said
        for _ in 0..count {
            self.take(TAG_CID.len()).filter(|bytes| *bytes == TAG_CID)?;
            let cid = self.string(BYTES)?.strip_prefix(&[0])?;
            let length = cid.len() as u64;
            let (root, read) = CarCid::read(&mut Cursor::new(cid), length).ok()?;
            if read != length {
                return None;
            }
            roots.push(root);
        }
        Some(roots)
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len() as u64);
    out.extend(text.as_bytes());
}

fn write_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    match value {
        0..24 => out.push(major | bytes[7]),
        24..0x100 => out.extend([major | 24, bytes[7]]),
        0x100..0x1_0000 => out.extend([major | 25, bytes[6], bytes[7]]),
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend(bytes);
        }
    }
}

// Major types of RFC 8949, section 3.1, in place.
const UNSIGNED: u8 = 0x00;
const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const ARRAY: u8 = 0x80;
const MAP: u8 = 0xa0;
/// Tag 42: a CID.
const TAG_CID: [u8; 2] = [0xd8, 0x2a];
