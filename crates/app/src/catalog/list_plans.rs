//! The plans that anybody may see and buy.

use std::sync::Arc;

use domain::catalog::{Interval, Plan, PlanPrice};
use domain::money::Currency;

use crate::{App, AppError};

#[derive(Clone, Debug)]
pub struct PlanList {
    pub product: String,
    pub currency: Currency,
    /// In the order of their ranks.
    pub plans: Vec<PublicPlan>,
}

#[derive(Clone, Debug)]
pub struct PublicPlan {
    pub plan: Arc<Plan>,
    /// How much less a year costs when it is paid at once, in whole percent of twelve months, rounded down.
    pub annual_saving_percent: Option<u32>,
    /// Accounts that have bought nothing are on it.
    pub is_default: bool,
}

/// Retired plans are not among them.
pub async fn list_plans(app: &App) -> Result<PlanList, AppError> {
    let book = app.plans().await?;
    let active = book.catalog.plans.values().filter(|plan| plan.active);
    let mut plans: Vec<PublicPlan> = active
        .map(|plan| PublicPlan {
            plan: Arc::new(plan.clone()),
            annual_saving_percent: annual_saving_percent(&plan.price),
            is_default: book.catalog.default_plan.as_ref() == Some(&plan.key),
        })
        .collect();
    plans.sort_by_key(|public| public.plan.rank);
    Ok(PlanList { product: book.catalog.product.clone(), currency: book.catalog.money_currency(), plans })
}

fn annual_saving_percent(price: &PlanPrice) -> Option<u32> {
    let PlanPrice::Paid { by_interval, .. } = price else { return None };
    let twelve_months = i128::from(*by_interval.get(&Interval::Monthly)?) * 12;
    let year = i128::from(*by_interval.get(&Interval::Annual)?);
    let saved = twelve_months - year;
    if saved <= 0 {
        return None;
    }
    u32::try_from(saved * 100 / twelve_months).ok().filter(|percent| *percent > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_year_paid_at_once_saves_whole_percent() {
        let saving = |prices: &[(Interval, i64)]| {
            let by_interval = prices.iter().copied().collect::<BTreeMap<_, _>>();
            annual_saving_percent(&PlanPrice::Paid { by_interval, other_currencies: BTreeMap::new() })
        };
        assert_eq!(saving(&[(Interval::Monthly, 1_500), (Interval::Annual, 15_000)]), Some(16));
        assert_eq!(saving(&[(Interval::Monthly, 1_000), (Interval::Annual, 12_000)]), None);
        assert_eq!(saving(&[(Interval::Monthly, 1_000), (Interval::Annual, 13_000)]), None);
        assert_eq!(saving(&[(Interval::Monthly, 1_000)]), None);
        assert_eq!(annual_saving_percent(&PlanPrice::Free), None);
    }
}
