//! What people write: cleaned the same way everywhere.

use alloc::string::String;

use crate::Rejection;

/// The text without control characters and without space at its ends; refused when nothing is left or when more than
/// `chars_max` characters are.
pub fn clean(text: &str, chars_max: usize) -> Result<String, Rejection> {
    // A message may be far over the limit: stop copying soon after it (what follows may be space, which is no text).
    let visible = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .skip_while(|c| c.is_whitespace());
    let cleaned: String = visible.take(chars_max * 4 + 1).collect();
    let cleaned = cleaned.trim();
    if cleaned.is_empty() {
        return Err(Rejection::TextEmpty);
    }
    if cleaned.chars().count() > chars_max {
        return Err(Rejection::TextTooLong);
    }
    Ok(String::from(cleaned))
}

/// Control characters, line separators, empty spaces, and those that turn the direction of the text around them. (The
/// joiners U+200C and U+200D stay: scripts and emoji need them.)
fn is_invisible(c: char) -> bool {
    let hidden =
        matches!(c, '\u{200B}' | '\u{2028}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    c.is_control() || hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn control_characters_are_removed_and_nothing_else() {
        assert_eq!(clean("  a\u{0}b\nc \u{202E}é👍🏽 ", 200), Ok("abc é👍🏽".to_string()));
        assert_eq!(clean("\u{1}\u{2} \n", 200), Err(Rejection::TextEmpty));
        assert_eq!(clean("\u{200B}\u{2060}\u{2028}", 200), Err(Rejection::TextEmpty));
        assert_eq!(clean(&(" ".repeat(2000) + "a"), 200), Ok("a".to_string()));
        assert_eq!(
            clean(&("a".to_string() + &" ".repeat(2000)), 200),
            Ok("a".to_string())
        );
        assert_eq!(clean(&"x".repeat(201), 200), Err(Rejection::TextTooLong));
        assert_eq!(clean(&"é".repeat(200), 200), Ok("é".repeat(200)));
    }
}
