//! Bytes that claim to be the state of the detectors: what is accepted goes on without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vigilance::{Observation, Observed, Watch, WatchOptions};

fuzz_target!(|bytes: &[u8]| {
    let options = WatchOptions::new();
    let Ok(mut watch) = Watch::decode(bytes, options) else {
        return;
    };
    let state = watch.encode();
    let again = Watch::decode(&state, options).expect("a state that was written");
    assert_eq!(again.encode(), state);
    let begin = watch.next_index();
    for (nth, byte) in bytes.iter().enumerate() {
        let what = if byte % 2 == 0 {
            Observed::Execution {
                intent: "transfer",
                status: "PROVED",
                is_proved: byte % 3 == 0,
                elapsed_ns: Some(u64::from(*byte) << (byte % 40)),
            }
        } else {
            Observed::Attack {
                attack_type: "a",
                category: "b",
                layer: "c",
                offender: "d",
            }
        };
        let _ = watch.observe(&Observation {
            index: begin.saturating_add(nth as u64),
            observed_ns: u64::from(*byte) << (nth % 56),
            what,
        });
    }
});
