"""Cars as hypothesis draws them: the common ones, and any other."""

from __future__ import annotations

from hypothesis import strategies as st

from smartgrid.domain.request import PowerRange

MAXIMUMS_KW = st.one_of(
    st.sampled_from([1.38, 3.7, 7.4, 11.0, 22.0, 50.0]), st.floats(min_value=0.01, max_value=60, allow_subnormal=False)
)


@st.composite
def power_ranges(draw: st.DrawFn) -> PowerRange:
    """A car's powers; one in three is rigid."""
    max_kw = draw(MAXIMUMS_KW)
    share = draw(st.sampled_from([0.0, 0.1, 0.376, 0.5, 1.0, 1.0]) | st.floats(min_value=0, max_value=1))
    return PowerRange(max(max_kw * share, 0.001), max_kw)
