//! Points in time as people write them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Error, Result};

/// RFC 3339 in UTC, to the millisecond where there are any: `2026-03-01T14:02:00Z`.
pub fn rfc3339(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    timestamp.to_string()
}

/// A point in time, in milliseconds since 1970: a distance back from `now_ms` (`90s`, `15m`, `2h`,
/// `1d`, `1w`), or RFC 3339, or a date or time of day in UTC (`2026-03-01`, `2026-03-01T14:02`).
///
/// # Errors
///
/// [`Error::Usage`] where it is none of these.
pub fn parse(text: &str, now_ms: u64) -> Result<u64> {
    let text = text.trim();
    if let Some(distance) = distance_ms(text) {
        return Ok(now_ms.saturating_sub(distance));
    }
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    let ms = timestamp.and_then(|timestamp| u64::try_from(timestamp.as_millisecond()).ok());
    ms.ok_or_else(|| {
        Error::Usage(format!("`{text}` is not a time; write 15m, 2h, 1d or 2026-03-01T14:02:00Z"))
    })
}

fn distance_ms(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let scale: u64 = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 7 * 86_400_000,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `date -u -d 2026-03-01T14:02:00Z +%s` is 1772373720.
    const NOON: u64 = 1_772_373_720_000;

    #[test]
    fn distances_count_back_from_now() {
        assert_eq!(parse("15m", NOON).unwrap(), NOON - 15 * 60 * 1000);
        assert_eq!(parse(" 2h ", NOON).unwrap(), NOON - 2 * 3600 * 1000);
        assert_eq!(parse("1d", NOON).unwrap(), NOON - 86_400_000);
        assert_eq!(parse("99999w", NOON).unwrap(), 0);
    }

    #[test]
    fn instants_are_read_and_written_in_utc() {
        assert_eq!(parse("2026-03-01T14:02:00Z", 0).unwrap(), NOON);
        assert_eq!(parse("2026-03-01T15:02:00+01:00", 0).unwrap(), NOON);
        assert_eq!(parse("2026-03-01T14:02", 0).unwrap(), NOON);
        assert_eq!(parse("2026-03-01", 0).unwrap(), NOON - (14 * 60 + 2) * 60_000);
        assert_eq!(rfc3339(NOON), "2026-03-01T14:02:00Z");
        assert_eq!(rfc3339(NOON + 250), "2026-03-01T14:02:00.25Z");
    }

    #[test]
    fn anything_else_says_what_to_write() {
        for text in ["", "m", "-5m", "yesterday", "2026-13-01", "18446744073709551615w"] {
            let error = parse(text, NOON).unwrap_err().to_string();
            assert!(error.contains("15m"), "{error}");
        }
    }
}
