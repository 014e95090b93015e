//! `.ae_bundle`: a bundle as one JSON file, to be carried elsewhere.

use base64ct::{Base64, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Bundle, BundleAddress, BundleError, LegacyRecord, read_ast};
use crate::{
    Address, Certificate, CertificateError, Json, JsonError, LegacyBundle, LegacyError,
    LegacyGeneration, SignerPolicy, time,
};

/// How much of a bundle from elsewhere is to be believed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Trust<'p> {
    /// It must be whole: bytes and addresses match, and a certificate, if there is one, is about its
    /// code. Who made it does not matter.
    Integrity,
    /// It must be whole, and have a certificate that the policy accepts at the time `now_ns`.
    Signed {
        /// Whose signatures count.
        policy: &'p SignerPolicy,
        /// The time now, in nanoseconds since 1970.
        now_ns: u64,
    },
}

impl Bundle {
    /// Most bytes of an `.ae_bundle`: 256 MiB.
    pub const PORTABLE_BYTES_MAX: usize = 256 << 20;

    /// The bundle with all its parts as JSON: an `.ae_bundle`.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let code = str::from_utf8(&self.code).ok();
        let certificate = self.certificate.as_ref().map(Certificate::encode);
        let certificate = certificate.map(|it| String::from_utf8(it).expect("it is JSON"));
        let form = Form {
            format: FORMAT.to_owned(),
            version: VERSION,
            bundle_address: self.address().to_string(),
            code_address: self.code_address().to_string(),
            intent_name: self.intent.clone(),
            verification_status: self.status.name().to_owned(),
            created_at: time::format(self.created_ns),
            code: code.map(str::to_owned),
            code_base64: (code.is_none()).then(|| Base64::encode_string(&self.code)),
            metadata: raw(self.metadata.as_str()),
            ast: self.ast.as_ref().map(|ast| raw(ast.as_str())),
            certificate: certificate.as_deref().map(raw),
            legacy: self.legacy.as_ref().map(|legacy| LegacyForm {
                generation: legacy.generation.name().to_owned(),
                key: legacy.key.to_string(),
                altered: legacy.altered,
                source_base64: Base64::encode_string(&legacy.source),
            }),
        };
        let mut out = serde_json::to_vec_pretty(&form).expect("strings and JSON have a form");
        out.push(b'\n');
        out
    }

    /// Reads an `.ae_bundle`: our own, or one of either generation of the original system.
    ///
    /// Checked are, in this order: the bytes, that the addresses are those of the content, that the
    /// certificate is about this code, and, under [`Trust::Signed`], who signed it.
    /// [`ImportError::layer`] says at which of them it failed. Bundles of the original system have
    /// no certificate, so `Signed` refuses them.
    ///
    /// # Errors
    ///
    /// [`ImportError`], whatever the bytes.
    pub fn import(bytes: &[u8], trust: &Trust<'_>) -> Result<Self, ImportError> {
        if bytes.len() > Self::PORTABLE_BYTES_MAX {
            return Err(ImportError::TooLong { bytes: bytes.len() });
        }
        let bundle = if is_portable(bytes)? {
            read(bytes)?
        } else {
            let legacy = LegacyBundle::parse(bytes)?;
            Self::from_legacy(&legacy)?
        };
        bundle.check_trust(trust)?;
        Ok(bundle)
    }

    /// Whether the bundle is one to be believed under `trust`. Its parts belong together as it is.
    ///
    /// # Errors
    ///
    /// [`ImportError::Unsigned`] or [`ImportError::Certificate`].
    pub fn check_trust(&self, trust: &Trust<'_>) -> Result<(), ImportError> {
        match trust {
            Trust::Integrity => Ok(()),
            Trust::Signed { policy, now_ns } => {
                let certificate = self.certificate.as_ref().ok_or(ImportError::Unsigned)?;
                certificate.verify(self.code_address(), policy, *now_ns)?;
                Ok(())
            }
        }
    }
}

/// Whether it is of our own form, which says so; what has no `format` may be a legacy bundle.
fn is_portable(bytes: &[u8]) -> Result<bool, ImportError> {
    #[derive(Deserialize)]
    struct Kind<'f> {
        #[serde(borrow)]
        format: Option<&'f RawValue>,
    }
    let kind: Kind<'_> = serde_json::from_slice(bytes).map_err(|_| JsonError::Malformed)?;
    let Some(format) = kind.format else {
        return Ok(false);
    };
    let format = serde_json::from_str::<String>(format.get());
    match format {
        Ok(format) if format == FORMAT => Ok(true),
        _ => Err(ImportError::OtherFormat),
    }
}

fn read(bytes: &[u8]) -> Result<Bundle, ImportError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let malformed = |_| ImportError::from(JsonError::Malformed);
    let Version { version } = serde_json::from_slice(bytes).map_err(malformed)?;
    if version != VERSION {
        return Err(ImportError::UnknownVersion { version });
    }
    let form: Form<'_> = serde_json::from_slice(bytes).map_err(malformed)?;

    let code = match (form.code, &form.code_base64) {
        (Some(code), None) => code.into_bytes(),
        (None, Some(base64)) => decode(base64, "code_base64")?,
        _ => return Err(ImportError::BadMember { member: "code" }),
    };
    let stated: Address = parse(&form.code_address, "code_address")?;
    let computed = Address::of(&code);
    if stated != computed {
        return Err(ImportError::CodeAltered { stated, computed });
    }
    let status = parse(&form.verification_status, "verification_status")?;
    let created_ns = time::parse(&form.created_at);
    let member = "created_at";
    let created_ns = created_ns.ok_or(ImportError::BadMember { member })?;
    let bundle = Bundle::new(code, &form.intent_name, status, created_ns)?;
    let mut bundle = bundle.with_metadata(Json::parse(form.metadata.get())?)?;
    if let Some(ast) = form.ast {
        bundle.ast = Some(read_ast(ast.get().as_bytes())?);
    }
    if let Some(certificate) = form.certificate {
        let certificate = Certificate::parse(certificate.get().as_bytes())?;
        bundle = bundle.with_certificate(certificate)?;
    }
    if let Some(legacy) = &form.legacy {
        bundle = with_legacy(bundle, legacy)?;
    }
    let stated: BundleAddress = parse(&form.bundle_address, "bundle_address")?;
    let computed = bundle.address();
    if stated != computed {
        return Err(ImportError::BundleAltered { stated, computed });
    }
    Ok(bundle)
}

fn with_legacy(bundle: Bundle, form: &LegacyForm) -> Result<Bundle, ImportError> {
    let generations = [LegacyGeneration::V0_7, LegacyGeneration::V2_1];
    let mut generations = generations.into_iter();
    let generation = generations.find(|it| it.name() == form.generation);
    let member = "generation";
    let source = decode(&form.source_base64, "source_base64")?;
    let record = LegacyRecord {
        generation: generation.ok_or(ImportError::BadMember { member })?,
        key: parse(&form.key, "key")?,
        altered: form.altered,
        source: super::BundlePart::of(&source),
    };
    Ok(bundle.with_legacy(&record, &source)?)
}

fn parse<T: std::str::FromStr>(text: &str, member: &'static str) -> Result<T, ImportError> {
    text.parse().map_err(|_| ImportError::BadMember { member })
}

fn decode(base64: &str, member: &'static str) -> Result<Vec<u8>, ImportError> {
    Base64::decode_vec(base64).map_err(|_| ImportError::BadMember { member })
}

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).expect("it is JSON")
}

/// The JSON form: `docs/formats/bundle.md`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'f> {
    format: String,
    version: u64,
    bundle_address: String,
    code_address: String,
    intent_name: String,
    verification_status: String,
    created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_base64: Option<String>,
    #[serde(borrow)]
    metadata: &'f RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    ast: Option<&'f RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    certificate: Option<&'f RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    legacy: Option<LegacyForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LegacyForm {
    generation: String,
    key: String,
    altered: bool,
    source_base64: String,
}

const FORMAT: &str = "truth-vault bundle";
const VERSION: u64 = 1;

/// What of a bundle from elsewhere is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ImportLayer {
    /// The bytes are a bundle.
    Bytes,
    /// The content is what the addresses, or the original system's hashes, are of.
    Address,
    /// The certificate is one, about this code.
    Certificate,
    /// Signers whom the policy trusts signed it.
    Policy,
}

/// Why a bundle from elsewhere was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Longer than [`Bundle::PORTABLE_BYTES_MAX`].
    #[error("a bundle file of {bytes} bytes is too long")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or not with the members of a bundle, or with others.
    #[error("not the JSON of a bundle")]
    Json(#[from] JsonError),
    /// JSON that says it is something else.
    #[error("the file says it is no bundle")]
    OtherFormat,
    /// A bundle in a later form than this release knows.
    #[error("a bundle file of version {version}")]
    UnknownVersion {
        /// Its version.
        version: u64,
    },
    /// A member is not of its kind.
    #[error("the member {member} is not of its kind")]
    BadMember {
        /// Which one.
        member: &'static str,
    },
    /// The code is not the one that the stated address is of.
    #[error("the code has the address {computed}, not {stated}")]
    CodeAltered {
        /// What the file states.
        stated: Address,
        /// The address of the code.
        computed: Address,
    },
    /// Something else is not what the stated address is of.
    #[error("the bundle has the address {computed}, not {stated}")]
    BundleAltered {
        /// What the file states.
        stated: BundleAddress,
        /// The address of the bundle.
        computed: BundleAddress,
    },
    /// The parts do not belong together, or are longer than a bundle's.
    #[error("not a bundle that can be")]
    Bundle(#[from] BundleError),
    /// A legacy bundle that is none, or does not match its own hashes.
    #[error("not a legacy bundle that is whole")]
    Legacy(#[from] LegacyError),
    /// The certificate is none, or not one that the policy accepts.
    #[error("the certificate is refused")]
    Certificate(#[from] CertificateError),
    /// The policy asks for a certificate, and there is none.
    #[error("the bundle has no certificate")]
    Unsigned,
}

impl ImportError {
    /// Which check it failed.
    #[must_use]
    pub const fn layer(&self) -> ImportLayer {
        match self {
            Self::CodeAltered { .. }
            | Self::BundleAltered { .. }
            | Self::Legacy(LegacyError::Altered(_))
            | Self::Bundle(BundleError::OtherLegacy | BundleError::LegacyAltered) => {
                ImportLayer::Address
            }
            Self::Bundle(
                BundleError::Certificate(_)
                | BundleError::CertificateOfOtherCode { .. }
                | BundleError::StatusDisagrees { .. },
            ) => ImportLayer::Certificate,
            Self::Certificate(error) => match error {
                CertificateError::TooFewSigners { .. } | CertificateError::FromTheFuture { .. } => {
                    ImportLayer::Policy
                }
                _ => ImportLayer::Certificate,
            },
            Self::Unsigned => ImportLayer::Policy,
            _ => ImportLayer::Bytes,
        }
    }
}
