//! Coupons, promotion codes, and the discounts that come of them. `/v1/coupons`, `/v1/promotion_codes`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::money;
use super::params::Params;
use super::periods::Interval;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create_coupon(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let percent = match params.text("percent_off") {
        None => None,
        Some(text) => match text.parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Some(percent),
            _ => return Err(Refusal::invalid("Invalid percent_off").param("percent_off")),
        },
    };
    let amount = params.whole("amount_off")?;
    if percent.is_some() == amount.is_some() {
        return Err(Refusal::invalid("Must provide percent_off or amount_off, and not both."));
    }
    if amount.is_some() {
        params.required("currency")?;
    }
    let duration = params.one_of("duration", &["forever", "once", "repeating"])?.unwrap_or("once");
    let months = params.whole("duration_in_months")?;
    if (duration == "repeating") != months.is_some() {
        return Err(Refusal::invalid("duration_in_months is for the duration repeating").param("duration_in_months"));
    }
    let id = match params.text("id") {
        Some(id) if work.get("coupon", id).is_some() => {
            return Err(Refusal::invalid("Coupon already exists.").code("resource_already_exists").param("id"));
        }
        Some(id) => id.to_owned(),
        None => work.id("co").trim_start_matches("co_1").chars().take(8).collect(),
    };
    let coupon = json!({
        "id": id,
        "object": "coupon",
        "amount_off": amount,
        "created": work.now,
        "currency": params.text("currency"),
        "duration": duration,
        "duration_in_months": months,
        "livemode": false,
        "max_redemptions": params.whole("max_redemptions")?,
        "metadata": params.metadata(&json!({})),
        "name": params.text("name"),
        "percent_off": percent,
        "redeem_by": params.moment("redeem_by")?,
        "times_redeemed": 0,
        "valid": true,
    });
    work.put("coupon", coupon.clone());
    work.tell("coupon.created", &coupon);
    Ok(coupon)
}

pub fn read_coupon(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("coupon", &request.id, "coupon")
}

pub fn delete_coupon(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let coupon = work.find("coupon", &request.id, "coupon")?;
    work.remove("coupon", &request.id);
    work.tell("coupon.deleted", &coupon);
    Ok(json!({ "id": request.id, "object": "coupon", "deleted": true }))
}

pub fn list_coupons(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    lists::list(work, &request.params, "coupon", "/v1/coupons", |_| Ok(true))
}

pub fn create_code(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    params.one_of("promotion.type", &["coupon"])?;
    let coupon = work.find("coupon", params.required("promotion.coupon")?, "promotion[coupon]")?;
    let id = work.id("promo");
    let code = params.text("code").map(str::to_owned).unwrap_or_else(|| id[id.len() - 8..].to_uppercase());
    let is_taken = |other: &Value| other.is("active") && other.text("code").eq_ignore_ascii_case(&code);
    if work.state.all("promotion_code").any(is_taken) {
        let message = format!("An active promotion code with `code: {code}` already exists.");
        return Err(Refusal::invalid(message).param("code"));
    }
    let promotion = json!({
        "id": id,
        "object": "promotion_code",
        "active": params.flag("active")?.unwrap_or(true),
        "code": code,
        "created": work.now,
        "customer": params.text("customer"),
        "customer_account": null,
        "expires_at": params.moment("expires_at")?,
        "livemode": false,
        "max_redemptions": params.whole("max_redemptions")?,
        "metadata": params.metadata(&json!({})),
        "promotion": { "coupon": coupon["id"], "type": "coupon" },
        "restrictions": { "first_time_transaction": false, "minimum_amount": null, "minimum_amount_currency": null },
        "times_redeemed": 0,
    });
    work.put("promotion_code", promotion.clone());
    work.tell("promotion_code.created", &promotion);
    Ok(promotion)
}

pub fn read_code(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("promotion_code", &request.id, "promotion_code")
}

pub fn update_code(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let mut promotion = work.find("promotion_code", &request.id, "promotion_code")?;
    if let Some(active) = request.params.flag("active")? {
        promotion["active"] = json!(active);
    }
    promotion["metadata"] = request.params.metadata(promotion.at("metadata"));
    work.put("promotion_code", promotion.clone());
    Ok(promotion)
}

pub fn list_codes(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let active = params.flag("active")?;
    lists::list(work, params, "promotion_code", "/v1/promotion_codes", |promotion| {
        Ok(active.is_none_or(|active| promotion.is("active") == active)
            && params.text("code").is_none_or(|code| promotion.text("code").eq_ignore_ascii_case(code))
            && params.text("coupon").is_none_or(|coupon| promotion.text("promotion.coupon") == coupon))
    })
}

/// The active promotion code that a person has typed.
pub fn find_code(work: &Work, code: &str) -> Option<Value> {
    let fits = |promotion: &&Value| {
        promotion.is("active")
            && promotion.text("code").eq_ignore_ascii_case(code)
            && promotion.opt_whole("expires_at").is_none_or(|expiry| expiry > work.now)
            && promotion.opt_whole("max_redemptions").is_none_or(|most| promotion.whole("times_redeemed") < most)
    };
    let found = work.state.all("promotion_code").find(fits)?;
    let coupon = work.get("coupon", found.text("promotion.coupon"))?;
    let is_valid = coupon.opt_whole("redeem_by").is_none_or(|end| end > work.now)
        && coupon.opt_whole("max_redemptions").is_none_or(|most| coupon.whole("times_redeemed") < most);
    is_valid.then(|| found.clone())
}

/// Discounts of a list such as `discounts[0][coupon]`.
pub fn named(work: &mut Work, params: &Params, customer: &str) -> Result<Vec<Value>, Refusal> {
    let mut discounts = Vec::new();
    for given in params.each("discounts") {
        let discount = match (given.text("coupon"), given.text("promotion_code"), given.text("discount")) {
            (Some(coupon), ..) => {
                let coupon = work.find("coupon", coupon, &given.name("coupon"))?;
                make(work, &coupon, None, customer)
            }
            (None, Some(code), _) => {
                let promotion = work.find("promotion_code", code, &given.name("promotion_code"))?;
                of_code(work, &promotion, customer)
            }
            (None, None, Some(discount)) => work.find("discount", discount, &given.name("discount"))?,
            (None, None, None) => continue,
        };
        discounts.push(discount);
    }
    Ok(discounts)
}

pub fn of_code(work: &mut Work, promotion: &Value, customer: &str) -> Value {
    let coupon = work.known("coupon", promotion.text("promotion.coupon"));
    make(work, &coupon, Some(promotion.text("id")), customer)
}

fn make(work: &mut Work, coupon: &Value, promotion: Option<&str>, customer: &str) -> Value {
    let month = Interval::of(&json!({ "recurring": { "interval": "month", "interval_count": 1 } }));
    let end = coupon.opt_whole("duration_in_months").map(|months| month.after(work.now, months));
    let discount = json!({
        "id": work.id("di"),
        "object": "discount",
        "checkout_session": null,
        "customer": customer,
        "customer_account": null,
        "end": end,
        "invoice": null,
        "invoice_item": null,
        "promotion_code": promotion,
        "source": { "coupon": coupon["id"], "type": "coupon" },
        "start": work.now,
        "subscription": null,
        "subscription_item": null,
        "_coupon": coupon,
        "_is_used": false,
    });
    work.put("discount", discount.clone());
    discount
}

/// The discounts of a subscription that still hold at a moment.
pub fn of_subscription(work: &Work, subscription: &Value, moment: i64) -> Vec<Value> {
    let all = subscription.list("discounts").iter().filter_map(|id| work.get("discount", id.as_str()?));
    let holds = |discount: &&Value| {
        let is_spent = discount.text("_coupon.duration") == "once" && discount.is("_is_used");
        !is_spent && discount.opt_whole("end").is_none_or(|end| moment < end)
    };
    all.filter(holds).cloned().collect()
}

/// Notes that an invoice took the discounts.
pub fn note_use(work: &mut Work, discounts: &[Value]) {
    for discount in discounts {
        let known = work.known("discount", discount.text("id"));
        if known.is_null() || known.is("_is_used") {
            continue;
        }
        work.set("discount", discount.text("id"), json!({ "_is_used": true }));
        let redeemed = |object: Value| json!({ "times_redeemed": object.whole("times_redeemed") + 1 });
        let coupon = known.text("source.coupon").to_owned();
        let object = work.known("coupon", &coupon);
        if !object.is_null() {
            work.set("coupon", &coupon, redeemed(object));
        }
        if let Some(code) = known.opt_text("promotion_code").map(str::to_owned) {
            let object = work.known("promotion_code", &code);
            work.set("promotion_code", &code, redeemed(object));
        }
    }
}

/// Takes discounts off the lines, one discount after another, and gives the sum of each.
pub fn spread(lines: &mut [Value], discounts: &[Value]) -> Vec<Value> {
    lines.iter_mut().for_each(|line| line["discount_amounts"] = json!([]));
    let mut sums = Vec::new();
    for discount in discounts {
        let mut left = discount.whole("_coupon.amount_off");
        let mut sum = 0;
        for line in lines.iter_mut().filter(|line| line.is("discountable") && line.whole("amount") > 0) {
            let taken: i64 = line.list("discount_amounts").iter().map(|taken| taken.whole("amount")).sum();
            let rest = line.whole("amount") - taken;
            let amount = match discount.at("_coupon.percent_off").as_f64() {
                // A percentage has at most two decimals.
                Some(percent) => money::share(rest, (percent * 100.0).round() as i64, 10_000),
                None => rest.min(left),
            };
            left -= amount;
            sum += amount;
            let entry = json!({ "amount": amount, "discount": discount["id"] });
            line["discount_amounts"].as_array_mut().expect("it was made above").push(entry);
        }
        sums.push(json!({ "amount": sum, "discount": discount["id"] }));
    }
    sums
}
