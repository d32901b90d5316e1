//! What a product costs. The amount of a price never changes; another amount is another price.

use std::collections::BTreeMap;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Metadata, Stripe, StripeError};

/// More keys than this are refused in one call.
const MOST_LOOKUP_KEYS: usize = 10;
/// Amounts in other currencies are told only when asked for.
const CURRENCY_OPTIONS: &str = "currency_options";

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    pub id: String,
    /// The name that the operator gave it; a new price may take it over.
    pub lookup_key: Option<String>,
    pub product: Option<String>,
    /// Lower case.
    pub currency: String,
    /// Minor units. `None`: in tiers, or smaller than a minor unit.
    pub unit_amount: Option<i64>,
    /// Minor units in every currency that it is sold in, its own among them, when that was told.
    pub currency_options: BTreeMap<String, i64>,
    /// The same with what is smaller than a minor unit, as decimal text.
    pub exact_amounts: BTreeMap<String, String>,
    /// `None`: bought once.
    pub recurring: Option<Recurrence>,
    /// What was counted by a meter is paid afterwards; else the price is paid ahead.
    pub is_metered: bool,
    pub active: bool,
    pub metadata: Metadata,
}

/// Every `count` of `interval`: `month`, `year`, or another word of Stripe's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recurrence {
    pub interval: String,
    pub count: i64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewPrice {
    pub product: String,
    /// Three letters, in either case.
    pub currency: String,
    pub unit_amount: i64,
    /// Minor units in other currencies.
    pub currency_options: BTreeMap<String, i64>,
    pub recurring: Option<Recurrence>,
    pub lookup_key: Option<String>,
    /// Takes the lookup key from the price that has it.
    pub transfer_lookup_key: bool,
    pub nickname: Option<String>,
    pub metadata: Metadata,
}

/// A price for each unit that a meter counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewMeteredPrice {
    pub product: String,
    /// The meter's id.
    pub meter: String,
    /// Three letters, in either case.
    pub currency: String,
    /// Decimal text of minor units, with at most twelve decimals.
    pub unit_amount: String,
    /// The same in other currencies.
    pub currency_options: BTreeMap<String, String>,
    /// `month`, `year`.
    pub interval: String,
    pub lookup_key: String,
    /// Takes the lookup key from the price that has it.
    pub transfer_lookup_key: bool,
    pub metadata: Metadata,
}

impl NewMeteredPrice {
    fn form(&self) -> Form {
        let form = Form::new()
            .put("product", &self.product)
            .put("currency", self.currency.to_ascii_lowercase())
            .put("unit_amount_decimal", &self.unit_amount)
            .put("recurring[interval]", &self.interval)
            .put("recurring[usage_type]", "metered")
            .put("recurring[meter]", &self.meter)
            .put("lookup_key", &self.lookup_key)
            .flag("transfer_lookup_key", self.transfer_lookup_key)
            .metadata("metadata", &self.metadata)
            .expand(&[CURRENCY_OPTIONS]);
        self.currency_options.iter().fold(form, |form, (currency, amount)| {
            form.put(&format!("currency_options[{}][unit_amount_decimal]", currency.to_ascii_lowercase()), amount)
        })
    }
}

impl NewPrice {
    pub(super) fn form(&self) -> Form {
        let recurring = self.recurring.as_ref();
        let form = Form::new()
            .put("product", &self.product)
            .put("currency", self.currency.to_ascii_lowercase())
            .put("unit_amount", self.unit_amount)
            .maybe("recurring[interval]", recurring.map(|every| &every.interval))
            .maybe("recurring[interval_count]", recurring.map(|every| every.count))
            .maybe("lookup_key", self.lookup_key.as_deref())
            .flag("transfer_lookup_key", self.transfer_lookup_key)
            .maybe("nickname", self.nickname.as_deref())
            .metadata("metadata", &self.metadata)
            .expand(&[CURRENCY_OPTIONS]);
        self.currency_options.iter().fold(form, |form, (currency, amount)| {
            form.put(&format!("currency_options[{}][unit_amount]", currency.to_ascii_lowercase()), amount)
        })
    }
}

impl Read for Price {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        let options = || object.at("/currency_options").and_then(|at| at.value().as_object()).into_iter().flatten();
        let amount =
            |(currency, option): (&String, _)| Some((currency.clone(), Object::of(option).integer("/unit_amount")?));
        let exact = |(currency, option): (&String, _)| {
            Some((currency.clone(), Object::of(option).words("/unit_amount_decimal")?))
        };
        let recurring = object.at("/recurring").and_then(|at| {
            Some(Recurrence { interval: at.words("/interval")?, count: at.integer("/interval_count").unwrap_or(1) })
        });
        Ok(Self {
            id: object.id()?,
            lookup_key: object.words("/lookup_key"),
            product: object.reference("/product"),
            currency: object.need_text("/currency")?,
            unit_amount: object.integer("/unit_amount"),
            currency_options: options().filter_map(amount).collect(),
            exact_amounts: options().filter_map(exact).collect(),
            recurring,
            is_metered: object.words("/recurring/usage_type").is_some_and(|word| word == "metered"),
            active: object.flag("/active"),
            metadata: object.metadata("/metadata"),
        })
    }
}

impl Stripe {
    pub async fn create_price(&self, new: &NewPrice, key: &str) -> Result<Price, StripeError> {
        self.post("/v1/prices", new.form(), key).await
    }

    pub async fn create_metered_price(&self, new: &NewMeteredPrice, key: &str) -> Result<Price, StripeError> {
        self.post("/v1/prices", new.form(), key).await
    }

    pub async fn get_price(&self, id: &str) -> Result<Price, StripeError> {
        self.get(&path_to("prices", id, "")?, Form::new().expand(&[CURRENCY_OPTIONS])).await
    }

    /// Those that exist, also the ones no longer sold, with their amounts in other currencies.
    pub async fn prices_by_lookup_keys(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Price>, StripeError> {
        let mut found = Vec::new();
        for some in keys.chunks(MOST_LOOKUP_KEYS) {
            let form = Form::new().list("lookup_keys", some.iter().map(AsRef::as_ref));
            found.extend(self.all("/v1/prices", form.expand(&["data.currency_options"])).await?);
        }
        Ok(found)
    }
}
