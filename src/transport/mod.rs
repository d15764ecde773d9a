//! The component stream (XEP-0114).
