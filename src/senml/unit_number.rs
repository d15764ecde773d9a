//! Units as numbers: those of the registry have theirs beforehand, so that no pack keeps them.

use super::units::{PRIMARY, SECONDARY};

/// How many units are registered: the primary ones, then the secondary ones. Numbers from here on are for
/// others.
pub(super) const REGISTERED: u32 = (PRIMARY.len() + SECONDARY.len()) as u32;

/// A hash table made when this is compiled; twice as many places as units, and more.
const PLACES: usize = 256;
const FREE: u8 = u8::MAX;
static TABLE: [u8; PLACES] = table();

/// The number of a registered unit: its place among the primary ones, or after them among the secondary.
#[inline]
pub(super) fn registered(unit: &str) -> Option<u32> {
    let mut place = place(unit.as_bytes());
    loop {
        let number = TABLE[place];
        if number == FREE {
            return None;
        }
        if spelling(u32::from(number)) == Some(unit) {
            return Some(u32::from(number));
        }
        place = (place + 1) % PLACES;
    }
}

/// The registered unit of this number.
#[inline]
pub(super) fn spelling(number: u32) -> Option<&'static str> {
    let number = number as usize;
    match PRIMARY.get(number) {
        Some(unit) => Some(unit),
        None => SECONDARY.get(number - PRIMARY.len()).map(|secondary| secondary.unit),
    }
}

/// Where to look first.
#[inline]
const fn place(unit: &[u8]) -> usize {
    let mut hash: u32 = 0;
    let mut at = 0;
    // No registered unit is longer; what is hashed of others does not matter.
    while at < unit.len() && at < 8 {
        hash = (hash ^ unit[at] as u32).wrapping_mul(0x9e37_79b1);
        at += 1;
    }
    (hash >> 24) as usize
}

const fn table() -> [u8; PLACES] {
    let mut table = [FREE; PLACES];
    let mut number = 0;
    while number < REGISTERED as usize {
        let unit =
            if number < PRIMARY.len() { PRIMARY[number] } else { SECONDARY[number - PRIMARY.len()].unit };
        let mut at = place(unit.as_bytes());
        while table[at] != FREE {
            at = (at + 1) % PLACES;
        }
        table[at] = number as u8;
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_unit_has_its_number() {
        let all = PRIMARY.into_iter().chain(SECONDARY.map(|secondary| secondary.unit));
        for (number, unit) in (0..).zip(all) {
            assert_eq!(registered(unit), Some(number), "{unit}");
            assert_eq!(spelling(number), Some(unit));
        }
        assert_eq!(spelling(REGISTERED), None);
        for unit in ["", "w", "MWh", "kwh", "WW", "\0W", "W\0", "beat/minute", "é"] {
            assert_eq!(registered(unit), None, "{unit:?}");
        }
    }
}
