"""Rounds of torture, seed after seed, until the time is over or a rule is broken, and what is said of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

Round = Callable[[int, Path], tuple[bool, Counter[str]]]
"""By its seed, and a folder for what it leaves: whether a rule was broken, and what happened how often."""


def run(one_round: Round, name: str, leaves: str, seed: int, minutes: float, *, keep_going: bool = False) -> int:
    """The exit code; no round begins after so many minutes. `leaves` is what a failed round has left behind."""
    root = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    begun_s, total, failed, first = time.monotonic(), Counter[str](), list[int](), seed
    while time.monotonic() < begun_s + 60 * minutes and (keep_going or not failed):
        is_broken, found = one_round(seed, root / f"seed-{seed}")
        total += found
        failed += [seed] if is_broken else []
        seed += 1
    passed_minutes = (time.monotonic() - begun_s) / 60
    say(f"\n{seed - first} rounds in {passed_minutes:.1f} minutes, seeds from {first}: {shown(total)}")
    say(f"FAILED with the seeds {failed}; {leaves}: {root}" if failed else "no rule was broken")
    if not failed:
        shutil.rmtree(root)
    return 1 if failed else 0


def shown(found: Counter[str]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(found.items(), key=lambda item: -item[1]))


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
