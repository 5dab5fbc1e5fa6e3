"""How a mailing began where the log has lost its beginning: each reading that fits, no other."""

from __future__ import annotations

from streams.verify.edge import By, Does, Edge, Step, Where, edge

_OLD, _NEW = "an older definition", "the one at the end"


def _request(offset: int) -> Step:
    return Step(offset, By.REQUEST, Does.INVOKE)


def _copy(offset: int, revision: int) -> Step:
    return Step(offset, By.COPY, Does.INVOKE, revision)


def _timer(offset: int, invocation: int) -> Step:
    return Step(offset, By.TIMER, Does.INVOKE, invocation)


def _message(offset: int, invocation: int) -> Step:
    return Step(offset, By.MESSAGE, number=invocation)


def _switch(offset: int, state: str, revision: int = 0) -> Step:
    return Step(offset, By.COPY if revision else By.REQUEST, Does.SWITCH, revision, state)


def _define(offset: int, definition: str = _NEW, *, revision: int = 0, takes: bool = True) -> Step:
    by = By.COPY if revision else By.REQUEST
    return Step(offset, by, Does.DEFINE, revision, None, takes, definition)


def test_at_home_every_request_was_taken() -> None:
    steps = [_request(10), _request(20)]
    assert edge(steps, Where(7, 4)) == Edge(Where(5, 2))


def test_a_request_to_a_suspended_mailing_was_refused() -> None:
    steps = [_request(10), _switch(20, "ACTIVE"), _message(25, 4), _request(30)]
    found = edge(steps, Where(7, 4))
    # Active at first, or suspended, or created: then it was invoked at 10, or not.
    assert found is not None
    assert found.begin == Where(4, 2)
    assert (found.doubtful, found.until, found.open) == (frozenset({10}), 20, 20)


def test_a_message_before_it_says_under_which_invocation_it_came() -> None:
    steps = [_message(5, 4), _request(10), _switch(20, "ACTIVE"), _message(25, 4), _request(30)]
    assert edge(steps, Where(7, 4)) == Edge(Where(5, 3, "SUSPENDED"), frozenset(), -1)


def test_a_mailing_that_ended_closed_was_open_when_it_took_a_message() -> None:
    steps = [_message(5, 4), _switch(10, "CANCELLED"), _request(20)]
    found = edge(steps, Where(7, 3, "CANCELLED"))
    assert found is not None
    assert (found.doubtful, found.open) == (frozenset(), -1)


def test_a_definition_says_nothing_of_what_was_before() -> None:
    found = edge([_message(5, 4), _define(10), _request(20)], Where(7, 4), _NEW)
    assert found == Edge(Where(5, 3), guessed=10)


def test_the_type_before_a_definition_shows_in_a_message_alone() -> None:
    found = edge([_define(10), _request(20)], Where(7, 4), _NEW)
    assert found == Edge(Where(5, 3), until=10, open=10, guessed=10)


def test_a_first_definition_at_home_is_a_new_mailing() -> None:
    assert edge([_define(10), _request(20)], Where(2, 1), _NEW) == Edge(None, guessed=10)


def test_a_first_definition_elsewhere_may_be_a_repeat() -> None:
    found = edge([_define(10, revision=1), _message(15, 1), _copy(20, 2)], Where(2, 1), _NEW)
    assert found is not None
    assert (found.begin, found.doubtful) == (Where(1, 0), frozenset({10}))
    assert (found.until, found.open, found.guessed) == (10, 10, 10)


def test_copies_whose_numbers_went_on_are_no_new_mailing() -> None:
    steps = [_message(5, 3), _define(10, revision=4), _copy(20, 5)]
    assert edge(steps, Where(5, 3), _NEW) == Edge(Where(3, 2), frozenset({10}), 10, guessed=10)


def test_a_timer_may_have_come_too_late() -> None:
    found = edge([_timer(5, 3)], Where(2, 3))
    assert found == Edge(Where(2, 2), until=5)


def test_a_message_says_that_the_timer_was_in_time() -> None:
    steps = [_message(4, 3), _timer(5, 3)]
    assert edge(steps, Where(2, 3)) == Edge(Where(2, 2))


def test_a_timer_does_nothing_in_a_suspended_mailing() -> None:
    steps = [_message(3, 3), _switch(4, "SUSPENDED"), _timer(5, 3), _switch(6, "ACTIVE")]
    assert edge(steps, Where(9, 2)) == Edge(Where(7, 2), until=4)


def test_many_timers_are_followed_in_one_pass() -> None:
    steps = [_timer(offset, offset) for offset in range(1, 200_000)]
    assert edge(steps, Where(2, 199_999)) == Edge(Where(2, 0), until=199_999)


def test_the_first_copies_may_be_repeats_of_deleted_ones() -> None:
    found = edge([_copy(10, 5), _copy(20, 6)], Where(6, 9))
    assert found == Edge(Where(4, 7), frozenset({10, 20}), 20)


def test_a_message_between_two_copies_says_that_the_second_was_taken() -> None:
    steps = [_copy(10, 5), _message(15, 9), _copy(20, 6)]
    found = edge(steps, Where(6, 9))
    assert found == Edge(Where(4, 7), frozenset({10}), 10)


def test_a_message_before_all_copies_leaves_no_doubt() -> None:
    steps = [_message(3, 8), _copy(10, 5), _message(15, 9), _copy(20, 6)]
    assert edge(steps, Where(6, 9)) == Edge(Where(4, 7))


def test_a_copy_on_both_sides_of_a_message_is_a_repeat() -> None:
    steps = [_message(3, 9), _copy(10, 5), _message(15, 9), _copy(20, 6)]
    assert edge(steps, Where(6, 9)) == Edge(Where(5, 8))


def test_a_new_copy_was_allowed_at_home() -> None:
    steps = [_message(3, 3), _copy(10, 5), _switch(20, "SUSPENDED", 6)]
    assert edge(steps, Where(6, 3, "SUSPENDED")) == Edge(Where(4, 2))


def test_messages_that_lie_do_not_decide() -> None:
    steps = [_message(3, 1), _request(10), _message(15, 1)]
    assert edge(steps, Where(6, 9)) == Edge(Where(5, 8))


def test_a_definition_that_lies_does_not_decide() -> None:
    found = edge([_define(10, _OLD)], Where(5, 3), _NEW)
    assert found is not None
    assert found.begin == Where(4, 3)


def test_what_cannot_lead_there_has_no_beginning() -> None:
    assert edge([_request(10), _request(20)], Where(1, 2)) is None
