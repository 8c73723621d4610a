//! Names of families of keys: `{NAME}` stands for one part between dots, `{FLOW}` for the name of
//! a flow of ours, and `{REST}` at the end for anything.

use crate::authn::flow::FlowId;

/// Whether a key's name, or the pattern of a family, covers this name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut names = name.split('.');
    for part in pattern.split('.') {
        let covered = match (part, names.next()) {
            ("{REST}", Some(_)) => return true,
            ("{FLOW}", Some(name)) => flow_names().any(|flow| flow == name),
            (part, Some(name)) if part.starts_with('{') => !name.is_empty(),
            (part, Some(name)) => part == name,
            (_, None) => false,
        };
        if !covered {
            return false;
        }
    }
    names.next().is_none()
}

/// The names a pattern stands for, as far as they can be listed.
pub(super) fn expand(pattern: &'static str) -> Vec<String> {
    if pattern.contains("{FLOW}") {
        let member = |flow| pattern.replace("{FLOW}", flow);
        return flow_names().map(member).collect();
    }
    vec![pattern.to_owned()]
}

fn flow_names() -> impl Iterator<Item = &'static str> {
    FlowId::ALL.into_iter().map(FlowId::name)
}
