"""Scenario `chargers`: simulated chargers with cars at them, on an edge and the grid behind it.

`plan` says which charger stands where, how it behaves and when which car comes to it; `reach` asks whether the edge
will let them in; `drive` plays it; `grid` asks the gateway for capacities and sessions; `report`, `table` and
`thresholds` say how it was. All but `reach`, `drive` and `grid` are pure.
"""
