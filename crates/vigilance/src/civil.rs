//! Nanoseconds since 1970 as dates and times in UTC, and back.

/// `2026-02-08T21:17:13.051488400Z`: RFC 3339, always with nine digits, so that texts sort as times do.
pub(crate) fn rfc3339(ns: u64) -> String {
    let (seconds, nanos) = (ns / NS, ns % NS);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Reads `YYYY-MM-DD HH:MM:SS` with `T` or a space between, up to nine digits of a second, and `Z`
/// or nothing at the end; from 1970 on.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > 9 || !is_digits {
        return None;
    }
    let nanos: u64 = format!("{fraction:0<9}").parse().ok()?;
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day).filter(|days| self::date(*days) == (year, month, day))?;
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(NS)?.checked_add(nanos)
}

fn numbers(text: &str, between: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, length) in found.iter_mut().zip(lengths) {
        let digits = parts.next().filter(|part| part.len() == length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = digits.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Year, month and day of a day counted from 1970. Years begin in March here, so that a leap day
/// is the last of its year; 400 of them have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_1970;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Days from 1970 to a date; `None` before.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * ERA + day_of_era).checked_sub(MARCH_1970)
}

/// Nanoseconds of a second, seconds of a day, days of 400 years.
const NS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;
const ERA: u64 = 146_097;

/// Days from the first of March of the year 0 to 1970.
const MARCH_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_what_it_writes(ns in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse(&rfc3339(ns)), Some(ns));
        }

        #[test]
        fn texts_sort_as_times(left in 0..=i64::MAX as u64, right in 0..=i64::MAX as u64) {
            prop_assert_eq!(rfc3339(left).cmp(&rfc3339(right)), left.cmp(&right));
        }

        #[test]
        fn any_text_has_an_answer(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn knows_dates_that_others_computed() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399_000_000_000, "2000-02-28T23:59:59.000000000Z"),
            (951_782_400_000_000_001, "2000-02-29T00:00:00.000000001Z"),
            (1_770_585_433_051_488_400, "2026-02-08T21:17:13.051488400Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(ns), text);
        }
        assert_eq!(
            parse("2026-02-08 21:17:13"),
            Some(1_770_585_433_000_000_000)
        );
    }

    #[test]
    fn refuses_days_that_never_were() {
        for text in [
            "2026-02-29 00:00:00",
            "2100-02-29 00:00:00",
            "2026-13-01 00:00:00",
            "2026-04-31 00:00:00",
            "2026-01-00 00:00:00",
            "1969-12-31 23:59:59",
            "2026-01-01 24:00:00",
            "2026-1-01 00:00:00",
            "2026-01-01",
            "2026-01-01 00:00:00.",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
