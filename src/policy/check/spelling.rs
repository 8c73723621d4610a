//! The name that was probably meant.

/// A hint: the nearest of the known names, or all of them.
pub(super) fn one_of<'a>(name: &str, known: impl Iterator<Item = &'a str>, intro: &str) -> String {
    let known: Vec<&str> = known.collect();
    match meant(name, &known) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => format!("{intro} nothing"),
        None => format!("{intro} {}", known.join(", ")),
    }
}

/// The known name within a third of its length of the one written.
pub(super) fn meant<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |&&other: &&&str| distance(name, other) <= other.len().div_ceil(3).min(4);
    let nearest = known.iter().filter(near);
    nearest.min_by_key(|other| distance(name, other)).copied()
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        assert_eq!(meant("in_grop", &["attr", "in_group"]), Some("in_group"));
        assert_eq!(meant("password", &["attr", "in_group"]), None);
    }
}
