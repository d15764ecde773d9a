//! Plays an ideal XMPP server for one component (XEP-0114) under load: sends publishes, answers pings,
//! counts results and messages, and checks each of them.
//!
//! - [`options`]: the command line.
//! - [`pack`]: what is published, and what must therefore arrive.
//! - [`wire`]: stanzas out of bytes, attributes out of stanzas; no more XML than that.
//! - [`server`]: the stream: handshake, reading and writing without waiting.
//! - [`ledger`]: what is outstanding, what is right, what is wrong.
//! - [`histogram`]: latencies, in constant memory.
//! - [`peer`]: the process under load: its CPU time and memory.
//! - [`run`]: one measurement from beginning to end.
//! - [`report`]: what it found, as one line of JSON and for people.
//!
//! One thread, so that one core can be kept from the component. `courant-load --help` says the rest.

mod histogram;
mod ledger;
mod options;
mod pack;
mod peer;
mod report;
mod run;
mod server;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::Options::from_args(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("courant-load: {why}");
            return ExitCode::from(2);
        }
    };
    match run::run(&options) {
        Ok(report) => {
            println!("{}", report.json());
            eprint!("{}", report.text());
            if report.is_right() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(why) => {
            eprintln!("courant-load: {why}");
            ExitCode::from(1)
        }
    }
}
