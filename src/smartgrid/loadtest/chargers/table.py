"""The result of a run with chargers as plain text tables. Pure."""

from __future__ import annotations

from smartgrid.loadtest.chargers.report import ChargerRun, Report
from smartgrid.loadtest.table import aligned, number, share


def result_text(report: Report, run: ChargerRun) -> str:
    """All that a person wants to know at the end of a run."""
    blocks = [
        _headline(report),
        _cars(report),
        _times(report),
        _substations(report),
        _over(report),
        _energy(report, run),
    ]
    return "\n\n".join(filter(None, blocks))


def _headline(report: Report) -> str:
    chargers, messages = report["chargers"], report["messages"]
    refused = "".join(f", refused with {status}: {count}" for status, count in chargers["refused"].items())
    return (
        f"Scenario chargers: {chargers['connected']} of {report['settings']['chargers']} chargers connected{refused}; "
        f"{report['duration_s']:.1f} s, {number(messages['per_s'], 1)} messages/s, "
        f"{messages['profiles']} charging profiles"
    )


def _cars(report: Report) -> str:
    cars, messages = report["cars"], report["messages"]
    rows = [
        ("cars", "count", "share"),
        ("came", str(cars["came"]), ""),
        ("charged", str(cars["charged"]), share(cars["charged"], cars["came"])),
    ]
    lost = ((f"messages {what}", messages[what]) for what in ("dropped", "kept"))
    rows += [(name, str(count), "") for name, count in lost if count]
    return aligned(rows)


def _times(report: Report) -> str:
    times = report["first_limit_ms"]
    return aligned([("start to first limit", *times), ("ms", *(number(value, 1) for value in times.values()))])


def _substations(report: Report) -> str:
    rows = [("substation", "cars", "energy", "capacity", "most drawn at a moment")]
    for name, row in report["substations"].items():
        capacity_kw = number(row["capacity_kw"], 1)
        rows.append(
            (name, str(row["cars"]), f"{row['energy_kwh']:.2f} kWh", f"{capacity_kw} kW", f"{row['most_kw']:.2f} kW")
        )
    return aligned(rows) if len(rows) > 1 else ""


def _over(report: Report) -> str:
    over_kw = report["over_kw"]
    if over_kw is None:
        return "whether any capacity was exceeded was not measured"
    return "no capacity was exceeded at any moment" if not over_kw else f"a capacity was exceeded by {over_kw:.3f} kW"


def _energy(report: Report, run: ChargerRun) -> str:
    energy = report["energy"]
    if energy["sessions_kwh"] is None:
        return f"energy: {energy['registers_kwh']:.3f} kWh by the registers; not compared: {run.problem}"
    rest = "".join(
        f"; {energy[name]} {what}"
        for name, what in (
            ("without_session", "cars without a session"),
            ("with_several", "cars with several sessions"),
            ("not_ended", "sessions not ended"),
        )
        if energy[name]
    )
    return (
        f"energy: {energy['registers_kwh']:.3f} kWh by the registers, "
        f"{energy['sessions_kwh']:.3f} kWh in the sessions, "
        f"off by {number(energy['largest_difference_kwh'], 3)} kWh at the most of any car{rest}"
    )
