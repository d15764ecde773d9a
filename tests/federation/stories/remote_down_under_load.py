"""The recipients' server is down while measurements go on being accepted; for two minutes in
the long version."""

import asyncio

from load import Load
from ring import Ring


async def story(ring: Ring) -> str:
    """All that was accepted meanwhile arrives once it is back, in order."""
    load = await Load(ring).begin()
    try:
        await ring.away.stop()
        if ring.long:
            await asyncio.sleep(120)
        await load.until_accepted(300)
        ring.away.start()
        await ring.away.ready()
        return await load.end()
    finally:
        load.close()
        await load.sink.close()
