"""What benches/run.py is made of.

cells    what is measured: records x recipients x series, closed loop or fixed rate
build    the programs it takes
seed     a store of Courant with any number of series and consents, in seconds
peers    how each component is prepared and started
measure  one run of the load generator, and a second opinion on what it saw
report   medians, ratios, tables
goals    what was promised, and what was measured
svg      plots
soak     a long run at a fixed rate
through_prosody   Courant's CPU beside that of a real server
"""
