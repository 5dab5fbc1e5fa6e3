"""Does a real system under real faults keep its promises? Clients, faults, and a judge.

Seeded clients call the system and write down what they asked and what they were told
(`generator`, `clients`, `record`). A nemesis breaks parts of it meanwhile (`faults`, `nemesis`,
`system`). Then everything is left in peace, has to heal by itself, and is judged: the topics by a
model of the log, the clients' history by the topics (`checker`). A run in which nothing interesting
happened is void (`evidence`). That the judge would notice is shown by workers with a bug each
(`mutants`). ``python -m tests.history`` is the way in.
"""
