"""When a worker gives memory back that the C library keeps."""

from __future__ import annotations

from streams.worker.memory import EVERY_S, Memory, resident_bytes

MIB = 1024 * 1024
USED = 100 * MIB


class Process:
    """A process that keeps what it once had until it is trimmed, looked at every two seconds."""

    def __init__(self) -> None:
        self.used = self.resident = USED
        self.trims = 0
        self.now = 0.0
        self.memory = Memory(resident=lambda: self.resident, trim=self.trim, clock=lambda: self.now)

    def use(self, used: int) -> None:
        self.used, self.resident = used, max(self.resident, used)
        self.look()

    def look(self) -> None:
        self.now += 2.0
        self.memory.look()

    def trim(self) -> None:
        self.trims += 1
        self.resident = self.used


def test_what_a_burst_left_is_given_back_at_once() -> None:
    process = Process()
    process.look()
    process.resident = 4 * USED
    process.look()
    assert (process.trims, process.resident) == (1, USED)


def test_what_was_seen_in_a_burst_is_given_back_in_a_while() -> None:
    process = Process()
    process.look()
    process.use(3 * USED)
    process.use(USED)
    assert process.resident == 3 * USED
    while process.now < 2 * EVERY_S:
        process.look()
    assert process.resident == USED


def test_a_table_that_grows_is_trimmed_a_few_times_alone() -> None:
    process = Process()
    for used in range(USED, 40 * USED, 8 * MIB):
        process.use(used)
    assert 0 < process.trims < 20


def test_a_table_that_was_given_up_is_no_measure_any_more() -> None:
    process = Process()
    process.use(40 * USED)
    process.used = process.resident = USED
    process.look()
    process.resident = 2 * USED
    process.look()
    assert process.resident == USED


def test_this_process_can_be_measured_and_trimmed() -> None:
    assert resident_bytes() > 10 * MIB
    memory = Memory()
    memory.look()
    memory._least = 1
    memory.look()
    assert memory._least > MIB


def test_where_memory_is_not_known_nothing_is_done() -> None:
    trims: list[int] = []
    memory = Memory(resident=lambda: 0, trim=lambda: trims.append(1))
    memory.look()
    memory.look()
    assert not trims
