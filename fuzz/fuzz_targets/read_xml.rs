//! Octets from a stranger, read as XML.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| courant_fuzz::read(courant_fuzz::senml::Format::Xml, octets));
