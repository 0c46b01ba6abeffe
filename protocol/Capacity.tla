------------------------------ MODULE Capacity ------------------------------
(***************************************************************************)
(* That what all chargers of a substation may draw fits its capacity       *)
(* (docs/chargers-protocol.md).  Offers.tla shows for one charger, with    *)
(* several edges, that it never draws more than is booked for it; here are *)
(* several chargers and one edge, and what one gives up another gets.      *)
(*                                                                         *)
(* A raise is paid from what is not booked, and a fall frees power only    *)
(* once it is sure: reported, or over with the lease.  Answers tell of all *)
(* sessions at once, and a commit holds all of them at one moment.         *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Sessions, None,
    Capacity,
    MaxPower,   \* of each charger: powers are 0..MaxPower
    Fallback,   \* what a charger draws where no profile holds
    Lease,      \* for how long an answer lets the edge use what it offers
    MaxTime, MaxNumber, MaxFaults,
    MaxMessages,  \* reports on their way at once
    Faults,     \* the kinds that may happen
    Broken      \* the rules that are switched off

VARIABLES
    now,
    epoch, lease,  \* of the substation: its process, and when all offers are void
    book,       \* by session: what the substation knows
    disk,       \* by session: what it finds again after a crash
    asked,      \* when the edge has asked for offers, or None
    answer,     \* the answer on its way, or None
    edge,       \* by session: the offer that the edge goes by, and the profiles that may hold
    charger,    \* by session: the profile that holds
    calls,      \* by session: the profile on its way to the charger, or None
    reports,    \* on their way to the substation
    faults      \* how many have happened

vars == <<now, epoch, lease, book, disk, asked, answer, edge, charger, calls, reports, faults>>

Holds(rule) == rule \notin Broken
Fault(kind) == kind \in Faults /\ faults < MaxFaults /\ faults' = faults + 1

Powers == 0..MaxPower
Max(numbers) == CHOOSE n \in numbers : \A m \in numbers : m <= n

RECURSIVE SumOf(_, _)
SumOf(power, sessions) ==
    IF sessions = {} THEN 0
    ELSE LET s == CHOOSE each \in sessions : TRUE IN power[s] + SumOf(power, sessions \ {s})
Sum(power) == SumOf(power, Sessions)

(* All are plugged in, at their fallback, and nothing was offered yet. *)
Init ==
    /\ now = 0
    /\ epoch = 1 /\ lease = Lease
    /\ book = [s \in Sessions |-> [number |-> 1, offer |-> 0, offers |-> {[n |-> 1, v |-> 0]}, held |-> Fallback, reported |-> 1]]
    /\ disk = [s \in Sessions |-> Fallback]
    /\ asked = None /\ answer = None
    /\ edge = [s \in Sessions |-> [offer |-> None, may |-> {}]]
    /\ charger = [s \in Sessions |-> [power |-> Fallback, until |-> 0]]
    /\ calls = [s \in Sessions |-> None]
    /\ reports = {}
    /\ faults = 0

-----------------------------------------------------------------------------
(* The chargers. *)

Draws == [s \in Sessions |-> IF now < charger[s].until THEN charger[s].power ELSE Fallback]

Deliver(s) ==
    /\ calls[s] # None /\ ~calls[s].done
    /\ charger' = [charger EXCEPT ![s] = [power |-> calls[s].power, until |-> calls[s].until]]
    /\ calls' = [calls EXCEPT ![s].done = TRUE]
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, edge, reports, faults>>

-----------------------------------------------------------------------------
(* The substation. *)

BookedOf(known, s) ==
    IF now < lease
    THEN Max({Fallback, known[s].held} \cup {o.v : o \in known[s].offers})
    ELSE Fallback
Booked == [s \in Sessions |-> BookedOf(book, s)]

Offering(s, power) ==
    [book EXCEPT ![s] = [@ EXCEPT !.number = @ + 1, !.offer = power, !.offers = @ \cup {[n |-> book[s].number + 1, v |-> power]}]]

(* A fall is offered at once: nobody else has its power for that.  That it is wished for need not be on the disk. *)
Fall(s, power) ==
    /\ power < book[s].offer /\ book[s].number < MaxNumber
    /\ book' = Offering(s, power)
    /\ UNCHANGED <<now, epoch, lease, disk, asked, answer, edge, charger, calls, reports, faults>>

(* A raise is paid from what is not booked.  It is on the disk before anyone is told, with all that is booked then. *)
Raise(s, power) ==
    /\ power > book[s].offer /\ book[s].number < MaxNumber /\ now < lease
    /\ LET raised == Offering(s, power)
           after == [t \in Sessions |-> BookedOf(raised, t)]
           offered == [t \in Sessions |-> raised[t].offer]
       IN /\ Sum(IF Holds("booked") THEN after ELSE offered) <= Capacity
          /\ book' = raised
          /\ disk' = IF Holds("write ahead") THEN after ELSE disk
    /\ UNCHANGED <<now, epoch, lease, asked, answer, edge, charger, calls, reports, faults>>

Save ==
    /\ "substation crashes" \in Faults /\ disk # Booked
    /\ disk' = Booked
    /\ UNCHANGED <<now, epoch, lease, book, asked, answer, edge, charger, calls, reports, faults>>

Reply ==
    /\ asked # None /\ answer = None
    /\ answer' = [sent |-> asked, epoch |-> epoch, offers |-> [s \in Sessions |-> [n |-> book[s].number, v |-> book[s].offer]]]
    /\ lease' = now + Lease
    /\ UNCHANGED <<now, epoch, book, disk, asked, edge, charger, calls, reports, faults>>

Lowers(report) == report.epoch = epoch /\ report.n >= book[report.session].reported

TakeReport(report) ==
    LET s == report.session
        known == book[s]
        reported == IF now >= lease THEN known  \* whatever was held then is over
                    ELSE IF Lowers(report)
                    THEN [known EXCEPT !.held = report.held, !.reported = report.n,
                          !.offers = IF Holds("outstanding") THEN {o \in @ : o.n >= report.n} ELSE {o \in @ : o.n = known.number}]
                    ELSE [known EXCEPT !.held = Max({@, report.held})]
    IN /\ book' = [book EXCEPT ![s] = reported]
       /\ \/ reports' = reports \ {report} /\ UNCHANGED faults
          \/ Fault("message comes twice") /\ UNCHANGED reports
       /\ disk' = [disk EXCEPT ![s] = Max({@, BookedOf(book', s)})]
       /\ UNCHANGED <<now, epoch, lease, asked, answer, edge, charger, calls>>

(* What was offered is offered again, or less; all that is on the disk is booked for a whole lease. *)
SubstationCrashes ==
    /\ Fault("substation crashes")
    /\ epoch' = epoch + 1 /\ lease' = now + Lease
    /\ \E offers \in [Sessions -> Powers] :
        /\ \A s \in Sessions : offers[s] <= disk[s]
        /\ book' = [s \in Sessions |->
                    [number |-> book[s].number + 1, offer |-> offers[s], offers |-> {[n |-> book[s].number + 1, v |-> offers[s]]},
                     held |-> disk[s], reported |-> book[s].number + 1]]
    /\ UNCHANGED <<now, disk, asked, answer, edge, charger, calls, reports>>

-----------------------------------------------------------------------------
(* The edge. *)

Ask ==
    /\ asked = None
    /\ asked' = now
    /\ UNCHANGED <<now, epoch, lease, book, disk, answer, edge, charger, calls, reports, faults>>

GiveUp ==
    /\ asked # None /\ Fault("answer is lost")
    /\ asked' = None /\ answer' = None
    /\ UNCHANGED <<now, epoch, lease, book, disk, edge, charger, calls, reports>>

Adopt ==
    /\ answer # None
    /\ edge' = [s \in Sessions |-> [edge[s] EXCEPT !.offer =
                [epoch |-> answer.epoch, n |-> answer.offers[s].n, v |-> answer.offers[s].v, until |-> answer.sent + Lease]]]
    /\ asked' = None /\ answer' = None
    /\ UNCHANGED <<now, epoch, lease, book, disk, charger, calls, reports, faults>>

(* A profile, no greater than the offer, that does not outlive the lease. *)
MaySend(s, power) == edge[s].offer # None /\ now < edge[s].offer.until /\ power <= edge[s].offer.v

Profile(s, power) == [power |-> power, until |-> edge[s].offer.until + IF Holds("outlive") THEN 0 ELSE 1]

Send(s, power) ==
    /\ MaySend(s, power) /\ calls[s] = None
    /\ calls' = [calls EXCEPT ![s] = [power |-> power, until |-> Profile(s, power).until, done |-> FALSE]]
    /\ edge' = [edge EXCEPT ![s].may = @ \cup {Profile(s, power)}]
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, charger, reports, faults>>

Confirm(s) ==
    /\ calls[s] # None /\ calls[s].done
    /\ edge' = [edge EXCEPT ![s].may = {[power |-> calls[s].power, until |-> calls[s].until]}]
    /\ calls' = [calls EXCEPT ![s] = None]
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, charger, reports, faults>>

(* No answer: the profile may hold or not.  What has not reached the charger by now never will. *)
Timeout(s) ==
    /\ calls[s] # None
    /\ calls' = [calls EXCEPT ![s] = None]
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, edge, charger, reports, faults>>

May(s) == Max({Fallback} \cup {p.power : p \in {q \in edge[s].may : now < q.until}})

Report(s) ==
    /\ edge[s].offer # None
    /\ reports' = reports \cup {[session |-> s, epoch |-> edge[s].offer.epoch, n |-> edge[s].offer.n, held |-> May(s)]}
    /\ reports' # reports
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, edge, charger, calls, faults>>

Lose ==
    /\ \E report \in reports : reports' = reports \ {report}
    /\ UNCHANGED <<now, epoch, lease, book, disk, asked, answer, edge, charger, calls, faults>>

-----------------------------------------------------------------------------
(* Time.  When the lease runs out, all offers of before are void. *)
Tick ==
    /\ now < MaxTime
    /\ now' = now + 1
    /\ book' = IF now + 1 < lease THEN book
               ELSE [s \in Sessions |->
                     IF book[s].held <= Fallback /\ \A o \in book[s].offers : o.v = 0 THEN book[s]
                     ELSE [number |-> book[s].number + 1, offer |-> 0, offers |-> {[n |-> book[s].number + 1, v |-> 0]},
                           held |-> Fallback, reported |-> book[s].number + 1]]
    /\ UNCHANGED <<epoch, lease, disk, asked, answer, edge, charger, calls, reports, faults>>

Next ==
    \/ Tick \/ Save \/ SubstationCrashes \/ Lose \/ Reply \/ Ask \/ GiveUp \/ Adopt
    \/ \E report \in reports : TakeReport(report)
    \/ \E s \in Sessions :
        \/ Deliver(s) \/ Confirm(s) \/ Timeout(s) \/ Report(s)
        \/ \E power \in Powers : Fall(s, power) \/ Raise(s, power) \/ Send(s, power)

Spec == Init /\ [][Next]_vars

(* What is promised. *)
DrawnFitsCapacity == Sum(Draws) <= Capacity

BookedCoversDrawn == \A s \in Sessions : Draws[s] <= Booked[s]

=============================================================================
