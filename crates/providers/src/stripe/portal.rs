//! Pages of Stripe's on which a customer looks after what is bought.

use std::fmt;

use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

/// Its address leads into one customer's billing, for a few minutes.
#[derive(Clone, PartialEq, Eq)]
pub struct PortalSession {
    pub id: String,
    /// Whoever has it is let in; printing the session does not show it.
    pub url: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewPortalSession {
    pub customer: String,
    pub return_url: Option<String>,
    /// `None`: the account's default.
    pub configuration: Option<String>,
    /// One task instead of the whole.
    pub flow: Option<PortalFlow>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortalFlow {
    PaymentMethodUpdate,
    SubscriptionCancel {
        subscription: String,
    },
    SubscriptionUpdate {
        subscription: String,
    },
    /// The new price is chosen already.
    SubscriptionUpdateConfirm {
        subscription: String,
        item: String,
        price: String,
        quantity: u32,
    },
}

impl NewPortalSession {
    pub(super) fn form(&self) -> Form {
        let form = Form::new()
            .put("customer", &self.customer)
            .maybe("return_url", self.return_url.as_deref())
            .maybe("configuration", self.configuration.as_deref());
        match &self.flow {
            Some(flow) => flow.put_into(form),
            None => form,
        }
    }
}

impl PortalFlow {
    fn put_into(&self, form: Form) -> Form {
        match self {
            Self::PaymentMethodUpdate => form.put("flow_data[type]", "payment_method_update"),
            Self::SubscriptionCancel { subscription } => form
                .put("flow_data[type]", "subscription_cancel")
                .put("flow_data[subscription_cancel][subscription]", subscription),
            Self::SubscriptionUpdate { subscription } => form
                .put("flow_data[type]", "subscription_update")
                .put("flow_data[subscription_update][subscription]", subscription),
            Self::SubscriptionUpdateConfirm { subscription, item, price, quantity } => form
                .put("flow_data[type]", "subscription_update_confirm")
                .put("flow_data[subscription_update_confirm][subscription]", subscription)
                .put("flow_data[subscription_update_confirm][items][0][id]", item)
                .put("flow_data[subscription_update_confirm][items][0][price]", price)
                .put("flow_data[subscription_update_confirm][items][0][quantity]", quantity),
        }
    }
}

impl fmt::Debug for PortalSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PortalSession").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Read for PortalSession {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { id: object.id()?, url: object.need_text("/url")? })
    }
}

impl Stripe {
    pub async fn create_portal_session(&self, new: &NewPortalSession, key: &str) -> Result<PortalSession, StripeError> {
        self.post("/v1/billing_portal/sessions", new.form(), key).await
    }
}
