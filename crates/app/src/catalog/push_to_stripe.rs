//! Makes at Stripe what a catalog sells and Stripe does not have yet: a product for each plan, a price for each interval.
//!
//! [`plan_push`] looks and says what is to be done; [`carry_out`] does it. What is there is found by the lookup keys of
//! the prices. A price is never changed, since whoever pays it would pay something else: one that differs is told, and
//! only on demand a new price takes its lookup key over. Done once, doing it again changes nothing.

use std::collections::BTreeMap;

use domain::catalog::{Catalog, Interval, Plan, PlanPrice};
use domain::money::{Currency, Money};
use domain::name::Name;
use providers::stripe::{Metadata, NewPrice, NewProduct, Price, Product, Recurrence, Stripe, StripeError};

use super::push_meters::{self, MeteredPrice, plan_meters};

/// Where a product and a price say at Stripe which plan they are for.
pub const PLAN_METADATA: &str = "tollway_plan";
pub(super) const INTERVAL_METADATA: &str = "tollway_interval";

/// Ids that Stripe has made; any other text in a catalog is what a product is to be called.
const STRIPE_PRODUCT: &str = "prod_";

/// One thing of a plan's, as it was found, and what is to be done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    pub plan: Name,
    pub what: StepKind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepKind {
    FoundProduct {
        id: String,
        name: String,
    },
    CreateProduct {
        id: String,
        name: String,
    },
    /// It is archived, so that nothing of it can be bought.
    ArchivedProduct {
        id: String,
    },
    /// The catalog names an id that Stripe does not have.
    NoProduct {
        id: String,
    },
    FoundPrice {
        price: SoldPrice,
        id: String,
    },
    CreatePrice {
        price: SoldPrice,
        product: String,
    },
    /// Another price takes the lookup key of the one with this id.
    ReplacePrice {
        price: SoldPrice,
        product: String,
        id: String,
        differences: Vec<String>,
    },
    DifferentPrice {
        price: SoldPrice,
        id: String,
        differences: Vec<String>,
    },
    FoundMeter {
        event: Name,
        id: String,
    },
    CreateMeter {
        event: Name,
    },
    FoundMeteredPrice {
        price: MeteredPrice,
        id: String,
    },
    /// `replaces`: it takes the lookup key of the one with this id.
    CreateMeteredPrice {
        price: MeteredPrice,
        product: String,
        replaces: Option<String>,
    },
    DifferentMeteredPrice {
        price: MeteredPrice,
        id: String,
        differences: Vec<String>,
    },
}

/// A price as the catalog has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SoldPrice {
    pub lookup_key: String,
    pub interval: Interval,
    pub amount: Money,
    /// The same in other currencies.
    pub others: Vec<Money>,
}

impl StepKind {
    /// Whether something is to be made.
    pub fn is_to_do(&self) -> bool {
        matches!(
            self,
            Self::CreateProduct { .. }
                | Self::CreatePrice { .. }
                | Self::ReplacePrice { .. }
                | Self::CreateMeter { .. }
                | Self::CreateMeteredPrice { .. }
        )
    }

    /// Whether a person must decide something first.
    pub fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::ArchivedProduct { .. }
                | Self::NoProduct { .. }
                | Self::DifferentPrice { .. }
                | Self::DifferentMeteredPrice { .. }
        )
    }
}

/// Looks at Stripe for everything that the catalog's active, paid plans need. `replace`: a price that differs is to be
/// replaced by another with its lookup key.
pub async fn plan_push(stripe: &Stripe, catalog: &Catalog, replace: bool) -> Result<Vec<Step>, StripeError> {
    let mut plans: Vec<(&Plan, Vec<SoldPrice>)> = sold_plans(catalog).collect();
    plans.sort_by_key(|(plan, _)| plan.rank);
    let keys: Vec<&str> = plans.iter().flat_map(|(_, prices)| prices).map(|price| price.lookup_key.as_str()).collect();
    let found = stripe.prices_by_lookup_keys(&keys).await?;
    let found: BTreeMap<&str, &Price> =
        found.iter().filter_map(|price| Some((price.lookup_key.as_deref()?, price))).collect();
    let (mut steps, mut sold) = (Vec::new(), Vec::new());
    for (plan, prices) in plans {
        let step = |what| Step { plan: plan.key.clone(), what };
        let of_prices = prices.iter().find_map(|price| found.get(price.lookup_key.as_str())?.product.clone());
        let (product, about_product) = find_product(stripe, catalog, plan, of_prices).await?;
        steps.push(step(about_product));
        for price in prices {
            let there = found.get(price.lookup_key.as_str()).copied();
            steps.push(step(about_price(price, there, &product, replace)));
        }
        sold.push(plan);
    }
    steps.extend(plan_meters(stripe, catalog, &sold, replace).await?);
    Ok(steps)
}

/// Makes what is to be made, in order. `run` names this run, so that Stripe does each step of it once.
pub async fn carry_out(stripe: &Stripe, steps: &[Step], run: &str) -> Result<(), StripeError> {
    for (number, step) in steps.iter().enumerate() {
        let key = format!("push/{run}/{number}");
        let plan = step.plan.as_str().to_owned();
        match &step.what {
            StepKind::CreateProduct { id, name } => {
                let metadata = Metadata::from([(PLAN_METADATA.to_owned(), plan)]);
                let new = NewProduct { id: Some(id.clone()), name: name.clone(), description: None, metadata };
                stripe.create_product(&new, &key).await?;
            }
            StepKind::CreatePrice { price, product } => {
                stripe.create_price(&price.new_price(plan, product, false), &key).await?;
            }
            StepKind::ReplacePrice { price, product, .. } => {
                stripe.create_price(&price.new_price(plan, product, true), &key).await?;
            }
            StepKind::CreateMeter { event } => push_meters::create_meter(stripe, event, &key).await?,
            StepKind::CreateMeteredPrice { price, product, replaces } => {
                push_meters::create_price(stripe, &step.plan, (price, product), replaces.is_some(), &key).await?;
            }
            StepKind::FoundMeter { .. }
            | StepKind::FoundMeteredPrice { .. }
            | StepKind::DifferentMeteredPrice { .. }
            | StepKind::FoundProduct { .. }
            | StepKind::FoundPrice { .. }
            | StepKind::ArchivedProduct { .. }
            | StepKind::NoProduct { .. }
            | StepKind::DifferentPrice { .. } => {}
        }
    }
    Ok(())
}

/// The plans that are bought at Stripe, each with its prices.
pub(crate) fn sold_plans(catalog: &Catalog) -> impl Iterator<Item = (&Plan, Vec<SoldPrice>)> {
    let currency = catalog.money_currency();
    catalog.plans.values().filter(|plan| plan.active).filter_map(move |plan| {
        let PlanPrice::Paid { by_interval, other_currencies } = &plan.price else { return None };
        let price = |(interval, minor_units): (&Interval, &i64)| {
            let other = |(code, amounts): (&String, &BTreeMap<Interval, i64>)| {
                Some(Money::new(*amounts.get(interval)?, Currency::parse(code).ok()?))
            };
            Some(SoldPrice {
                lookup_key: plan.stripe_lookup_keys.get(interval)?.clone(),
                interval: *interval,
                amount: Money::new(*minor_units, currency),
                others: other_currencies.iter().filter_map(other).collect(),
            })
        };
        Some((plan, by_interval.iter().filter_map(price).collect()))
    })
}

/// The id of a plan's product, and how it was found. A price that is there already tells it best.
async fn find_product(
    stripe: &Stripe,
    catalog: &Catalog,
    plan: &Plan,
    of_prices: Option<String>,
) -> Result<(String, StepKind), StripeError> {
    let said = plan.stripe_product.as_deref();
    let said_id = said.filter(|text| text.starts_with(STRIPE_PRODUCT)).map(str::to_owned);
    let is_ours = of_prices.is_none() && said_id.is_none();
    let id = of_prices.or(said_id).unwrap_or_else(|| product_id(catalog, plan));
    let what = match stripe.get_product(&id).await {
        Ok(Product { active: false, .. }) => StepKind::ArchivedProduct { id: id.clone() },
        Ok(product) => StepKind::FoundProduct { id: id.clone(), name: product.name },
        Err(StripeError::NotFound { .. }) if is_ours => {
            let name = said.map_or_else(|| format!("{} {}", catalog.product, plan.name), str::to_owned);
            StepKind::CreateProduct { id: id.clone(), name }
        }
        Err(StripeError::NotFound { .. }) => StepKind::NoProduct { id: id.clone() },
        Err(error) => return Err(error),
    };
    Ok((id, what))
}

/// `tollway_acme_chat_pro`: the same at every run, and another for another product of the same company.
fn product_id(catalog: &Catalog, plan: &Plan) -> String {
    product_id_of(catalog, plan.key.as_str())
}

pub(super) fn product_id_of(catalog: &Catalog, what: &str) -> String {
    let words = catalog.product.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = String::from("tollway_");
    words.for_each(|word| id.extend([&word.to_ascii_lowercase(), "_"]));
    id + what
}

fn about_price(price: SoldPrice, there: Option<&Price>, product: &str, replace: bool) -> StepKind {
    let Some(there) = there else { return StepKind::CreatePrice { price, product: product.to_owned() } };
    let (id, differences) = (there.id.clone(), price.differences(there));
    match (differences.is_empty(), replace) {
        (true, _) => StepKind::FoundPrice { price, id },
        (false, true) => StepKind::ReplacePrice { price, product: product.to_owned(), id, differences },
        (false, false) => StepKind::DifferentPrice { price, id, differences },
    }
}

impl SoldPrice {
    /// `15.00 USD / month`, with the same in other currencies behind.
    pub fn describe(&self) -> String {
        let others = self.others.iter().map(|money| format!(", {money}"));
        format!("{}{} / {}", self.amount, others.collect::<String>(), word(self.interval))
    }

    fn new_price(&self, plan: String, product: &str, transfer_lookup_key: bool) -> NewPrice {
        let interval = self.interval.as_str().to_owned();
        let amount = |money: &Money| (money.currency.code().to_owned(), money.minor_units);
        NewPrice {
            product: product.to_owned(),
            currency: self.amount.currency.code().to_owned(),
            unit_amount: self.amount.minor_units,
            currency_options: self.others.iter().map(amount).collect(),
            recurring: Some(Recurrence { interval: word(self.interval).to_owned(), count: 1 }),
            lookup_key: Some(self.lookup_key.clone()),
            transfer_lookup_key,
            nickname: None,
            metadata: [(PLAN_METADATA.to_owned(), plan), (INTERVAL_METADATA.to_owned(), interval)].into(),
        }
    }

    /// What a customer would pay otherwise than the catalog says.
    fn differences(&self, there: &Price) -> Vec<String> {
        let mut differences = Vec::new();
        let recurring = there.recurring.as_ref().map(|every| (every.interval.as_str(), every.count));
        let (written, paid) = (amount_there(&there.currency, there.unit_amount), self.amount.to_string());
        if written != paid {
            differences.push(format!("{written} there, {paid} here"));
        }
        if recurring != Some((word(self.interval), 1)) {
            let each = recurring.map_or("once".to_owned(), |(interval, count)| format!("every {count} {interval}"));
            differences.push(format!("paid {each} there, every {} here", word(self.interval)));
        }
        for money in &self.others {
            let code = money.currency.code().to_ascii_lowercase();
            match there.currency_options.get(&code) {
                Some(amount) if *amount == money.minor_units => {}
                Some(amount) => {
                    differences.push(format!("{} there, {money} here", amount_there(&code, Some(*amount))));
                }
                None => differences.push(format!("not sold in {} there, {money} here", money.currency)),
            }
        }
        if !there.active {
            differences.push("archived there".to_owned());
        }
        differences
    }
}

fn amount_there(currency: &str, amount: Option<i64>) -> String {
    let code = currency.to_ascii_uppercase();
    match (amount, Currency::parse(&code)) {
        (Some(amount), Ok(currency)) => Money::new(amount, currency).to_string(),
        (Some(amount), Err(_)) => format!("{amount} {code}"),
        (None, _) => format!("no fixed amount of {code}"),
    }
}

fn word(interval: Interval) -> &'static str {
    match interval {
        Interval::Monthly => "month",
        Interval::Annual => "year",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = "product = \"Acme Chat, Inc.\"\n[meters.requests]\n[plans.free]\n[plans.old]\nactive = false\n\
        price = \"3\"\n[plans.pro]\nprice = { monthly = \"15.00\", annual = \"150.00\", JPY = { monthly = 2000, \
        annual = 20000 } }\n";

    fn catalog() -> Catalog {
        domain::catalog::parse(CATALOG).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
    }

    fn monthly() -> SoldPrice {
        let catalog = catalog();
        let (_, prices) = sold_plans(&catalog).next().expect("a plan that is sold");
        prices.into_iter().next().expect("a monthly price")
    }

    fn there() -> Price {
        Price {
            id: "price_1".into(),
            lookup_key: Some("pro_monthly".into()),
            product: Some("prod_1".into()),
            currency: "usd".into(),
            unit_amount: Some(1_500),
            currency_options: [("usd".to_owned(), 1_500), ("jpy".to_owned(), 2_000)].into(),
            exact_amounts: BTreeMap::new(),
            recurring: Some(Recurrence { interval: "month".into(), count: 1 }),
            is_metered: false,
            active: true,
            metadata: Metadata::new(),
        }
    }

    #[test]
    fn active_paid_plans_are_sold_with_the_keys_of_the_catalog() {
        let catalog = catalog();
        let sold: Vec<_> = sold_plans(&catalog).collect();
        let [(plan, prices)] = &sold[..] else { panic!("one plan is sold") };
        assert_eq!(product_id(&catalog, plan), "tollway_acme_chat_inc_pro");
        let told: Vec<_> = prices.iter().map(|price| (price.lookup_key.as_str(), price.describe())).collect();
        assert_eq!(
            told,
            [
                ("pro_monthly", "15.00 USD, 2000 JPY / month".to_owned()),
                ("pro_annual", "150.00 USD, 20000 JPY / year".to_owned()),
            ]
        );
    }

    #[test]
    fn a_price_is_the_same_when_a_customer_pays_the_same() {
        assert_eq!(monthly().differences(&there()), Vec::<String>::new());
        let different = |change: fn(&mut Price)| {
            let mut there = there();
            change(&mut there);
            monthly().differences(&there)
        };
        assert_eq!(different(|price| price.unit_amount = Some(1_200)), ["12.00 USD there, 15.00 USD here"]);
        assert_eq!(different(|price| price.unit_amount = None), ["no fixed amount of USD there, 15.00 USD here"]);
        assert_eq!(different(|price| price.currency = "eur".into()), ["15.00 EUR there, 15.00 USD here"]);
        assert_eq!(different(|price| price.recurring = None), ["paid once there, every month here"]);
        let quarterly = |price: &mut Price| price.recurring = Some(Recurrence { interval: "month".into(), count: 3 });
        assert_eq!(different(quarterly), ["paid every 3 month there, every month here"]);
        let cheaper = |price: &mut Price| price.currency_options.extend([("jpy".to_owned(), 1)]);
        assert_eq!(different(cheaper), ["1 JPY there, 2000 JPY here"]);
        assert_eq!(different(|price| price.currency_options.clear()), ["not sold in JPY there, 2000 JPY here"]);
        assert_eq!(different(|price| price.active = false), ["archived there"]);
    }

    #[test]
    fn a_price_that_differs_is_replaced_on_demand_alone() {
        let other = Price { unit_amount: Some(1), ..there() };
        let about = |there: Option<&Price>, replace| about_price(monthly(), there, "prod_1", replace);
        assert!(matches!(about(None, false), StepKind::CreatePrice { .. }));
        assert!(matches!(about(Some(&there()), true), StepKind::FoundPrice { .. }));
        assert!(about(Some(&other), false).is_mistake());
        assert!(matches!(about(Some(&other), true), StepKind::ReplacePrice { .. }));
    }
}
