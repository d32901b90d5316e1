//! Products: `/v1/products`.

use serde_json::{Value, json};

use super::fields::Fields;
use super::lists;
use super::params::Params;
use super::prices;
use super::refusal::Refusal;
use super::request::Request;
use super::work::Work;

pub fn create(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let id = match params.text("id") {
        Some(id) if work.get("product", id).is_some() => {
            return Err(Refusal::invalid("Product already exists.").code("resource_already_exists").param("id"));
        }
        Some(id) => id.to_owned(),
        None => work.id("prod"),
    };
    make(work, &id, params)?;
    if params.is_given("default_price_data") {
        let price = prices::make(work, &params.below("default_price_data"), &id)?;
        work.set("product", &id, json!({ "default_price": price["id"] }));
    }
    let product = work.known("product", &id);
    work.tell("product.created", &product);
    Ok(product)
}

/// Puts a new product with the given name and fields.
pub fn make(work: &mut Work, id: &str, params: &Params) -> Result<Value, Refusal> {
    let mut product = json!({
        "id": id,
        "object": "product",
        "active": params.flag("active")?.unwrap_or(true),
        "created": work.now,
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": {},
        "name": params.required("name")?,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "type": params.text("type").unwrap_or("service"),
        "unit_label": null,
        "updated": work.now,
        "url": null,
    });
    take(params, &mut product)?;
    work.put("product", product.clone());
    Ok(product)
}

fn take(params: &Params, product: &mut Value) -> Result<(), Refusal> {
    for name in ["description", "name", "statement_descriptor", "tax_code", "unit_label", "url"] {
        if params.is_given(name) {
            product[name] = json!(params.text(name));
        }
    }
    if let Some(active) = params.flag("active")? {
        product["active"] = json!(active);
    }
    if params.is_given("images") {
        product["images"] = json!(params.texts("images"));
    }
    if params.is_given("marketing_features") {
        let features = params.each("marketing_features");
        product["marketing_features"] =
            features.iter().map(|feature| json!({ "name": feature.text("name") })).collect();
    }
    product["metadata"] = params.metadata(product.at("metadata"));
    Ok(())
}

pub fn read(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    work.find("product", &request.id, "id")
}

pub fn update(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let before = work.find("product", &request.id, "id")?;
    let mut product = before.clone();
    take(&request.params, &mut product)?;
    if let Some(price) = request.params.text("default_price") {
        let price = work.find("price", price, "default_price")?;
        product["default_price"] = price["id"].clone();
    }
    if product != before {
        product["updated"] = json!(work.now);
    }
    work.put("product", product.clone());
    work.tell_change("product.updated", &before, &product);
    Ok(product)
}

pub fn delete(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let product = work.find("product", &request.id, "id")?;
    if work.state.all("price").any(|price| price.text("product") == request.id) {
        let message = "This product cannot be deleted because it has one or more user-created prices.";
        return Err(Refusal::invalid(message));
    }
    work.remove("product", &request.id);
    work.tell("product.deleted", &product);
    Ok(json!({ "id": request.id, "object": "product", "deleted": true }))
}

pub fn list(work: &mut Work, request: &Request) -> Result<Value, Refusal> {
    let params = &request.params;
    let active = params.flag("active")?;
    let ids = params.texts("ids");
    lists::list(work, params, "product", "/v1/products", |product| {
        Ok(active.is_none_or(|active| product.is("active") == active)
            && (ids.is_empty() || ids.iter().any(|id| id == product.text("id")))
            && params.is_within("created", product.whole("created"))?)
    })
}
