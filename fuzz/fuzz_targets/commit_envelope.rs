//! Bytes that claim to be what a version of the journal carries: read as they were written, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use persistence::Envelope;

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), [b"d360\x01", bytes].concat()] {
        if let Ok(envelope) = Envelope::decode(&bytes) {
            assert_eq!(envelope.encode(), bytes);
            assert!(envelope.end() >= envelope.first);
        }
    }
});
