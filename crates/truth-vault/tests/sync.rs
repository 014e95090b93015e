//! Two vaults become the same, by questions that grow with their difference; a peer that lies is not
//! believed.
#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that panics is how these tests fail"
)]

use std::io::Read;
use std::ops::ControlFlow;

use merkle_core::Hash;
use proptest::prelude::*;
use truth_vault::{Address, Durability, Options, Progressed, Summary, SyncError, SyncPeer, Vault};

fn go_on<T>(_: T) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn vault(folder: &tempfile::TempDir, name: &str) -> Vault {
    Vault::open(folder.path().join(name), &Options::new()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn two_vaults_become_the_same(
        shared in 0..600_u32, ours in 0..40_u32, theirs in 0..40_u32,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (vault(&folder, "one"), vault(&folder, "two"));
        let put = |vault: &Vault, number: u32| vault.put(&number.to_le_bytes(), Durability::None).unwrap();
        for number in 0..shared {
            put(&one, number);
            put(&two, number);
        }
        for number in 0..ours {
            put(&one, 10_000 + number);
        }
        for number in 0..theirs {
            put(&two, 20_000 + number);
        }
        let there = two.sync_from(&mut one, Durability::Batch, &mut go_on).unwrap();
        let back = one.sync_from(&mut two, Durability::Each, &mut go_on).unwrap();
        prop_assert_eq!((there.blobs, back.blobs), (u64::from(ours), u64::from(theirs)));
        prop_assert_eq!(one.head().unwrap(), two.head().unwrap());
        let again = one.sync_from(&mut two, Durability::Each, &mut go_on).unwrap();
        prop_assert_eq!((again.blobs, again.questions), (0, 1));
    }
}

#[test]
fn what_is_asked_grows_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, two) = (vault(&folder, "one"), vault(&folder, "two"));
    for number in 0..30_000_u32 {
        one.put(&number.to_le_bytes(), Durability::None).unwrap();
        two.put(&number.to_le_bytes(), Durability::None).unwrap();
    }
    for extra in 0..3_u32 {
        one.put(
            &[&b"extra"[..], &extra.to_le_bytes()].concat(),
            Durability::None,
        )
        .unwrap();
    }
    let mut told = Vec::new();
    let mut progress = |it: Progressed| {
        told.push((it.done, it.total));
        ControlFlow::Continue(())
    };
    let report = two.sync_from(&mut one, Durability::None, &mut progress);
    let report = report.unwrap();
    assert_eq!((report.blobs, told), (3, vec![(1, 3), (2, 3), (3, 3)]));
    assert!(
        report.questions <= 2 + 3 * 3,
        "{} questions",
        report.questions
    );
}

#[test]
fn a_large_blob_travels_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, two) = (vault(&folder, "one"), vault(&folder, "two"));
    let blob: Vec<u8> = (0..=250).cycle().take(5_000_000).collect();
    let address = one.put(&blob, Durability::None).unwrap();
    let report = two
        .sync_from(&mut one, Durability::Each, &mut go_on)
        .unwrap();
    assert_eq!((report.blobs, report.bytes), (1, 5_000_000));
    assert_eq!(two.get(&address).unwrap(), Some(blob));
}

/// What a peer lies about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Bytes,
    Count,
    Prefix,
    TooFew,
    Endless,
}

struct Liar(Vault, Lie);

impl SyncPeer for Liar {
    fn root(&mut self) -> Result<Hash, SyncError> {
        self.0.root()
    }

    fn summaries(&mut self, prefix: &[u8]) -> Result<Vec<Summary>, SyncError> {
        let mut all = self.0.summaries(prefix)?;
        match self.1 {
            Lie::Count => all.iter_mut().for_each(|range| range.blobs += 1),
            Lie::TooFew => all.truncate(255),
            Lie::Endless => {
                all.iter_mut().for_each(|range| range.blobs = 0);
                all[0].blobs = 1 << 40;
            }
            _ => {}
        }
        Ok(all)
    }

    fn addresses(&mut self, prefix: &[u8]) -> Result<Vec<Address>, SyncError> {
        let mut all = self.0.addresses(prefix)?;
        if self.1 == Lie::Prefix {
            all.fill(Address::from_bytes([prefix[0] ^ 1; 32]));
        }
        Ok(all)
    }

    fn blob<'p>(&'p mut self, address: &Address) -> Result<Option<Box<dyn Read + 'p>>, SyncError> {
        match self.1 {
            Lie::Bytes => Ok(Some(Box::new(&b"other bytes"[..]))),
            _ => self.0.blob(address),
        }
    }
}

#[test]
fn a_peer_that_lies_is_not_believed() {
    for lie in [
        Lie::Bytes,
        Lie::Count,
        Lie::Prefix,
        Lie::TooFew,
        Lie::Endless,
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (vault(&folder, "one"), vault(&folder, "two"));
        let address = one.put(b"the blob", Durability::None).unwrap();
        let synced = two.sync_from(&mut Liar(one, lie), Durability::None, &mut go_on);
        match lie {
            Lie::Bytes => assert_eq!(synced.unwrap().refused, [address]),
            _ => assert!(matches!(synced, Err(SyncError::Inconsistent)), "{lie:?}"),
        }
        assert_eq!(two.head().unwrap().blobs, 0, "{lie:?}");
    }
}
