//! A publish from a stranger, read straight from its octets and the ordinary way: both keep the same.
#![no_main]

#[path = "../../tests/publish_paths/ways.rs"]
mod ways;

use std::cell::RefCell;

use ways::Ways;

/// What a relay knows of names grows with them.
const INPUTS_PER_RELAY: u32 = 20_000;

thread_local! {
    static WAYS: RefCell<(u32, Ways)> = RefCell::new((0, Ways::new()));
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    WAYS.with_borrow_mut(|(inputs, ways)| {
        *inputs += 1;
        if *inputs % INPUTS_PER_RELAY == 0 {
            *ways = Ways::new();
        }
        ways.compare(octets);
    });
});
