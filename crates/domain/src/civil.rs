//! Dates of the Gregorian calendar in plain integers, for what is done at every count; jiff does the rest.

/// Any year, also those outside of what a [`Timestamp`](crate::time::Timestamp) can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Date {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// From 1 March of year 0, where eras of 400 years begin, to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
const DAYS_PER_ERA: i64 = 146_097;

impl Date {
    /// The date so many days after 1970-01-01. `civil_from_days` of <https://howardhinnant.github.io/date_algorithms.html>.
    pub fn of_day(day_number: i64) -> Self {
        let days = day_number + DAYS_TO_EPOCH;
        let (era, of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_since_march = (5 * of_year + 2) / 153;
        let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * months_since_march + 2) / 5 + 1,
        }
    }

    /// Days since 1970-01-01. `days_from_civil` of the same source.
    pub fn day_number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let months_since_march = (self.month + 9) % 12;
        let of_year = (153 * months_since_march + 2) / 5 + self.day - 1;
        era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - DAYS_TO_EPOCH
    }

    /// Counts calendar months: year × 12 + month, January of year 0 being 0.
    pub fn month_number(self) -> i64 {
        self.year * 12 + self.month - 1
    }

    /// Calendar months later, the day held to the month's last: 31 January + 1 is 28 or 29 February.
    pub fn plus_months(self, months: i64) -> Self {
        let number = self.month_number() + months;
        let (year, month) = (number.div_euclid(12), number.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap_year),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use proptest::prelude::*;

    fn jiff_date(date: Date) -> jiff::civil::Date {
        jiff::civil::date(date.year as i16, date.month as i8, date.day as i8)
    }

    proptest! {
        /// From the year -400 to the year 9999.
        #[test]
        fn dates_and_months_are_those_of_jiff(day in -865_000i64..2_932_897, months in -24_000i64..24_000) {
            let date = Date::of_day(day);
            prop_assert_eq!(jiff_date(date), jiff::civil::date(1970, 1, 1) + day.days());
            prop_assert_eq!(date.day_number(), day);
            if let Ok(later) = jiff_date(date).checked_add(months.months()) {
                prop_assert_eq!(jiff_date(date.plus_months(months)), later);
            }
        }
    }
}
