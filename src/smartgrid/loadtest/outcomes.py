"""What became of one car of a run."""

from dataclasses import dataclass

from smartgrid.loadtest.request import Verdict, Wait


@dataclass(frozen=True)
class Outcome:
    """One finished request. Times count from the start of the run; `sent_s - due_s` is how late it went out.

    `wait` is that of a car that was let wait (202): its verdict is of the end of the wait, `response_ms` of the 202.
    """

    index: int
    due_s: float
    sent_s: float
    response_ms: float
    energy_kwh: float
    verdict: Verdict
    retried: bool = False
    wait: Wait | None = None
