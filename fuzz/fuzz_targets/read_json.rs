//! Octets from a stranger, read as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| courant_fuzz::read(courant_fuzz::senml::Format::Json, octets));
