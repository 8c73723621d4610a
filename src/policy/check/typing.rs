//! What an expression is, as far as it can be seen, and where that cannot be right.
//!
//! Rhai compares values of different types without a word: `user.attr("x") == "y"` is `false`
//! for ever. Such a rule never fires, so it must not compile.

use super::{Finding, comparable, finding, one_of};
use crate::authn::event::Event;
pub(super) use crate::policy::vocabulary::Kind;
use crate::policy::vocabulary::{MEMBERS, ROOTS};
use rhai::{ASTFlags, Expr, FnCallExpr, Position, Stmt};

/// The fact a dotted or indexed expression begins with.
pub(super) fn root(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::Variable(variable, _, _) => {
            let name = variable.1.as_str();
            ROOTS.iter().copied().find(|root| *root == name)
        }
        Expr::Dot(binary, ..) | Expr::Index(binary, ..) => root(&binary.lhs),
        _ => None,
    }
}

/// The fact and the first thing asked of it: `rp` and `id` in `rp.id.len()`.
pub(super) fn member(expr: &Expr) -> Option<(&'static str, &Expr)> {
    let Expr::Dot(binary, ..) = expr else {
        return None;
    };
    let root = match &binary.lhs {
        lhs @ Expr::Variable(..) => root(lhs)?,
        _ => return None,
    };
    let head = match &binary.rhs {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        head => head,
    };
    Some((root, head))
}

fn kind(expr: &Expr) -> Option<Kind> {
    match expr {
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => Some(Kind::Text),
        Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Some(Kind::Truth),
        Expr::IntegerConstant(..) => Some(Kind::Number),
        Expr::Array(..) => Some(Kind::List),
        Expr::Map(..) => Some(Kind::Table),
        Expr::Variable(..) if root(expr) == Some("now") => Some(Kind::Instant),
        Expr::FnCall(call, _) => call_kind(call),
        Expr::Dot(binary, ..) => match (&binary.rhs, member(expr)) {
            (head @ (Expr::Property(..) | Expr::MethodCall(..)), Some((root, _))) => {
                member_kind(root, head)
            }
            (Expr::Index(_, flags, _), Some(("rp", head))) if flags.contains(ASTFlags::BREAK) => {
                (member_kind("rp", head) == Some(Kind::Table)).then_some(Kind::List)
            }
            (rest, _) => tail(rest).and_then(standard_kind),
        },
        Expr::Index(..) => tail(expr).and_then(standard_kind),
        _ => None,
    }
}

fn member_kind(root: &str, head: &Expr) -> Option<Kind> {
    let name = match head {
        Expr::Property(property, _) => property.2.as_str(),
        Expr::MethodCall(call, _) => call.name.as_str(),
        _ => return None,
    };
    let known = MEMBERS.iter().find(|m| m.root == root && m.name == name);
    known.map(|member| member.kind)
}

/// The method that ends a chain such as `a.b["c"].d()`; `None` when it ends otherwise.
///
/// Rhai leans chains to the right: an index that goes on holds the rest of the chain beside its
/// own value, one that ends it carries `BREAK`.
fn tail(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::MethodCall(call, _) => Some(call.name.as_str()),
        Expr::Dot(binary, ..) => tail(&binary.rhs),
        Expr::Index(binary, flags, _) if !flags.contains(ASTFlags::BREAK) => tail(&binary.rhs),
        _ => None,
    }
}

fn call_kind(call: &FnCallExpr) -> Option<Kind> {
    match call.name.as_str() {
        "==" | "!=" | "<" | ">" | "<=" | ">=" | "!" | "in_cidr" => Some(Kind::Truth),
        name => standard_kind(name),
    }
}

fn standard_kind(name: &str) -> Option<Kind> {
    match name {
        "contains" | "starts_with" | "ends_with" | "is_empty" | "some" | "all" | "yes" | "no"
        | "unknown" => Some(Kind::Truth),
        "len" => Some(Kind::Number),
        "to_lower" | "to_upper" | "to_string" => Some(Kind::Text),
        "keys" | "split" => Some(Kind::List),
        _ => None,
    }
}

/// Checks comparisons, `&&`, `||` and `!`.
pub(super) fn check_expr(expr: &Expr, findings: &mut Vec<Finding>) {
    match expr {
        Expr::FnCall(call, at) => match (call.name.as_str(), call.args.as_slice()) {
            ("==" | "!=", [left, right]) => check_comparison(left, right, *at, findings),
            ("!", [operand]) => check_truth(operand, findings),
            _ => {}
        },
        Expr::And(operands, _) | Expr::Or(operands, _) => {
            for operand in operands.iter() {
                check_truth(operand, findings);
            }
        }
        _ => {}
    }
}

/// Checks conditions.
pub(super) fn check_stmt(stmt: &Stmt, findings: &mut Vec<Finding>) {
    if let Stmt::If(control, _) | Stmt::While(control, _) | Stmt::Do(control, _, _) = stmt {
        check_truth(&control.expr, findings);
    }
}

fn check_truth(expr: &Expr, findings: &mut Vec<Finding>) {
    let hint = match kind(expr) {
        None | Some(Kind::Truth) => return,
        Some(Kind::Answer) => "the answer may be unknown: write == true, .no() or .unknown()",
        Some(Kind::List) => "write .contains(\"...\") or .is_empty()",
        Some(_) => "write a comparison",
    };
    findings.push(finding(
        expr.start_position(),
        "this is neither true nor false",
        hint,
    ));
}

fn check_comparison(left: &Expr, right: &Expr, at: Position, findings: &mut Vec<Finding>) {
    let (Some(a), Some(b)) = (kind(left), kind(right)) else {
        return;
    };
    if !comparable(a, b) {
        let hint = match (a, b) {
            (Kind::List, _) | (_, Kind::List) => "write .contains(\"...\")",
            (Kind::Answer, _) | (_, Kind::Answer) => "compare with true or false",
            _ => "the two sides have different types",
        };
        findings.push(finding(at, "this comparison can never hold", hint));
    }
    check_word(left, right, findings);
    check_word(right, left, findings);
}

/// `duo.health == "ok"`: a word that the fact never is.
fn check_word(fact: &Expr, literal: &Expr, findings: &mut Vec<Finding>) {
    let Expr::StringConstant(word, at) = literal else {
        return;
    };
    let words: Vec<&str> = match (kind(fact), member(fact)) {
        (Some(Kind::Word(words)), _) => words.to_vec(),
        (_, Some(("mfa", Expr::Property(property, _)))) if property.2 == "event" => {
            Event::ALL.iter().map(|event| event.as_str()).collect()
        }
        _ => return,
    };
    if !words.contains(&word.as_str()) {
        let message = format!("this is never {word:?}");
        let hint = one_of(word, words.into_iter(), "it is one of");
        findings.push(finding(*at, message, hint));
    }
}
