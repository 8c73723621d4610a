//! The one Rhai engine: what is in it, and every limit on it.

use crate::policy::vocabulary;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicIteratorPackage, BasicMapPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Engine, OptimizationLevel};

/// The longest script, in bytes.
pub(super) const LONGEST_SCRIPT: usize = 64 * 1024;

/// An engine that can compute and nothing else.
///
/// It starts from nothing and takes seven packages of pure functions. `LanguageCorePackage` stays
/// out because it holds `sleep`, which no limit stops; there are no modules and no time (cargo
/// features `no_module`, `no_time`), and no file functions exist outside module resolvers.
pub(super) fn bounded() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    limit(&mut engine);
    vocabulary::register(&mut engine);
    engine
}

/// Every limit, in one place.
fn limit(engine: &mut Engine) {
    engine
        .set_max_operations(50_000)
        .set_max_call_levels(16)
        .set_max_expr_depths(64, 32)
        .set_max_string_size(64 * 1024)
        .set_max_array_size(4096)
        .set_max_map_size(1024)
        .set_max_variables(128)
        .set_max_functions(32)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // Unoptimised, the syntax tree that is checked is the one the deployer wrote.
        .set_optimization_level(OptimizationLevel::None)
        .disable_symbol("eval")
        .on_print(|_| {})
        .on_debug(|_, _, _| {});
}
