//! What the service and its server say to each other, one story per test: the real binary, a scripted
//! server, and the XML on the page.
//!
//! What counts: who hears what, in which order, and that nobody hears anything else. Where something must
//! *not* be said, the story asks for a pong and takes it as the very next word (`stage::nothing_else`):
//! the service answers in order, so what it had to say would have come before. How fast things happen
//! counts nowhere.

mod support;

mod conversations {
    mod stage;

    mod access_over;
    mod all_at_once;
    mod asking;
    mod bad_input;
    mod changing_hands;
    mod command_line;
    mod commands;
    mod commands_of_operators;
    mod commands_of_people;
    mod consents_change;
    mod disco_and_friends;
    mod first_contact;
    mod forms_filled_in;
    mod full_disk;
    mod grant_then_relay;
    mod granularity;
    mod hostile_forms;
    mod long_lists;
    mod moves;
    mod not_theirs;
    mod notices_of_many;
    mod pubsub_affiliations;
    mod pubsub_archive;
    mod pubsub_in_french;
    mod pubsub_items;
    mod pubsub_nodes;
    mod quoalise;
    mod relay_to_relay;
    mod repetitions;
    mod revoked_midway;
    mod server_comes_and_goes;
    mod sizes;
    mod storage_trouble;
    mod stranger_is_refused;
    mod stream_ends;
    mod upstream;
    mod what_people_read;
    mod who_gets_what;
}
