//! Bundles: code, and what is known about it.

mod manifest;
mod portable;

pub use manifest::{BundleAddress, BundleManifest, BundlePart, LegacyRecord, ManifestError};
pub use portable::{ImportError, ImportLayer, Trust};

use crate::{
    Address, Certificate, CertificateError, Json, LegacyBundle, LegacyGeneration, LegacyKey,
    VerificationStatus,
};

/// Code with its intent, what its verification came to, and whatever else is known about it.
///
/// Its parts are blobs of their own, each with its address; the *manifest*, which names them and has
/// the rest, is one more blob, and its address is that of the bundle. So the bundle's address covers
/// every byte of it, and what runs is found by the address of the code alone.
///
/// ```
/// use truth_vault::{Bundle, Json, Trust, VerificationStatus};
///
/// let status = VerificationStatus::Proved;
/// let bundle = Bundle::new(b"intent pay(...)".to_vec(), "pay", status, 1_770_585_433_000_000_000)?
///     .with_metadata(Json::parse(r#"{"attempts": 1}"#)?)?;
/// let file = bundle.export(); // an .ae_bundle
/// assert_eq!(Bundle::import(&file, &Trust::Integrity)?.address(), bundle.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    // INVARIANT: the lengths keep within their limits; a certificate is about the code and came to
    // the same status.
    code: Vec<u8>,
    intent: String,
    status: VerificationStatus,
    created_ns: u64,
    metadata: Json,
    ast: Option<Json>,
    certificate: Option<Certificate>,
    legacy: Option<LegacyOrigin>,
}

/// The bundle of the original system that a bundle was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LegacyOrigin {
    generation: LegacyGeneration,
    key: LegacyKey,
    /// Whether it failed a check of its own, and was taken all the same.
    altered: bool,
    source: Vec<u8>,
}

impl Bundle {
    /// Most bytes of the code: 16 MiB.
    pub const CODE_BYTES_MAX: usize = 16 << 20;

    /// Most bytes of the intent's name.
    pub const INTENT_BYTES_MAX: usize = 1024;

    /// A bundle of `code` for the intent named `intent` (empty if it has none), made at
    /// `created_ns`, in nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`BundleError::CodeTooLong`] or [`BundleError::IntentTooLong`].
    pub fn new(
        code: Vec<u8>,
        intent: &str,
        status: VerificationStatus,
        created_ns: u64,
    ) -> Result<Self, BundleError> {
        if code.len() > Self::CODE_BYTES_MAX {
            return Err(BundleError::CodeTooLong { bytes: code.len() });
        }
        if intent.len() > Self::INTENT_BYTES_MAX {
            let bytes = intent.len();
            return Err(BundleError::IntentTooLong { bytes });
        }
        Ok(Self {
            code,
            intent: intent.to_owned(),
            status,
            created_ns,
            metadata: Json::default(),
            ast: None,
            certificate: None,
            legacy: None,
        })
    }

    /// The same with these metadata instead of `{}`.
    ///
    /// # Errors
    ///
    /// [`BundleError::MetadataTooLong`]: they stand in the manifest.
    pub fn with_metadata(mut self, metadata: Json) -> Result<Self, BundleError> {
        let bytes = metadata.as_str().len();
        if bytes > Self::METADATA_BYTES_MAX {
            return Err(BundleError::MetadataTooLong { bytes });
        }
        self.metadata = metadata;
        Ok(self)
    }

    /// Most bytes of the metadata: 960 KiB, so that a manifest is a small blob.
    pub const METADATA_BYTES_MAX: usize = 960 << 10;

    /// The same with the AST of the code.
    #[must_use]
    pub fn with_ast(mut self, ast: Json) -> Self {
        self.ast = Some(ast);
        self
    }

    /// The same with a certificate, which must be about this code and of this status. Whose it is
    /// is not looked at here.
    ///
    /// # Errors
    ///
    /// [`BundleError::CertificateOfOtherCode`] or [`BundleError::StatusDisagrees`].
    pub fn with_certificate(mut self, certificate: Certificate) -> Result<Self, BundleError> {
        let code = self.code_address();
        if !certificate.unverified_statement().is_about(code) {
            return Err(BundleError::CertificateOfOtherCode { code });
        }
        let certified = certificate.unverified_proof().status();
        if certified != self.status {
            let stated = self.status;
            return Err(BundleError::StatusDisagrees { stated, certified });
        }
        self.certificate = Some(certificate);
        Ok(self)
    }

    /// The bundle that a legacy bundle becomes: with its code, intent, status, time, metadata and
    /// AST, its key, and the bytes it was read from.
    ///
    /// The certificate of v0.7 is a hash, which anybody can make: it stays in those bytes and does
    /// not become a [`Certificate`].
    ///
    /// # Errors
    ///
    /// [`BundleError::LegacyAltered`], or a limit of bundles.
    pub fn from_legacy(legacy: &LegacyBundle) -> Result<Self, BundleError> {
        if !legacy.faults().is_empty() {
            return Err(BundleError::LegacyAltered);
        }
        Self::from_altered_legacy(legacy)
    }

    /// As [`from_legacy`](Self::from_legacy), of one that does not match its own hashes too: for
    /// whoever accepts it by name. The bundle keeps that it was altered.
    ///
    /// # Errors
    ///
    /// A limit of bundles.
    pub fn from_altered_legacy(legacy: &LegacyBundle) -> Result<Self, BundleError> {
        let code = legacy.code().as_bytes().to_vec();
        let intent = legacy.intent().unwrap_or_default();
        let bundle = Self::new(code, intent, legacy.status(), legacy.created_ns())?;
        let mut bundle = bundle.with_metadata(legacy.metadata().clone())?;
        bundle.ast = legacy.ast().cloned();
        bundle.legacy = Some(LegacyOrigin::of(legacy));
        Ok(bundle)
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The address of the code: what runs. Hashes it.
    #[must_use]
    pub fn code_address(&self) -> Address {
        Address::of(&self.code)
    }

    /// The name of the intent; empty if it has none.
    #[must_use]
    pub fn intent(&self) -> &str {
        &self.intent
    }

    /// What the verification came to, by whoever made the bundle: see
    /// [`certificate`](Self::certificate) for who says so.
    #[must_use]
    pub const fn status(&self) -> VerificationStatus {
        self.status
    }

    /// When it was made, in nanoseconds since 1970.
    #[must_use]
    pub const fn created_ns(&self) -> u64 {
        self.created_ns
    }

    /// Whatever else is known.
    #[must_use]
    pub const fn metadata(&self) -> &Json {
        &self.metadata
    }

    /// The AST, if there is one.
    #[must_use]
    pub const fn ast(&self) -> Option<&Json> {
        self.ast.as_ref()
    }

    /// The certificate, if there is one: about this code, of this status, and not verified.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// What the original system knew it by, if it is from there.
    #[must_use]
    pub fn legacy_key(&self) -> Option<LegacyKey> {
        self.legacy.as_ref().map(|legacy| legacy.key)
    }

    /// Whether it is from the original system and failed a check of its own.
    #[must_use]
    pub fn is_altered_legacy(&self) -> bool {
        self.legacy.as_ref().is_some_and(|legacy| legacy.altered)
    }

    /// The bytes of the original system's bundle, if it is from there.
    #[must_use]
    pub fn legacy_source(&self) -> Option<&[u8]> {
        self.legacy.as_ref().map(|legacy| &legacy.source[..])
    }

    /// The address of the bundle: the SHA-256 of its manifest. Hashes every part.
    #[must_use]
    pub fn address(&self) -> BundleAddress {
        self.manifest().address()
    }

    /// The manifest. Hashes every part.
    #[must_use]
    pub fn manifest(&self) -> BundleManifest {
        BundleManifest {
            code: BundlePart::of(&self.code),
            intent: self.intent.clone(),
            status: self.status,
            created_ns: self.created_ns,
            metadata: self.metadata.clone(),
            ast: (self.ast.as_ref()).map(|ast| BundlePart::of(ast.as_str().as_bytes())),
            certificate: (self.certificate.as_ref()).map(|it| BundlePart::of(&it.encode())),
            legacy: (self.legacy.as_ref()).map(|legacy| LegacyRecord {
                generation: legacy.generation,
                key: legacy.key,
                altered: legacy.altered,
                source: BundlePart::of(&legacy.source),
            }),
        }
    }

    /// The bundle of `manifest`, whose parts `part` fetches, by address and checked against it.
    ///
    /// A fetched part must be as long as the manifest says.
    ///
    /// # Errors
    ///
    /// What `part` says, or [`BundleError`] if the parts do not belong together.
    pub fn assemble<E: From<BundleError>>(
        manifest: &BundleManifest,
        mut part: impl FnMut(&BundlePart) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut fetch = |wanted: &BundlePart| -> Result<Vec<u8>, E> {
            let bytes = part(wanted)?;
            if BundlePart::of(&bytes) != *wanted {
                let address = wanted.address;
                return Err(BundleError::OtherPart { address }.into());
            }
            Ok(bytes)
        };
        let code = fetch(&manifest.code)?;
        let bundle = Self::new(code, &manifest.intent, manifest.status, manifest.created_ns)?;
        let mut bundle = bundle.with_metadata(manifest.metadata.clone())?;
        if let Some(ast) = &manifest.ast {
            bundle.ast = Some(read_ast(&fetch(ast)?)?);
        }
        if let Some(certificate) = &manifest.certificate {
            let bytes = fetch(certificate)?;
            let certificate = Certificate::parse(&bytes).map_err(BundleError::Certificate)?;
            bundle = bundle.with_certificate(certificate)?;
        }
        if let Some(legacy) = &manifest.legacy {
            bundle = bundle.with_legacy(legacy, &fetch(&legacy.source)?)?;
        }
        Ok(bundle)
    }

    /// With the legacy bundle that `source` is, which must be what `record` says, and of this code.
    fn with_legacy(mut self, record: &LegacyRecord, source: &[u8]) -> Result<Self, BundleError> {
        let legacy = LegacyBundle::inspect(source).map_err(|_| BundleError::OtherLegacy)?;
        let origin = LegacyOrigin::of(&legacy);
        let is_as_said = (origin.generation, origin.key, origin.altered)
            == (record.generation, record.key, record.altered);
        if !is_as_said || legacy.code().as_bytes() != self.code {
            return Err(BundleError::OtherLegacy);
        }
        self.legacy = Some(origin);
        Ok(self)
    }
}

impl LegacyOrigin {
    fn of(legacy: &LegacyBundle) -> Self {
        Self {
            generation: legacy.generation(),
            key: legacy.key(),
            altered: !legacy.faults().is_empty(),
            source: legacy.source().to_vec(),
        }
    }
}

fn read_ast(bytes: &[u8]) -> Result<Json, BundleError> {
    let text = str::from_utf8(bytes).map_err(|_| BundleError::BadAst)?;
    let ast = Json::parse(text).map_err(|_| BundleError::BadAst)?;
    // Spaces around it are no part of a `Json`, so they would be lost.
    if ast.as_str().len() != bytes.len() {
        return Err(BundleError::BadAst);
    }
    Ok(ast)
}

/// Why a bundle could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The code is longer than [`Bundle::CODE_BYTES_MAX`].
    #[error("code of {bytes} bytes is too long for a bundle")]
    CodeTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The intent's name is longer than [`Bundle::INTENT_BYTES_MAX`].
    #[error("an intent's name of {bytes} bytes is too long")]
    IntentTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The metadata are longer than [`Bundle::METADATA_BYTES_MAX`].
    #[error("metadata of {bytes} bytes are too long for a bundle")]
    MetadataTooLong {
        /// Their length.
        bytes: usize,
    },
    /// The AST is no JSON object.
    #[error("the AST is no JSON object")]
    BadAst,
    /// The certificate is none.
    #[error("not the certificate of a bundle")]
    Certificate(#[source] CertificateError),
    /// The certificate is about something else.
    #[error("the certificate is not about the code {code}")]
    CertificateOfOtherCode {
        /// The code of the bundle.
        code: Address,
    },
    /// Bundle and certificate have come to different ends.
    #[error("the bundle is {stated}, its certificate says {certified}")]
    StatusDisagrees {
        /// The bundle's status.
        stated: VerificationStatus,
        /// The certificate's.
        certified: VerificationStatus,
    },
    /// The legacy bundle does not match its own hashes.
    #[error("the legacy bundle was altered")]
    LegacyAltered,
    /// What should be the legacy bundle is none, or another one.
    #[error("not the legacy bundle that this one was made of")]
    OtherLegacy,
    /// A part is not the one that the manifest names, or not as long as it says.
    #[error("not the part {address} of the bundle")]
    OtherPart {
        /// The part asked for.
        address: Address,
    },
}

#[cfg(test)]
mod tests;
