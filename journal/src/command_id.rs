//! How a command id stands in the journal: as its client made it, or behind the name of who sent it.
//!
//! The stream's own user's ids stand as they are. Those of anybody else (a moderator, an administrator) are qualified, so
//! that two users' ids never meet in one stream. This knows the text only, never who may send what.

/// What stands between who sent a command and the id as its client made it. Neither of the two may hold it.
pub const QUALIFIER: char = '\u{1f}';

/// The id as its client made it: what stands behind the qualifier of a stored id, or all of it when it has none.
pub fn bare(stored: &str) -> &str {
    stored.split_once(QUALIFIER).map_or(stored, |(_, bare)| bare)
}

/// As [`bare`], of bytes.
pub(crate) fn bare_bytes(stored: &[u8]) -> &[u8] {
    let qualifier = stored.iter().position(|byte| *byte == QUALIFIER as u8);
    qualifier.map_or(stored, |at| &stored[at + 1..])
}

/// Whether a stored id is the one that is asked for: the same text, or the same client's id when no sender is named.
pub(crate) fn answers(stored: &str, asked: &str) -> bool {
    stored == asked || bare(stored) == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_id_asks_for_every_sender_and_a_qualified_one_for_that_one() {
        for (stored, asked, wanted) in [
            ("c1", "c1", true),
            ("kim\u{1f}c1", "c1", true),
            ("kim\u{1f}c1", "kim\u{1f}c1", true),
            ("c1", "kim\u{1f}c1", false),
            ("lee\u{1f}c1", "kim\u{1f}c1", false),
            ("kim\u{1f}c1", "kim", false),
            ("c1", "c", false),
            ("kim\u{1f}", "", true),
        ] {
            assert_eq!(answers(stored, asked), wanted, "{asked:?} for {stored:?}");
            assert_eq!(bare(stored).as_bytes(), bare_bytes(stored.as_bytes()));
        }
    }
}
