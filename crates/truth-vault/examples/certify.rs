//! Two judges certify code; one of them is replaced, the other one's key is stolen.
//!
//! `cargo run --example certify`

use std::error::Error;

use truth_vault::{
    Address, Certificate, CertificateError, JudgeProof, SecretKey, SignerPolicy, VerificationStatus,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("certify-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("ada.key");
    SecretKey::generate("ada")?.save(&file)?; // readable for its owner alone
    let (ada, bob) = (SecretKey::load(&file)?, SecretKey::generate("bob")?);

    let code = Address::of(b"intent pay(...)");
    let proof = JudgeProof::new(VerificationStatus::Proved, "judge", "0.6", 1_000, 2_000)?;
    let mut certificate = Certificate::issue(code, "pay", &proof, &ada)?;
    certificate.countersign(&bob)?;

    let keys = [ada.public_key().clone(), bob.public_key().clone()];
    let mut policy = SignerPolicy::of_keys(2, keys)?;
    let signers = certificate.verify(code, &policy, 3_000)?.signers().len();
    println!("{signers} of 2 signed");

    // What Bob signed before he left stays good.
    let eve = SecretKey::generate("eve")?;
    policy.rotate(bob.public_key().key_id(), eve.public_key().clone(), 2_500)?;
    certificate.verify(code, &policy, 3_000)?;
    println!("still good after the rotation");

    // Nothing that a stolen key signed counts, whatever time it says.
    policy.revoke(ada.public_key().key_id(), "laptop stolen")?;
    match certificate.verify(code, &policy, 3_000) {
        Err(CertificateError::TooFewSigners { verdicts, .. }) => println!("refused: {verdicts:?}"),
        other => return Err(format!("not refused: {other:?}").into()),
    }
    println!("{}", policy.encode());
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
