//! One `.ae_bundle` of the original system.

use sha2::{Digest, Sha256};

use super::{LegacyError, LegacyFault, LegacyKey};
use crate::json::python;
use crate::json::tree::Tree;
use crate::{Address, Json, JsonError, VerificationStatus, time};

/// How the original system wrote bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LegacyGeneration {
    /// v0.7: named by the hash of the AST, with a certificate. Nothing in it vouches for the code.
    V0_7,
    /// v2.1: named by the hash of the code.
    V2_1,
}

impl LegacyGeneration {
    /// Its number in texts: `0.7` or `2.1`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V0_7 => "0.7",
            Self::V2_1 => "2.1",
        }
    }
}

/// A bundle as the original system wrote it, with its own hashes checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyBundle {
    generation: LegacyGeneration,
    key: LegacyKey,
    code: String,
    intent: Option<String>,
    status_text: Option<String>,
    created_ns: u64,
    metadata: Json,
    ast: Option<Json>,
    logic_hash: Option<LegacyKey>,
    faults: Vec<LegacyFault>,
    source: Vec<u8>,
}

impl LegacyBundle {
    /// Most bytes of a bundle: 16 MiB.
    pub const BYTES_MAX: usize = 16 << 20;

    /// Reads a bundle of either generation, all of whose own hashes must match.
    ///
    /// # Errors
    ///
    /// [`LegacyError`], whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, LegacyError> {
        let bundle = Self::inspect(bytes)?;
        if bundle.faults.is_empty() {
            return Ok(bundle);
        }
        Err(LegacyError::Altered(bundle.faults))
    }

    /// Reads a bundle of either generation, whether it matches its own hashes or not:
    /// [`faults`](Self::faults) says what does not.
    ///
    /// For whoever decides, by name, to take an altered bundle all the same.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] but never [`LegacyError::Altered`], whatever the bytes.
    pub fn inspect(bytes: &[u8]) -> Result<Self, LegacyError> {
        if bytes.len() > Self::BYTES_MAX {
            let bytes = bytes.len() as u64;
            return Err(LegacyError::TooLong { bytes });
        }
        let text = str::from_utf8(bytes).map_err(|_| JsonError::Malformed)?;
        let tree = Tree::parse(text).map_err(JsonError::from)?;
        let document = Document { tree, text };
        if !matches!(document.tree, Tree::Object(_)) {
            return Err(JsonError::NoObject.into());
        }
        let has = |member| document.tree.get(member).is_some();
        match (has("content_hash"), has("function_hash")) {
            (true, false) => document.read_v2_1(),
            (false, true) => document.read_v0_7(),
            _ => Err(LegacyError::UnknownGeneration),
        }
    }

    /// How it was written.
    #[must_use]
    pub const fn generation(&self) -> LegacyGeneration {
        self.generation
    }

    /// What the original system knows it by.
    #[must_use]
    pub const fn key(&self) -> LegacyKey {
        self.key
    }

    /// The code. Of v0.7 nothing in the bundle vouches for it: see
    /// [`code_is_covered`](Self::code_is_covered).
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether one of the bundle's own hashes is of the code.
    #[must_use]
    pub fn code_is_covered(&self) -> bool {
        self.generation == LegacyGeneration::V2_1
    }

    /// The name of the intent, if it has one.
    #[must_use]
    pub fn intent(&self) -> Option<&str> {
        self.intent.as_deref()
    }

    /// What the verification came to; a word that nobody knows is
    /// [`Unverified`](VerificationStatus::Unverified).
    #[must_use]
    pub fn status(&self) -> VerificationStatus {
        status(self.status_text())
    }

    /// The status as it was written, if it was.
    #[must_use]
    pub fn status_text(&self) -> Option<&str> {
        self.status_text.as_deref()
    }

    /// When it was made, in nanoseconds since 1970. v0.7 wrote the time of its own, unnamed zone;
    /// it is taken for UTC.
    #[must_use]
    pub const fn created_ns(&self) -> u64 {
        self.created_ns
    }

    /// Its metadata.
    #[must_use]
    pub const fn metadata(&self) -> &Json {
        &self.metadata
    }

    /// v0.7: the AST.
    #[must_use]
    pub const fn ast(&self) -> Option<&Json> {
        self.ast.as_ref()
    }

    /// v0.7: the `logic_hash` that the index should have: the SHA-256 of the canonical JSON of
    /// constraints, post-conditions (each sorted) and instructions. `None` if the AST lacks any.
    #[must_use]
    pub const fn logic_hash(&self) -> Option<LegacyKey> {
        self.logic_hash
    }

    /// What in it does not match its own hashes.
    #[must_use]
    pub fn faults(&self) -> &[LegacyFault] {
        &self.faults
    }

    /// The bytes it was read from.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }
}

/// What a word of the original system means.
pub(super) fn status(text: Option<&str>) -> VerificationStatus {
    match text {
        Some("MATHEMATICALLY_PROVED") => VerificationStatus::Proved,
        text => text
            .and_then(|text| text.parse().ok())
            .unwrap_or(VerificationStatus::Unverified),
    }
}

/// A bundle's JSON.
struct Document<'t> {
    tree: Tree<'t>,
    text: &'t str,
}

impl Document<'_> {
    fn read_v2_1(&self) -> Result<LegacyBundle, LegacyError> {
        let code = self.text("code")?;
        let stated = self.key("content_hash")?;
        let computed = LegacyKey(*Address::of(code.as_bytes()).as_bytes());
        let mut faults = Vec::new();
        if stated != computed {
            faults.push(LegacyFault::CodeAltered { stated, computed });
        }
        let metadata = self.object("metadata")?;
        let of_metadata = |name| {
            let text = metadata.get(name).and_then(Tree::as_str);
            text.map(str::to_owned)
        };
        Ok(LegacyBundle {
            generation: LegacyGeneration::V2_1,
            key: stated,
            code: code.to_owned(),
            intent: of_metadata("intent_name"),
            status_text: of_metadata("verification_status"),
            created_ns: self.seconds("timestamp")?,
            metadata: self.json("metadata")?,
            ast: None,
            logic_hash: None,
            faults,
            source: self.text.as_bytes().to_vec(),
        })
    }

    fn read_v0_7(&self) -> Result<LegacyBundle, LegacyError> {
        if self.text("bundle_version")? != "1.0" {
            return Err(LegacyError::UnknownVersion);
        }
        let created_at = self.text("created_at")?;
        let member = "created_at";
        let created_ns = time::parse(created_at).ok_or(LegacyError::BadMember { member })?;
        let status_text = self.object("verification")?.get("status");
        let ast = self.object("ast")?;
        let mut bundle = LegacyBundle {
            generation: LegacyGeneration::V0_7,
            key: self.key("function_hash")?,
            code: self.text("code")?.to_owned(),
            intent: Some(self.text("intent_name")?.to_owned()),
            status_text: status_text.and_then(Tree::as_str).map(str::to_owned),
            created_ns,
            metadata: self.json("metadata")?,
            ast: Some(self.json("ast")?),
            logic_hash: logic(ast).and_then(|logic| hash(&logic, "ast").ok()),
            faults: Vec::new(),
            source: self.text.as_bytes().to_vec(),
        };
        bundle.faults = self.faults_v0_7(&bundle)?;
        Ok(bundle)
    }

    fn faults_v0_7(&self, bundle: &LegacyBundle) -> Result<Vec<LegacyFault>, LegacyError> {
        let mut faults = Vec::new();
        let (stated, ast) = (bundle.key, self.member("ast")?);
        let computed = hash(ast, "ast")?;
        if stated != computed {
            faults.push(LegacyFault::AstAltered { stated, computed });
        }

        let certificate = self.object("certificate")?;
        if key_in(certificate, "signature")?
            != hash(&without_signature(certificate), "certificate")?
        {
            faults.push(LegacyFault::CertificateAltered);
        }
        let of = key_in(certificate, "function_hash")?;
        if of != stated {
            faults.push(LegacyFault::CertificateOfOther { stated: of });
        }
        if certificate.get("status").and_then(Tree::as_str) != bundle.status_text() {
            faults.push(LegacyFault::StatusDisagrees);
        }

        let covered = ["function_hash", "ast", "certificate"];
        let covered = covered.map(|name| Ok((name.to_owned(), self.member(name)?.clone())));
        let covered = covered.into_iter().collect::<Result<_, LegacyError>>()?;
        let computed = hash(&Tree::Object(covered), "certificate")?;
        if self.key("bundle_signature")? != computed {
            faults.push(LegacyFault::BundleAltered);
        }
        Ok(faults)
    }

    fn member(&self, member: &'static str) -> Result<&Tree<'_>, LegacyError> {
        let found = self.tree.get(member);
        found.ok_or(LegacyError::BadMember { member })
    }

    fn text(&self, member: &'static str) -> Result<&str, LegacyError> {
        let text = self.member(member)?.as_str();
        text.ok_or(LegacyError::BadMember { member })
    }

    fn key(&self, member: &'static str) -> Result<LegacyKey, LegacyError> {
        key_in(&self.tree, member)
    }

    fn object(&self, member: &'static str) -> Result<&Tree<'_>, LegacyError> {
        match self.member(member)? {
            object @ Tree::Object(_) => Ok(object),
            _ => Err(LegacyError::BadMember { member }),
        }
    }

    /// The member as it was written.
    fn json(&self, member: &'static str) -> Result<Json, LegacyError> {
        let text = Tree::text_of(self.text, member);
        let text = text.ok_or(LegacyError::BadMember { member })?;
        Json::parse(text).map_err(|_| LegacyError::BadMember { member })
    }

    /// Seconds since 1970, as nanoseconds.
    fn seconds(&self, member: &'static str) -> Result<u64, LegacyError> {
        let Tree::Number(text) = self.member(member)? else {
            return Err(LegacyError::BadMember { member });
        };
        nanoseconds(text).ok_or(LegacyError::BadMember { member })
    }
}

fn key_in(tree: &Tree<'_>, member: &'static str) -> Result<LegacyKey, LegacyError> {
    let text = tree.get(member).and_then(Tree::as_str);
    let key = text.and_then(|text| text.parse().ok());
    key.ok_or(LegacyError::BadMember { member })
}

/// The SHA-256 of the canonical JSON; of numbers that Python would not read there is none.
fn hash(tree: &Tree<'_>, member: &'static str) -> Result<LegacyKey, LegacyError> {
    let text = python::canonical(tree).ok_or(LegacyError::BadMember { member })?;
    Ok(LegacyKey(Sha256::digest(text).into()))
}

fn without_signature<'t>(certificate: &Tree<'t>) -> Tree<'t> {
    let Tree::Object(members) = certificate else {
        return certificate.clone();
    };
    let signed = members.iter().filter(|(name, _)| name != "signature");
    Tree::Object(signed.cloned().collect())
}

/// What the original system hashed to tell functions of the same logic.
fn logic<'t>(ast: &Tree<'t>) -> Option<Tree<'t>> {
    let mut members = Vec::new();
    for name in ["constraints", "post_conditions"] {
        let Tree::Array(items) = ast.get(name)? else {
            return None;
        };
        let mut items: Vec<&str> = items.iter().map(Tree::as_str).collect::<Option<_>>()?;
        items.sort_unstable();
        let items = items.into_iter().map(|item| Tree::String(item.to_owned()));
        members.push((name.to_owned(), Tree::Array(items.collect())));
    }
    let name = "ai_instructions";
    members.push((name.to_owned(), ast.get(name)?.clone()));
    Some(Tree::Object(members))
}

/// Seconds in decimal digits, as nanoseconds; digits beyond nine are cut off.
fn nanoseconds(seconds: &str) -> Option<u64> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None; // negative, or with an exponent: no time of ours
    }
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(nanos)
}
