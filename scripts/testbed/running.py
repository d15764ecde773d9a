"""A program around a testbed: a signal ends it in order, and its exit code says how it ended."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def in_order(work: Coroutine[Any, Any, int], unable: str, last: str = "") -> int:
    """Runs `work`, which cleans up when it is cancelled; the exit code.

    `unable`: what to say before the reason when it could not begin; `last`: a line to end with then.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        print("\ninterrupted; everything was stopped", file=sys.stderr)
        return INTERRUPTED
    except (RuntimeError, OSError) as error:
        print(f"{unable}: {error}", file=sys.stderr)
        if last:
            print(last)
        return 1
