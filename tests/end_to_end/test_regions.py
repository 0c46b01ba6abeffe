"""Two regions of real processes, a balancer of regions before them, and a gateway that asks everyone for a token."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.grid import PATIENT_BALANCER, PATIENT_GATEWAY, charge, patient, sessions, together
from support.http import Reply
from support.identity import Identities
from support.processes import Process, running, wait_until
from support.tcp_proxy import Fault, TcpProxy
from support.tokens import SigningKey, claims, key_set

pytestmark = pytest.mark.timeout(400)

CAPACITY_KW = 220.0  # twenty cars of 11 kW
PLACES = ("DE", "NO")


@dataclass(frozen=True)
class Country:
    """`west` (DE) and `north` (NO) have two substations each; the way to west can be cut off."""

    substations: dict[str, list[Process]]
    west_link: TcpProxy
    top: Process
    gateway: Process
    grid_keys: Identities
    tenants_key: SigningKey

    def driver(self, **changes: object) -> dict[str, str]:
        """The header of a tenant's driver."""
        return {"Authorization": f"Bearer {self.tenants_key.sign(claims(**changes))}"}

    @property
    def operator(self) -> dict[str, str]:
        return self.grid_keys.bearer("operator", ("grid:read", "grid:operate", "charge:read", "charge:write"))


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    folder = tmp_path_factory.mktemp("country")
    identities, key = Identities(folder / "auth"), SigningKey()
    (folder / "tenants.json").write_bytes(key_set(key))
    substations = {
        region: [
            Process(
                "substation",
                folder / f"{region}-{i}",
                name=f"substation-{i}",
                capacity_kw=CAPACITY_KW,
                **identities.believing,
            )
            for i in range(2)
        ]
        for region in ("west", "north")
    }
    regions = {
        region: Process(
            "balancer", folder / region, name=region, substations=listed(members), poll_interval_s=0.25,
            **identities.calling, **PATIENT_BALANCER,
        )
        for region, members in substations.items()
    }  # fmt: skip
    everyone = [*(each for members in substations.values() for each in members), *regions.values()]
    known = [{"name": name, "labels": {"country": place}} for name, place in zip(regions, PLACES, strict=True)]
    with running(*everyone), TcpProxy(regions["west"].port) as west_link:
        top = Process(
            "balancer", folder / "top", poll_interval_s=0.25, attempt_timeout_s=5, request_timeout_s=12,
            substations=f"west={west_link.url},north={regions['north'].url}",
            regions=json.dumps(known), residency_label="country", **identities.calling,
        )  # fmt: skip
        gateway = Process(
            "gateway", folder / "gateway", balancer_url=top.url, rate_limit="off",
            **{**identities.calling, "auth_issuers": with_tenants(folder, identities)}, **PATIENT_GATEWAY,
        )  # fmt: skip
        with running(top, gateway):
            yield Country(substations, west_link, top, gateway, identities, key)


def listed(members: list[Process]) -> str:
    return ",".join(f"{each.settings['name']}={each.url}" for each in members)


def with_tenants(folder: Path, identities: Identities) -> str:
    """The gateway believes the tenants' issuer besides: its tokens must say where their cars may be."""
    own = json.loads(identities.issuer.issuers_path.read_text())
    tenants = {
        "issuer": "https://login.example.com",
        "audience": "smartgrid",
        "jwks": str(folder / "tenants.json"),
        "claims": {"residency": "country"},
    }
    return json.dumps([*own, tenants])


def region_of(reply: Reply) -> str:
    assert reply.status == 201, reply.json()
    return str(reply.json()["substation"]).split(".")[0]


def test_a_tenants_cars_go_where_the_token_says(country: Country) -> None:
    norwegian = country.driver(country="NO")

    assert {region_of(charge(country.gateway, f"NO-{i}", who=norwegian)) for i in range(4)} == {"north"}
    refused = charge(country.gateway, "NO-5", who=norwegian, region="west")
    assert (refused.status, refused.json()["code"]) == (403, "region-not-allowed")


def test_a_tenants_token_without_the_claim_starts_no_car_and_still_lists(country: Country) -> None:
    refused = charge(country.gateway, "XX-1", who=country.driver())

    assert (refused.status, refused.json()["code"]) == (403, "region-not-allowed")
    assert country.gateway.call("GET", "/sessions", headers=country.driver()).status == 200


def test_what_a_client_says_of_residency_itself_is_not_believed(country: Country) -> None:
    forged = {**country.driver(country="NO"), "Smartgrid-Residency": "DE"}

    assert region_of(charge(country.gateway, "NO-6", who=forged)) == "north"


def test_a_region_that_is_cut_off_charges_on_and_comes_back_with_its_books_exact(country: Country) -> None:
    who = country.operator
    before = [charge(country.gateway, f"W-{i}", who=who, region="west").json() for i in range(3)]

    country.west_link.fail(Fault.CUT)
    wait_west(country, in_rotation=False)
    placed = together(12, lambda i: keyed(country, f"C-{i}"))
    looks = [country.gateway.call("GET", f"/sessions/{each['session_id']}", headers=who) for each in before]
    page = country.gateway.call("GET", "/sessions", headers=who)

    assert {region_of(reply) for reply in placed} == {"north"}
    assert {look.status for look in looks} <= {200, 503}, "what was known last, or that it cannot be asked"
    assert page.headers["Smartgrid-Unreachable"] == "west"
    required = charge(country.gateway, "W-9", who=who, region="west")
    assert (required.status, required.json()["code"]) == (503, "no-capacity")
    wait_until(lambda: delivered_kwh(country, "W-") > 0, 60, "cars of a region that is cut off go on charging")

    country.west_link.mend()
    wait_west(country, in_rotation=True)
    again = together(12, lambda i: keyed(country, f"C-{i}"))
    assert [reply.json()["session_id"] for reply in again] == [reply.json()["session_id"] for reply in placed]
    assert counted(country, "C-") == {f"C-{i}": 1 for i in range(12)}
    assert counted(country, "W-") == {f"W-{i}": 1 for i in range(3)}
    after = [country.gateway.call("GET", f"/sessions/{each['session_id']}", headers=who).json() for each in before]
    assert {each["state"] for each in after} == {"Charging"}, "no session was moved or ended"


def keyed(country: Country, name: str) -> Reply:
    """Repeated with its key until there is a certain answer."""
    return patient(
        lambda: charge(country.gateway, name, key=name, who=country.operator), lambda reply: reply.status == 201
    )


def wait_west(country: Country, *, in_rotation: bool) -> None:
    def is_so() -> bool:
        seen = country.top.call("GET", "/substations", headers=country.operator).json()["substations"]
        return {each["name"]: each["in_rotation"] for each in seen}["west"] is in_rotation

    wait_until(is_so, 60, f"west in rotation is {in_rotation}")


def recorded(country: Country, prefix: str) -> list[dict[str, Any]]:
    """What the substations themselves have of cars whose name begins so."""
    processes = [each for members in country.substations.values() for each in members]
    found = [session for each in processes for session in sessions(each, who=country.operator)]
    return [each for each in found if each["vehicle_id"].startswith(prefix)]


def delivered_kwh(country: Country, prefix: str) -> float:
    return min(float(each["delivered_kwh"]) for each in recorded(country, prefix))


def counted(country: Country, prefix: str) -> dict[str, int]:
    """How many sessions that count each car has."""
    return Counter(each["vehicle_id"] for each in recorded(country, prefix) if not each.get("superseded_by"))
