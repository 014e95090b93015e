//! Canonical bytes, written and read field by field. Numbers are big-endian.

use merkle_core::Hash;

use super::text::{ErasableField, ErasableText, Text};
use super::{
    CANONICAL_BYTES_MAX, ENTRIES_MAX, EncodedRecord, ErasableContent, NAME_BYTES_MAX, RecordError,
};

/// The layout that is written.
const VERSION: u8 = 1;

/// Writes the fields of a record.
pub(super) struct Writer {
    encoded: EncodedRecord,
}

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        let mut canonical = Vec::with_capacity(512);
        canonical.extend([VERSION, kind]);
        Self {
            encoded: EncodedRecord {
                canonical,
                erasable: Vec::new(),
            },
        }
    }

    pub(super) fn finish(self) -> Result<EncodedRecord, RecordError> {
        let bytes = self.encoded.canonical.len();
        if bytes > CANONICAL_BYTES_MAX {
            return Err(RecordError::RecordTooLong { bytes });
        }
        Ok(self.encoded)
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.encoded.canonical.push(byte);
    }

    /// A number that the database can hold as well.
    pub(super) fn number(&mut self, field: &'static str, value: u64) -> Result<(), RecordError> {
        check_number(field, value)?;
        self.encoded.canonical.extend(value.to_be_bytes());
        Ok(())
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.encoded.canonical.extend(value.to_be_bytes());
    }

    /// The bits of a finite number, of which there is one zero.
    pub(super) fn float(&mut self, field: &'static str, value: f64) -> Result<(), RecordError> {
        if !value.is_finite() {
            return Err(RecordError::NotFinite { field });
        }
        let value = if value == 0.0 { 0.0 } else { value };
        self.encoded.canonical.extend(value.to_bits().to_be_bytes());
        Ok(())
    }

    pub(super) fn count(
        &mut self,
        field: &'static str,
        count: usize,
        most: usize,
    ) -> Result<(), RecordError> {
        let short = u16::try_from(count).ok().filter(|_| count <= most);
        let short = short.ok_or(RecordError::TooManyEntries { field, count })?;
        self.encoded.canonical.extend(short.to_be_bytes());
        Ok(())
    }

    pub(super) fn name(&mut self, field: &'static str, name: &str) -> Result<(), RecordError> {
        check_name(field, name)?;
        self.bytes(field, name.as_bytes())
    }

    /// Whether something follows, and then that.
    pub(super) fn optional<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        self.byte(value.is_some().into());
        value.map_or(Ok(()), |value| write(self, value))
    }

    pub(super) fn optional_hash(&mut self, hash: Option<&Hash>) {
        self.byte(hash.is_some().into());
        if let Some(hash) = hash {
            self.encoded.canonical.extend_from_slice(hash.as_bytes());
        }
    }

    pub(super) fn text(
        &mut self,
        field: ErasableField,
        text: Option<&Text>,
    ) -> Result<(), RecordError> {
        match text {
            None => self.byte(ABSENT),
            Some(Text::Plain(text)) => {
                self.byte(PLAIN);
                self.bytes(field.as_str(), text.as_bytes())?;
            }
            Some(Text::Erasable(text)) => return self.erasable(field, Some(text)),
        }
        Ok(())
    }

    pub(super) fn erasable(
        &mut self,
        field: ErasableField,
        text: Option<&ErasableText>,
    ) -> Result<(), RecordError> {
        let Some(text) = text else {
            self.byte(ABSENT);
            return Ok(());
        };
        if text.field() != field {
            let (expected, found) = (field, text.field());
            return Err(RecordError::WrongField { expected, found });
        }
        text.check()?;
        let commitment = text.commitment();
        self.byte(ERASABLE);
        self.encoded
            .canonical
            .extend_from_slice(commitment.as_bytes());
        if let Some((salt, text)) = text.content() {
            self.encoded.erasable.push(ErasableContent {
                field,
                commitment,
                salt,
                text: text.to_owned(),
            });
        }
        Ok(())
    }

    fn bytes(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), RecordError> {
        let len = u16::try_from(bytes.len()).map_err(|_| RecordError::TooLong {
            field,
            bytes: bytes.len(),
        })?;
        self.encoded.canonical.extend(len.to_be_bytes());
        self.encoded.canonical.extend_from_slice(bytes);
        Ok(())
    }
}

/// Reads the fields of a record, and nothing that a [`Writer`] would not have written.
pub(super) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    /// The kind, and the fields that follow.
    pub(super) fn new(canonical: &'b [u8]) -> Result<(u8, Self), RecordError> {
        if canonical.len() > CANONICAL_BYTES_MAX {
            let bytes = canonical.len();
            return Err(RecordError::RecordTooLong { bytes });
        }
        let mut reader = Self { rest: canonical };
        match reader.byte("version")? {
            VERSION => Ok((reader.byte("kind")?, reader)),
            found => Err(RecordError::UnknownVersion { found }),
        }
    }

    pub(super) fn finish(self) -> Result<(), RecordError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(RecordError::TrailingBytes { count }),
        }
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, RecordError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, RecordError> {
        let value = u64::from_be_bytes(self.array(field)?);
        check_number(field, value)?;
        Ok(value)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, RecordError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    pub(super) fn float(&mut self, field: &'static str) -> Result<f64, RecordError> {
        let value = f64::from_bits(u64::from_be_bytes(self.array(field)?));
        if !value.is_finite() || (value == 0.0 && value.is_sign_negative()) {
            return Err(RecordError::NotFinite { field });
        }
        Ok(value)
    }

    pub(super) fn count(&mut self, field: &'static str, most: usize) -> Result<usize, RecordError> {
        let count = usize::from(u16::from_be_bytes(self.array(field)?));
        if count > most {
            return Err(RecordError::TooManyEntries { field, count });
        }
        Ok(count)
    }

    /// As many entries as are said to follow, their keys in order.
    pub(super) fn map<V>(
        &mut self,
        field: &'static str,
        mut value: impl FnMut(&mut Self) -> Result<V, RecordError>,
    ) -> Result<std::collections::BTreeMap<String, V>, RecordError> {
        let mut map = std::collections::BTreeMap::new();
        for _ in 0..self.count(field, ENTRIES_MAX)? {
            let key = self.name(field)?;
            let ascends = map.last_key_value().is_none_or(|(last, _)| *last < key);
            if !ascends {
                return Err(RecordError::OutOfOrder { field });
            }
            map.insert(key, value(self)?);
        }
        Ok(map)
    }

    pub(super) fn name(&mut self, field: &'static str) -> Result<String, RecordError> {
        let name = self.string(field)?;
        check_name(field, name)?;
        Ok(name.to_owned())
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        match self.byte(field)? {
            0 => Ok(None),
            1 => read(self).map(Some),
            found => Err(RecordError::UnknownCode { field, found }),
        }
    }

    pub(super) fn optional_hash(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Hash>, RecordError> {
        self.optional(field, |reader| reader.array(field).map(Hash::from_bytes))
    }

    pub(super) fn text(&mut self, field: ErasableField) -> Result<Option<Text>, RecordError> {
        let name = field.as_str();
        match self.byte(name)? {
            ABSENT => Ok(None),
            PLAIN => Ok(Some(Text::Plain(self.string(name)?.to_owned()))),
            ERASABLE => {
                let commitment = Hash::from_bytes(self.array(name)?);
                let text = ErasableText::committed(field, commitment);
                Ok(Some(Text::Erasable(text)))
            }
            found => Err(RecordError::UnknownCode { field: name, found }),
        }
    }

    pub(super) fn erasable(
        &mut self,
        field: ErasableField,
    ) -> Result<Option<ErasableText>, RecordError> {
        let name = field.as_str();
        match self.text(field)? {
            None => Ok(None),
            Some(Text::Erasable(text)) => Ok(Some(text)),
            Some(Text::Plain(_)) => Err(RecordError::UnknownCode {
                field: name,
                found: PLAIN,
            }),
        }
    }

    fn string(&mut self, field: &'static str) -> Result<&'b str, RecordError> {
        let len = usize::from(u16::from_be_bytes(self.array(field)?));
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8 { field })
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(RecordError::Truncated { field })?;
        self.rest = rest;
        Ok(*array)
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), RecordError> {
    let control = name.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || control {
        return Err(RecordError::BadName { field });
    }
    Ok(())
}

/// SQLite's integers have a sign.
fn check_number(field: &'static str, value: u64) -> Result<(), RecordError> {
    if i64::try_from(value).is_err() {
        return Err(RecordError::NumberOutOfRange { field, value });
    }
    Ok(())
}

const ABSENT: u8 = 0;
const PLAIN: u8 = 1;
const ERASABLE: u8 = 2;
