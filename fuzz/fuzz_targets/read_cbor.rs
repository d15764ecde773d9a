//! Octets from a stranger, read as CBOR.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| courant_fuzz::read(courant_fuzz::senml::Format::Cbor, octets));
