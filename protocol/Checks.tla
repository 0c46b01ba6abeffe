------------------------------- MODULE Checks -------------------------------
(***************************************************************************)
(* How TLC goes through Sessions: which behaviours it looks at, and what   *)
(* is the same but for names.                                              *)
(***************************************************************************)
EXTENDS Sessions, TLC

(* Substations do not differ, and neither do balancers. *)
Symmetry == Permutations(Substations) \cup Permutations(Balancers)

-----------------------------------------------------------------------------
(***************************************************************************)
(* Big steps: what need not wait for anything happens at once, so that     *)
(* larger instances can be looked at.  Every behaviour in big steps is one *)
(* of Sessions; the small instances look at all the others too.            *)
(***************************************************************************)
Chooses(b) == job[b] # Idle /\ job[b].at = None
HasAnswer(b) == job[b] # Idle /\ job[b].answer # None
Unsaved(s) == waiting[s] # {} \/ memory[s] # disk[s]

BigStep ==
    IF \E b \in Balancers : Chooses(b) THEN \E b \in Balancers : Chooses(b) /\ Send(b)
    ELSE IF \E b \in Balancers : HasAnswer(b) THEN \E b \in Balancers : HasAnswer(b) /\ (TakeAnswer(b) \/ GiveUp(b))
    ELSE IF \E s \in Substations : Unsaved(s)
         THEN \E s \in Substations : Unsaved(s) /\ (Commit(s) \/ CommitFails(s) \/ SubstationCrashes(s))
    ELSE IF \E decision \in decisions : decision.at \notin away THEN \E decision \in decisions : Supersede(decision)
    ELSE Next

BigSteps == Init /\ [][BigStep]_vars
FairBigSteps == BigSteps /\ Fairness

=============================================================================
