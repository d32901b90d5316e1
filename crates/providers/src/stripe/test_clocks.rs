//! Clocks that customers for tests live by. A live key has none.

use domain::time::Timestamp;

use super::client::path_to;
use super::form::Form;
use super::object::{Object, Read, Unreadable};
use super::{Stripe, StripeError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TestClock {
    pub id: String,
    pub frozen_time: Timestamp,
    /// `ready`, `advancing`, `internal_failure`.
    pub status: Option<String>,
}

impl Read for TestClock {
    fn read(object: Object<'_>) -> Result<Self, Unreadable> {
        Ok(Self { id: object.id()?, frozen_time: object.need_time("/frozen_time")?, status: object.words("/status") })
    }
}

impl Stripe {
    pub async fn create_test_clock(&self, frozen_time: Timestamp, key: &str) -> Result<TestClock, StripeError> {
        self.post("/v1/test_helpers/test_clocks", Form::new().time("frozen_time", Some(frozen_time)), key).await
    }

    /// Begins to move it; it is there once its status is `ready`.
    pub async fn advance_test_clock(
        &self,
        id: &str,
        frozen_time: Timestamp,
        key: &str,
    ) -> Result<TestClock, StripeError> {
        let form = Form::new().time("frozen_time", Some(frozen_time));
        self.post(&path_to("test_helpers/test_clocks", id, "advance")?, form, key).await
    }

    pub async fn get_test_clock(&self, id: &str) -> Result<TestClock, StripeError> {
        self.get(&path_to("test_helpers/test_clocks", id, "")?, Form::new()).await
    }
}
