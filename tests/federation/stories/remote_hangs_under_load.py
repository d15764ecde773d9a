"""The recipients' server hangs with about a thousand messages in flight, and is then killed: all
of them are lost without a word."""

import asyncio

from load import Load
from ring import Ring


async def story(ring: Ring) -> str:
    """All of it arrives nevertheless, in order."""
    load = await Load(ring).begin()
    try:
        # A short one lets a backlog grow, so that large batches are under way at the next.
        ring.away.program.freeze()
        await load.until_accepted(1500 if ring.long else 300, timeout=300)
        ring.away.program.thaw()
        await load.until(100)
        ring.away.program.freeze()
        await asyncio.sleep(20 if ring.long else 3)
        held = load.owed - load.sink.firsts
        ring.away.kill()
        await asyncio.sleep(0.5)
        ring.away.start()
        await ring.away.ready()
        return f"{await load.end()}, {held} owed when it died"
    finally:
        ring.away.program.thaw()
        load.close()
        await load.sink.close()
