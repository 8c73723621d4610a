//! The nearest known name to a misspelt one, by edit distance.

/// The candidate nearest to `name`, if it is near enough to be meant.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, letter case counting half as much as a letter (rounded up), because
/// most slips in property names are of case.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).map(|n| n * 2).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = (i + 1) * 2;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + replacement(x, *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 2).min(row[j + 1] + 2);
        }
    }
    row[b.len()].div_ceil(2)
}

fn replacement(a: char, b: char) -> usize {
    match (a == b, a.eq_ignore_ascii_case(&b)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let names = ["idp.entityID", "idp.scope", "vestibule.baseURL"];
        assert_eq!(nearest("idp.entityId", names), Some("idp.entityID"));
        assert_eq!(
            nearest("vestibule.baseurl", names),
            Some("vestibule.baseURL")
        );
        assert_eq!(nearest("something.else.entirely", names), None);
    }
}
