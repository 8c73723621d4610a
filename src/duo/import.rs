//! Which of Duo's users are which of ours: the rules of an import. Nobody is guessed: two
//! candidates for one user are a conflict to be told, not a choice to be made.

use crate::duo::admin_api::User;
use serde::Serialize;
use std::collections::BTreeMap;

/// When a Duo user is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchRule {
    /// The names are equal, byte for byte.
    Exact,
    /// The names are equal but for the case of their letters.
    CaseInsensitive,
    /// The e-mail addresses are equal but for case.
    Email,
    /// The name, or one of Duo's aliases, is ours.
    Alias,
}

/// One of our users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// The login name.
    pub name: String,
    /// Addresses, for [`MatchRule::Email`].
    pub emails: Vec<String>,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Match {
    /// Our login name.
    pub user: String,
    /// Duo's id of the same person.
    pub duo_user_id: String,
    /// Duo's name of the same person.
    pub duo_username: String,
    /// What our pages call their Duo.
    pub label: String,
}

/// What an import would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Who is who.
    pub matched: Vec<Match>,
    /// Our users with several candidates, and the candidates' Duo names.
    pub ambiguous: BTreeMap<String, Vec<String>>,
    /// Our users that Duo does not have.
    pub unmatched_here: Vec<String>,
    /// Duo's users that we do not have.
    pub unmatched_at_duo: Vec<String>,
}

/// Matches everybody.
pub fn plan(rule: MatchRule, ours: &[LocalUser], theirs: &[User]) -> Plan {
    let mut plan = Plan::default();
    let index = index(rule, theirs);
    let mut claims: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut candidates: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for user in ours {
        let mut found: Vec<usize> = keys_of_ours(rule, user)
            .iter()
            .filter_map(|key| index.get(key))
            .flatten()
            .copied()
            .collect();
        found.sort_unstable();
        found.dedup();
        for duo in &found {
            claims.entry(*duo).or_default().push(&user.name);
        }
        candidates.insert(&user.name, found);
    }
    for (name, found) in candidates {
        match found[..] {
            [] => plan.unmatched_here.push(name.to_owned()),
            [one] if claims[&one].len() == 1 => plan.matched.push(matched(name, &theirs[one])),
            _ => {
                let names = found.iter().map(|duo| theirs[*duo].username.clone());
                plan.ambiguous.insert(name.to_owned(), names.collect());
            }
        }
    }
    let strangers = (0..theirs.len()).filter(|duo| !claims.contains_key(duo));
    plan.unmatched_at_duo
        .extend(strangers.map(|duo| theirs[duo].username.clone()));
    plan.unmatched_at_duo.sort();
    plan
}

/// One match, made.
pub fn matched(name: &str, duo: &User) -> Match {
    Match {
        user: name.to_owned(),
        duo_user_id: duo.user_id.clone(),
        duo_username: duo.username.clone(),
        label: duo.label(),
    }
}

/// Where each key leads.
fn index(rule: MatchRule, theirs: &[User]) -> BTreeMap<String, Vec<usize>> {
    let mut index: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, user) in theirs.iter().enumerate() {
        for key in keys_of_theirs(rule, user) {
            index.entry(key).or_default().push(number);
        }
    }
    index
}

fn keys_of_ours(rule: MatchRule, user: &LocalUser) -> Vec<String> {
    match rule {
        MatchRule::Exact | MatchRule::Alias => vec![user.name.clone()],
        MatchRule::CaseInsensitive => vec![user.name.to_lowercase()],
        MatchRule::Email => user.emails.iter().map(|mail| mail.to_lowercase()).collect(),
    }
}

fn keys_of_theirs(rule: MatchRule, user: &User) -> Vec<String> {
    match rule {
        MatchRule::Exact => vec![user.username.clone()],
        MatchRule::CaseInsensitive => vec![user.username.to_lowercase()],
        MatchRule::Email => {
            let mail = user.email.iter().filter(|mail| !mail.is_empty());
            mail.map(|mail| mail.to_lowercase()).collect()
        }
        MatchRule::Alias => {
            let aliases = user.aliases.values().filter(|alias| !alias.is_empty());
            aliases.chain([&user.username]).cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(name: &str, email: &str) -> LocalUser {
        LocalUser {
            name: name.to_owned(),
            emails: vec![email.to_owned()],
        }
    }

    fn theirs(name: &str, alias: &str, email: &str) -> User {
        User {
            user_id: format!("DU-{name}"),
            username: name.to_owned(),
            aliases: BTreeMap::from([("alias1".to_owned(), alias.to_owned())]),
            email: Some(email.to_owned()),
            ..User::default()
        }
    }

    fn who(plan: &Plan) -> Vec<(&str, &str)> {
        let pairs = plan.matched.iter();
        pairs
            .map(|found| (found.user.as_str(), found.duo_username.as_str()))
            .collect()
    }

    #[test]
    fn each_rule_matches_what_it_says() {
        let here = [ours("alice", "a@x"), ours("bob", "B@x")];
        let there = [theirs("Alice", "alice", "none@x"), theirs("bob", "", "b@x")];
        let by = |rule| plan(rule, &here, &there);
        assert_eq!(who(&by(MatchRule::Exact)), [("bob", "bob")]);
        let both = [("alice", "Alice"), ("bob", "bob")];
        assert_eq!(who(&by(MatchRule::CaseInsensitive)), both);
        assert_eq!(who(&by(MatchRule::Alias)), both);
        assert_eq!(who(&by(MatchRule::Email)), [("bob", "bob")]);
        let exact = by(MatchRule::Exact);
        assert_eq!(exact.unmatched_here, ["alice"]);
        assert_eq!(exact.unmatched_at_duo, ["Alice"]);
    }

    #[test]
    fn two_candidates_are_told_and_none_is_chosen() {
        let there = [theirs("ALICE", "", ""), theirs("Alice", "", "")];
        let plan = plan(MatchRule::CaseInsensitive, &[ours("alice", "")], &there);
        assert!(plan.matched.is_empty());
        assert_eq!(plan.ambiguous["alice"], ["ALICE", "Alice"]);
    }

    #[test]
    fn one_duo_user_is_never_two_of_ours() {
        let here = [ours("alice", "shared@x"), ours("bob", "shared@x")];
        let plan = plan(MatchRule::Email, &here, &[theirs("x", "", "shared@x")]);
        assert!(plan.matched.is_empty());
        assert_eq!(plan.ambiguous.len(), 2);
    }

    #[test]
    fn an_empty_address_matches_nobody() {
        let plan = plan(
            MatchRule::Email,
            &[ours("alice", "")],
            &[theirs("x", "", "")],
        );
        assert!(plan.matched.is_empty());
    }
}
