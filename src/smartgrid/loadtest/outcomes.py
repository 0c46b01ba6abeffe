"""What became of one request: judged from the answer alone. Pure."""

import json
from dataclasses import dataclass
from enum import StrEnum

REFUSAL_CODES = frozenset({"no-capacity", "draining"})
"""503 problems with these codes say that the grid is full or leaving: a proper answer, not a fault."""


class Result(StrEnum):
    """Succeeded: a session was admitted. Rejected: the grid said that it has no room. Failed: anything else."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """The result, the substation that serves the car (admitted only), and a few words why (not admitted only)."""

    result: Result
    substation: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Outcome:
    """One finished request. Times count from the start of the run; `sent_s - due_s` is how late it went out."""

    index: int
    due_s: float
    sent_s: float
    response_ms: float
    energy_kwh: float
    verdict: Verdict
    retried: bool = False


def verdict_on_answer(status: int, body: bytes) -> Verdict:
    """The verdict on an HTTP answer to POST /charge."""
    document = _json_object(body)
    if status == 201:
        return _admitted(document)
    code = document.get("code")
    reason = f"{status} {_printable(str(code))}" if code else str(status)
    refused = status == 503 and code in REFUSAL_CODES
    return Verdict(Result.REJECTED if refused else Result.FAILED, reason=reason)


def verdict_on_silence(reason: str) -> Verdict:
    """The verdict on a request that got no answer."""
    return Verdict(Result.FAILED, reason=reason)


def _admitted(session: dict[str, object]) -> Verdict:
    substation = session.get("substation")
    if not isinstance(substation, str) or not substation:
        return Verdict(Result.FAILED, reason="201 without a session")
    return Verdict(Result.SUCCEEDED, substation=_printable(substation))


def _json_object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _printable(text: str) -> str:
    """A server's text, safe to show on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:64])
