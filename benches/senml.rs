//! How fast packs are read and resolved, beside the same octets read without meaning.
fn main() {}
