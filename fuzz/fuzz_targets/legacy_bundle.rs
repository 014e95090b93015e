//! Bytes that claim to be a bundle of the original system: what is accepted as whole is found altered
//! once a part that its hashes cover is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truth_vault::{Address, Bundle, LegacyBundle, LegacyError, Trust};

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = LegacyBundle::inspect(bytes) else {
        assert!(LegacyBundle::parse(bytes).is_err());
        return;
    };
    assert_eq!(bundle.source(), bytes);
    let parsed = LegacyBundle::parse(bytes);
    if bundle.faults().is_empty() {
        assert_eq!(parsed.as_ref(), Ok(&bundle));
        if bundle.code_is_covered() {
            let code = Address::of(bundle.code().as_bytes());
            assert_eq!(code.as_bytes(), bundle.key().as_bytes());
        }
    } else {
        assert!(matches!(parsed, Err(LegacyError::Altered(_))));
        assert!(Bundle::from_legacy(&bundle).is_err());
    }
    if let Ok(ours) = Bundle::from_altered_legacy(&bundle) {
        assert_eq!(ours.is_altered_legacy(), !bundle.faults().is_empty());
        let again = Bundle::import(&ours.export(), &Trust::Integrity);
        assert_eq!(again, Ok(ours));
    }
});
