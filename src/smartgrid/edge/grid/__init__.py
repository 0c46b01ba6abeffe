"""The substations, as an edge sees them: where they are, what they offer, and what they are told.

Begin with `substation.py`; `grid.py` has all of them, behind the port `Grid`.
"""
