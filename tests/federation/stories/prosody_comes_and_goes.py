"""Prosody is stopped and started over and over under load, as the component's own server or as
the recipients'."""

import asyncio

from load import Load
from ring import Ring


async def story(ring: Ring) -> str:
    """All that was accepted arrives, in order."""
    load = await Load(ring).begin()
    try:
        # The recipients' server has answered a ping by then: before, one's own server vouches for it.
        await load.until(100, timeout=300)
        for _ in range(10 if ring.long else 2):
            await ring.bed.prosody.stop()
            await asyncio.sleep(0.3)
            ring.bed.prosody.start()
            await ring.bed.prosody.ready()
            await load.until_accepted(50, timeout=300)
            await load.until(100, timeout=300)
        return await load.end()
    finally:
        load.close()
        await load.sink.close()
