//! Amounts: minor units as whole numbers, unit prices as exact decimals of up to twelve places, shares of a period
//! rounded half up.

/// One minor unit, as decimals are kept here.
pub const ONE: i128 = 1_000_000_000_000;

/// A decimal such as `0.05` in units of 1/[`ONE`]. None: not a decimal, or more than twelve places.
pub fn decimal(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 12 || whole.is_empty() || !whole.chars().chain(part.chars()).all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = format!("{part:0<12}").parse().ok()?;
    Some(sign * (whole.checked_mul(ONE)? + part))
}

/// The decimal as whole minor units, if it is whole.
pub fn whole(exact: i128) -> Option<i64> {
    (exact % ONE == 0).then(|| i64::try_from(exact / ONE).ok()).flatten()
}

/// As it is written: `0.05`, `1500`.
pub fn shown(exact: i128) -> String {
    let sign = if exact < 0 { "-" } else { "" };
    let (whole, part) = (exact.abs() / ONE, exact.abs() % ONE);
    match part {
        0 => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{}", format!("{part:012}").trim_end_matches('0')),
    }
}

/// `numerator / denominator`, rounded half away from zero.
pub fn rounded(numerator: i128, denominator: i128) -> i64 {
    let size = (2 * numerator.abs() + denominator) / (2 * denominator);
    i64::try_from(size * numerator.signum()).expect("amounts of a sandbox fit")
}

/// The share of an amount that `part` of `all` seconds have.
pub fn share(amount: i64, part: i64, all: i64) -> i64 {
    rounded(i128::from(amount) * i128::from(part), i128::from(all.max(1)))
}

/// A unit price times a quantity, in minor units.
pub fn times(unit_amount_decimal: &str, quantity: i64) -> i64 {
    rounded(decimal(unit_amount_decimal).unwrap_or_default() * i128::from(quantity), ONE)
}

/// Currencies whose smallest unit is the unit itself.
const WITHOUT_MINOR_UNIT: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];

/// As people read it: `$20.00`, `1,500 JPY`.
pub fn readable(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let size = amount.unsigned_abs();
    let number = match WITHOUT_MINOR_UNIT.contains(&currency) {
        true => grouped(size),
        false => format!("{}.{:02}", grouped(size / 100), size % 100),
    };
    match currency {
        "usd" => format!("{sign}${number}"),
        "eur" => format!("{sign}€{number}"),
        "gbp" => format!("{sign}£{number}"),
        other => format!("{sign}{number} {}", other.to_uppercase()),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("0.000000000001"), Some(1));
        assert_eq!(decimal("12.5").map(shown).as_deref(), Some("12.5"));
        assert_eq!(decimal("1500").and_then(whole), Some(1500));
        assert_eq!(decimal("0.5").and_then(whole), None);
        assert_eq!(decimal("1e3"), None);
        assert_eq!(times("0.5", 3), 2);
    }

    #[test]
    fn shares_are_rounded_half_up() {
        assert_eq!(share(1000, 1, 3), 333);
        assert_eq!(share(1, 1, 2), 1);
        assert_eq!(share(-1, 1, 2), -1);
        assert_eq!(share(2000, 1_296_000, 2_592_000), 1000);
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!(readable(123_456, "usd"), "$1,234.56");
        assert_eq!(readable(-5, "eur"), "-€0.05");
        assert_eq!(readable(1500, "jpy"), "1,500 JPY");
    }
}
