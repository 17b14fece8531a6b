//! Builds the app again when the page was built again: the page is embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
