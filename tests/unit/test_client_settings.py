"""Settings and errors tell what a reader needs and no secret."""

from __future__ import annotations

import pytest

from producers import ClientSettings, EntryError, TriggerRejected
from producers.contract.entries import KnownEntry
from producers.errors import Overloaded
from producers.in_flight import InFlight
from schemas.profiles import NO_PROFILE
from schemas.topics import ACKS


def test_no_secret_is_in_the_repr_of_settings() -> None:
    settings = ClientSettings(
        "broker:9092",
        security={"sasl.username": "mailing-app", "sasl.password": "s3cret"},
        schema_registry_url="https://reader:hunter2@registry:8081",
    )
    shown = repr(settings)
    assert "broker:9092" in shown
    assert "sasl.password" in shown
    for secret in ("s3cret", "mailing-app", "hunter2", "reader"):
        assert secret not in shown


def test_security_reaches_the_broker_and_the_prefix_the_topics() -> None:
    settings = ClientSettings("b:1", "staging.", {"security.protocol": "SASL_SSL"})
    assert settings.librdkafka()["security.protocol"] == "SASL_SSL"
    assert settings.acks_topic == f"staging.{ACKS}"


def test_a_rejection_says_the_first_entry_and_how_many_more() -> None:
    errors = [EntryError(3, "rid", "UNKNOWN_RECIPIENT", "no such recipient") for _ in range(3)]
    rejected = TriggerRejected([1, 2, 3, None], errors)
    assert str(rejected) == "entry 3: UNKNOWN_RECIPIENT, no such recipient and 2 more"


def test_a_full_budget_refuses_and_one_that_is_given_back_does_not() -> None:
    budget = InFlight(max_entries=10, max_bytes=10_000)
    call = [KnownEntry(i, 1024, None, b"{}", NO_PROFILE) for i in range(6)]
    with budget.holding(call):
        with pytest.raises(Overloaded), budget.holding(call):
            pass
        with budget.holding(call[:4]):
            assert budget.entries == 10
    assert (budget.entries, budget.bytes) == (0, 0)


def test_big_contexts_fill_the_budget_before_their_number_does() -> None:
    budget = InFlight(max_entries=1000, max_bytes=10_000)
    call = [KnownEntry(0, 1024, None, b"x" * 6000, NO_PROFILE)]
    with budget.holding(call), pytest.raises(Overloaded), budget.holding(call):
        pass


def test_a_call_larger_than_the_budget_is_let_through_alone() -> None:
    budget = InFlight(max_entries=2, max_bytes=10)
    with budget.holding([KnownEntry(i, 1024, None, b"", NO_PROFILE) for i in range(5)]):
        assert budget.entries == 5
