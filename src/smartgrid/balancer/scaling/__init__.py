"""How many substations there should be: what an autoscaler is told, and how those that it will take away are emptied.

A substation is capacity, and a StatefulSet takes away the pod with the highest ordinal, whatever charges there. So the
autoscaler is told two numbers, of which Kubernetes takes the one that asks for more (`wanted`):

- `smartgrid_demand_kw`, what all cars of the scaled substations could take, those that wait included: divided by a
  target it is the number of substations that they need;
- `smartgrid_busy_floor`, 1 + the highest ordinal that has a car: below it a car would be stranded.

Both count also substations that do not answer or have left, by what was last known of them: their cars charge on, or
are on a volume that must come back. Of a substation in the StatefulSet that was never heard it must be assumed that it
has cars. So each error is on the side of too many.

With that alone the fleet would hardly ever shrink, as the next car is as likely to be sent to the highest ordinal as to
any other. So the balancer reads from the autoscaler what it is set to, computes what demand alone asks for, and sends
cars to the ordinals above it only when no other has room (`emptying`): they empty, the floor falls, and the autoscaler
takes them away. Should a car land on one after all, the floor rises and brings it back.

`follower` is the thread that does it; `balancer/discovery/autoscaler.py` asks Kubernetes. docs/autoscaling.md has more.
"""
