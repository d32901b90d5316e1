//! What a metered call tells: whose work, how much of which meters, which model, and what to keep with it.
//!
//! Consume, check, reserve, commit, levels, adjustments and events share [`WorkFields`]; each adds its own fields by
//! [`Worked`]. serde's `flatten` cannot do it, since it buffers numbers as floats.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use app::metering::{Context, IdempotencyKey, Work};
use app::{AccountRef, AppError};
use domain::ids::AccountId;
use domain::name::Name;
use domain::quantity::Quantity;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::fields::{Count, Exact, JsonText, Metadata, Text, Time, Word};
use super::idempotency_key;
use crate::canonical::Meaning;
use crate::problem::{EdgeError, Failure};

/// The most meters that one command moves.
const MOST_METERS: usize = 32;

/// One meter and how much of it.
#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MeterQuantity)]
pub struct MeterQuantity {
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000]*$", example = "requests")]
    pub meter: Word,
    #[schema(inline, default = 1)]
    pub quantity: Option<Exact>,
}

/// What metered calls have in common. The account is left out with an account's own key.
#[derive(Debug, Default, ToSchema)]
#[schema(as = Work)]
pub struct WorkFields {
    /// `acct_…`.
    #[schema(inline)]
    pub account: Option<Text<1, 64>>,
    /// The id that your own system knows the customer by.
    #[schema(inline)]
    pub external_id: Option<Text<1, 255>>,
    #[schema(inline, example = "requests")]
    pub meter: Option<Word>,
    /// How much of `meter`: a decimal with at most six places, as a number or as text. 1 when left out.
    #[schema(inline, example = 1)]
    pub quantity: Option<Exact>,
    /// Several meters at once, all or none, in place of `meter` and `quantity`.
    #[schema(max_items = 32)]
    pub usage: Option<Vec<MeterQuantity>>,
    /// Idempotency key: the same id counts once. Also as the header `Idempotency-Key`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = r"^[\u0021-\u007E]+$")]
    pub id: Option<Text<1, 255>>,
    /// The member of the account that it is for.
    #[schema(inline)]
    pub user: Option<Word>,
    /// Your customer's own end user.
    #[schema(inline)]
    pub end_user: Option<Word>,
    #[schema(inline, example = "gpt-4o-mini")]
    pub model: Option<Word>,
    #[schema(inline)]
    pub provider: Option<Text<1, 64>>,
    #[schema(inline)]
    pub prompt_tokens: Option<Count>,
    #[schema(inline)]
    pub completion_tokens: Option<Count>,
    /// Part of the prompt tokens that the provider had cached.
    #[schema(inline)]
    pub cached_tokens: Option<Count>,
    #[schema(inline)]
    pub audio_bytes: Option<Count>,
    #[schema(inline)]
    pub characters: Option<Count>,
    #[schema(inline)]
    pub resource_type: Option<Text<0, 255>>,
    #[schema(inline)]
    pub resource_id: Option<Text<0, 255>>,
    #[schema(inline)]
    pub request_type: Option<Text<0, 255>>,
    #[schema(inline)]
    pub conversation: Option<Text<0, 255>>,
    #[schema(inline)]
    pub agent: Option<Text<0, 255>>,
    /// Any JSON object of at most 16 KB; kept with the event.
    #[schema(inline)]
    pub metadata: Option<Metadata>,
    /// When the work was done, for records: at most 35 days ago.
    #[schema(inline)]
    pub occurred_at: Option<Time>,
}

impl Fields for WorkFields {
    const NAMES: &'static [&'static str] = &[
        "account",
        "external_id",
        "meter",
        "quantity",
        "usage",
        "id",
        "user",
        "end_user",
        "model",
        "provider",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "audio_bytes",
        "characters",
        "resource_type",
        "resource_id",
        "request_type",
        "conversation",
        "agent",
        "metadata",
        "occurred_at",
    ];

    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "account" => take(&mut self.account, name, map),
            "external_id" => take(&mut self.external_id, name, map),
            "meter" => take(&mut self.meter, name, map),
            "quantity" => take(&mut self.quantity, name, map),
            "usage" => take(&mut self.usage, name, map),
            "id" => take(&mut self.id, name, map),
            "user" => take(&mut self.user, name, map),
            "end_user" => take(&mut self.end_user, name, map),
            "model" => take(&mut self.model, name, map),
            "provider" => take(&mut self.provider, name, map),
            "prompt_tokens" => take(&mut self.prompt_tokens, name, map),
            "completion_tokens" => take(&mut self.completion_tokens, name, map),
            "cached_tokens" => take(&mut self.cached_tokens, name, map),
            "audio_bytes" => take(&mut self.audio_bytes, name, map),
            "characters" => take(&mut self.characters, name, map),
            "resource_type" => take(&mut self.resource_type, name, map),
            "resource_id" => take(&mut self.resource_id, name, map),
            "request_type" => take(&mut self.request_type, name, map),
            "conversation" => take(&mut self.conversation, name, map),
            "agent" => take(&mut self.agent, name, map),
            "metadata" => take(&mut self.metadata, name, map),
            "occurred_at" => take(&mut self.occurred_at, name, map),
            _ => return Ok(false),
        }?;
        Ok(true)
    }
}

/// Fields of a JSON object, taken one by one as they come.
pub trait Fields: Default {
    const NAMES: &'static [&'static str];

    /// Reads the value that follows when the name is one of these fields'. False when it is not.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads a field's value into its place; null is as good as absent.
pub fn take<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
    }
    *place = map.next_value()?;
    Ok(())
}

/// No fields of its own.
#[derive(Debug, Default, ToSchema)]
#[schema(as = WorkBody)]
pub struct NoMore {}

impl Fields for NoMore {
    const NAMES: &'static [&'static str] = &[];

    fn take<'de, A: MapAccess<'de>>(&mut self, _: &str, _: &mut A) -> Result<bool, A::Error> {
        Ok(false)
    }
}

/// A body of the common fields alone.
pub type WorkBody = Worked<NoMore>;

/// The common fields with those of one endpoint.
#[derive(Debug, Default)]
pub struct Worked<E> {
    pub work: WorkFields,
    pub own: E,
}

impl<'de, E: Fields> Deserialize<'de> for Worked<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WorkedVisitor(PhantomData))
    }
}

struct WorkedVisitor<E>(PhantomData<E>);

impl<'de, E: Fields> Visitor<'de> for WorkedVisitor<E> {
    type Value = Worked<E>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Worked<E>, A::Error> {
        let mut read: Worked<E> = Worked { work: WorkFields::default(), own: E::default() };
        while let Some(JsonText(name)) = map.next_key()? {
            if !read.work.take(&name, &mut map)? && !read.own.take(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                let known = WorkFields::NAMES.iter().chain(E::NAMES).map(|known| format!("`{known}`"));
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(A::Error::custom(format_args!("unknown field `{name}`, expected one of {known}")));
            }
        }
        Ok(read)
    }
}

// One object, not `allOf`: it takes no other fields, and that can only be said of a whole.
impl<E: ToSchema> PartialSchema for Worked<E> {
    fn schema() -> RefOr<Schema> {
        match (WorkFields::schema(), E::schema()) {
            (RefOr::T(Schema::Object(mut common)), RefOr::T(Schema::Object(own))) => {
                common.properties.extend(own.properties);
                common.required.extend(own.required);
                common.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                common.into()
            }
            (common, _) => common,
        }
    }
}

impl<E: ToSchema> ToSchema for Worked<E> {
    fn name() -> Cow<'static, str> {
        E::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        WorkFields::schemas(schemas);
        E::schemas(schemas);
    }
}

impl WorkFields {
    /// The account that is meant.
    pub fn account(&self) -> Result<AccountRef, Failure> {
        let text = |text: &Option<Text<1, 64>>| text.as_ref().map(|text| text.0.clone());
        account_ref(text(&self.account), self.external_id.as_ref().map(|text| text.0.clone()))
    }

    /// The work, with the key of the header or the body. `verb` and `more` are what the key's content is beside the
    /// work: the same key with other content is a mistake that is told.
    pub fn into_work(self, header_key: Option<&str>, verb: &str, more: &[(&str, String)]) -> Result<Work, Failure> {
        let mut own_key = self.id.as_ref().map(|id| id.0.clone());
        if let Some(Err(problem)) = own_key.as_deref().map(idempotency_key::check) {
            return Err(AppError::invalid("id", format!("`id` {problem}.")).into());
        }
        let key = idempotency_key::one_of(header_key, own_key.take())?;
        let mut work = self.into_keyless_work()?;
        work.key = key.map(|text| IdempotencyKey { text, content: content(&work, verb, more) });
        Ok(work)
    }

    fn into_keyless_work(self) -> Result<Work, AppError> {
        let usage = usage(self.meter, self.quantity, self.usage)?;
        let count = |count: Option<Count>| count.map(|count| count.0);
        let text = |text: Option<Text<0, 255>>| text.map(|text| text.0);
        Ok(Work {
            usage,
            user: self.user.map(|word| word.0),
            end_user: self.end_user.map(|word| word.0),
            model: self.model.map(|word| word.0),
            provider: self.provider.map(|text| text.0),
            prompt_tokens: count(self.prompt_tokens),
            completion_tokens: count(self.completion_tokens),
            tokens: None,
            counts: None,
            cached_tokens: count(self.cached_tokens),
            audio_bytes: count(self.audio_bytes),
            characters: count(self.characters),
            context: Context {
                resource_type: text(self.resource_type),
                resource_id: text(self.resource_id),
                request_type: text(self.request_type),
                conversation: text(self.conversation),
                agent: text(self.agent),
                metadata: self.metadata.map(|metadata| metadata.0),
            },
            occurred_at: self.occurred_at.map(|time| time.0),
            key: None,
        })
    }
}

/// Names the account, with a service key.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    #[param(inline)]
    account: Option<Text<1, 64>>,
    #[param(inline)]
    external_id: Option<Text<1, 255>>,
}

impl AccountQuery {
    pub fn account(self) -> Result<AccountRef, Failure> {
        account_ref(self.account.map(|text| text.0), self.external_id.map(|text| text.0))
    }
}

/// An account by its id or its external id, never by both.
pub fn account_ref(account: Option<String>, external_id: Option<String>) -> Result<AccountRef, Failure> {
    match (account, external_id) {
        (None, None) => Ok(AccountRef::Own),
        (None, Some(external_id)) => Ok(AccountRef::External(external_id)),
        (Some(account), None) => {
            AccountId::parse(&account).map(AccountRef::Id).ok_or_else(|| AppError::AccountUnknown.into())
        }
        (Some(_), Some(_)) => Err(EdgeError::AccountNamedTwice.into()),
    }
}

/// Either one meter or several, each once.
pub fn usage(
    meter: Option<Word>,
    quantity: Option<Exact>,
    several: Option<Vec<MeterQuantity>>,
) -> Result<Vec<(Name, Quantity)>, AppError> {
    let one = |quantity: Option<Exact>| quantity.map_or(Quantity::ONE, |exact| exact.0);
    match (meter, several) {
        (Some(_), Some(_)) => {
            let message = "Name one `meter` with its `quantity`, or several in `usage`, but not both.";
            Err(AppError::invalid("usage", message))
        }
        (Some(meter), None) => Ok(vec![(meter.0, one(quantity))]),
        (None, _) if quantity.is_some() => Err(AppError::invalid("meter", "`quantity` needs a `meter` beside it.")),
        (None, None) => Ok(Vec::new()),
        (None, Some(several)) if several.len() > MOST_METERS => {
            Err(AppError::invalid("usage", format!("`usage` names more than {MOST_METERS} meters.")))
        }
        (None, Some(several)) => {
            let mut usage: Vec<(Name, Quantity)> = Vec::with_capacity(several.len());
            for (index, item) in several.into_iter().enumerate() {
                let meter = item.meter.0;
                if usage.iter().any(|(named, _)| *named == meter) {
                    let message = format!("The meter {meter} is named twice; add its quantities up.");
                    return Err(AppError::invalid(format!("usage[{index}].meter"), message));
                }
                usage.push((meter, one(item.quantity)));
            }
            Ok(usage)
        }
    }
}

/// What a key stands for. When the work was done is no part of it: who sends an event again may stamp it anew.
fn content(work: &Work, verb: &str, more: &[(&str, String)]) -> [u8; 16] {
    let mut meaning = Meaning::of(verb);
    let usage: BTreeMap<&Name, &Quantity> = work.usage.iter().map(|(meter, quantity)| (meter, quantity)).collect();
    for (meter, quantity) in usage {
        meaning.text("usage");
        meaning.number(meter.as_str(), Some(quantity.millionths()));
    }
    for (name, value) in [("user", &work.user), ("end_user", &work.end_user), ("model", &work.model)] {
        meaning.field(name, value.as_ref().map(Name::as_str));
    }
    for (name, value) in [
        ("prompt_tokens", work.prompt_tokens),
        ("completion_tokens", work.completion_tokens),
        ("cached_tokens", work.cached_tokens),
        ("audio_bytes", work.audio_bytes),
        ("characters", work.characters),
    ] {
        meaning.number(name, value);
    }
    let context = &work.context;
    for (name, value) in [
        ("provider", &work.provider),
        ("resource_type", &context.resource_type),
        ("resource_id", &context.resource_id),
        ("request_type", &context.request_type),
        ("conversation", &context.conversation),
        ("agent", &context.agent),
    ] {
        meaning.field(name, value.as_deref());
    }
    meaning.object("metadata", context.metadata.as_ref());
    more.iter().for_each(|(name, value)| meaning.field(name, Some(value)));
    meaning.short_hash()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::body::parse_json;

    fn read(json: &str) -> Result<WorkFields, Failure> {
        parse_json::<Worked<NoMore>>(json.as_bytes()).map(|read| read.work)
    }

    fn work(json: &str) -> Result<Work, Failure> {
        read(json)?.into_work(None, "consume", &[])
    }

    fn told<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> (&'static str, String) {
        let failure = outcome.unwrap_err();
        (failure.code(), failure.to_string())
    }

    #[test]
    fn one_meter_or_several() {
        let one = work(r#"{"meter": "requests"}"#).unwrap();
        assert_eq!(one.usage, [(Name::new("requests"), Quantity::ONE)]);
        let several = work(r#"{"usage": [{"meter": "a", "quantity": "0.5"}, {"meter": "b"}], "model": null}"#).unwrap();
        assert_eq!(several.usage[0], (Name::new("a"), Quantity::from_millionths(500_000)));
        assert_eq!(several.usage.len(), 2);
        assert_eq!(told(work(r#"{"meter": "a", "usage": []}"#)).0, "invalid_request");
        assert_eq!(told(work(r#"{"quantity": 1}"#)).1, "`quantity` needs a `meter` beside it.");
        let twice = told(work(r#"{"usage": [{"meter": "a"}, {"meter": "a"}]}"#));
        assert_eq!(twice.1, "The meter a is named twice; add its quantities up.");
    }

    #[test]
    fn mistakes_are_told_by_field() {
        let unknown = told(read(r#"{"metre": "a"}"#));
        assert_eq!(unknown, ("invalid_request", "There is no field `metre` here. Did you mean `meter`?".into()));
        assert_eq!(told(read(r#"{"meter": "a", "meter": "b"}"#)).1, "`meter` is given twice.");
        let precise = told(read(r#"{"meter": "a", "quantity": 0.1234567}"#));
        assert_eq!(precise.1, "`quantity` has more than six decimal places.");
        assert_eq!(told(read(r#"{"prompt_tokens": -1}"#)).1, "`prompt_tokens` is negative.");
        assert_eq!(told(read("[]")).0, "invalid_request");
        assert_eq!(told(work(r#"{"meter": "a", "id": "a b"}"#)).1, "`id` contains a blank or a control character.");
        assert!(read(r#"{"m\u0065ter": "a"}"#).is_ok());
    }

    #[test]
    fn an_account_is_named_once() {
        let account = |json: &str| read(json).and_then(|fields| fields.account());
        assert_eq!(account("{}").unwrap(), AccountRef::Own);
        assert_eq!(account(r#"{"external_id": "u"}"#).unwrap(), AccountRef::External("u".into()));
        assert_eq!(told(account(r#"{"external_id": "u", "account": "x"}"#)).0, "account_named_twice");
        assert_eq!(told(account(r#"{"account": "acct_x"}"#)).0, "account_unknown");
    }

    #[test]
    fn a_key_stands_for_content_however_it_is_written() {
        let content = |json: &str, verb: &str| {
            let key = read(json).unwrap().into_work(Some("k"), verb, &[]).unwrap().key;
            key.map(|key| (key.text, key.content)).unwrap()
        };
        let first = content(r#"{"meter": "a", "quantity": 1, "metadata": {"x": 1, "y": 2}}"#, "consume");
        let same = r#"{"metadata": {"y": 2.0, "x": 1e0}, "usage": [{"quantity": "1.0", "meter": "a"}],
            "occurred_at": "2026-01-01T00:00:00Z", "external_id": "u", "id": "k"}"#;
        assert_eq!(content(same, "consume"), first);
        assert_ne!(content(same, "reserve"), first);
        assert_ne!(content(r#"{"meter": "a", "quantity": 2, "metadata": {"x": 1, "y": 2}}"#, "consume"), first);
        let mismatch = read(r#"{"meter": "a", "id": "other"}"#).unwrap().into_work(Some("k"), "consume", &[]);
        assert_eq!(told(mismatch).0, "idempotency_key_mismatch");
    }
}
