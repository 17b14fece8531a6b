//! Keeps the table of refusals in docs/protocol.md true. `UPDATE_DOCS=1 cargo test --test it` writes it anew.

use domain::Rejection;

const BEGIN: &str = "<!-- rejections: generated from the code, checked by a test -->\n";
const END: &str = "<!-- /rejections -->";
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol.md");

/// The table as the code has it.
fn table() -> String {
    let mut table = String::from("| code | name | message | again? |\n|---|---|---|---|\n");
    for rejection in Rejection::ALL {
        let again = if rejection.is_retryable() {
            "yes, the same command"
        } else {
            ""
        };
        table.push_str(&format!(
            "| {} | `{}` | {rejection} | {again} |\n",
            rejection.code(),
            rejection.word()
        ));
    }
    table
}

/// The page with this table between its marks; none when it has lost its marks.
fn with_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[test]
fn the_table_of_refusals_is_true() {
    let page = std::fs::read_to_string(PATH).expect("docs/protocol.md is in the tree");
    let wanted = with_table(&page, &table()).expect("docs/protocol.md keeps the marks around its table");
    if page != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &wanted).expect("docs/protocol.md can be written");
        return;
    }
    assert!(
        page == wanted,
        "docs/protocol.md: the table of refusals should be what follows; UPDATE_DOCS=1 cargo test --test it writes it\n{}",
        table()
    );
}

#[test]
fn only_what_is_between_the_marks_is_written_anew() {
    let page = format!("a\n{BEGIN}old\n{END}\nb");
    assert_eq!(
        with_table(&page, "new\n"),
        Some(format!("a\n{BEGIN}new\n{END}\nb"))
    );
    assert_eq!(with_table("no marks", "new\n"), None);
}
