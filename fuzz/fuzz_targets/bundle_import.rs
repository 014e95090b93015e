//! Bytes that claim to be a bundle file or a manifest: what is accepted is the one that its address
//! is of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truth_vault::{Address, Bundle, BundleError, BundleManifest, BundlePart, Certificate, Trust};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = BundleManifest::decode(bytes) {
        assert_eq!(manifest.encode(), bytes);
        assert_eq!(manifest.address().address(), Address::of(bytes));
        let given = |_: &BundlePart| Ok::<_, BundleError>(bytes.to_vec());
        assert!(
            Bundle::assemble(&manifest, given).is_err(),
            "no part is its own manifest"
        );
    }
    if let Ok(bundle) = Bundle::import(bytes, &Trust::Integrity) {
        check(&bundle);
    }
});

fn check(bundle: &Bundle) {
    let again = Bundle::import(&bundle.export(), &Trust::Integrity);
    assert_eq!(again.as_ref(), Ok(bundle));
    let manifest = bundle.manifest();
    assert_eq!(
        BundleManifest::decode(&manifest.encode()).as_ref(),
        Ok(&manifest)
    );
    let part = |wanted: &BundlePart| {
        let optional = [
            bundle.ast().map(|ast| ast.as_str().as_bytes().to_vec()),
            bundle.certificate().map(Certificate::encode),
            bundle.legacy_source().map(<[u8]>::to_vec),
        ];
        let mut parts = [bundle.code().to_vec()]
            .into_iter()
            .chain(optional.into_iter().flatten());
        let part = parts.find(|part| BundlePart::of(part) == *wanted);
        Ok::<_, BundleError>(part.expect("it has all its parts"))
    };
    assert_eq!(Bundle::assemble(&manifest, part).as_ref(), Ok(bundle));
}
