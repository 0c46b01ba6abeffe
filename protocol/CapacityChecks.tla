--------------------------- MODULE CapacityChecks ---------------------------
(***************************************************************************)
(* How TLC goes through Capacity.                                          *)
(***************************************************************************)
EXTENDS Capacity, TLC

(* As many reports are on their way as it takes; more would only be more of the same. *)
FewMessages == Cardinality(reports) <= MaxMessages

Symmetry == Permutations(Sessions)

-----------------------------------------------------------------------------
(***************************************************************************)
(* Big steps: a profile reaches its charger at once or never, and the edge *)
(* learns of it at once or never.  Slow ones are in Offers.tla, where one  *)
(* charger goes through every step.                                        *)
(***************************************************************************)
Write(s, power) ==
    /\ MaySend(s, power)
    /\ \/ charger' = [charger EXCEPT ![s] = Profile(s, power)] /\ edge' = [edge EXCEPT ![s].may = {Profile(s, power)}]
       \/ /\ charger' = [charger EXCEPT ![s] = Profile(s, power)] \/ UNCHANGED charger
          /\ edge' = [edge EXCEPT ![s].may = @ \cup {Profile(s, power)}]
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, calls, reports, faults>>

BigStep ==
    \/ Tick \/ Save \/ SubstationCrashes \/ Lose \/ Reply \/ Ask \/ GiveUp \/ Adopt
    \/ \E report \in reports : TakeReport(report)
    \/ \E s \in Sessions :
        \/ Report(s)
        \/ \E power \in Powers : Fall(s, power) \/ Raise(s, power) \/ Write(s, power)

BigSteps == Init /\ [][BigStep]_vars

=============================================================================
