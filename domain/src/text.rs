//! What people write: cleaned the same way everywhere.

use alloc::string::String;

use crate::Rejection;

/// The text without control characters and without space at its ends; refused when nothing that can be seen is left or
/// when more than `chars_max` characters are.
pub fn clean(text: &str, chars_max: usize) -> Result<String, Rejection> {
    // A message may be far over the limit: stop copying soon after it (what follows may be space, which is no text).
    let visible = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .skip_while(|c| c.is_whitespace());
    let cleaned: String = visible.take(chars_max * 4 + 1).collect();
    let cleaned = cleaned.trim();
    if !cleaned.chars().any(is_seen) {
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

/// Whether nobody sees the character: all that [`clean`] takes out, and what stays in a text because scripts and emoji
/// need it (joiners, variation selectors, fillers, tags).
pub fn is_unseen(c: char) -> bool {
    let needed = matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}');
    needed || is_invisible(c)
}

/// Whether a character alone shows something.
pub(crate) fn is_seen(c: char) -> bool {
    !c.is_whitespace() && !is_unseen(c)
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
        assert_eq!(clean("👩\u{200D}🎤", 200), Ok("👩\u{200D}🎤".to_string()));
        assert_eq!(clean(&(" ".repeat(2000) + "a"), 200), Ok("a".to_string()));
        assert_eq!(
            clean(&("a".to_string() + &" ".repeat(2000)), 200),
            Ok("a".to_string())
        );
        assert_eq!(clean(&"x".repeat(201), 200), Err(Rejection::TextTooLong));
        assert_eq!(clean(&"é".repeat(200), 200), Ok("é".repeat(200)));
    }

    #[test]
    fn a_text_in_which_nothing_can_be_seen_is_empty() {
        for unseen in [
            "\u{200D}",
            " \u{3164} \u{FE0F}",
            "\u{AD}\u{115F}",
            "\u{E0041}\u{2800}",
        ] {
            assert_eq!(clean(unseen, 200), Err(Rejection::TextEmpty), "{unseen:?}");
        }
    }
}
