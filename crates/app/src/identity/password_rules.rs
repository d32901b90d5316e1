//! What a password must be like: five rules that are settings, and a strength that no rule can give.

use zxcvbn::zxcvbn;

use crate::AppError;

/// Judging longer ones costs more than it tells.
const JUDGED_CHARACTERS: usize = 100;

/// The operator's rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordRules {
    /// In characters.
    pub min_length: usize,
    pub upper: bool,
    pub lower: bool,
    pub digit: bool,
    pub special: bool,
    /// 0 to 4, as zxcvbn counts it: 0 and 1 are guessed at once, 2 withstands guesses at the front door, 3 some with the
    /// hash at hand.
    pub min_strength: u8,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 10, upper: false, lower: false, digit: false, special: false, min_strength: 2 }
    }
}

impl PasswordRules {
    /// The longest password, in characters. Longer ones are more work for us than for whoever guesses.
    pub const LONGEST: usize = 256;

    /// `known` is what an attacker tries first: the person's name and address.
    ///
    /// # Errors
    /// [`AppError::Invalid`] with a sentence that says what to do.
    pub fn check(&self, field: &'static str, password: &str, known: &[&str]) -> Result<(), AppError> {
        self.check_but_for_strength(field, password)?;
        let judged: String = password.chars().take(JUDGED_CHARACTERS).collect();
        let parts = known.iter().flat_map(|text| text.split(|letter: char| !letter.is_alphanumeric()));
        let known: Vec<&str> = known.iter().copied().chain(parts).filter(|text| text.len() > 1).collect();
        let judgement = zxcvbn(&judged, &known);
        if u8::from(judgement.score()) >= self.min_strength {
            return Ok(());
        }
        let feedback = judgement.feedback();
        let why = feedback.and_then(|feedback| feedback.warning()).map(|warning| warning.to_string());
        let why = why.unwrap_or_else(|| "It is easily guessed.".to_owned());
        let advice = feedback.and_then(|feedback| feedback.suggestions().first().map(ToString::to_string));
        let advice = advice.unwrap_or_else(|| "Add another word or two; uncommon words are better.".to_owned());
        Err(AppError::invalid(field, format!("This password is too weak. {} {}", sentence(&why), sentence(&advice))))
    }

    /// Holds a password that was made at random to the rules alone.
    ///
    /// # Errors
    /// As [`PasswordRules::check`].
    pub fn check_but_for_strength(&self, field: &'static str, password: &str) -> Result<(), AppError> {
        self.broken_rule(password).map_or(Ok(()), |message| Err(AppError::invalid(field, message)))
    }

    fn broken_rule(&self, password: &str) -> Option<String> {
        let length = password.chars().count();
        let lacks = |wanted: bool, is_such: fn(char) -> bool| wanted && !password.chars().any(is_such);
        if length < self.min_length {
            return Some(format!("A password has at least {} characters; this one has {length}.", self.min_length));
        }
        if length > Self::LONGEST {
            return Some(format!("A password has at most {} characters.", Self::LONGEST));
        }
        if password.contains('\0') {
            return Some("A password cannot hold the character U+0000.".into());
        }
        let missing = [
            (lacks(self.upper, char::is_uppercase), "a capital letter"),
            (lacks(self.lower, char::is_lowercase), "a small letter"),
            (lacks(self.digit, |letter| letter.is_numeric()), "a digit"),
            (lacks(self.special, |letter| !letter.is_alphanumeric()), "a character that is no letter and no digit"),
        ];
        let missing: Vec<&str> = missing.iter().filter(|(lacks, _)| *lacks).map(|(_, what)| *what).collect();
        (!missing.is_empty()).then(|| format!("The password lacks {}.", missing.join(" and ")))
    }
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(rules: &PasswordRules, password: &str) -> Option<String> {
        rules.check("password", password, &["ada.lovelace@example.com", "Ada Lovelace"]).err().map(|e| e.to_string())
    }

    #[test]
    fn common_and_personal_passwords_are_refused_with_a_reason() {
        let rules = PasswordRules { min_length: 8, ..PasswordRules::default() };
        for weak in ["password", "12345678", "qwertyuiop", "Passw0rd", "iloveyou", "AdaLovelace", "aaaaaaaaaa"] {
            let said = refusal(&rules, weak).unwrap_or_else(|| panic!("{weak} was taken"));
            assert!(said.starts_with("This password is too weak. ") && said.ends_with('.'), "{said}");
        }
        assert_eq!(refusal(&rules, "violet-harbour-9-lantern"), None);
    }

    #[test]
    fn each_of_the_five_rules_is_told() {
        let rules = PasswordRules {
            min_length: 8,
            upper: true,
            lower: true,
            digit: true,
            special: true,
            ..PasswordRules::default()
        };
        assert_eq!(refusal(&rules, "Aa1!").as_deref(), Some("A password has at least 8 characters; this one has 4."));
        for (password, lacking) in [
            ("violet-harbour-9", "a capital letter"),
            ("VIOLET-HARBOUR-9", "a small letter"),
            ("Violet-harbour", "a digit"),
            ("Violetharbour9", "a character that is no letter and no digit"),
        ] {
            assert_eq!(refusal(&rules, password), Some(format!("The password lacks {lacking}.")), "{password}");
        }
        assert_eq!(refusal(&rules, "Violet-harbour-9-lantern"), None);
        assert!(refusal(&rules, &"Ab1!".repeat(65)).is_some_and(|said| said.contains("at most 256")));
    }
}
