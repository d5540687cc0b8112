//! The routes of the operator's API, each with who may make the call.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};

use crate::access::{Who, authorize};
use crate::state::Operator;

/// Routes that are being added. There is no way to add one without saying who may make the call.
pub(crate) struct Calls {
    operator: Operator,
    router: Router<Operator>,
}

impl Calls {
    pub(crate) fn of(operator: &Operator) -> Self {
        Self { operator: operator.clone(), router: Router::new() }
    }

    /// Adds `{method} /admin/v1/{path}`.
    pub(crate) fn call<H, T>(mut self, who: Who, method: MethodFilter, path: &str, handler: H) -> Self
    where
        H: Handler<T, Operator>,
        T: 'static,
    {
        let check = from_fn_with_state((self.operator.clone(), who), authorize);
        let route = on(method, handler).route_layer(check);
        self.router = self.router.route(&format!("/admin/v1/{path}"), route);
        self
    }

    pub(crate) fn router(self) -> Router<Operator> {
        self.router
    }
}
