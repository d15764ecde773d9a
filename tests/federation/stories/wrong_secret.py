"""The operator mistyped the secret: one clear line, exit code 4, no endless trying."""

from ring import Ring, check
from testbed.courant import Courant

SERVER_NOT_ACCEPTING = 4


async def story(ring: Ring) -> None:
    """`run` and `check` both say what is wrong; the running service is not disturbed."""
    mistaken = Courant(ring.home, f"mistaken-{ring.home.name}", secret="not-the-secret")
    for verb in ("run", "check"):
        done = await mistaken.run(verb)
        words = done.errors + done.output
        check(done.code == SERVER_NOT_ACCEPTING, f"{verb}: exit code {done.code}\n{words}")
        about = [line for line in words.splitlines() if "secret" in line.lower()]
        check(about, f"{verb} does not name the secret:\n{words}")
        check("panicked" not in words and "not-the-secret" not in words, f"{verb}: {words}")
        if verb == "check":
            check(len(about) == 1, f"more than one line:\n{words}")
    await ring.still_serving()
