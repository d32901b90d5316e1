//! The auditor's own calendar: days, months and periods from plain integers (the civil algorithms of Howard Hinnant).

pub const DAY: i64 = 86_400_000_000;
pub const HOUR: i64 = 3_600_000_000;

/// Days since 1970 of a date; months from 1, and past 12 or below 1 too.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day since 1970.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Whole months after an instant; a day that the month does not have is its last.
fn months_after(instant: i64, months: i64) -> i64 {
    let (year, month, day) = date_of(instant.div_euclid(DAY));
    let first = days_of(year, month + months, 1);
    let length = days_of(year, month + months + 1, 1) - first;
    (first + day.min(length) - 1) * DAY + instant.rem_euclid(DAY)
}

/// Start and end (`None`: never) of the window of this kind that holds an instant.
pub fn window(kind: &str, anchor: i64, at: i64) -> (i64, Option<i64>) {
    match kind {
        "lifetime" => (0, None),
        "day" => {
            let start = at - at.rem_euclid(DAY);
            (start, Some(start + DAY))
        }
        "month" => {
            let (year, month, _) = date_of(at.div_euclid(DAY));
            (days_of(year, month, 1) * DAY, Some(days_of(year, month + 1, 1) * DAY))
        }
        _ => {
            // From a month too early, step by step.
            let (anchor_year, anchor_month, _) = date_of(anchor.div_euclid(DAY));
            let (year, month, _) = date_of(at.div_euclid(DAY));
            let mut count = (year - anchor_year) * 12 + month - anchor_month - 2;
            while months_after(anchor, count + 1) <= at {
                count += 1;
            }
            (months_after(anchor, count), Some(months_after(anchor, count + 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back() {
        for days in (-1_000_000..3_000_000).step_by(17) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(0), (1970, 1, 1));
        assert_eq!(date_of(11_016), (2000, 2, 29));
    }

    #[test]
    fn a_period_keeps_its_anchor_day() {
        let at = |year, month, day| days_of(year, month, day) * DAY;
        let anchor = at(2026, 1, 31) + 5;
        assert_eq!(window("period", anchor, at(2026, 2, 10)), (anchor, Some(at(2026, 2, 28) + 5)));
        assert_eq!(window("period", anchor, at(2026, 3, 31) + 5).0, at(2026, 3, 31) + 5);
        assert_eq!(window("period", anchor, at(2026, 3, 31) + 4).0, at(2026, 2, 28) + 5);
        assert_eq!(window("month", anchor, at(2026, 12, 31)), (at(2026, 12, 1), Some(at(2027, 1, 1))));
    }
}
