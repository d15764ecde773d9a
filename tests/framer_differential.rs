//! The framer takes and refuses what rxml takes and refuses, on damaged stanzas from a seed.
//!
//! `COURANT_INPUTS` sets how many inputs each test tries.

mod framer_oracle;

use courant::transport::framer::FramerLimits;
use framer_oracle::{STANZAS, Seeded, agree, damaged, frames};

fn inputs(usual: u64) -> u64 {
    std::env::var("COURANT_INPUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
fn both_take_what_servers_send() {
    for stanza in STANZAS {
        agree(stanza);
    }
}

#[test]
fn framer_and_rxml_agree() {
    let mut compared = 0;
    for seed in 0..inputs(20_000) {
        compared += agree(&damaged(&mut Seeded(seed)));
    }
    println!("{compared} first-level elements compared");
}

#[test]
fn frames_do_not_depend_on_how_bytes_came() {
    let tight = FramerLimits {
        stanza_bytes: 300,
        depth: 4,
        attributes: 4,
        head_bytes: 60,
        ..FramerLimits::default()
    };
    for seed in 0..inputs(6_000) {
        let mut seeded = Seeded(seed ^ 0x5eed);
        let input = damaged(&mut seeded);
        for limits in [&FramerLimits::default(), &tight] {
            let whole = frames(limits, [&input[..]]);
            let mut cuts: Vec<usize> =
                (0..1 + seeded.below(8)).map(|_| seeded.below(input.len() + 1)).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let cut = frames(limits, cuts.windows(2).map(|w| &input[w[0]..w[1]]));
            assert_eq!(whole, cut, "cut at {cuts:?}: {}", String::from_utf8_lossy(&input));
            if input.len() < 2000 {
                let drops = frames(limits, input.chunks(1));
                assert_eq!(whole, drops, "byte by byte: {}", String::from_utf8_lossy(&input));
            }
        }
    }
}
