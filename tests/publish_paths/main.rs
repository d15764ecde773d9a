//! A publish read straight from its bytes is kept exactly as the ordinary way would have kept it.
//!
//! The direct way only ever says yes: whatever it does not take goes the ordinary way. So what is compared
//! is what it takes, on damaged publishes from a seed: the same rows for the journal, the same lines for the
//! disclosure log, the same answer. `COURANT_INPUTS` sets how many inputs are tried, `COURANT_FROM` which first.

mod ways;

use courant::router::Router;
use ways::{PUBLISHES, Ways, now, relay};

/// What is put in, here and there.
const PIECES: [&str; 44] = [
    " ",
    "\n",
    "'",
    "\"",
    "&amp;",
    "&#65;",
    "&lt;",
    "&x;",
    "<",
    ">",
    "/",
    "=",
    "<!-- c -->",
    "<![CDATA[x]]>",
    "x",
    "é",
    "\u{fffe}",
    "\t",
    " type='get'",
    " id='other'",
    " node='urn:a/b'",
    " xmlns='urn:x'",
    " xmlns:q='urn:q'",
    " q:v='1'",
    "<item id='2'/>",
    "<senml n='urn:a' v='7'/>",
    "<senml xmlns='urn:x' v='7'/>",
    "<senml v='1' v='2'/>",
    "<x/>",
    "</item>",
    "<item>",
    "</sensml>",
    " publisher='a@b'",
    " v='9'",
    " t='5'",
    " bver='11'",
    " x_='1'",
    " n='/e'",
    " vd='AQ'",
    " xml:lang='fr'",
    "1",
    "-",
    "e5",
    "urn:a",
];

/// The same inputs for the same seed, whatever the machine.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }

    fn publish(&mut self) -> Vec<u8> {
        let mut stanza = PUBLISHES[self.below(PUBLISHES.len())].as_bytes().to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(stanza.len() + 1);
            match self.below(5) {
                0 => {
                    let end = (at + 1 + self.below(12)).min(stanza.len());
                    stanza.drain(at..end);
                }
                1 => {
                    let end = (at + 1 + self.below(40)).min(stanza.len());
                    let copy = stanza[at..end].to_vec();
                    let to = self.below(stanza.len() + 1);
                    stanza.splice(to..to, copy);
                }
                2 if at < stanza.len() => stanza[at] = self.below(256) as u8,
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    stanza.splice(at..at, piece.bytes());
                }
            }
        }
        stanza
    }
}

#[test]
fn a_carriage_return_is_left_to_the_ordinary_way() {
    // In front of a reference it is lost there (rxml), and a space here.
    let publish = PUBLISHES[2].replace("on &amp;", "on\r&amp;");
    let mut router = Router::new("energy.example");
    assert!(router.handle_direct(PUBLISHES[2].as_bytes(), &mut relay(), now()));
    assert!(!router.handle_direct(publish.as_bytes(), &mut relay(), now()));
}

#[test]
fn both_ways_keep_the_same() {
    let number = |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (from, inputs) = (number("COURANT_FROM", 0), number("COURANT_INPUTS", 30_000));
    let mut ways = Ways::new();
    for seed in from..from + inputs {
        ways.compare(&Seeded(seed).publish());
    }
    println!("{} of {inputs} inputs were taken directly", ways.taken);
    assert!(ways.counted > 0, "no record was counted under the consent with a granularity");
    assert!(ways.taken * 10 > inputs, "only {} of {inputs} inputs were taken directly", ways.taken);
}
