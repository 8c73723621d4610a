//! The deployer's scripts, compiled; a policy whose tests fail is refused.

use crate::authn::strategy::Strategies;
use crate::config::reader::Reader;
use std::sync::Arc;

pub(super) fn strategies(_reader: &mut Reader<'_>) -> Option<Arc<dyn Strategies>> {
    Some(Arc::new(closed::Closed))
}

mod closed {
    use crate::authn::strategy::{Decision, Next, ScriptName, Strategies, View};
    use crate::saml::context::AuthnContextClassRef;

    #[derive(Debug)]
    pub(super) struct Closed;

    impl Strategies for Closed {
        fn next_factor(&self, _: &ScriptName, _: &View<'_>) -> Decision<Next> {
            refused()
        }
        fn integration(&self, _: &ScriptName, _: &View<'_>) -> Decision<String> {
            refused()
        }
        fn principals(
            &self,
            _: &ScriptName,
            _: &View<'_>,
            _: &serde_json::Value,
        ) -> Decision<Vec<AuthnContextClassRef>> {
            refused()
        }
        fn duo_username(&self, _: &ScriptName, _: &View<'_>) -> Decision<String> {
            refused()
        }
        fn condition(&self, _: &ScriptName, _: &View<'_>) -> Decision<bool> {
            refused()
        }
    }

    fn refused<T>() -> Decision<T> {
        Decision::Failed("scripts are not compiled".to_owned())
    }
}
