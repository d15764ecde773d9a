//! What integration tests share: the server's end of the component stream ([`server`]), comparison of
//! stanzas as XML and not as bytes ([`canonical`]), and the real binary with its files ([`process`]).

#![allow(dead_code, unused_imports)] // each test takes what it needs

pub(crate) mod canonical;
pub(crate) mod process;
pub(crate) mod server;

pub(crate) use canonical::{Captures, matches};
pub(crate) use process::Courant;
pub(crate) use server::{Answer, GOODBYE, PATIENCE, Peer, Pings, ScriptedServer};
