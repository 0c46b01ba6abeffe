"""The profiles that a charger has: which it takes, which one a new one replaces, which a command clears.

They are kept over a reboot, as the standard wants it, but for a TxProfile, which ends with its transaction. What all of
them allow together at one moment is `profiles.allowed_a`'s business. What a charger of a certain behaviour does not
take, or takes and ignores, is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from smartgrid.chargersim.behaviour import Behaviour, Obeys
from smartgrid.chargersim.profiles import Kind, Profile, Purpose
from smartgrid.chargersim.transaction import Transaction


class Installed:
    """Of one charger. `refuses_another_id`: whether, as OCPP 2 has it (K01), another profile of the same purpose, level
    and place must be cleared before a new one comes under another id; in 1.6 the new one replaces it."""

    def __init__(self, behaviour: Behaviour, *, refuses_another_id: bool) -> None:
        self._behaviour, self._refuses_another_id = behaviour, refuses_another_id
        self._profiles: list[Profile] = []

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def takes(self, profile: Profile, transaction: Transaction | None) -> bool:
        """Whether it is accepted for a connector that there is; `transaction` is the one that is there."""
        behaviour = self._behaviour
        if profile.purpose is Purpose.TX and not _is_of(profile, transaction):
            return False
        is_possible = profile.unit in behaviour.units and profile.stack_level <= behaviour.max_stack_level
        is_simple = profile.kind is not Kind.RECURRING and bool(profile.periods)
        return behaviour.obeys is not Obeys.REJECTS and is_possible and is_simple and not self._is_in_the_way(profile)

    def put(self, profile: Profile) -> None:
        """Accepted; whether it has any effect is another question."""
        obeys = self._behaviour.obeys
        if obeys is Obeys.IGNORES or (obeys is Obeys.IGNORES_TX and profile.purpose is Purpose.TX):
            return
        self._profiles = [each for each in self._profiles if not profile.replaces(each)]
        self._profiles.append(profile)

    def clear(self, profile_id: int | None, connector: int | None, purpose: Purpose | None, level: int | None) -> int:
        """Those that are meant, by their id alone where there is one; returns how many there were."""

        def is_meant(each: Profile) -> bool:
            if profile_id is not None:
                return each.profile_id == profile_id
            return (
                connector in (None, each.connector)
                and purpose in (None, each.purpose)
                and level in (None, each.stack_level)
            )

        before = len(self._profiles)
        self._profiles = [each for each in self._profiles if not is_meant(each)]
        return before - len(self._profiles)

    def end_transaction(self, connector: int) -> None:
        """Its TxProfiles end with it."""
        self.clear(None, connector, Purpose.TX, None)

    def _is_in_the_way(self, profile: Profile) -> bool:
        return self._refuses_another_id and any(
            profile.replaces(each) and profile.profile_id != each.profile_id for each in self._profiles
        )


def _is_of(profile: Profile, transaction: Transaction | None) -> bool:
    return transaction is not None and profile.transaction_id in (None, transaction.transaction_id)
