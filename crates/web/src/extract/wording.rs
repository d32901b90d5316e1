//! What a reader's error means, in a sentence with the field that is wrong.

use app::AppError;

/// Turns serde's message and the path it arose at into an error that names the field.
pub fn field_error(path: &str, message: &str) -> AppError {
    let path = if path == "." { "" } else { path };
    let message = without_place(message);
    if let Some(name) = quoted_after(message, "unknown field `") {
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        return AppError::invalid(inside(path, name), unknown_field(name, &known));
    }
    if let Some(name) = quoted_after(message, "missing field `") {
        return AppError::invalid(inside(path, name), format!("`{name}` is missing."));
    }
    if let Some(name) = quoted_after(message, "duplicate field `") {
        return AppError::invalid(inside(path, name), format!("`{name}` is given twice."));
    }
    if let Some(name) = quoted_after(message, "unknown variant `") {
        let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        return AppError::invalid(path, format!("`{path}` is `{name}`; it can be {}.", known.join(", ")));
    }
    let subject = if path.is_empty() { "The body".to_owned() } else { format!("`{path}`") };
    if let Some((found, expected)) = message.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected ")) {
        let found = found.split_once(": ").map_or(found, |(_, found)| found);
        if expected.starts_with("struct ") {
            // What serde could take for one is a list of its fields' values.
            let found = if found.starts_with("length ") || found == "sequence" { "a list" } else { found };
            return AppError::invalid(path, format!("{subject} is {found}, where an object belongs."));
        }
        return AppError::invalid(path, format!("{subject} is {found}, where {expected} belongs."));
    }
    AppError::invalid(path, format!("{subject} {message}."))
}

/// serde_json ends its messages with the place, which the field's path tells better.
pub fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

/// A message as a sentence. One that begins with a name keeps the name as it is.
pub fn sentence(mut message: String) -> String {
    let begins_with_a_word = ["no ", "the ", "only ", "it "].iter().any(|word| message.starts_with(word));
    if let Some(first) = message.get_mut(..1).filter(|_| begins_with_a_word) {
        first.make_ascii_uppercase();
    }
    message
}

fn quoted_after<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    message.strip_prefix(start)?.split('`').next()
}

/// The path of a field beside or below the place where it was noticed.
fn inside(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn unknown_field(name: &str, known: &[&str]) -> String {
    match domain::catalog::nearest(name, known.iter().copied()) {
        Some(meant) => format!("There is no field `{name}` here. Did you mean `{meant}`?"),
        None if known.is_empty() => format!("There is no field `{name}` here."),
        None => format!("There is no field `{name}` here. Known are {}.", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, message: &str) -> (String, String) {
        match field_error(path, message) {
            AppError::Invalid { field, message } => (field, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_what_was_probably_meant() {
        let (field, message) =
            told("metr", "unknown field `metr`, expected one of `meter`, `quantity` at line 1 column 9");
        assert_eq!(field, "metr");
        assert_eq!(message, "There is no field `metr` here. Did you mean `meter`?");
        let (field, message) = told("usage[1]", "unknown field `zzz`, expected `meter` or `quantity`");
        assert_eq!(field, "usage[1].zzz");
        assert_eq!(message, "There is no field `zzz` here. Known are meter, quantity.");
        assert_eq!(sentence("no meter is called a.".into()), "No meter is called a.");
        assert_eq!(sentence("seats is a sum.".into()), "seats is a sum.");
        assert_eq!(told(".", "unknown field `a`, there are no fields").1, "There is no field `a` here.");
    }

    #[test]
    fn other_mistakes_are_sentences_too() {
        assert_eq!(told("usage[0]", "missing field `meter`"), ("usage[0].meter".into(), "`meter` is missing.".into()));
        let variant = told("mode", "unknown variant `x`, expected `consume` or `check`");
        assert_eq!(variant.1, "`mode` is `x`; it can be consume, check.");
        assert_eq!(told("a", "duplicate field `a` at line 1 column 2").1, "`a` is given twice.");
        assert_eq!(
            told("meter", "invalid type: integer `7`, expected text at line 1 column 9").1,
            "`meter` is integer `7`, where text belongs."
        );
        assert_eq!(
            told("quantity", "has more than six decimal places").1,
            "`quantity` has more than six decimal places."
        );
        let list = told(".", "invalid length 0, expected struct ReconcileBody with 2 elements at line 1 column 2");
        assert_eq!(list.1, "The body is a list, where an object belongs.");
        let null = told("past", "invalid type: null, expected struct PastBody at line 1 column 4");
        assert_eq!(null.1, "`past` is null, where an object belongs.");
        assert_eq!(told(".", "invalid type: sequence, expected a map").1, "The body is sequence, where a map belongs.");
    }
}
