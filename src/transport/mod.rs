//! The component stream: carries stanzas between the server and the router, unread.

pub mod framer;
