//! in-toto Statement v1: which blobs, and what is said about them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::tree::Tree;
use crate::{Address, Json, JsonError, VerificationStatus, time};

/// A blob that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// What its producer calls it; empty if nothing.
    pub name: String,
    /// Its address; `None` if the statement names it by other digests only.
    pub address: Option<Address>,
}

/// An in-toto Statement v1: subjects by digest, and a predicate about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    // INVARIANT: 1 to SUBJECTS_MAX subjects.
    subjects: Vec<Subject>,
    predicate_type: String,
    predicate: Json,
}

impl Statement {
    /// The payload type of statements in an envelope.
    pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

    /// The type of a statement.
    pub const TYPE: &str = "https://in-toto.io/Statement/v1";

    /// Most subjects.
    pub const SUBJECTS_MAX: usize = 64;

    /// Most bytes of the name of a subject.
    pub const NAME_BYTES_MAX: usize = 1024;

    /// `proof` said about one blob.
    ///
    /// # Errors
    ///
    /// [`StatementError::BadSubject`] if the name is too long.
    pub fn new(subject: Address, name: &str, proof: &JudgeProof) -> Result<Self, StatementError> {
        if name.len() > Self::NAME_BYTES_MAX {
            return Err(StatementError::BadSubject);
        }
        Ok(Self {
            subjects: vec![Subject {
                name: name.to_owned(),
                address: Some(subject),
            }],
            predicate_type: JudgeProof::PREDICATE_TYPE.to_owned(),
            predicate: proof.to_json(),
        })
    }

    /// Reads a statement. Members that in-toto does not know are passed over, as it asks.
    ///
    /// # Errors
    ///
    /// [`StatementError`], whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let form: Form<'_> =
            serde_json::from_slice(bytes).map_err(|_| StatementError::Malformed)?;
        if form.kind != Self::TYPE {
            return Err(StatementError::OtherType);
        }
        if !(1..=Self::SUBJECTS_MAX).contains(&form.subject.len()) {
            return Err(StatementError::BadSubject);
        }
        let mut subjects = Vec::with_capacity(form.subject.len());
        for subject in form.subject {
            let name = subject.name.unwrap_or_default();
            let address = subject.digest.sha256.as_deref().map(Address::from_hex);
            let address = address.transpose();
            if name.len() > Self::NAME_BYTES_MAX {
                return Err(StatementError::BadSubject);
            }
            subjects.push(Subject {
                name,
                address: address.map_err(|_| StatementError::BadSubject)?,
            });
        }
        Ok(Self {
            subjects,
            predicate_type: form.predicate_type,
            predicate: Json::parse(form.predicate.map_or("{}", RawValue::get))?,
        })
    }

    /// Its JSON, without spaces but those in the predicate.
    #[must_use]
    pub fn encode(&self) -> String {
        let subjects = self.subjects.iter().map(|subject| SubjectForm {
            name: (!subject.name.is_empty()).then(|| subject.name.clone()),
            digest: DigestForm {
                sha256: subject.address.map(|address| address.to_string()),
            },
        });
        let predicate = serde_json::from_str(self.predicate.as_str());
        let form = Form {
            kind: Self::TYPE.to_owned(),
            subject: subjects.collect(),
            predicate_type: self.predicate_type.clone(),
            predicate: Some(predicate.expect("it is JSON")),
        };
        serde_json::to_string(&form).expect("strings and JSON always have a form")
    }

    /// The blobs it is about.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Whether the blob `address` is among its subjects.
    #[must_use]
    pub fn is_about(&self, address: Address) -> bool {
        let mut subjects = self.subjects.iter();
        subjects.any(|subject| subject.address == Some(address))
    }

    /// What kind of thing it says.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// What it says.
    #[must_use]
    pub const fn predicate(&self) -> &Json {
        &self.predicate
    }

    /// The proof that it tells of.
    ///
    /// # Errors
    ///
    /// [`StatementError::OtherPredicate`] or [`StatementError::BadPredicate`].
    pub fn judge_proof(&self) -> Result<JudgeProof, StatementError> {
        if self.predicate_type != JudgeProof::PREDICATE_TYPE {
            return Err(StatementError::OtherPredicate);
        }
        JudgeProof::from_json(&self.predicate)
    }
}

/// What the Judge found about code: the predicate of our certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgeProof {
    // INVARIANT: the names keep within NAME_BYTES_MAX; `started_ns <= issued_ns`; the JSON of it all
    // is a `Json`.
    status: VerificationStatus,
    prover: String,
    prover_version: String,
    started_ns: u64,
    issued_ns: u64,
    details: Json,
}

impl JudgeProof {
    /// The type of this predicate.
    pub const PREDICATE_TYPE: &str = "https://diotec360.com/attestation/judge-proof/v1";

    /// Most bytes of the prover's name, and of its version.
    pub const NAME_BYTES_MAX: usize = 256;

    /// The prover `prover` began at `started_ns` and came to `status` at `issued_ns`, both in
    /// nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`StatementError::BadPredicate`] if a name is too long or the end is before the start.
    pub fn new(
        status: VerificationStatus,
        prover: &str,
        prover_version: &str,
        started_ns: u64,
        issued_ns: u64,
    ) -> Result<Self, StatementError> {
        let is_too_long = |name: &str| name.len() > Self::NAME_BYTES_MAX;
        if is_too_long(prover) || is_too_long(prover_version) || started_ns > issued_ns {
            return Err(StatementError::BadPredicate);
        }
        Ok(Self {
            status,
            prover: prover.to_owned(),
            prover_version: prover_version.to_owned(),
            started_ns,
            issued_ns,
            details: Json::default(),
        })
    }

    /// The same with whatever else is to be said.
    ///
    /// # Errors
    ///
    /// [`StatementError::Json`] if the whole is longer or deeper than a [`Json`] may be.
    pub fn with_details(mut self, details: Json) -> Result<Self, StatementError> {
        self.details = details;
        self.form()?;
        Ok(self)
    }

    /// What it came to.
    #[must_use]
    pub const fn status(&self) -> VerificationStatus {
        self.status
    }

    /// The prover's name.
    #[must_use]
    pub fn prover(&self) -> &str {
        &self.prover
    }

    /// The prover's version.
    #[must_use]
    pub fn prover_version(&self) -> &str {
        &self.prover_version
    }

    /// When it began, in nanoseconds since 1970.
    #[must_use]
    pub const fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// When it ended, in nanoseconds since 1970.
    #[must_use]
    pub const fn issued_ns(&self) -> u64 {
        self.issued_ns
    }

    /// Whatever else is said.
    #[must_use]
    pub const fn details(&self) -> &Json {
        &self.details
    }

    fn to_json(&self) -> Json {
        self.form().expect("`with_details` made sure")
    }

    fn form(&self) -> Result<Json, JsonError> {
        let details = serde_json::from_str(self.details.as_str());
        let form = ProofForm {
            status: self.status.name(),
            prover: ProverForm {
                name: &self.prover,
                version: &self.prover_version,
            },
            started_on: time::format(self.started_ns),
            issued_on: time::format(self.issued_ns),
            details: details.expect("it is JSON"),
        };
        Json::of(&form)
    }

    fn from_json(json: &Json) -> Result<Self, StatementError> {
        let bad = || StatementError::BadPredicate;
        let tree = Tree::parse(json.as_str()).map_err(|_| bad())?;
        let text = |tree: &Tree<'_>, name| {
            let text = tree.get(name).and_then(Tree::as_str);
            text.map(str::to_owned).ok_or_else(bad)
        };
        let time = |name| time::parse(&text(&tree, name)?).ok_or_else(bad);
        let prover = tree.get("prover").ok_or_else(bad)?;
        let status = text(&tree, "status")?.parse().map_err(|_| bad())?;
        let form: Details<'_> = serde_json::from_str(json.as_str()).map_err(|_| bad())?;
        let details = form.details.map_or("{}", RawValue::get);
        let proof = Self::new(
            status,
            &text(prover, "name")?,
            &text(prover, "version")?,
            time("startedOn")?,
            time("issuedOn")?,
        )?;
        proof.with_details(Json::parse(details)?)
    }
}

/// The JSON form. in-toto attestation framework, "Statement" v1.
#[derive(Serialize, Deserialize)]
struct Form<'f> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<SubjectForm>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    predicate: Option<&'f RawValue>,
}

#[derive(Serialize, Deserialize)]
struct SubjectForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: DigestForm,
}

#[derive(Serialize, Deserialize)]
struct DigestForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize)]
struct ProofForm<'f> {
    status: &'f str,
    prover: ProverForm<'f>,
    #[serde(rename = "startedOn")]
    started_on: String,
    #[serde(rename = "issuedOn")]
    issued_on: String,
    details: &'f RawValue,
}

#[derive(Serialize)]
struct ProverForm<'f> {
    name: &'f str,
    version: &'f str,
}

#[derive(Deserialize)]
struct Details<'f> {
    #[serde(borrow, default)]
    details: Option<&'f RawValue>,
}

/// Why bytes are no statement of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Not the JSON of a statement.
    #[error("not the JSON form of a statement")]
    Malformed,
    /// Another type or version than in-toto Statement v1.
    #[error("not an in-toto statement of version 1")]
    OtherType,
    /// No subject, too many, one with a bad SHA-256, or a name that is too long.
    #[error("not subjects of a statement")]
    BadSubject,
    /// It says another kind of thing.
    #[error("the predicate is of another type")]
    OtherPredicate,
    /// The predicate lacks something, or says what cannot be.
    #[error("not the predicate of a proof")]
    BadPredicate,
    /// The predicate, or details in it, is no JSON that we keep.
    #[error("the predicate is no JSON object that is kept")]
    Json(#[from] JsonError),
}
