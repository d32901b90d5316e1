//! How a catalog's amounts, limits and prices are written for people: `10,000`, `5.00 USD`, `requests per period`.

use super::plan::{Charge, FeatureValue, Interval, Limit, LimitScope, Past, PlanPrice};
use super::{COST_METER, Catalog};
use crate::money::{Currency, Money, NanoUsd};
use crate::quantity::Quantity;

pub const UNLIMITED: &str = "unlimited";

impl Catalog {
    /// The catalog's currency as a type; the field holds its code.
    pub fn money_currency(&self) -> Currency {
        Currency::parse(&self.currency).unwrap_or(Currency::USD)
    }
}

/// `10,000`, `1,000.5`: whole digits in groups of three.
pub fn quantity(quantity: Quantity) -> String {
    grouped(&quantity.to_string())
}

/// An amount of a meter in its integer unit: `10,000`, or `5.00 USD` of the meter `cost`.
pub fn meter_amount(meter: &str, amount: i64, currency: Currency) -> String {
    if meter == COST_METER {
        return cost(NanoUsd::from_nano(amount), currency);
    }
    quantity(Quantity::from_millionths(amount))
}

/// `5.00 USD`, with further decimals where there are any.
pub fn cost(cost: NanoUsd, currency: Currency) -> String {
    let exact = cost.to_string();
    let (whole, fraction) = exact.split_once('.').unwrap_or((&exact, ""));
    let decimals = currency.decimals();
    if decimals == 0 && fraction.is_empty() {
        return format!("{} {currency}", grouped(whole));
    }
    format!("{}.{fraction:0<decimals$} {currency}", grouped(whole))
}

/// `requests per period`, `cost per day for each key`, `seats`.
pub fn limit_name(limit: &Limit) -> String {
    let per = match limit.per {
        crate::windows::WindowKind::Lifetime => String::new(),
        other => format!(" per {}", other.as_str()),
    };
    let each = match limit.each {
        LimitScope::Account => String::new(),
        other => format!(" for each {}", other.as_str().replace('_', " ")),
    };
    format!("{}{per}{each}", limit.meter)
}

/// `10,000`, `5.00 USD` or `unlimited`.
pub fn limit_amount(limit: &Limit, currency: Currency) -> String {
    limit.amount.map_or(UNLIMITED.to_owned(), |amount| meter_amount(limit.meter.as_str(), amount, currency))
}

/// `blocked`, `allowed with a warning`, `charged 0.50 USD for each 100,000, up to 20.00 USD`.
pub fn past(limit: &Limit, currency: Currency) -> String {
    match &limit.past {
        Past::Block => "blocked".to_owned(),
        Past::Warn => "allowed with a warning".to_owned(),
        Past::Charge { charge_nano, each, up_to_minor, other_currencies, .. } => {
            let each = meter_amount(limit.meter.as_str(), *each, currency);
            let own = (currency, Charge { charge_nano: *charge_nano, up_to_minor: *up_to_minor });
            let others =
                other_currencies.iter().filter_map(|(code, charge)| Some((Currency::parse(code).ok()?, *charge)));
            let said = [own].into_iter().chain(others).map(|(currency, charge)| {
                let up_to = charge.up_to_minor.map(|minor| format!(", up to {}", Money::new(minor, currency)));
                let charge = cost(NanoUsd::from_nano(charge.charge_nano), currency);
                format!("{charge} for each {each}{}", up_to.unwrap_or_default())
            });
            format!("charged {}", said.collect::<Vec<_>>().join("; or "))
        }
    }
}

/// The price of one interval: `15.00 USD`, `free`, `custom` or `not sold`.
pub fn price(price: &PlanPrice, interval: Interval, currency: Currency) -> String {
    match price {
        PlanPrice::Free => "free".to_owned(),
        PlanPrice::Custom => "custom".to_owned(),
        PlanPrice::Paid { by_interval, .. } => match by_interval.get(&interval) {
            Some(minor) => Money::new(*minor, currency).to_string(),
            None => "not sold".to_owned(),
        },
    }
}

/// `yes`, `no`, `5`, `pdf, csv` or `all`.
pub fn feature(value: &FeatureValue) -> String {
    match value {
        FeatureValue::Boolean(true) => "yes".to_owned(),
        FeatureValue::Boolean(false) => "no".to_owned(),
        FeatureValue::Number(number) => grouped(&number.to_string()),
        FeatureValue::List(names) if names.iter().any(|name| name.as_str() == "*") => "all".to_owned(),
        FeatureValue::List(names) if names.is_empty() => "none".to_owned(),
        FeatureValue::List(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut text = String::from(sign);
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_amounts_for_people() {
        let quantity_of = |text| quantity(Quantity::parse(text).expect("a quantity"));
        assert_eq!(quantity_of("1000"), "1,000");
        assert_eq!(quantity_of("-1234567.5"), "-1,234,567.5");
        assert_eq!(quantity_of("999"), "999");
        let cost_of = |text| cost(NanoUsd::parse(text).expect("an amount"), Currency::USD);
        assert_eq!(cost_of("5"), "5.00 USD");
        assert_eq!(cost_of("1234.5"), "1,234.50 USD");
        assert_eq!(cost_of("0.000123"), "0.000123 USD");
    }
}
