//! What is wrong with a catalog file: where, what, and how to mend it.
//!
//! Reading a catalog never stops at the first mistake; everything found is collected here, in the order of the file.

use std::fmt;
use std::ops::Range;

/// One mistake in a catalog file. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    pub line: usize,
    pub column: usize,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What to do about it, in a sentence.
    pub fix: String,
}

/// `line 12, column 1: … …`
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {} {}", self.line, self.column, self.what, self.fix)
    }
}

/// The mistakes found so far, and the text that places are reckoned in.
pub(super) struct Mistakes<'s> {
    source: &'s str,
    found: Vec<Mistake>,
}

impl<'s> Mistakes<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { source, found: Vec::new() }
    }

    /// `span` is in bytes, as the TOML reader gives it.
    pub(super) fn add(&mut self, span: Range<usize>, what: impl Into<String>, fix: impl Into<String>) {
        let before = self.source.get(..span.start).unwrap_or(self.source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        self.found.push(Mistake { line, column, what: what.into(), fix: fix.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, from the top of the file to its end.
    pub(super) fn into_sorted(mut self) -> Vec<Mistake> {
        self.found.sort();
        self.found.dedup();
        self.found
    }
}

/// The known name that `name` was probably meant to be.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = name.to_lowercase();
    let furthest = (wanted.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (edit_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= furthest)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `Did you mean X?` or, without a near name, the names there are.
pub(super) fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(candidate) => format!("Did you mean `{candidate}`?"),
        None if known.is_empty() => "There is none to choose from.".to_owned(),
        None => format!("Known are {}.", enumerate(&known)),
    }
}

/// `` `a`, `b` and `c` ``, cut short when there are many.
pub(super) fn enumerate(names: &[&str]) -> String {
    const SHOWN: usize = 24;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        return format!("{} and {} more", quoted.join(", "), names.len() - SHOWN);
    }
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(80).collect(), to.chars().take(80).collect());
    let mut rows = vec![vec![0usize; to.len() + 1]; from.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let changed = usize::from(from[i - 1] != to[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        assert_eq!(nearest("reqests", ["requests", "seats"]), Some("requests"));
        assert_eq!(nearest("rnak", ["rank", "name"]), Some("rank"));
        assert_eq!(nearest("Pro", ["pro", "free"]), Some("pro"));
        assert_eq!(nearest("bananas", ["requests", "seats"]), None);
    }

    #[test]
    fn places_are_counted_in_characters() {
        let mut mistakes = Mistakes::new("a = 1\nü = ä\n");
        mistakes.add(11..12, "x", "y");
        let found = mistakes.into_sorted();
        assert_eq!((found[0].line, found[0].column), (2, 5));
    }
}
