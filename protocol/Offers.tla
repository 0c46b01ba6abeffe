------------------------------- MODULE Offers -------------------------------
(***************************************************************************)
(* What substations and edges promise each other about the power that a    *)
(* charger may draw (docs/chargers-protocol.md).  In one line:             *)
(* substations book what may still be drawn, edges only let draw what was  *)
(* offered, and nothing outlives its lease.                                *)
(*                                                                         *)
(* One session of one charger: what must be shown is that the charger never*)
(* draws more than is booked for it.  A substation raises an offer only    *)
(* while the sum of what is booked allows it; Capacity.tla shows that then *)
(* the sum of what is drawn fits too.                                      *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Edges,      \* processes: one that dies never comes back, its successor is another
    None,
    MaxPower,   \* powers are 0..MaxPower
    Fallback,   \* what the charger draws where no profile holds
    Lease,      \* for how long an answer lets an edge use what it offers
    First,      \* the edge that has started the session
    MaxTime, MaxNumber, MaxFaults,
    MaxMessages,  \* reports and claims on their way at once
    Faults,     \* the kinds that may happen
    Broken      \* the rules that are switched off

VARIABLES
    now,
    sub,        \* the substation's books
    disk,       \* what it finds again after a crash
    requests,   \* by edge: when it has asked for offers, or None
    answers,    \* by edge: the answer on its way, or None
    edge,       \* by edge: what it knows
    charger,    \* with which edge it is connected, and its profile
    calls,      \* by edge: the profile on its way to the charger, or None
    reports, claims,  \* messages on their way to the substation
    faults      \* how many have happened

vars == <<now, sub, disk, requests, answers, edge, charger, calls, reports, claims, faults>>

Holds(rule) == rule \notin Broken
Fault(kind) == kind \in Faults /\ faults < MaxFaults /\ faults' = faults + 1

Powers == 0..MaxPower
Max(numbers) == CHOOSE n \in numbers : \A m \in numbers : m <= n

Unconnected == [connected |-> FALSE, offer |-> None, was_ours |-> FALSE, may |-> None, dead |-> FALSE]

(* The first edge has started the session, was offered all there is, and the charger draws it. *)
Init ==
    LET profile == [power |-> MaxPower, until |-> Lease] IN
    /\ now = 0
    /\ sub = [epoch |-> 1, number |-> 1, offer |-> MaxPower, offers |-> {[n |-> 1, v |-> MaxPower]}, held |-> MaxPower,
              lease |-> Lease, holder |-> First, from |-> 1, reported |-> 1]
    /\ disk = [booked |-> MaxPower, holder |-> First]
    /\ requests = [e \in Edges |-> None]
    /\ answers = [e \in Edges |-> None]
    /\ edge = [e \in Edges |->
                IF e # First THEN Unconnected
                ELSE [connected |-> TRUE, was_ours |-> TRUE, may |-> {profile}, dead |-> FALSE,
                      offer |-> [epoch |-> 1, n |-> 1, v |-> MaxPower, ours |-> TRUE, until |-> Lease]]]
    /\ charger = [at |-> First, power |-> MaxPower, until |-> Lease]
    /\ calls = [e \in Edges |-> None]
    /\ reports = {} /\ claims = {}
    /\ faults = 0

-----------------------------------------------------------------------------
(* The charger. *)

Draws == IF now < charger.until THEN charger.power ELSE Fallback

(* A new connection: the one before may still look open to its edge, but nothing comes through it any more.  The edge  *)
(* knows nothing of what the charger was told elsewhere, and goes by no answer that it has asked for before.           *)
Connect(e) ==
    /\ charger.at # e /\ ~edge[e].dead
    /\ charger' = [charger EXCEPT !.at = e]
    /\ calls' = [c \in Edges |-> None]
    /\ edge' = [edge EXCEPT ![e] = [@ EXCEPT !.connected = TRUE, !.was_ours = FALSE, !.offer = None,
                                    !.may = IF Holds("unknown") THEN None ELSE @]]
    /\ IF Holds("asked after")
       THEN requests' = [requests EXCEPT ![e] = None] /\ answers' = [answers EXCEPT ![e] = None]
       ELSE UNCHANGED <<requests, answers>>
    /\ UNCHANGED <<now, sub, disk, reports, claims, faults>>

Deliver(e) ==
    /\ calls[e] # None /\ ~calls[e].done /\ charger.at = e
    /\ charger' = [charger EXCEPT !.power = calls[e].power, !.until = calls[e].until]
    /\ calls' = [calls EXCEPT ![e].done = TRUE]
    /\ UNCHANGED <<now, sub, disk, requests, answers, edge, reports, claims, faults>>

-----------------------------------------------------------------------------
(* The substation. *)

Booked ==
    IF now < sub.lease
    THEN Max({Fallback, sub.held} \cup {o.v : o \in sub.offers})
    ELSE Fallback

(* It offers another power: nothing to a session without a lease.  A raise is on the disk before anyone is told. *)
Offer(power) ==
    /\ power # sub.offer /\ sub.number < MaxNumber
    /\ power < sub.offer \/ now < sub.lease \/ ~Holds("leased")
    /\ sub' = [sub EXCEPT !.number = @ + 1, !.offer = power, !.offers = @ \cup {[n |-> sub.number + 1, v |-> power]}]
    /\ disk' = IF Holds("write ahead") THEN [disk EXCEPT !.booked = Max({@, power})] ELSE disk
    /\ UNCHANGED <<now, requests, answers, edge, charger, calls, reports, claims, faults>>

Save ==
    /\ "substation crashes" \in Faults /\ disk.booked # Booked  \* else nobody reads it
    /\ disk' = [disk EXCEPT !.booked = Booked]
    /\ UNCHANGED <<now, sub, requests, answers, edge, charger, calls, reports, claims, faults>>

(* Each answer is a lease on what its edge holds; nobody goes by what another holds. *)
Leases(e) == (sub.holder = e \/ ~Holds("own lease")) /\ Holds("renewed")
Renewed(e) == IF Leases(e) THEN [sub EXCEPT !.lease = now + Lease] ELSE sub

Told(e, sent) == [sent |-> sent, epoch |-> sub.epoch, n |-> sub.number, v |-> sub.offer, ours |-> sub.holder = e]

Reply(e) ==
    /\ requests[e] # None /\ answers[e] = None
    /\ answers' = [answers EXCEPT ![e] = Told(e, requests[e])]
    /\ sub' = Renewed(e)
    /\ UNCHANGED <<now, disk, requests, edge, charger, calls, reports, claims, faults>>

TakeClaim(claim) ==
    /\ \/ claims' = claims \ {claim} /\ UNCHANGED faults
       \/ Fault("message comes twice") /\ UNCHANGED claims
    /\ IF (claim.n = sub.number \/ ~Holds("swap")) /\ sub.number < MaxNumber
       THEN /\ sub' = [sub EXCEPT !.holder = claim.edge, !.number = @ + 1, !.from = sub.number + 1,
                                  !.offers = @ \cup {[n |-> sub.number + 1, v |-> sub.offer]}]
            /\ disk' = [disk EXCEPT !.holder = claim.edge]
       ELSE UNCHANGED <<sub, disk>>
    /\ UNCHANGED <<now, requests, answers, edge, charger, calls, reports>>

Lowers(report) ==
    /\ report.held # None
    /\ report.edge = sub.holder \/ ~Holds("holder")
    /\ report.epoch = sub.epoch
    /\ report.n >= sub.from \/ ~Holds("holder")
    /\ report.n >= sub.reported \/ ~Holds("latest")

Kept(report) == IF Holds("outstanding") THEN {o \in sub.offers : o.n >= report.n} ELSE {o \in sub.offers : o.n = sub.number}

Book(report) ==
    IF now >= sub.lease THEN sub  \* whatever was held then is over
    ELSE IF Lowers(report)
    THEN [sub EXCEPT !.held = report.held, !.offers = Kept(report), !.reported = report.n]
    ELSE [sub EXCEPT !.held = IF report.held = None THEN @ ELSE Max({@, report.held})]

TakeReport(report) ==
    /\ sub' = Book(report)
    /\ \/ reports' = reports \ {report} /\ UNCHANGED faults
       \/ Fault("message comes twice") /\ UNCHANGED reports
    /\ UNCHANGED <<now, requests, answers, edge, charger, calls, claims>>
    /\ disk' = IF Booked' > disk.booked THEN [disk EXCEPT !.booked = Booked'] ELSE disk

(* What is known after a crash is on the disk; who has asked is asked to ask again. *)
SubstationCrashes ==
    /\ Fault("substation crashes")
    /\ \E power \in 0..disk.booked :
        sub' = [epoch |-> sub.epoch + 1, number |-> sub.number + 1, offer |-> power,
                offers |-> {[n |-> sub.number + 1, v |-> power]}, held |-> disk.booked, lease |-> now + Lease,
                holder |-> disk.holder, from |-> sub.number + 1, reported |-> sub.number + 1]
    /\ UNCHANGED <<now, disk, requests, answers, edge, charger, calls, reports, claims>>

-----------------------------------------------------------------------------
(* Edges. *)

Ask(e) ==
    /\ ~edge[e].dead /\ edge[e].connected /\ requests[e] = None  \* who has no charger here need not know
    /\ requests' = [requests EXCEPT ![e] = now]
    /\ UNCHANGED <<now, sub, disk, answers, edge, charger, calls, reports, claims, faults>>

GiveUp(e) ==
    /\ requests[e] # None /\ Fault("answer is lost")
    /\ requests' = [requests EXCEPT ![e] = None] /\ answers' = [answers EXCEPT ![e] = None]
    /\ UNCHANGED <<now, sub, disk, edge, charger, calls, reports, claims>>

(* The lease is reckoned from when it was asked for.  A session that was ours and is another's: our connection is stale. *)
Knowing(e, answer) ==
    LET offer == [epoch |-> answer.epoch, n |-> answer.n, v |-> answer.v, ours |-> answer.ours,
                  until |-> (IF Holds("sent") THEN answer.sent ELSE now) + Lease]
        stale == edge[e].connected /\ edge[e].was_ours /\ ~answer.ours
    IN IF stale /\ Holds("stale") THEN Unconnected
       ELSE [edge[e] EXCEPT !.offer = offer, !.was_ours = @ \/ answer.ours]

Adopt(e) ==
    /\ ~edge[e].dead /\ answers[e] # None
    /\ edge' = [edge EXCEPT ![e] = Knowing(e, answers[e])]
    /\ requests' = [requests EXCEPT ![e] = None] /\ answers' = [answers EXCEPT ![e] = None]
    /\ UNCHANGED <<now, sub, disk, charger, calls, reports, claims, faults>>

Knows(e) == ~edge[e].dead /\ edge[e].connected /\ edge[e].offer # None

Claim(e) ==
    /\ Knows(e) /\ ~edge[e].offer.ours /\ (~edge[e].was_ours \/ ~Holds("stale"))
    /\ claims' = claims \cup {[edge |-> e, n |-> edge[e].offer.n]} /\ claims' # claims
    /\ UNCHANGED <<now, sub, disk, requests, answers, edge, charger, calls, reports, faults>>

(* It holds the session, and the charger is not here: a claim for nobody, so that the lease runs out. *)
GiveBack(e) ==
    /\ Knows(e) /\ edge[e].offer.ours /\ Fault("given back")
    /\ claims' = claims \cup {[edge |-> None, n |-> edge[e].offer.n]} /\ claims' # claims
    /\ UNCHANGED <<now, sub, disk, requests, answers, edge, charger, calls, reports>>

(* A profile, no greater than the offer, that does not outlive the lease.  A shorter one would only draw less. *)
MaySend(e, power) ==
    /\ Knows(e) /\ calls[e] = None
    /\ edge[e].offer.ours \/ ~Holds("holder")
    /\ now < edge[e].offer.until /\ power <= edge[e].offer.v

Profile(e, power) == [power |-> power, until |-> edge[e].offer.until + IF Holds("outlive") THEN 0 ELSE 1]

Send(e, power) ==
    /\ MaySend(e, power)
    /\ calls' = [calls EXCEPT ![e] = [power |-> power, until |-> Profile(e, power).until, done |-> FALSE]]
    /\ edge' = [edge EXCEPT ![e].may = IF @ = None THEN None ELSE @ \cup {Profile(e, power)}]
    /\ UNCHANGED <<now, sub, disk, requests, answers, charger, reports, claims, faults>>

Confirm(e) ==
    /\ calls[e] # None /\ calls[e].done /\ ~edge[e].dead
    /\ edge' = [edge EXCEPT ![e].may = {[power |-> calls[e].power, until |-> calls[e].until]}]
    /\ calls' = [calls EXCEPT ![e] = None]
    /\ UNCHANGED <<now, sub, disk, requests, answers, charger, reports, claims, faults>>

(* No answer: the profile may hold or not.  What has not reached the charger by now never will. *)
Timeout(e) ==
    /\ calls[e] # None
    /\ calls' = [calls EXCEPT ![e] = None]
    /\ edge' = IF Holds("either") THEN edge
               ELSE [edge EXCEPT ![e].may = IF @ = None THEN None ELSE @ \ {[power |-> calls[e].power, until |-> calls[e].until]}]
    /\ UNCHANGED <<now, sub, disk, requests, answers, charger, reports, claims, faults>>

May(e) == Max({Fallback} \cup {p.power : p \in {q \in edge[e].may : now < q.until}})

Report(e) ==
    /\ Knows(e) /\ (edge[e].offer.ours \/ ~Holds("holder")) /\ edge[e].may # None
    /\ reports' = reports \cup {[edge |-> e, epoch |-> edge[e].offer.epoch, n |-> edge[e].offer.n, held |-> May(e)]}
    /\ reports' # reports
    /\ UNCHANGED <<now, sub, disk, requests, answers, edge, charger, calls, claims, faults>>

Lose ==
    /\ \/ \E report \in reports : reports' = reports \ {report} /\ UNCHANGED claims
       \/ \E claim \in claims : claims' = claims \ {claim} /\ UNCHANGED reports
    /\ UNCHANGED <<now, sub, disk, requests, answers, edge, charger, calls, faults>>

(* It notices that a connection is over. *)
Notice(e) ==
    /\ edge[e].connected /\ charger.at # e
    /\ edge' = [edge EXCEPT ![e] = [Unconnected EXCEPT !.dead = edge[e].dead, !.may = edge[e].may]]
    /\ calls' = [calls EXCEPT ![e] = None]
    /\ UNCHANGED <<now, sub, disk, requests, answers, charger, reports, claims, faults>>

EdgeDies(e) ==
    /\ Fault("edge dies") /\ ~edge[e].dead
    /\ edge' = [edge EXCEPT ![e] = [Unconnected EXCEPT !.dead = TRUE]]
    /\ requests' = [requests EXCEPT ![e] = None] /\ answers' = [answers EXCEPT ![e] = None]
    /\ calls' = [calls EXCEPT ![e] = None]
    /\ charger' = IF charger.at = e THEN [charger EXCEPT !.at = None] ELSE charger
    /\ UNCHANGED <<now, sub, disk, reports, claims>>

-----------------------------------------------------------------------------
(* Time.  When a lease runs out, the offers of before are void: who asks again is told a new one. *)
Tick ==
    /\ now < MaxTime
    /\ now' = now + 1
    /\ sub' = IF now + 1 >= sub.lease /\ (sub.held > Fallback \/ \E o \in sub.offers : o.v > 0) /\ Holds("void")
              THEN [sub EXCEPT !.held = Fallback, !.number = @ + 1, !.offer = 0, !.offers = {[n |-> sub.number + 1, v |-> 0]},
                               !.reported = sub.number + 1]
              ELSE sub
    /\ UNCHANGED <<disk, requests, answers, edge, charger, calls, reports, claims, faults>>

Next ==
    \/ Tick \/ Save \/ SubstationCrashes \/ Lose
    \/ \E power \in Powers : Offer(power)
    \/ \E report \in reports : TakeReport(report)
    \/ \E claim \in claims : TakeClaim(claim)
    \/ \E e \in Edges :
        \/ Connect(e) \/ Deliver(e) \/ Reply(e) \/ Ask(e) \/ GiveUp(e) \/ Adopt(e) \/ Claim(e)
        \/ Confirm(e) \/ Timeout(e) \/ Report(e) \/ Notice(e) \/ EdgeDies(e) \/ GiveBack(e)
        \/ \E power \in Powers : Send(e, power)

Spec == Init /\ [][Next]_vars

(* What is promised. *)
BookedCoversDrawn == Draws <= Booked

(* Whoever does not hold the session keeps no power booked for it: that of a dead edge is over with its lease. *)
HoldersRenew == [][\A e \in Edges : (sub.holder # e /\ answers[e] = None /\ answers'[e] # None) => sub'.lease = sub.lease]_vars

(* What is booked grows by an offer, which is paid for, and not by being told of one. *)
RepliesRaiseNothing == [][(sub'.lease # sub.lease /\ sub'.epoch = sub.epoch) => Booked' <= Booked]_vars

=============================================================================
