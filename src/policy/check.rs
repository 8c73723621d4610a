//! Compiling a script, and every error that can be found before it runs: unknown facts, functions,
//! lists, flows and events, comparisons that can never hold, answers that are dropped.

mod spelling;
mod typing;

use crate::authn::flow::FlowId;
use crate::policy::ScriptError;
use crate::policy::engine::LONGEST_SCRIPT;
use crate::policy::lists::{self, Lists};
use crate::policy::vocabulary::{CLAIMS, FACTS, FUNCTIONS, MEMBERS, ROOTS, STANDARD, failure};
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, ParseErrorType, Position, Scope, Stmt};
use spelling::one_of;
use typing::Kind;

/// A finding before it knows its script.
#[derive(Debug)]
struct Finding {
    at: Position,
    message: String,
    hint: String,
}

fn finding(at: Position, message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        at,
        message: message.into(),
        hint: hint.into(),
    }
}

/// Compiles and checks one script.
pub(super) fn compile(
    engine: &Engine,
    lists: &Lists,
    name: &str,
    source: &str,
) -> Result<AST, Vec<ScriptError>> {
    let located = |finding: Finding| ScriptError {
        script: name.to_owned(),
        line: finding.at.line().unwrap_or(0),
        column: finding.at.position().unwrap_or(0),
        message: finding.message,
        hint: finding.hint,
    };
    let ast = parse(engine, name, source).map_err(|finding| vec![located(finding)])?;
    let mut findings = Vec::new();
    check_functions(&ast, &mut findings);
    check_dropped(ast.statements(), &mut findings);
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        if let Some(node) = path.last() {
            check_node(&ast, lists, node, &mut findings);
        }
        true
    });
    if findings.is_empty() {
        Ok(prelude(engine).merge(&ast))
    } else {
        Err(findings.into_iter().map(located).collect())
    }
}

/// The first statement of every script: it hands the run's facts to the engine.
fn prelude(engine: &Engine) -> AST {
    let mut scope = Scope::new();
    scope.push_constant(FACTS, ());
    engine
        .compile_with_scope(&scope, format!("{FACTS};"))
        .expect("one known variable is a script")
}

fn parse(engine: &Engine, name: &str, source: &str) -> Result<AST, Finding> {
    if source.len() > LONGEST_SCRIPT {
        let message = format!("the script is longer than {LONGEST_SCRIPT} bytes");
        return Err(finding(Position::NONE, message, "split it"));
    }
    let mut scope = Scope::new();
    for root in roots(name) {
        scope.push_constant(root, ());
    }
    engine.compile_with_scope(&scope, source).map_err(|error| {
        let hint = match error.err_type() {
            ParseErrorType::VariableUndefined(missing) => one_of(missing, roots(name), "facts are"),
            ParseErrorType::ForbiddenVariable(_) => {
                "facts keep their names; choose another name for the variable".to_owned()
            }
            _ => "see docs/scripts.md".to_owned(),
        };
        finding(error.position(), error.err_type().to_string(), hint)
    })
}

/// Claims are there in scripts of `duo/` alone. A script of `relying-party/` is asked once for all
/// logins: it sees the relying party and nothing that changes. One of `attribute/` speaks of the
/// user: the login's own facts are attributes there (`user.attr("login.method")`).
fn roots(script: &str) -> impl Iterator<Item = &'static str> {
    let claims = script.starts_with("duo/").then_some(CLAIMS);
    let known: &[&str] = match script.split_once('/') {
        Some(("relying-party", _)) => &["rp"],
        Some(("attribute", _)) => &["rp", "user", "now"],
        _ => ROOTS,
    };
    known.iter().copied().chain(claims)
}

/// A script's own functions must not take a name that means something already.
fn check_functions(ast: &AST, findings: &mut Vec<Finding>) {
    for function in ast.iter_functions() {
        let taken = FUNCTIONS.iter().any(|known| known.name == function.name)
            || STANDARD.contains(&function.name)
            || MEMBERS.iter().any(|known| known.name == function.name);
        if taken {
            let message = format!("the function {} is already defined", function.name);
            findings.push(finding(Position::NONE, message, "give it another name"));
        }
        // A closure's parameters include what it captures.
        let own = !function.name.starts_with("anon$");
        for parameter in function.params.into_iter().filter(|_| own) {
            if ROOTS.contains(&parameter) || parameter == CLAIMS {
                let message = format!("the parameter {parameter} has the name of a fact");
                findings.push(finding(Position::NONE, message, "give it another name"));
            }
        }
    }
}

fn check_node(ast: &AST, lists: &Lists, node: &ASTNode<'_>, findings: &mut Vec<Finding>) {
    match node {
        ASTNode::Expr(expr) => {
            typing::check_expr(expr, findings);
            match expr {
                Expr::FnCall(call, at) | Expr::MethodCall(call, at) => {
                    check_call(ast, lists, call, *at, findings);
                }
                Expr::Dot(..) => check_member(expr, findings),
                Expr::Stmt(block) => check_dropped(block.statements(), findings),
                _ => {}
            }
        }
        ASTNode::Stmt(stmt) => {
            typing::check_stmt(stmt, findings);
            check_stmt(ast, lists, stmt, findings);
        }
        _ => {}
    }
}

fn check_stmt(ast: &AST, lists: &Lists, stmt: &Stmt, findings: &mut Vec<Finding>) {
    match stmt {
        Stmt::FnCall(call, at) => check_call(ast, lists, call, *at, findings),
        Stmt::If(control, _) | Stmt::TryCatch(control, _) => {
            check_dropped(control.body.statements(), findings);
            check_dropped(control.branch.statements(), findings);
        }
        Stmt::Block(block) => check_dropped(block.statements(), findings),
        Stmt::For(parts, at) => {
            let counter = parts.1.as_ref().map(|counter| counter.name.as_str());
            for name in counter.into_iter().chain([parts.0.name.as_str()]) {
                if ROOTS.contains(&name) || name == CLAIMS {
                    let message = format!("the variable {name} has the name of a fact");
                    findings.push(finding(*at, message, "give it another name"));
                }
            }
        }
        Stmt::Assignment(assignment) => {
            let target = &assignment.1.lhs;
            if let Some(root) = typing::root(target) {
                let message = format!("{root} cannot be changed");
                findings.push(finding(
                    target.start_position(),
                    message,
                    "facts are read-only",
                ));
            }
        }
        _ => {}
    }
}

/// `rp.id`: the member must exist, as a property or as a method.
fn check_member(expr: &Expr, findings: &mut Vec<Finding>) {
    let Some((root, head)) = typing::member(expr) else {
        return;
    };
    let (name, arguments, at) = match head {
        Expr::Property(property, at) => (property.2.as_str(), None, *at),
        Expr::MethodCall(call, at) => (call.name.as_str(), Some(call.args.len()), *at),
        _ => return,
    };
    let known = || MEMBERS.iter().filter(|member| member.root == root);
    match known().find(|member| member.name == name) {
        None if root == "now" && name == "to_string" => {}
        None => {
            let hint = one_of(name, known().map(|member| member.name), "it has");
            findings.push(finding(at, format!("{root} has no {name}"), hint));
        }
        Some(member) if member.arguments != arguments => {
            let hint = match member.arguments {
                None => format!("write {root}.{name}"),
                Some(0) => format!("write {root}.{name}()"),
                Some(_) => format!("write {root}.{name}(\"...\")"),
            };
            findings.push(finding(at, format!("{root}.{name} is used wrongly"), hint));
        }
        Some(_) => {}
    }
}

fn check_call(
    ast: &AST,
    lists: &Lists,
    call: &FnCallExpr,
    at: Position,
    findings: &mut Vec<Finding>,
) {
    let name = call.name.as_str();
    if let Some(known) = FUNCTIONS.iter().find(|known| known.name == name) {
        if !known.arguments.contains(&call.args.len()) {
            let message = format!("{name} does not take {} arguments", call.args.len());
            findings.push(finding(at, message, "see docs/scripts.md"));
        }
    } else if !is_callable(ast, call) {
        let names = FUNCTIONS.iter().map(|known| known.name);
        let hint = one_of(name, names.chain(STANDARD.iter().copied()), "there are");
        findings.push(finding(at, format!("there is no function {name}"), hint));
    }
    if let Some(found) = check_literal(lists, call) {
        findings.push(found);
    }
}

/// Operators, what a closure compiles to, the script's own functions, members, and the standard
/// functions of [`STANDARD`]. Nothing else: not even what the engine's packages happen to hold.
fn is_callable(ast: &AST, call: &FnCallExpr) -> bool {
    let name = call.name.as_str();
    call.op_token.is_some()
        || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || STANDARD.contains(&name)
        || matches!(name, "curry" | "call")
        || MEMBERS.iter().any(|known| known.name == name)
        || ast.iter_functions().any(|function| function.name == name)
}

/// Names written as literals are checked now rather than in the middle of a login.
fn check_literal(lists: &Lists, call: &FnCallExpr) -> Option<Finding> {
    match call.name.as_str() {
        "list" => literal(call.args.first()?).and_then(|(name, at)| {
            let hint = || one_of(name, lists.names(), "conf/lists has");
            (lists.named(name).is_none())
                .then(|| finding(at, format!("there is no list {name:?}"), hint()))
        }),
        "fail" => literal(call.args.first()?).and_then(|(name, at)| {
            let hint = "see the events in docs/scripts.md";
            let message = || format!("{name:?} is no event a script may fail with");
            failure(name)
                .is_none()
                .then(|| finding(at, message(), hint))
        }),
        "has" | "attempts" => literal(call.args.first()?).and_then(|(name, at)| {
            let flows = FlowId::ALL.map(FlowId::as_str);
            let hint = || format!("flows are {}", flows.join(", "));
            let unknown = name.parse::<FlowId>().is_err();
            unknown.then(|| finding(at, format!("there is no flow {name:?}"), hint()))
        }),
        "in_cidr" => call
            .args
            .iter()
            .skip(1)
            .filter_map(literal)
            .find_map(|(text, at)| {
                let hint = "write an address and a prefix length, such as \"10.0.0.0/8\"";
                let message = || format!("{text:?} is no network");
                lists::network(text)
                    .is_none()
                    .then(|| finding(at, message(), hint))
            }),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<(&str, Position)> {
    match expr {
        Expr::StringConstant(text, at) => Some((text.as_str(), *at)),
        _ => None,
    }
}

/// An answer followed by more statements is dropped silently, and with it the factor it asked for.
fn check_dropped(statements: &[Stmt], findings: &mut Vec<Finding>) {
    let Some((_, dropped)) = statements.split_last() else {
        return;
    };
    for at in dropped.iter().filter_map(answer) {
        let hint = "write return before it, or make the rest an else";
        findings.push(finding(at, "this answer is dropped", hint));
    }
}

/// Where a statement's value is written as an answer.
fn answer(stmt: &Stmt) -> Option<Position> {
    match stmt {
        Stmt::Expr(expr) => match &**expr {
            Expr::StringConstant(_, at) | Expr::Unit(at) => Some(*at),
            _ => None,
        },
        Stmt::If(control, _) => [&control.body, &control.branch]
            .into_iter()
            .find_map(|block| answer(block.statements().last()?)),
        Stmt::Block(block) => answer(block.statements().last()?),
        _ => None,
    }
}

/// What may be compared with `==`.
fn comparable(left: Kind, right: Kind) -> bool {
    let texts = |kind| matches!(kind, Kind::Text | Kind::Word(_));
    left == right
        || (texts(left) && texts(right))
        || matches!(
            (left, right),
            (Kind::Answer, Kind::Truth) | (Kind::Truth, Kind::Answer)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::engine;
    use std::collections::BTreeMap;

    fn errors(source: &str) -> Vec<ScriptError> {
        let lists = Lists::new(&BTreeMap::from([("vips".to_owned(), Vec::new())]));
        compile(&engine::bounded(), &lists, "mfa/x", source)
            .err()
            .unwrap_or_default()
    }

    fn error(source: &str) -> String {
        let found = errors(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        format!("{}; {}", found[0].message, found[0].hint)
    }

    #[test]
    fn what_is_misspelt_is_found_before_it_runs_and_the_right_name_is_shown() {
        for (source, message, hint) in [
            ("rpp.id", "rpp", "rp"),
            ("rp.idd", "rp has no idd", "id"),
            (
                "user.in_grop(\"x\").yes()",
                "user has no in_grop",
                "in_group",
            ),
            ("lst(\"vips\").contains(rp.id)", "no function lst", "list"),
            ("rp.id in list(\"vip\")", "no list \"vip\"", "vips"),
            ("mfa.has(\"authn/Duo\")", "no flow", "authn/DuoOIDC"),
            ("fail(\"Nope\")", "no event", "events"),
            ("fail(\"proceed\")", "no event", "events"),
            (
                "in_cidr(request.client_ip, \"10.0.0/8\")",
                "no network",
                "10.0.0.0/8",
            ),
            ("mfa.is_acceptable", "used wrongly", "mfa.is_acceptable()"),
            ("mfa.event == \"Reselect\"", "never", "ReselectFlow"),
        ] {
            let found = errors(source);
            assert!(!found.is_empty(), "{source}");
            let shown = format!("{}; {}", found[0].message, found[0].hint);
            assert!(
                shown.contains(message) && shown.contains(hint),
                "{source}: {shown}"
            );
        }
    }

    #[test]
    fn an_error_names_its_line_and_column() {
        let found = errors("let x = 1;\n  rp.idd");
        assert_eq!((found[0].line, found[0].column), (2, 6));
    }

    #[test]
    fn claims_are_known_in_duo_scripts_alone() {
        let compiles =
            |name| compile(&engine::bounded(), &Lists::default(), name, "claims.sub").is_ok();
        assert!(compiles("duo/principals"));
        assert!(!compiles("mfa/second-factor"));
    }

    #[test]
    fn an_answer_that_would_be_dropped_is_an_error() {
        for source in [
            "if rp.id == \"x\" { \"authn/DuoOIDC\" } ()",
            "\"authn/DuoOIDC\"; ()",
            "if mfa.is_acceptable() { () } \"authn/DuoOIDC\"",
        ] {
            assert!(error(source).contains("dropped"), "{source}");
        }
        let kept = "if rp.id == \"x\" { return \"authn/DuoOIDC\" } ()";
        assert!(errors(kept).is_empty(), "{:?}", errors(kept));
    }

    #[test]
    fn a_comparison_that_can_never_hold_is_an_error() {
        for source in [
            "user.attr(\"mail\") == \"x\"",
            "rp.entity_attributes[\"x\"] == \"y\"",
            "if user.in_group(\"staff\") { 1 } else { 2 }",
            "!user.in_group(\"staff\")",
            "mfa.is_acceptable() && user.in_group(\"staff\")",
            "duo.health == \"ok\"",
            "user.in_group(\"staff\") == \"true\"",
        ] {
            assert!(!errors(source).is_empty(), "{source}");
        }
        for source in [
            "user.in_group(\"staff\") == true && !mfa.is_acceptable()",
            "user.attr(\"mail\").contains(\"x\")",
            "request.client_ip == ()",
            "duo.health != \"up\"",
        ] {
            assert!(errors(source).is_empty(), "{source}: {:?}", errors(source));
        }
    }
}
