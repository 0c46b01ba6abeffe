"""Several edges: which of them has which substations, and how a charger gets to its own.

All chargers of a substation meet at one edge, the substation's owner. A charger may connect to any edge, as a Service
sends it: one that is not the owner passes the connection on. Edges that disagree on who owns a substation do no harm:
who lets a charger draw what is decided by the substation (docs/chargers-protocol.md), and each edge acts only on
sessions that it holds there.
"""
