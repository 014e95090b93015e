//! The one place where this crate asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, as the stores below count time; 0 where the clock stands before that.
#[expect(
    clippy::disallowed_methods,
    reason = "a server stands at the edge: it is who passes time in"
)]
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// `ns` since 1970 as RFC 3339 in UTC, to the millisecond: what people and OpenAPI read.
pub(crate) fn rfc3339(ns: u64) -> String {
    let (seconds, ms) = (ns / 1_000_000_000, ns / 1_000_000 % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Reads RFC 3339 as nanoseconds since 1970; `None` for what is not, or lies before 1970.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let offset = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(offset);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24;
    if !sound || minute > 59 || second > 60 || fraction.len() > 9 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = day_of(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => seconds,
        (sign, zone) => {
            let [hours, minutes] = numbers(zone, ':')?;
            let shift = hours * 3_600 + minutes * 60;
            if sign == "+" {
                seconds.checked_sub(shift)?
            } else {
                seconds + shift
            }
        }
    };
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

fn numbers<const N: usize>(text: &str, divider: char) -> Option<[u64; N]> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() < 5;
    let parts = text
        .split(divider)
        .map(|part| digits(part).then(|| part.parse().ok()).flatten());
    parts.collect::<Option<Vec<u64>>>()?.try_into().ok()
}

/// The day counted from 1970-01-01; `None` before.
fn day_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let march_month = (month + 9) % 12;
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    (year / 400 * 146_097 + of_era).checked_sub(719_468)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March put the leap day last, so that months have a closed form.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_days_that_calendars_get_wrong() {
        let at = |seconds: u64| rfc3339(seconds * 1_000_000_000);
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59.000Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000Z");
        assert_eq!(
            rfc3339(1_764_403_200_123_456_789),
            "2025-11-29T08:00:00.123Z"
        );
    }

    #[test]
    fn reads_what_it_writes_and_refuses_what_is_no_time() {
        for day in (0..60_000).step_by(7) {
            let ns = day * 86_400_000_000_000 + 3_723_456_000_000;
            assert_eq!(parse_rfc3339(&rfc3339(ns)), Some(ns), "{}", rfc3339(ns));
        }
        let same = [
            "2025-11-29T08:00:00.5Z",
            "2025-11-29T10:00:00.5+02:00",
            "2025-11-29t03:00:00.500-05:00",
        ];
        for text in same {
            assert_eq!(
                parse_rfc3339(text),
                Some(1_764_403_200_500_000_000),
                "{text}"
            );
        }
        let refused = [
            "",
            "2025",
            "2025-13-01T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00+1",
            "2025-01-01T00:00:00.1234567890Z",
            "99999-01-01T00:00:00Z",
            "2025-01-01T00:00:00é",
        ];
        for text in refused {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
