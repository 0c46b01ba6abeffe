"""Which substation a car gets, and that a key gets one session (docs/protocol.md, "What a balancer promises").

The way of a car through this package:

1.  `placement.Placement.place` has the key to itself, and looks into the `directory` for where the key's session is. No
    one is asked: the directory has the keys of all members, as telemetry reads them with each status.
2.  A key that has a holder goes to the holder. Else the fleet chooses a member and reserves the power there, and the
    next one when that says no, each attempt with a greater number (`protocol.numbers`). Before each the directory is
    looked into again.
3.  `attempt.ask` makes the attempt, and says what the answer means: a session, a certain no, or not known.
4.  The session goes into the directory at once, so that the next request for the key finds it.

An attempt that got no answer may have started a session. Nothing is written down for that, and no one is told to take
it back: the substation remembers its keys, so as soon as it answers again its session shows up in the directory beside
the one that the car has by then. `compare` looks for just that, keys with sessions at two members, and has the one with
the lower number ended. The same finds what a balancer that has died left behind, what came late, and what came back
after a day, and several balancers may do it at once.

`fleet_use` counts what each owner has at once in the fleet, for their quota.

`errors` has the ways in which a car is not placed.
"""
