//! The measured figures, each with its reference value from the same run.

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) store: &'static str,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demanded: Option<Demand>,
    /// The resource that limited it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) limit: String,
}

/// The reference of a figure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) what: String,
    pub(crate) value: f64,
    /// The figure divided by the reference.
    pub(crate) ratio: f64,
}

/// The requirement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Demand {
    pub(crate) text: String,
    pub(crate) holds: bool,
}

impl Figure {
    pub(crate) fn new(store: &'static str, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { store, what: what.into(), value, unit, beside: None, demanded: None, limit: String::new() }
    }

    pub(crate) fn beside(mut self, what: impl Into<String>, value: f64) -> Self {
        self.beside = Some(Beside { what: what.into(), value, ratio: self.value / value });
        self
    }

    /// Requires a ratio of at least `least`.
    pub(crate) fn ratio_at_least(mut self, least: f64) -> Self {
        let ratio = self.beside.as_ref().map_or(0.0, |beside| beside.ratio);
        self.demanded = Some(Demand { text: format!("≥ {least} of it"), holds: ratio >= least });
        self
    }

    /// Requires a figure of at least `value`.
    pub(crate) fn at_least(mut self, value: f64) -> Self {
        self.demanded = Some(Demand { text: format!("≥ {value}"), holds: self.value >= value });
        self
    }

    /// Requires a ratio of at most `most`, and a figure of at most `value`.
    pub(crate) fn at_most(mut self, most: Option<f64>, value: f64) -> Self {
        let ratio = self.beside.as_ref().map_or(0.0, |beside| beside.ratio);
        let holds = self.value <= value && most.is_none_or(|most| ratio <= most);
        let times = most.map_or_else(String::new, |most| format!("≤ {most} × it and "));
        self.demanded = Some(Demand { text: format!("{times}≤ {value}"), holds });
        self
    }

    pub(crate) fn limited_by(mut self, limit: impl Into<String>) -> Self {
        self.limit = limit.into();
        self
    }
}
