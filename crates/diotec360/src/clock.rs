//! The clock, which only the program reads, and times as people give them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

/// Nanoseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary is where the clock is read"
)]
pub(crate) fn now_ns() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// A moment given on the command line: nanoseconds since 1970, or days before now as `7d`.
pub(crate) fn moment(text: &str, now_ns: u64) -> anyhow::Result<u64> {
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days
            .parse()
            .with_context(|| format!("{text:?} is no number of days"))?;
        return Ok(now_ns.saturating_sub(days.saturating_mul(86_400_000_000_000)));
    }
    text.parse().with_context(|| {
        format!("{text:?} is neither nanoseconds since 1970 nor days before now, as `7d`")
    })
}

/// A duration in nanoseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within the range of the number"
)]
pub(crate) fn nanoseconds(milliseconds: f64) -> anyhow::Result<u64> {
    let nanoseconds = (milliseconds * 1e6).round();
    ensure!(
        (0.0..1e18).contains(&nanoseconds),
        "{milliseconds} is no duration"
    );
    Ok(nanoseconds as u64)
}
