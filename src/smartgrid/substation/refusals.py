"""Why the ledger does not do what it is asked, each with the status, the code and the sentence that the API answers."""

from __future__ import annotations

from smartgrid.domain.status import Status


class LedgerError(Exception):
    """A refusal, or a change of which it cannot be said that it is on the disk.

    `retry` is whether it makes sense to ask again for the same; `status` the substation's at that moment.
    """

    http_status = 503
    code = ""
    sentence = ""
    retry = False
    status: Status | None = None

    def __str__(self) -> str:
        return self.sentence.format(*self.args)

    @property
    def extensions(self) -> dict[str, str]:
        """What the problem has besides."""
        return {}


class NoRoomError(LedgerError):
    """The minimum does not fit, or as many sessions charge as may."""

    code, retry = "no-capacity", True
    sentence = "The substation has no room for the car's minimum power."


class QuotaError(LedgerError):
    """The owner has as much at once as one may have here: `QuotaError(quota)`."""

    http_status, code, retry = 429, "quota-exceeded", True
    sentence = "The owner of the car may have {0} at once here, and with this one it would be more."


class DrainingError(LedgerError):
    """No new sessions: the substation is about to end."""

    code, retry = "draining", True
    sentence = "The substation is about to end and admits no one."


class DepartureError(LedgerError):
    """The departure is not in the future."""

    http_status, code = 422, "invalid-request"
    sentence = "departure_time must be in the future."


class KeyReusedError(LedgerError):
    """The key belongs to a different request."""

    http_status, code = 422, "idempotency-key-reused"
    sentence = "The Idempotency-Key belongs to another request; use a new one for each car."


class SupersededError(LedgerError):
    """The key has another session, which counts: `SupersededError(path)`."""

    http_status, code = 409, "superseded"
    sentence = "The session of this Idempotency-Key is {0}."

    @property
    def extensions(self) -> dict[str, str]:
        return {"superseded_by": str(self.args[0])}


class StorageError(LedgerError):
    """The disk does not take it, and nothing was changed: `StorageError(reason)`."""

    code, retry = "storage-unavailable", True
    sentence = "The disk takes no changes at present ({0}); nothing was changed, try again."


class NotDurableError(LedgerError):
    """Done, and written as soon as the disk takes changes, but a crash before that undoes it."""

    code, retry = "storage-unavailable", True
    sentence = "It is done, but the disk has not taken it yet ({0}); try again to be sure that it outlives a crash."


class UnreadableError(LedgerError):
    """The disk does not give back what is on it: `UnreadableError(reason)`."""

    code, retry = "storage-unavailable", True
    sentence = "The disk cannot be read at present ({0}); try again."


class UnknownOutcomeError(LedgerError):
    """It may be done and on the disk, or be so later, or never."""

    http_status, code, retry = 504, "outcome-unknown", True
    sentence = "It is not known whether it is done and on the disk: repeat it, a charge with the same Idempotency-Key."
