"""What a person reads after an install. Helm shows notes only with a cluster; here they are rendered as a manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from render.charts import ROOT
from render.manifests import Chart

AS_MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: notes
data:
  notes: {{ tpl (.Files.Get "notes/NOTES.txt") . | toJson }}
"""
Read = Callable[..., str]


@pytest.fixture
def notes(with_files: Callable[..., Chart]) -> Read:
    text = (ROOT / "templates/NOTES.txt").read_text()
    chart = with_files(**{"notes/NOTES.txt": text, "templates/notes.yaml": AS_MANIFEST})

    def read(values: dict[str, Any] | None = None) -> str:
        return str(chart.objects(values)["ConfigMap/notes"]["data"]["notes"])

    return read


def test_they_say_what_to_type_next(notes: Read) -> None:
    text = notes()
    for command in (
        "kubectl -n power port-forward service/grid-gateway 8080:8080",
        "curl -i http://127.0.0.1:8080/charge ",
        "helm -n power test grid",
        "kubectl -n power scale statefulset/grid-substation --replicas 5",
        "kubectl -n power port-forward service/grid-balancer 8081:8080",
        "--set loadtest.enabled=true",
    ):
        assert command in text


def test_what_is_typed_next_leads_to_the_ingress_or_the_route_where_there_is_one(notes: Read) -> None:
    ingress = {"gateway.ingress.enabled": True, "gateway.ingress.hosts": ["grid.example.com"]}
    assert "curl -i http://grid.example.com/charge " in notes(ingress)
    assert "curl -i https://grid.example.com/charge " in notes(ingress | {"gateway.ingress.tls": [{"secretName": "c"}]})
    route = {"enabled": True, "hostnames": ["grid.example.com"], "parentRefs": [{"name": "p"}], "path": "/grid"}
    routed = notes({f"gateway.httpRoute.{name}": value for name, value in route.items()})
    assert "curl -i http://grid.example.com/grid/charge " in routed
    assert "port-forward service/grid-gateway" not in routed


def test_they_name_what_an_uninstall_leaves_behind(notes: Read) -> None:
    assert "delete pvc -l app.kubernetes.io/instance=grid,app.kubernetes.io/component=substation" in notes()
    assert "delete pvc" not in notes({"substation.persistence.retentionPolicy.whenDeleted": "Delete"})
    assert "delete pvc" not in notes({"substation.persistence.enabled": False})


def test_they_follow_the_load_test_where_there_is_one(notes: Read) -> None:
    assert "logs -f job/grid-loadtest-1" in notes({"loadtest.enabled": True})


def test_they_use_the_names_that_the_objects_have(notes: Read) -> None:
    assert "service/grid-front 8080:8080" in notes(
        {"gateway.nameOverride": "front", "balancer.callers": ["grid-front"]}
    )
    renamed = {"substation.fullnameOverride": "mains", "balancer.substationService": "mains"}
    assert "statefulset/mains " in notes(renamed)


def test_they_say_who_sees_the_fleet_where_nobody_is_asked_for_a_token(notes: Read) -> None:
    told, kept_out = "whoever reaches the balancer may see the fleet and all sessions", "keep others out"
    issuer = {"issuer": "https://login.example.com", "audience": "grid", "jwks": "https://login.example.com/keys"}
    assert told in notes()
    assert kept_out in notes()
    assert kept_out not in notes({"balancer.networkPolicy.enabled": False})
    assert told not in notes({"global.auth.issuers": [issuer]})


def test_who_has_substations_scaled_is_not_told_to_scale_them(notes: Read) -> None:
    text = notes({"substation.autoscaling.enabled": True})
    assert "with 2 to 10 substation(s)" in text
    assert "kubectl -n power get horizontalpodautoscaler grid-substation" in text
    assert "scale statefulset" not in text


def test_with_the_edge_they_say_where_chargers_connect(notes: Read) -> None:
    on = {"edge.enabled": True}
    assert "ws://grid-edge.power.svc:9000/ocpp/SUBSTATION/CHARGER" in notes(on)
    assert "kubectl -n power port-forward service/grid-edge 9000:9000" in notes(on)
    ingress = {"edge.ingress.enabled": True, "edge.ingress.hosts": ["ocpp.example.com"]}
    assert "ws://ocpp.example.com/ocpp/SUBSTATION/CHARGER" in notes(on | ingress)
    assert "wss://ocpp.example.com/ocpp/" in notes(on | ingress | {"edge.ingress.tls": [{"secretName": "cert"}]})
    assert "ocpp" not in notes()


def test_they_warn_where_any_charger_is_let_in(notes: Read) -> None:
    told = "any charger is let in"
    assert told in notes({"edge.enabled": True, "edge.registration": "open"})
    assert told not in notes({"edge.enabled": True})
