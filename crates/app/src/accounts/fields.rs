//! What an account's texts may hold. Lengths are counted in characters.

use serde_json::{Map, Value as Json};

use crate::AppError;

const LONGEST_EXTERNAL_ID: usize = 255;
pub const LONGEST_NAME: usize = 200;
const LONGEST_EMAIL: usize = 254;
const MOST_METADATA_KEYS: usize = 50;
const MOST_METADATA_BYTES: usize = 16 * 1024;

pub fn external_id(text: &str) -> Result<(), AppError> {
    plain_text("external_id", text, LONGEST_EXTERNAL_ID)
}

pub fn name(text: &str) -> Result<(), AppError> {
    plain_text("name", text, LONGEST_NAME)
}

/// Something before and after one `@`, and no blanks: whether it is anybody's address is for a mail to find out.
pub fn email(field: &'static str, text: &str) -> Result<(), AppError> {
    plain_text(field, text, LONGEST_EMAIL)?;
    let parts = text.split_once('@');
    let is_address = parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if is_address && !text.contains(char::is_whitespace) {
        Ok(())
    } else {
        Err(AppError::invalid(field, format!("`{field}` is not an email address such as ada@example.com.")))
    }
}

pub fn metadata(map: &Map<String, Json>) -> Result<(), AppError> {
    let invalid = |message: String| Err(AppError::invalid("metadata", message));
    if map.len() > MOST_METADATA_KEYS {
        return invalid(format!("`metadata` has {} keys; at most {MOST_METADATA_KEYS} are kept.", map.len()));
    }
    let written = serde_json::to_string(map).unwrap_or_default();
    if written.len() > MOST_METADATA_BYTES {
        return invalid(format!(
            "`metadata` is {} bytes of JSON; at most {MOST_METADATA_BYTES} are kept.",
            written.len()
        ));
    }
    // JSON writes the character as an escape; a backslash before it would be written twice.
    if written.replace("\\\\", "").contains("\\u0000") {
        return invalid("`metadata` holds the character U+0000, which cannot be stored.".into());
    }
    Ok(())
}

/// Not empty, not too long, without U+0000.
pub fn plain_text(field: &'static str, text: &str, longest: usize) -> Result<(), AppError> {
    let invalid = |message: String| Err(AppError::invalid(field, message));
    if text.trim().is_empty() {
        return invalid(format!("`{field}` is empty; leave it out or give it a value."));
    }
    if text.chars().count() > longest {
        return invalid(format!("`{field}` is longer than {longest} characters."));
    }
    if text.contains('\0') {
        return invalid(format!("`{field}` holds the character U+0000, which cannot be stored."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_at_and_no_blanks() {
        for good in ["ada@example.com", "a+b@host", "ü@ö.de"] {
            assert!(email("email", good).is_ok(), "{good}");
        }
        let long = format!("{}@b.c", "a".repeat(LONGEST_EMAIL));
        for bad in ["", "ada", "@host", "ada@", "a@b@c", "a b@c", "a@b\n", "a\0@b", &long] {
            assert!(email("email", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_are_neither_empty_nor_endless() {
        assert!(external_id(&"ä".repeat(255)).is_ok());
        assert!(external_id(&"a".repeat(256)).is_err());
        assert!(external_id("user\0").is_err());
        assert!(name(" ").is_err());
    }

    #[test]
    fn metadata_is_small_and_can_be_stored() {
        let map = |json: &str| serde_json::from_str::<Map<String, Json>>(json).expect("an object");
        assert!(metadata(&map(r#"{"team": "blue", "path": "\\u0000 as six letters"}"#)).is_ok());
        assert!(metadata(&map(r#"{"a": ["\u0000"]}"#)).is_err());
        assert!(metadata(&map(r#"{"\u0000": 1}"#)).is_err());
        let many = (0..51).map(|number| (number.to_string(), Json::Null)).collect();
        assert!(metadata(&many).is_err());
        let long = Map::from_iter([("a".to_owned(), Json::String("x".repeat(MOST_METADATA_BYTES)))]);
        assert!(metadata(&long).is_err());
    }
}
