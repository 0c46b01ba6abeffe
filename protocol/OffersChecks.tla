---------------------------- MODULE OffersChecks ----------------------------
(***************************************************************************)
(* How TLC goes through Offers.                                            *)
(***************************************************************************)
EXTENDS Offers, TLC

(* As many messages are on their way as it takes; more would only be more of the same. *)
FewMessages == Cardinality(reports) + Cardinality(claims) <= MaxMessages

-----------------------------------------------------------------------------
(***************************************************************************)
(* Big steps, for what takes two edges and a long story: an edge asks and  *)
(* is told at once, and what it sends is taken and confirmed at once, or   *)
(* never.  Late answers and lost ones are in the small instances.          *)
(***************************************************************************)
Look(e) ==
    /\ edge[e].connected /\ requests[e] = None  \* one question at a time
    /\ edge' = [edge EXCEPT ![e] = Knowing(e, Told(e, now))]
    /\ sub' = Renewed(e)
    /\ UNCHANGED <<now, disk, requests, answers, charger, calls, reports, claims, faults>>

Write(e, power) ==
    /\ MaySend(e, power) /\ charger.at = e
    /\ charger' = [charger EXCEPT !.power = power, !.until = Profile(e, power).until]
    /\ edge' = [edge EXCEPT ![e].may = {Profile(e, power)}]
    /\ UNCHANGED <<now, sub, disk, requests, answers, calls, reports, claims, faults>>

(* An answer that an edge takes later than it was given. *)
AnswerIsLate(e) ==
    /\ edge[e].connected /\ answers[e] = None /\ Fault("answer is late")
    /\ requests' = [requests EXCEPT ![e] = now] /\ answers' = [answers EXCEPT ![e] = Told(e, now)]
    /\ sub' = Renewed(e)
    /\ UNCHANGED <<now, disk, edge, charger, calls, reports, claims>>

BigStep ==
    \/ \E power \in Powers : Offer(power)
    \/ \E report \in reports : TakeReport(report)
    \/ \E claim \in claims : TakeClaim(claim)
    \/ \E e \in Edges :
        \/ Connect(e) \/ Look(e) \/ Claim(e) \/ GiveBack(e) \/ Report(e) \/ AnswerIsLate(e) \/ Adopt(e)
        \/ \E power \in Powers : Write(e, power)
    \/ Lose

BigSteps == Init /\ [][BigStep]_vars

=============================================================================
