//! Times as texts. All are nanoseconds since 1970-01-01 UTC, without leap seconds.

/// RFC 3339 in UTC with nine digits of a second: `2026-02-01T23:56:28.492202000Z`.
pub(crate) fn format(time_ns: u64) -> String {
    let (seconds, nanos) = (time_ns / NANOS, time_ns % NANOS);
    let (day, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Reads RFC 3339 from 1970 on. Without an offset the time is taken for UTC, as Python's
/// `isoformat` leaves it out; digits beyond nine are refused. `None` if it is none, or out of range.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    literal(&mut rest, "-")?;
    let month = digits(&mut rest, 2)?;
    literal(&mut rest, "-")?;
    let day = digits(&mut rest, 2)?;
    literal(&mut rest, "T").or_else(|| literal(&mut rest, " "))?;
    let hour = digits(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let minute = digits(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let second = digits(&mut rest, 2)?;
    let nanos = match literal(&mut rest, ".") {
        Some(()) => fraction(&mut rest)?,
        None => 0,
    };
    let offset_minutes = offset(rest)?;

    let is_date = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days =
        days_to_year(year)? + (1..month).map(|it| month_days(year, it)).sum::<u64>() + day - 1;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    let seconds = seconds.checked_add_signed(-offset_minutes * 60)?;
    seconds.checked_mul(NANOS)?.checked_add(nanos)
}

fn digits(rest: &mut &str, count: usize) -> Option<u64> {
    let (number, behind) = rest.split_at_checked(count)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = behind;
    number.parse().ok()
}

fn literal(rest: &mut &str, text: &str) -> Option<()> {
    *rest = rest.strip_prefix(text)?;
    Some(())
}

/// One to nine digits, as nanoseconds.
fn fraction(rest: &mut &str) -> Option<u64> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let value = digits(rest, count)?;
    Some(value * 10_u64.pow(9 - u32::try_from(count).expect("at most 9")))
}

/// Minutes east of Greenwich; all of `text` is the offset.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z") {
        return Some(0);
    }
    let (sign, mut rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let hours = digits(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let minutes = digits(&mut rest, 2)?;
    if !rest.is_empty() || hours > 23 || minutes > 59 {
        return None;
    }
    Some(sign * i64::try_from(hours * 60 + minutes).expect("below a day"))
}

/// Days from 1970 to the first of January of `year`.
fn days_to_year(year: u64) -> Option<u64> {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = year.checked_sub(1970)?;
    Some(years * 365 + leap_days(year - 1) - leap_days(1969))
}

fn month_days(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of the month of the day `days` after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366; // never too late
    while days_to_year(year + 1).is_some_and(|next| next <= days) {
        year += 1;
    }
    days -= days_to_year(year).expect("from 1970 on");
    let mut month = 1;
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

const NANOS: u64 = 1_000_000_000;
/// Seconds.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn times_are_those_of_python() {
        // `datetime.fromtimestamp(t, timezone.utc)` of each.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (1_769_990_188, "2026-02-01T23:56:28.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
            (18_446_744_073, "2554-07-21T23:34:33.000000000Z"),
        ] {
            assert_eq!(format(seconds * NANOS), text);
            assert_eq!(parse(text), Some(seconds * NANOS));
        }
        assert_eq!(format(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn every_day_leads_back_to_itself() {
        for day in 0..213_503 {
            let time_ns = day * DAY * NANOS + day;
            assert_eq!(parse(&format(time_ns)), Some(time_ns));
        }
    }

    #[test]
    fn reads_what_python_writes() {
        let time = 1_769_990_188 * NANOS;
        assert_eq!(
            parse("2026-02-01T23:56:28.492202"),
            Some(time + 492_202_000)
        );
        assert_eq!(parse("2026-02-01T23:56:28"), Some(time));
        assert_eq!(parse("2026-02-01 23:56:28+00:00"), Some(time));
        assert_eq!(parse("2026-02-02T01:26:28+01:30"), Some(time));
        assert_eq!(parse("2026-02-01T21:56:28.5-02:00"), Some(time + NANOS / 2));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-02-01",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.0000000000Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00+1:00",
            "+026-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2555-01-01T00:00:00Z",
            "2026-01-01T00:00:0é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
