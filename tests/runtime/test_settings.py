"""Settings from the environment, and the sentence where one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartgrid.runtime.settings import ServiceSettings, SettingsError, load


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in ServiceSettings.model_fields:
        monkeypatch.delenv(f"SMARTGRID_{field.upper()}", raising=False)


def test_there_is_a_default_for_everything() -> None:
    settings = load(ServiceSettings)
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path(".smartgrid"))


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_PORT", "")
    assert load(ServiceSettings).port == 8080


def test_a_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTGRID_PORT", "9000")
    assert load(ServiceSettings).port == 9000


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "80.5", "integer"),
        ("THREADS", "1", "greater than or equal to 2"),
        ("DRAIN_TIMEOUT_S", "inf", "less than or equal to 300"),
        ("SHUTDOWN_DELAY_S", "nan", "should be"),
        ("LOG_LEVEL", "chatty", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_one_is_named_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(f"SMARTGRID_{name}", value)
    with pytest.raises(SettingsError) as error:
        load(ServiceSettings)
    assert str(error.value).startswith(f"SMARTGRID_{name}='{value}': ")
    assert why in str(error.value)
    assert "\n" not in str(error.value)
