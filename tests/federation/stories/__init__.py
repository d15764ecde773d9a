"""One story per file, each a coroutine `story(ring)`; told in this order, the rough ones last."""

ORDER = (
    "disco_and_ping",
    "grant_then_relay",
    "no_consent_gets_nothing",
    "record_outside_series_refused_whole",
    "only_consented_records",
    "revoked_midway",
    "commands",
    "commands_in_two_languages",
    "pubsub_and_quoalise",
    "pull_through",
    "relay_to_relay",
    "repeated_item",
    "large_pack_is_split",
    "what_no_stanza_carries",
    "subscriber_offline_gets_it_at_login",
    "bad_input",
    "wrong_secret",
    "server_restart",
    "service_killed",
    "granularity",
    "clock_steps_back",
    "remote_down_and_back",
    "remote_hangs_then_dies",
    "prosody_comes_and_goes",
    "remote_down_under_load",
    "remote_hangs_under_load",
)

# With a long version, told by `run.py --long`.
OUTAGES = ("prosody_comes_and_goes", "remote_down_under_load", "remote_hangs_under_load")
