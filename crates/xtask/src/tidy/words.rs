//! What may stand in no tracked text: notes of unfinished work, and places on somebody's machine.

use super::{Source, Violation};

/// In pieces, so that this file keeps its own rule.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
const MACHINE_PLACES: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home/", "user")];

/// Recorded data and lock files are not written by hand; their words are their own.
const WRITTEN_BY_HAND: [&str; 12] = ["css", "html", "js", "md", "mjs", "py", "rs", "sh", "sql", "toml", "txt", "yml"];

pub fn check(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    let by_hand = is_written_by_hand(&source.path);
    for (index, line) in source.text.lines().enumerate() {
        if let Some(word) = UNFINISHED.iter().find(|word| by_hand && contains_word(line, word)) {
            let message = format!("{word} marks unfinished work. Finish it, or take it to the issue tracker.");
            violations.push(source.violation(index + 1, message));
        }
        if let Some(place) = MACHINE_PLACES.iter().find(|place| line.contains(*place)) {
            let message = format!("{place} is a place on one machine. Use a path relative to the repository.");
            violations.push(source.violation(index + 1, message));
        }
    }
    violations
}

fn is_written_by_hand(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_none_or(|(_, ending)| WRITTEN_BY_HAND.contains(&ending))
}

/// Whether the word stands alone, not as a part of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let joins = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(joins) && !line[at + word.len()..].chars().next().is_some_and(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::messages;
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_what_is_written_by_hand() {
        for word in UNFINISHED {
            let text = format!("//! Here.\n// {word}: later\n");
            assert_eq!(messages(check, "crates/app/src/a.rs", &text).len(), 1);
            assert!(messages(check, "docs/a.md", &text)[0].starts_with("docs/a.md:2: "));
            assert_eq!(messages(check, ".ci/run", &text).len(), 1);
            assert!(messages(check, "recorded/answer.json", &text).is_empty());
            assert!(messages(check, "docs/a.md", &format!("{word}S and {word}_LIST")).is_empty());
        }
    }

    #[test]
    fn places_on_a_machine_are_found_in_every_text() {
        for place in MACHINE_PLACES {
            assert_eq!(messages(check, "recorded/answer.json", &format!("{{\"file\": \"{place}x\"}}")).len(), 1);
        }
        assert!(messages(check, "docs/a.md", "the networks/roots of it\n").is_empty());
    }
}
