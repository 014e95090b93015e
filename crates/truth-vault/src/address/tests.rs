#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use ::cid::Cid;
use ::cid::multihash::Multihash;
use proptest::prelude::*;

use super::*;

/// The CID by the `cid` crate.
fn judge(codec: u64, code: u64, address: &[u8]) -> Cid {
    Cid::new_v1(codec, Multihash::wrap(code, address).unwrap())
}

proptest! {
    #[test]
    fn both_forms_are_those_of_the_cid_crate(bytes: [u8; 32]) {
        let address = Address::from_bytes(bytes);
        let judged = judge(0x55, 0x12, &bytes);
        prop_assert_eq!(address.to_cid(), judged.to_string());
        prop_assert_eq!(address.to_cid_bytes().to_vec(), judged.to_bytes());
        prop_assert_eq!(Address::from_cid(&judged.to_string()), Ok(address));
        prop_assert_eq!(Address::from_cid_bytes(&judged.to_bytes()), Ok(address));
        prop_assert_eq!(address.to_cid().parse(), Ok(address));
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    /// What we accept, the `cid` crate reads as the same; and there is one text for it.
    #[test]
    fn a_changed_character_is_never_the_same_address(bytes: [u8; 32], at in 0..59_usize, to in "\\PC") {
        let address = Address::from_bytes(bytes);
        let mut text: Vec<char> = address.to_cid().chars().collect();
        text[at] = to.chars().next().unwrap();
        let text: String = text.into_iter().collect();
        if let Ok(other) = text.parse::<Address>() {
            prop_assert_eq!(other.to_cid(), text.clone());
            let judged = Cid::try_from(text.as_str()).unwrap();
            prop_assert_eq!(judged.hash().digest(), other.as_bytes());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert!(text == address.to_string() || text == address.to_cid());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(address) = Address::from_cid_bytes(&bytes) {
            prop_assert_eq!(&address.to_cid_bytes()[..], &bytes[..]);
        }
    }
}

#[test]
fn the_address_is_the_sha256_of_nist() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Address::of(b"abc").to_string(), abc);
}

#[test]
fn other_cids_are_refused_by_what_they_are() {
    let digest = [7; 32];
    let refused = |text: &str| text.parse::<Address>().unwrap_err();
    let cid = |codec, code| judge(codec, code, &digest);

    let dag_pb = AddressError::OtherCodec { codec: 0x70 };
    assert_eq!(refused(&cid(0x70, 0x12).to_string()), dag_pb);
    let dag_json = AddressError::OtherCodec { codec: 0x0129 };
    assert_eq!(refused(&cid(0x0129, 0x12).to_string()), dag_json);
    let blake3 = AddressError::OtherHash { code: 0x1e };
    assert_eq!(refused(&cid(0x55, 0x1e).to_string()), blake3);
    let v0 = Cid::new_v0(Multihash::wrap(0x12, &digest).unwrap()).unwrap();
    let version = AddressError::OtherVersion { version: 0 };
    assert_eq!(refused(&v0.to_string()), version);
    assert_eq!(Address::from_cid_bytes(&v0.to_bytes()), Err(version));

    let address = Address::from_bytes(digest);
    let prefix = 'z';
    let base58 = cid(0x55, 0x12)
        .to_string_of_base(::cid::multibase::Base::Base58Btc)
        .unwrap();
    assert_eq!(refused(&base58), AddressError::OtherEncoding { prefix });
    let short = judge(0x55, 0x12, &digest[..20]);
    let length = short.to_bytes().len();
    assert_eq!(
        refused(&short.to_string()),
        AddressError::BadLength { length }
    );
    assert_eq!(refused(""), AddressError::BadLength { length: 0 });
    let upper = address.to_string().to_uppercase();
    assert_eq!(
        refused(&upper.replace('7', "A")),
        AddressError::BadDigit { at: 1 }
    );
    let longer = address.to_cid() + "a";
    assert_eq!(refused(&longer), AddressError::BadLength { length: 60 });
}

#[test]
fn a_cid_has_one_text() {
    let cid = Address::from_bytes([7; 32]).to_cid();
    let (start, last) = cid.split_at(58);
    for (value, other) in "abcdefghijklmnopqrstuvwxyz234567".chars().enumerate() {
        let read = format!("{start}{other}").parse::<Address>();
        // Its lower two bits belong to no byte.
        assert_eq!(read.is_ok(), value % 4 == 0, "{other}");
        assert_eq!(read == cid.parse(), last == other.to_string());
    }
}
