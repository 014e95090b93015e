use merkle_core::TreeSize;

use super::*;

fn key() -> SignerKey {
    SignerKey::from_seed("example.com/d360", &[3; 32]).unwrap()
}

fn seal(number: Option<u64>) -> Seal {
    Seal {
        origin: "example.com/d360".to_owned(),
        number,
        log: TreeHead::new(TreeSize::new(7), Hash::from_bytes([1; 32])),
        version: 9,
        state_root: Hash::from_bytes([2; 32]),
        profile: Profile::Sha256,
        vault_objects: 4,
        vault_root: Hash::from_bytes([0xcd; 32]),
        previous: (number != Some(0)).then_some(Hash::from_bytes([5; 32])),
        time_ns: 1_770_585_433_000_000_000,
        vault_roots: None,
    }
}

/// That the text of a seal is none any more with `to` in the place of `from`.
fn refused_with(text: &str, from: &str, to: &str) {
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text);
    assert!(changed.parse::<Seal>().is_err(), "{to}");
}

#[test]
fn a_seal_reads_as_it_was_written() {
    for number in [Some(0), Some(12), None] {
        let note = seal(number).sign(&key()).unwrap();
        let read = Seal::verify(&note, &[key().verifier_key()]).unwrap();
        assert_eq!(read, seal(number));
    }
}

#[test]
fn the_seal_of_a_backup_has_the_roots_of_its_vault() {
    let of_backup = Seal {
        vault_roots: Some(Hash::from_bytes([6; 32])),
        ..seal(None)
    };
    let note = of_backup.sign(&key()).unwrap();
    let read = Seal::verify(&note, &[key().verifier_key()]).unwrap();
    assert_eq!(read, of_backup);
    let text = of_backup.to_string();
    for (from, to) in [
        ("roots ", "roots  "),
        ("roots 06", "roots 0G"),
        ("between", "seal 3"),
    ] {
        refused_with(&text, from, to);
    }
}

#[test]
fn the_text_is_this() {
    let hex = |byte: u8| Hash::from_bytes([byte; 32]);
    let expected = format!(
        "example.com/d360\n7\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nseal 12\n\
         state 9 {} sha256\nvault 4 {}\nprevious {}\ntime 1770585433000000000\n",
        hex(2),
        hex(0xcd),
        hex(5)
    );
    assert_eq!(seal(Some(12)).to_string(), expected);
}

#[test]
fn every_flipped_bit_is_refused() {
    let note = seal(Some(12)).sign(&key()).unwrap();
    let keys = [key().verifier_key()];
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut changed = note.clone();
            changed[at] ^= 1 << bit;
            assert!(
                Seal::verify(&changed, &keys).is_err(),
                "byte {at}, bit {bit}"
            );
        }
    }
}

#[test]
fn texts_have_one_form() {
    let text = seal(Some(12)).to_string();
    for (from, to) in [
        ("seal 12", "seal 012"),
        ("seal 12", "seal +12"),
        ("seal 12", "seal 0"),
        ("seal 12", "seal"),
        ("state 9", "state 9 9"),
        ("sha256", "md5"),
        ("vault 4 cd", "vault 4 CD"),
        ("previous ", "previous  "),
        ("time 1", "time 01"),
        ("time", "Time"),
        ("time", "more\ntime"),
    ] {
        refused_with(&text, from, to);
    }
    assert!(format!("{text}more\n").parse::<Seal>().is_err());
    let first = seal(Some(0)).to_string();
    assert!(first.replace("seal 0", "seal 1").parse::<Seal>().is_err());
    assert!(first.replace("seal 0", "between").parse::<Seal>().is_err());
}

#[test]
fn a_seal_is_signed_in_its_own_name() {
    let other = SignerKey::from_seed("example.com/other", &[4; 32]).unwrap();
    assert!(matches!(
        seal(None).sign(&other),
        Err(SealError::OtherOrigin { .. })
    ));
    let note = SignedNote::sign(&seal(None).to_string(), &other).unwrap();
    let note = note.to_string().into_bytes();
    assert!(matches!(
        Seal::verify(&note, &[other.verifier_key()]),
        Err(SealError::OtherOrigin { .. })
    ));
    let none: [VerifierKey; 0] = [];
    assert!(Seal::verify(&note, &none).is_err());
}

#[test]
fn the_folder_keeps_seals_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let seals = SealFolder::open(&folder.path().join("seals")).unwrap();
    assert_eq!(seals.numbers().unwrap(), [0; 0]);
    for number in [3, 0, 11] {
        seals.write(number, number.to_string().as_bytes()).unwrap();
    }
    std::fs::write(folder.path().join("seals/12.seal"), "not ours").unwrap();
    std::fs::write(folder.path().join("seals/note.txt"), "not ours").unwrap();
    assert_eq!(seals.numbers().unwrap(), [0, 3, 11]);
    assert_eq!(seals.read(11).unwrap(), b"11");
}
