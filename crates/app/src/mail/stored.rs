//! What the outbox keeps of a mail, written and read in this one place.

use storage::StorageError;

use super::Mail;

/// The text that is stored.
pub(super) fn store(mail: &Mail) -> Result<String, StorageError> {
    let written = serde_json::to_string(mail).map_err(|error| StorageError::Unexpected(error.to_string()))?;
    // PostgreSQL keeps no U+0000, which JSON writes as an escape.
    Ok(written.replace("\\u0000", ""))
}

/// The mail of a stored text.
pub(super) fn read(text: &str) -> Result<Mail, StorageError> {
    serde_json::from_str(text)
        .map_err(|error| StorageError::Unexpected(format!("a stored mail cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::content::samples;
    use super::*;

    #[test]
    fn every_mail_is_read_as_it_was_stored() {
        for (name, mail) in samples::all() {
            let text = store(&mail).expect("it can be stored");
            assert_eq!(read(&text).expect("it can be read"), mail, "{name}");
            assert!(text.contains(&format!("\"kind\":\"{}\"", mail.kind())), "{text}");
        }
    }
}
