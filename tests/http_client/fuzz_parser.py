"""`make fuzz`: strange answers against the parser of answers, 100,000 of them unless told otherwise.

For each: a good answer comes out as it went in, and one that is cut off does not; of a mutated one either an answer or
BrokenAnswerError comes out, the same wherever packets end; and the memory does not grow.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import time
from collections import Counter
from random import Random

import click

from smartgrid.http_client.answer import Answer, AnswerParser, BrokenAnswerError
from support.strange_answers import good, mutated, pieces

MARKER = b"6f1c2b9d3e8a4750"
MAX_GROWTH_MB = 16


def parse(parts: list[bytes]) -> Answer | None:
    """As a connection does: until the answer is complete, or to the end of the connection. None for a broken one."""
    parser = AnswerParser()
    try:
        for part in parts:
            if part and not parser.complete:
                parser.feed(part)
        if not parser.complete:
            parser.feed(b"")
    except BrokenAnswerError:
        return None
    return parser.answer()


def check(rng: Random) -> str:
    """One input; what became of it. Raises AssertionError, and whatever else than BrokenAnswerError the parser does."""
    sent = good(rng, MARKER)
    found = parse(pieces(rng, sent.raw))
    assert found is not None, sent.raw
    assert found.body == sent.body, sent.raw
    assert found.headers["x-marker"] == MARKER.decode(), sent.raw
    begun = parse(pieces(rng, sent.raw[: rng.randrange(len(sent.raw))]))
    assert begun is None or sent.ends_with_connection, sent.raw
    strange = mutated(rng, sent.raw)
    found = parse([strange])
    parts = pieces(rng, strange)
    assert _same(parse(parts), found), (strange, parts)
    return "broken" if found is None else "answer"


def _same(one: Answer | None, other: Answer | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.status, dict(one.headers), one.body) == (other.status, dict(other.headers), other.body)


def fuzz(inputs: int, seed: int) -> Counter[str]:
    """What became of so many inputs. Raises AssertionError."""
    rng = Random(seed)
    outcomes = Counter(check(rng) for _ in range(min(inputs, 1000)))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes.update(check(rng) for _ in range(inputs - 1000))
    growth_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    assert growth_mb < MAX_GROWTH_MB, f"the memory grew by {growth_mb:.0f} MB"
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    click.echo(f"seed {seed}")
    begun_s = time.monotonic()
    outcomes = fuzz(options.inputs, seed)
    click.echo(f"{options.inputs} inputs in {time.monotonic() - begun_s:.0f} s: {dict(outcomes)}")


if __name__ == "__main__":
    main()
