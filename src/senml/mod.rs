//! SenML (RFC 8428): packs in and out.
