------------------------------ MODULE Sessions ------------------------------
(***************************************************************************)
(* One key, one session: docs/protocol.md as a specification. A client asks for one car, and asks again when it     *)
(* likes. A gateway numbers each try. A balancer serves a try by one attempt after the other at substations, each   *)
(* with a greater number. A substation starts a session, or finds the one that it has, and answers when that is on  *)
(* its disk. Balancers read the substations' logs of keys, and where they see the key at two of them, the session   *)
(* with the lower number is superseded. Everything is about one key: keys do not touch each other. Time and the     *)
(* network: every message may arrive at any later time, or never. Nobody waits for certain: whoever waits for an    *)
(* answer may give up at any moment, also while the answer is on its way. Each rule of the protocol can be switched *)
(* off: `Broken` names those that are. protocol/README.md says what each one prevents.                              *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences

CONSTANTS
    Substations,  \* the places for a session
    Balancers,
    Tries,        \* how often the client asks at the most
    OtherCar,     \* those of its tries that ask for another car, by mistake
    SecondTries,  \* those of its tries that a gateway may send a second time
    MaxHops,      \* attempts that a balancer makes of one try at the most
    MaxFaults,    \* how many faults, and sessions that end, there are at the most
    Faults,       \* the kinds of them that there are
    Broken,       \* the rules that are switched off
    None, Unread  \* nothing there; not read yet

VARIABLES
    \* The client.
    asked,        \* its latest try; 0 before the first
    told,         \* what it was told by that try; None while it was told nothing, or nothing certain
    \* Gateways.  What one knows is only which number a try waits for.
    gateway,      \* by try: the number that it waits for; 0 where it waits for none
    asks,         \* tries on their way to a balancer
    \* Balancers.  All of it is in memory.
    job,          \* by balancer: the try that it serves, and how far it has come
    directory,    \* by balancer and substation: the entry of the key's session there, as it was read last
    read,         \* by balancer and substation: up to where its log was read
    attempts,     \* on their way to a substation
    decisions,    \* to supersede a session: on their way to a substation
    \* Substations.
    memory,       \* the key's session
    disk,         \* ... as it survives a crash
    waiting,      \* attempts that get their answer once memory is on disk
    log,          \* how far the log of keys has come: a position, of an epoch
    away,         \* those that cannot be asked, but may come back
    \* All the world.
    faults,       \* how many faults are left
    taken         \* how many tries balancers have taken on; counted only where they give the numbers

client      == <<asked, told>>
gateways    == <<gateway, asks>>
balancers   == <<job, directory, read>>
substations == <<memory, disk, waiting, log, away>>
vars == <<client, gateways, balancers, attempts, decisions, substations, faults, taken>>

Holds(rule) == rule \notin Broken

Fault(kind) == kind \in Faults /\ faults > 0 /\ faults' = faults - 1

-----------------------------------------------------------------------------
(***************************************************************************)
(* Numbers. A try k has the number 2k, a gateway's second sending of it 2k + 1: numbered on from the first, not     *)
(* anew, so that the client's next try has a greater one. Of an attempt: <<the try's, hop, balancer>>. Only one     *)
(* balancer gets what a gateway sends, so the last part is never needed to tell which is less; that is checked, not *)
(* assumed: were two numbers equal but for it, neither of the sessions would ever end. The fourth part is empty in  *)
(* an attempt of a try; a move of a waiting car numbers on from the session by 0, what ends the waiting by 1.       *)
(***************************************************************************)
RECURSIVE Before(_, _)
Before(q, r) ==
    IF q = <<>> \/ r = <<>> THEN q = <<>> /\ r # <<>>
    ELSE Head(q) < Head(r) \/ (Head(q) = Head(r) /\ Before(Tail(q), Tail(r)))

Less(m, n) == m[1] < n[1] \/ (m[1] = n[1] /\ (m[2] < n[2] \/ (m[2] = n[2] /\ Before(m[4], n[4]))))

Onward(number, step) == [number EXCEPT ![4] = Append(@, step)]

Car(try) == IF try \in OtherCar THEN "other car" ELSE "car"

TryNumber(try) == IF Holds("clocks") THEN 2 * try ELSE 2 * (Tries + 1 - try)

Number(b) == <<IF Holds("gateway") THEN job[b].number ELSE taken, IF Holds("hop") THEN job[b].hop ELSE 0, b, <<>>>>

(* A session. Which attempt made it, and in which epoch, names it; `number` is of the latest attempt that found it. *)
(* It `waits` until it charges or ends; one that was superseded while it waited still does.                        *)
Made(number, try, epoch, waits) ==
    [born |-> <<number, epoch>>, number |-> number, car |-> Car(try), live |-> TRUE, waits |-> waits, by |-> None]

(* Whether cars may wait: only where they are moved, as it makes no difference else. *)
MayWait == IF "waiting car is moved" \in Faults THEN BOOLEAN ELSE {FALSE}

(* What a substation's log tells of its session. *)
Entry(session) ==
    IF session = None THEN None
    ELSE IF ~Holds("ended") /\ ~session.live /\ session.by = None THEN None
    ELSE [born |-> session.born, number |-> session.number, superseded |-> session.by # None]

Idle == [try |-> 0]

Init ==
    /\ asked = 0
    /\ told = None
    /\ gateway = [try \in 1..Tries |-> 0]
    /\ asks = {}
    /\ job = [b \in Balancers |-> Idle]
    /\ directory = [b \in Balancers |-> [s \in Substations |-> None]]
    /\ read = [b \in Balancers |-> [s \in Substations |-> [epoch |-> 1, position |-> 0]]]
    /\ attempts = {}
    /\ decisions = {}
    /\ memory = [s \in Substations |-> None]
    /\ disk = [s \in Substations |-> None]
    /\ waiting = [s \in Substations |-> {}]
    /\ log = [s \in Substations |-> [epoch |-> 1, position |-> 0]]
    /\ away = {}
    /\ faults = MaxFaults
    /\ taken = 0

-----------------------------------------------------------------------------
(***************************************************************************)
(* The client. *)
(***************************************************************************)

(* It asks, for the first time or again. The gateway numbers the try before the client gives it up: that is *)
(* assumed, as it is that the gateways' clocks agree.                                                       *)
Ask ==
    /\ asked < Tries
    /\ asked' = asked + 1
    /\ told' = None
    /\ gateway' = [gateway EXCEPT ![asked + 1] = TryNumber(asked + 1)]
    /\ asks' = asks \cup {[try |-> asked + 1, number |-> TryNumber(asked + 1)]}
    /\ UNCHANGED <<balancers, attempts, decisions, substations, faults, taken>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Gateways. The client's tries may go through several; as they share nothing, it does not matter which. *)
(***************************************************************************)

(* No answer from the balancer: the gateway sends the try once more, and from now on waits for the answer to that. *)
SecondTry(try) ==
    /\ try \in SecondTries
    /\ gateway[try] = 2 * try
    /\ LET number == IF Holds("second") THEN 2 * try + 1 ELSE 2 * asked + 1
       IN  /\ gateway' = [gateway EXCEPT ![try] = number]
           /\ asks' = asks \cup {[try |-> try, number |-> number]}
    /\ UNCHANGED <<client, balancers, attempts, decisions, substations, faults, taken>>

GatewayCrashes(try) ==
    /\ Fault("gateway crashes")
    /\ gateway[try] # 0
    /\ gateway' = [gateway EXCEPT ![try] = 0]
    /\ UNCHANGED <<client, asks, balancers, attempts, decisions, substations, taken>>

(* A balancer's answer, by way of the gateway, to the client, if both still wait for it. A refusal of the second *)
(* sending does not say what became of the first.                                                                *)
Answered(b, answer) ==
    /\ job' = [job EXCEPT ![b] = Idle]
    /\ LET try    == job[b].try
           waits  == gateway[try] = job[b].number
           sure   == answer # None /\ (answer.kind = "refused" /\ Holds("sure") => job[b].number = 2 * try)
       IN  IF waits
           THEN /\ gateway' = [gateway EXCEPT ![try] = 0]
                /\ told' = IF try = asked /\ sure THEN answer ELSE told
           ELSE UNCHANGED <<gateway, told>>
    /\ UNCHANGED <<asked, asks>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Balancers. *)
(***************************************************************************)

Known(b) == {s \in Substations : directory[b][s] \notin {None, Unread} /\ ~directory[b][s].superseded}

(* Of some substations that have the key, the one with the greatest number: one, as no two attempts have the same. *)
Greatest(b, some) == {s \in some : \A t \in some \ {s} : Less(directory[b][t].number, directory[b][s].number)}

(* A balancer takes on a try, if it has read all logs that can be read. A key's requests are served one after the *)
(* other.                                                                                                         *)
Take(b) ==
    /\ job[b] = Idle
    /\ \A s \in Substations \ away : directory[b][s] # Unread
    /\ \E ask \in asks :
        /\ \/ asks' = asks \ {ask} /\ UNCHANGED faults
           \/ Fault("try comes twice") /\ UNCHANGED asks
        /\ job' = [job EXCEPT ![b] = [try |-> ask.try, number |-> ask.number, hop |-> 0, at |-> None, mode |-> None,
                                      named |-> None, refused |-> {}, gone |-> {}, unknown |-> {}, answer |-> None]]
    /\ taken' = IF Holds("gateway") THEN taken ELSE taken + 1
    /\ UNCHANGED <<client, gateway, directory, read, attempts, decisions, substations>>

(* The next attempt goes to the session that a superseded one has named; else to the holder; else to any substation *)
(* that has not been asked. Where none is left, the car is refused, if it is sure that it is nowhere.               *)
Send(b) ==
    /\ job[b] # Idle
    /\ job[b].at = None
    /\ LET holder  == Greatest(b, Known(b) \ job[b].gone)
           to      == IF job[b].named # None THEN {job[b].named}
                      ELSE IF holder # {} THEN holder
                      ELSE Substations \ (job[b].refused \cup job[b].unknown \cup away)
           mode    == IF job[b].named # None \/ holder # {} THEN "holder" ELSE "place"
       IN  IF to = {} \/ job[b].hop = MaxHops
           THEN /\ Answered(b, IF job[b].unknown = {} THEN [kind |-> "refused"] ELSE None)
                /\ UNCHANGED attempts
           ELSE /\ \E s \in to :
                    /\ attempts' = attempts \cup {[number |-> Number(b), try |-> job[b].try, to |-> s]}
                    /\ job' = [job EXCEPT ![b].at = s, ![b].mode = mode, ![b].named = None]
                /\ UNCHANGED <<client, gateways>>
    /\ UNCHANGED <<directory, read, decisions, substations, faults, taken>>

(* An answer that has come too late is for no one; so a balancer looks at those to its latest attempt only. *)
WaitsFor(b, attempt) ==
    /\ job[b] # Idle
    /\ job[b].try = attempt.try
    /\ job[b].at # None
    /\ \/ job[b].at = attempt.to /\ Number(b) = attempt.number
       \/ ~Holds("late") /\ attempt.number[3] = b /\ attempt.number[1] = job[b].number

Reply(attempt, answer) ==
    [b \in Balancers |-> IF WaitsFor(b, attempt) THEN [job[b] EXCEPT !.answer = answer] ELSE job[b]]

TakeAnswer(b) ==
    /\ job[b] # Idle
    /\ job[b].answer # None
    /\ LET answer == job[b].answer
           s == answer.from
           next == [job[b] EXCEPT !.at = None, !.mode = None, !.answer = None, !.hop = @ + 1]
           here == directory[b][s]
       IN
       \/ (* A session.  The balancer knows of it at once, unless the substation has started anew since. *)
          /\ answer.kind = "session"
          /\ Answered(b, [kind |-> "session", at |-> s, born |-> answer.born, car |-> answer.car])
          /\ directory' = IF answer.epoch # read[b][s].epoch \/ (here # None /\ here.born = answer.born) THEN directory
                          ELSE [directory EXCEPT ![b][s] =
                                [born |-> answer.born, number |-> answer.number, superseded |-> FALSE]]
       \/ /\ answer.kind = "reused"
          /\ Answered(b, [kind |-> "reused"])
          /\ UNCHANGED directory
       \/ /\ answer.kind = "superseded"
          /\ job' = [job EXCEPT ![b] = [next EXCEPT !.named = answer.by.at]]
          /\ UNCHANGED <<client, gateways, directory>>
       \/ (* Full, and it does not know the key.  That is so for this request; what it holds its log tells. *)
          /\ answer.kind = "refused"
          /\ job' = [job EXCEPT ![b] = [next EXCEPT !.refused = @ \cup {s},
                                                   !.gone = IF job[b].mode = "holder" THEN @ \cup {s} ELSE @]]
          /\ directory' = IF ~Holds("drop") /\ job[b].mode = "holder"
                          THEN [directory EXCEPT ![b][s] = None] ELSE directory
          /\ UNCHANGED <<client, gateways>>
       \/ (* It could not write.  A holder still holds the key. *)
          /\ answer.kind = "storage"
          /\ IF job[b].mode = "holder" /\ Holds("storage")
             THEN Answered(b, None) /\ UNCHANGED directory
             ELSE /\ job' = [job EXCEPT ![b] = [next EXCEPT !.refused = @ \cup {s}]]
                  /\ directory' = IF job[b].mode = "holder" THEN [directory EXCEPT ![b][s] = None] ELSE directory
                  /\ UNCHANGED <<client, gateways>>
    /\ UNCHANGED <<read, attempts, decisions, substations, faults, taken>>

(* No answer in time. A key that has a holder is not placed elsewhere. *)
GiveUp(b) ==
    /\ job[b] # Idle
    /\ job[b].at # None
    /\ IF job[b].mode = "holder"
       THEN Answered(b, None)
       ELSE /\ job' = [job EXCEPT ![b] = [@ EXCEPT !.at = None, !.mode = None, !.answer = None, !.hop = @ + 1,
                                                   !.unknown = @ \cup {job[b].at}]]
            /\ UNCHANGED <<client, gateways>>
    /\ UNCHANGED <<directory, read, attempts, decisions, substations, faults, taken>>

(* A balancer reads what has changed in a substation's log. Positions of another epoch say nothing: it reads all of *)
(* the log anew, and forgets what it knew.                                                                          *)
HasNews(b, s) ==
    \/ directory[b][s] = Unread
    \/ IF Holds("epoch") THEN read[b][s] # log[s] ELSE read[b][s].position < log[s].position

Learn(b, s) ==
    /\ s \notin away
    /\ HasNews(b, s)
    /\ directory' = [directory EXCEPT ![b][s] = Entry(IF Holds("log") THEN disk[s] ELSE memory[s])]
    /\ read' = [read EXCEPT ![b][s] = log[s]]
    /\ UNCHANGED <<client, gateways, job, attempts, decisions, substations, faults, taken>>

(* It sees the key at two substations: the session with the lower number is to be superseded, unless its number is *)
(* no longer below the other's when the decision arrives. A decision that is lost is made again: so a loss is a    *)
(* delay.                                                                                                          *)
Decide(b, s, t) ==
    /\ {s, t} \subseteq Known(b)
    /\ s # t
    /\ Holds("numbers") => t \in Greatest(b, Known(b)) /\ Less(directory[b][s].number, directory[b][t].number)
    /\ LET decision == [at |-> s, born |-> directory[b][s].born, before |-> directory[b][t].number,
                        by |-> [at |-> t, born |-> directory[b][t].born]]
       IN  decision \notin decisions /\ decisions' = decisions \cup {decision}
    /\ UNCHANGED <<client, gateways, balancers, attempts, substations, faults, taken>>

(* A balancer reads who waits at one substation, and asks another one to take the car, if that has room. It does not  *)
(* wait for what becomes of it: the logs tell, and the two sessions are compared as any two of one key. So it may      *)
(* crash at once, and several balancers may move one car. No two moves have the same number: how many faults are left  *)
(* tells them apart.                                                                                                   *)
Move(s, t) ==
    /\ Fault("waiting car is moved")
    /\ s # t
    /\ s \notin away
    /\ LET session == IF Holds("list") THEN disk[s] ELSE memory[s]
       IN  /\ session # None
           /\ session.live
           /\ session.waits
           /\ attempts' = attempts \cup
                {[number |-> Onward(Onward(session.number, 0), faults), try |-> session.number[1] \div 2, to |-> t]}
    /\ UNCHANGED <<client, gateways, balancers, decisions, substations, taken>>

BalancerCrashes(b) ==
    /\ Fault("balancer crashes")
    /\ job' = [job EXCEPT ![b] = Idle]
    /\ directory' = [directory EXCEPT ![b] = [s \in Substations |-> Unread]]
    /\ read' = [read EXCEPT ![b] = [s \in Substations |-> [epoch |-> 0, position |-> 0]]]
    /\ UNCHANGED <<client, gateways, attempts, decisions, substations, taken>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Substations. *)
(***************************************************************************)

(* What an attempt is answered, where the key has a session. *)
AnswerOf(s, attempt, session) ==
    [kind |-> IF Holds("request") /\ session.car # Car(attempt.try) THEN "reused"
              ELSE IF Holds("forward") /\ session.by # None THEN "superseded"
              ELSE "session",
     from |-> s, epoch |-> log[s].epoch,
     born |-> session.born, number |-> session.number, car |-> session.car, by |-> session.by]

(* An attempt arrives. The key has a session here, whatever became of it: nothing starts, and the session's number *)
(* is raised to the attempt's. Else a session starts, or waits, or the substation is full. The answer waits for    *)
(* the disk. A car that is moved does not wait again, and where its key has a session already nothing is done.     *)
Arrive(attempt) ==
    LET s       == attempt.to
        session == memory[s]
        is_move == attempt.number[4] # <<>>
        raised  == /\ Holds("raise") /\ session.by = None /\ session.car = Car(attempt.try)
                   /\ Less(session.number, attempt.number)
                   /\ ~(is_move /\ Holds("moves"))
        mayWait == IF session # None \/ is_move THEN {FALSE} ELSE MayWait
        new(waits) == IF session = None THEN Made(attempt.number, attempt.try, log[s].epoch, waits)
                      ELSE IF raised THEN [session EXCEPT !.number = attempt.number]
                      ELSE session
    IN  /\ s \notin away
        /\ \/ attempts' = attempts \ {attempt} /\ UNCHANGED faults
           \/ Fault("attempt comes twice") /\ UNCHANGED attempts
        /\ \/ \E waits \in mayWait :
              /\ memory' = [memory EXCEPT ![s] = new(waits)]
              /\ IF Holds("disk")
                 THEN waiting' = [waiting EXCEPT ![s] = @ \cup {attempt}] /\ UNCHANGED job
                 ELSE job' = Reply(attempt, AnswerOf(s, attempt, new(waits))) /\ UNCHANGED waiting
           \/ /\ session = None
              /\ job' = Reply(attempt, [kind |-> "refused", from |-> s])
              /\ UNCHANGED <<memory, waiting>>
        /\ UNCHANGED <<client, gateways, directory, read, decisions, disk, log, away, taken>>

(* The group commit: what has changed since the last one is written, then told: to those who wait for it, and in *)
(* the log.                                                                                                      *)
Commit(s) ==
    /\ waiting[s] # {} \/ memory[s] # disk[s]
    /\ disk' = [disk EXCEPT ![s] = memory[s]]
    /\ log' = IF memory[s] # disk[s] THEN [log EXCEPT ![s].position = @ + 1] ELSE log
    /\ waiting' = [waiting EXCEPT ![s] = {}]
    /\ job' = [b \in Balancers |->
                IF \E attempt \in waiting[s] : WaitsFor(b, attempt)
                THEN LET attempt == CHOOSE attempt \in waiting[s] : WaitsFor(b, attempt)
                     IN  [job[b] EXCEPT !.answer = AnswerOf(s, attempt, memory[s])]
                ELSE job[b]]
    /\ UNCHANGED <<client, gateways, directory, read, attempts, decisions, memory, away, faults, taken>>

(* The disk takes nothing: what is in memory only is taken back, before anyone was told of it. *)
CommitFails(s) ==
    /\ Fault("commit fails")
    /\ memory[s] # disk[s]
    /\ memory' = [memory EXCEPT ![s] = disk[s]]
    /\ waiting' = [waiting EXCEPT ![s] = {}]
    /\ job' = [b \in Balancers |->
                IF \E attempt \in waiting[s] : WaitsFor(b, attempt)
                THEN [job[b] EXCEPT !.answer = [kind |-> "storage", from |-> s]]
                ELSE job[b]]
    /\ UNCHANGED <<client, gateways, directory, read, attempts, decisions, disk, log, away, taken>>

(* A decision arrives. The session that it names ends, or has ended, and notes by which it was superseded, if its *)
(* number is still below the one in the decision.                                                                 *)
Supersede(decision) ==
    LET s       == decision.at
        session == memory[s]
        below   == Holds("before") /\ Holds("numbers") => Less(session.number, decision.before)
    IN  /\ s \notin away
        /\ decisions' = decisions \ {decision}
        /\ memory' = IF session # None /\ session.born = decision.born /\ session.by = None /\ below
                     THEN [memory EXCEPT ![s].live = FALSE, ![s].by = decision.by]
                     ELSE memory
        /\ UNCHANGED <<client, gateways, balancers, attempts, disk, waiting, log, away, faults, taken>>

(* What ends the waiting where the car waits raises the number above that of every move that may be under way. *)
Settles(session) ==
    IF session.waits /\ Holds("settles") THEN [session EXCEPT !.number = Onward(@, 1)] ELSE session

(* A session ends: the driver stops it, or the car is full, or departs. *)
End(s) ==
    /\ Fault("session ends")
    /\ memory[s] # None
    /\ memory[s].live
    /\ memory' = [memory EXCEPT ![s] = [Settles(@) EXCEPT !.live = FALSE, !.waits = FALSE]]
    /\ UNCHANGED <<client, gateways, balancers, attempts, decisions, disk, waiting, log, away, taken>>

(* Power has come free for a car that waits. *)
StartWaiting(s) ==
    /\ memory[s] # None
    /\ memory[s].live
    /\ memory[s].waits
    /\ memory' = [memory EXCEPT ![s] = [Settles(@) EXCEPT !.waits = FALSE]]
    /\ UNCHANGED <<client, gateways, balancers, attempts, decisions, disk, waiting, log, away, faults, taken>>

SubstationCrashes(s) ==
    /\ Fault("substation crashes")
    /\ memory' = [memory EXCEPT ![s] = disk[s]]
    /\ waiting' = [waiting EXCEPT ![s] = {}]
    /\ log' = [log EXCEPT ![s] = [epoch |-> @.epoch + 1, position |-> IF disk[s] = None THEN 0 ELSE 1]]
    /\ UNCHANGED <<client, gateways, balancers, attempts, decisions, disk, away, taken>>

LosesFile(s) ==
    /\ Fault("substation loses its file")
    /\ disk[s] # None
    /\ memory' = [memory EXCEPT ![s] = None]
    /\ disk' = [disk EXCEPT ![s] = None]
    /\ waiting' = [waiting EXCEPT ![s] = {}]
    /\ log' = [log EXCEPT ![s] = [epoch |-> @.epoch + 1, position |-> 0]]
    /\ UNCHANGED <<client, gateways, balancers, attempts, decisions, away, taken>>

(* It is out of reach, whether it runs or not. What balancers know of it they keep. *)
Leave(s) ==
    /\ Fault("substation leaves")
    /\ s \notin away
    /\ away' = away \cup {s}
    /\ directory' = IF Holds("away") THEN directory ELSE [b \in Balancers |-> [directory[b] EXCEPT ![s] = None]]
    /\ UNCHANGED <<client, gateways, job, read, attempts, decisions, memory, disk, waiting, log, taken>>

Return(s) ==
    /\ s \in away
    /\ away' = away \ {s}
    /\ read' = IF Holds("away") THEN read
               ELSE [b \in Balancers |-> [read[b] EXCEPT ![s] = [epoch |-> 0, position |-> 0]]]
    /\ UNCHANGED <<client, gateways, job, directory, attempts, decisions, memory, disk, waiting, log, faults, taken>>

(* A day after a session's end its key is forgotten. No session lasts as long, no try, and no message; so none that *)
(* the key would have ended is left. Balancers are not told.                                                        *)
Forget(s) ==
    /\ Fault("key is forgotten")
    /\ disk[s] # None /\ ~disk[s].live /\ waiting[s] = {} /\ memory[s] = disk[s]
    /\ Holds("remember") =>
        /\ asks = {} /\ attempts = {} /\ \A b \in Balancers : job[b] = Idle
        /\ {t \in Substations : memory[t] # None /\ memory[t].live} = {}
    /\ memory' = [memory EXCEPT ![s] = None]
    /\ disk' = [disk EXCEPT ![s] = None]
    /\ UNCHANGED <<client, gateways, balancers, attempts, decisions, waiting, log, away, taken>>

-----------------------------------------------------------------------------
Next ==
    \/ Ask
    \/ \E try \in 1..Tries : SecondTry(try) \/ GatewayCrashes(try)
    \/ \E b \in Balancers : Take(b) \/ Send(b) \/ TakeAnswer(b) \/ GiveUp(b) \/ BalancerCrashes(b)
    \/ \E b \in Balancers, s \in Substations : Learn(b, s) \/ \E t \in Substations : Decide(b, s, t)
    \/ \E attempt \in attempts : Arrive(attempt)
    \/ \E decision \in decisions : Supersede(decision)
    \/ \E s, t \in Substations : Move(s, t)
    \/ \E s \in Substations :
        \/ Commit(s) \/ CommitFails(s) \/ End(s) \/ StartWaiting(s)
        \/ SubstationCrashes(s) \/ LosesFile(s) \/ Forget(s) \/ Leave(s) \/ Return(s)

Spec == Init /\ [][Next]_vars

(* Faults end, as there are at most MaxFaults. From then on these go on; messages may still be late or lost. *)
Fairness ==
    /\ \A b \in Balancers, s \in Substations :
        /\ WF_vars(Learn(b, s))
        /\ \A t \in Substations : WF_vars(Decide(b, s, t))
    /\ WF_vars(\E decision \in decisions : Supersede(decision))
    /\ \A s \in Substations : WF_vars(Commit(s)) /\ WF_vars(Return(s))

FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
(***************************************************************************)
(* What is promised. *)
(***************************************************************************)

Live == {s \in Substations : disk[s] # None /\ disk[s].live}

Told == told # None /\ told.kind = "session"

(* What the client was told by its latest try is never ended by the protocol, once it charges. While it waits it may *)
(* be moved: then its record leads on to where the car charges.                                                      *)
ToldIsNeverSuperseded ==
    Told => \A session \in {memory[told.at], disk[told.at]} :
                session # None /\ session.born = told.born /\ ~session.waits => session.by = None

KeysStay == Faults \cap {"substation loses its file", "key is forgotten"} = {}

(* It is on a disk, while disks are not lost. *)
ToldIsOnDisk ==
    Told /\ KeysStay => disk[told.at] # None /\ disk[told.at].born = told.born

(* No answer is for another request. *)
ToldIsWhatWasAsked == Told => told.car = Car(asked)

(* A client that was refused has no session of that try, and will have none. *)
RefusedIsSure ==
    told # None /\ told.kind = "refused" /\ "attempt comes twice" \notin Faults =>
        \A s \in Substations : memory[s] # None => memory[s].born[1][1] \div 2 # asked

(* Who was told of a superseded session finds the one that took its place, at whatever moment. *)
TrailLeadsOn ==
    KeysStay =>
        \A s \in Substations : disk[s] # None /\ disk[s].by # None =>
            LET other == disk[disk[s].by.at]
            IN  other # None /\ other.born = disk[s].by.born /\ Less(disk[s].number, other.number)

(* A car goes to the holder of its key once a balancer has read of it, also while the holder is away. *)
KnownIsKept ==
    [][\A b \in Balancers :
        job[b] # Idle /\ job'[b] # Idle /\ job[b].at = None /\ job'[b].mode = "place" =>
            \A s \in Substations \ job[b].gone :
                read[b][s] = log[s] /\ disk[s] # None => disk[s].by # None]_vars

(* A balancer has read all logs, and sees nothing to decide. Others may not have, and messages may be under way. *)
Settled(b) ==
    /\ away = {}
    /\ \A s \in Substations : ~HasNews(b, s)
    /\ \A s, t \in Known(b) : ~Less(directory[b][s].number, directory[b][t].number)

(* Then there is one live session of the key, or none ... *)
SettledIsOne == (\E b \in Balancers : Settled(b)) => Cardinality(Live) <= 1

(* ... and none where the one that the client was told of has ended: a session that was stopped does not live on. *)
(* Of a car that was moved as it waited, the one counts that its record leads on to, over as many as there are.   *)
RECURSIVE LedOnTo(_, _)
LedOnTo(s, born) ==
    LET session == disk[s]
    IN  IF session = None \/ session.born # born THEN None
        ELSE IF session.by # None THEN LedOnTo(session.by.at, session.by.born)
        ELSE session

WasMoved(session) == session # None /\ session.waits /\ session.by # None

ToldHasEnded ==
    Told /\ LET here    == disk[told.at]
                session == IF here = None \/ here.born # told.born THEN None
                           ELSE IF WasMoved(here) THEN LedOnTo(told.at, told.born)
                           ELSE here
            IN  IF session # None THEN ~session.live ELSE "key is forgotten" \in Faults

SettledIsStopped == ToldHasEnded /\ (\E b \in Balancers : Settled(b)) => Live = {}

(* The same as it must come about, from any moment. *)
InTheEndOne == <>[](Cardinality(Live) <= 1)

InTheEndStopped == <>[](ToldHasEnded => Live = {})

=============================================================================
