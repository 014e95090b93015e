//! The manifest of a bundle: what is hashed to its address.

use std::fmt;
use std::str::FromStr;

use super::Bundle;
use crate::{Address, AddressError, Json, LegacyGeneration, LegacyKey, VerificationStatus};

/// The address of a bundle: that of its manifest, another than that of its code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleAddress(Address);

impl BundleAddress {
    /// The bundle whose manifest has this address.
    #[must_use]
    pub const fn from_address(manifest: Address) -> Self {
        Self(manifest)
    }

    /// The address of the manifest, a blob like others.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0
    }
}

impl fmt::Display for BundleAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BundleAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BundleAddress({self})")
    }
}

/// Reads what [`Address`] reads.
impl FromStr for BundleAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.parse().map(Self)
    }
}

/// A part of a bundle, by address, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundlePart {
    /// The address of its bytes.
    pub address: Address,
    /// How many they are.
    pub bytes: u64,
}

impl BundlePart {
    /// The part that these bytes are. Hashes them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            address: Address::of(bytes),
            bytes: bytes.len() as u64,
        }
    }
}

/// What a manifest says about the legacy bundle that a bundle was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyRecord {
    /// How it was written.
    pub generation: LegacyGeneration,
    /// What the original system knew it by.
    pub key: LegacyKey,
    /// Whether it failed a check of its own, and was taken all the same.
    pub altered: bool,
    /// Its bytes.
    pub source: BundlePart,
}

/// What a bundle is made of: its parts by address, and all that is not a part.
///
/// [`encode`](Self::encode) writes the one form that it has, whose SHA-256 is the bundle's address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleManifest {
    /// The code.
    pub code: BundlePart,
    /// The name of the intent; empty if it has none.
    pub intent: String,
    /// What the verification came to.
    pub status: VerificationStatus,
    /// When the bundle was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// Whatever else is known.
    pub metadata: Json,
    /// The AST, as JSON.
    pub ast: Option<BundlePart>,
    /// The certificate, as the JSON of its envelope.
    pub certificate: Option<BundlePart>,
    /// The legacy bundle it was made of.
    pub legacy: Option<LegacyRecord>,
}

impl BundleManifest {
    /// The first bytes of every manifest, before its version.
    pub const MAGIC: [u8; 8] = *b"tvbundle";

    /// Most bytes of an encoded manifest.
    pub const BYTES_MAX: usize =
        FIXED_BYTES_MAX + Bundle::INTENT_BYTES_MAX + Bundle::METADATA_BYTES_MAX;

    /// The address of the bundle. Hashes the encoded manifest.
    #[must_use]
    pub fn address(&self) -> BundleAddress {
        BundleAddress(Address::of(&self.encode()))
    }

    /// The bytes, as `docs/formats/bundle.md` says.
    ///
    /// # Panics
    ///
    /// If intent or metadata are longer than a bundle's: one from a [`Bundle`] or from
    /// [`decode`](Self::decode) never has such.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (intent, metadata) = (self.intent.as_bytes(), self.metadata.as_str().as_bytes());
        assert!(
            intent.len() <= Bundle::INTENT_BYTES_MAX,
            "the intent's name is too long"
        );
        assert!(
            metadata.len() <= Bundle::METADATA_BYTES_MAX,
            "the metadata are too long"
        );
        let mut out = Vec::with_capacity(FIXED_BYTES_MAX + intent.len() + metadata.len());
        out.extend(Self::MAGIC);
        out.push(VERSION);
        write_part(&mut out, &self.code);
        out.push(self.status.code());
        out.extend(self.created_ns.to_be_bytes());
        let length = u16::try_from(intent.len()).expect("at most 1024");
        out.extend(length.to_be_bytes());
        out.extend(intent);
        let length = u32::try_from(metadata.len()).expect("at most 960 KiB");
        out.extend(length.to_be_bytes());
        out.extend(metadata);
        out.push(self.flags());
        if let Some(ast) = &self.ast {
            write_part(&mut out, ast);
        }
        if let Some(certificate) = &self.certificate {
            write_part(&mut out, certificate);
        }
        if let Some(legacy) = &self.legacy {
            out.push(generation_code(legacy.generation));
            out.push(legacy.altered.into());
            out.extend(legacy.key.as_bytes());
            write_part(&mut out, &legacy.source);
        }
        out
    }

    /// Reads exactly the bytes that [`encode`](Self::encode) writes.
    ///
    /// # Errors
    ///
    /// [`ManifestError`], whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let rest = bytes.strip_prefix(&Self::MAGIC);
        let mut reader = Reader(rest.ok_or(ManifestError::NoManifest)?);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(ManifestError::UnknownVersion { version });
        }
        let code = reader.part()?;
        let status = VerificationStatus::from_code(reader.byte()?);
        let status = status.ok_or(ManifestError::Malformed)?;
        let created_ns = u64::from_be_bytes(reader.array()?);
        let length = usize::from(u16::from_be_bytes(reader.array()?));
        let intent = reader.text(length, Bundle::INTENT_BYTES_MAX)?.to_owned();
        let length = u32::from_be_bytes(reader.array()?);
        let length = usize::try_from(length).map_err(|_| ManifestError::Malformed)?;
        let text = reader.text(length, Bundle::METADATA_BYTES_MAX)?;
        let metadata = Json::parse(text).map_err(|_| ManifestError::Malformed)?;
        // Spaces around it would be a second form.
        if metadata.as_str().len() != text.len() {
            return Err(ManifestError::Malformed);
        }
        let flags = reader.byte()?;
        if flags & !(HAS_AST | HAS_CERTIFICATE | HAS_LEGACY) != 0 {
            return Err(ManifestError::Malformed);
        }
        let manifest = Self {
            code,
            intent,
            status,
            created_ns,
            metadata,
            ast: reader.optional(flags & HAS_AST, Reader::part)?,
            certificate: reader.optional(flags & HAS_CERTIFICATE, Reader::part)?,
            legacy: reader.optional(flags & HAS_LEGACY, Reader::legacy)?,
        };
        if !reader.0.is_empty() {
            return Err(ManifestError::Malformed);
        }
        Ok(manifest)
    }

    /// Every blob that the bundle needs, without the manifest itself.
    pub fn parts(&self) -> impl Iterator<Item = BundlePart> {
        let legacy = self.legacy.as_ref().map(|legacy| legacy.source);
        let optional = [self.ast, self.certificate, legacy];
        [self.code]
            .into_iter()
            .chain(optional.into_iter().flatten())
    }

    fn flags(&self) -> u8 {
        let flag = |is_there, flag| if is_there { flag } else { 0 };
        flag(self.ast.is_some(), HAS_AST)
            | flag(self.certificate.is_some(), HAS_CERTIFICATE)
            | flag(self.legacy.is_some(), HAS_LEGACY)
    }
}

fn write_part(out: &mut Vec<u8>, part: &BundlePart) {
    out.extend(part.address.as_bytes());
    out.extend(part.bytes.to_be_bytes());
}

const fn generation_code(generation: LegacyGeneration) -> u8 {
    match generation {
        LegacyGeneration::V0_7 => 1,
        LegacyGeneration::V2_1 => 2,
    }
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: usize) -> Result<&'b [u8], ManifestError> {
        let (bytes, rest) = (self.0.split_at_checked(count)).ok_or(ManifestError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ManifestError> {
        Ok(self.bytes(N)?.try_into().expect("as many as asked for"))
    }

    fn byte(&mut self) -> Result<u8, ManifestError> {
        self.array().map(|[byte]| byte)
    }

    fn text(&mut self, length: usize, max: usize) -> Result<&'b str, ManifestError> {
        if length > max {
            return Err(ManifestError::Malformed);
        }
        str::from_utf8(self.bytes(length)?).map_err(|_| ManifestError::Malformed)
    }

    fn part(&mut self) -> Result<BundlePart, ManifestError> {
        Ok(BundlePart {
            address: Address::from_bytes(self.array()?),
            bytes: u64::from_be_bytes(self.array()?),
        })
    }

    fn legacy(&mut self) -> Result<LegacyRecord, ManifestError> {
        let generation = match self.byte()? {
            1 => LegacyGeneration::V0_7,
            2 => LegacyGeneration::V2_1,
            _ => return Err(ManifestError::Malformed),
        };
        let altered = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(ManifestError::Malformed),
        };
        Ok(LegacyRecord {
            generation,
            altered,
            key: LegacyKey::from_bytes(self.array()?),
            source: self.part()?,
        })
    }

    fn optional<T>(
        &mut self,
        is_there: u8,
        read: impl FnOnce(&mut Self) -> Result<T, ManifestError>,
    ) -> Result<Option<T>, ManifestError> {
        (is_there != 0).then(|| read(self)).transpose()
    }
}

/// Why bytes are no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// They do not begin as one.
    #[error("not the manifest of a bundle")]
    NoManifest,
    /// A manifest in a later form than this release knows.
    #[error("a manifest of version {version}")]
    UnknownVersion {
        /// Its version.
        version: u8,
    },
    /// They begin as one and do not go on as one.
    #[error("the manifest of a bundle is malformed")]
    Malformed,
}

const VERSION: u8 = 1;
const HAS_AST: u8 = 1;
const HAS_CERTIFICATE: u8 = 2;
const HAS_LEGACY: u8 = 4;
const PART_BYTES: usize = 40;
/// Magic, version, status, time, two lengths, flags, four parts, and what is said about one of them.
const FIXED_BYTES_MAX: usize = 8 + 1 + 1 + 8 + 2 + 4 + 1 + 4 * PART_BYTES + 34;
