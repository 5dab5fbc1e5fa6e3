"""The names that other programs may rely on."""

from __future__ import annotations

import producers
import producers.files


def test_the_client_is_these_names() -> None:
    assert sorted(producers.__all__) == [
        "BulkAnswer",
        "ClientError",
        "ClientSettings",
        "ControlRefused",
        "EntryError",
        "Erasure",
        "Invocation",
        "KeyReused",
        "LogChanged",
        "LogUnavailable",
        "MailingView",
        "NotAcknowledged",
        "NotSetUp",
        "Overloaded",
        "PendingPage",
        "RecipientRefused",
        "RecipientView",
        "Remains",
        "SyncTriggerClient",
        "TriggerClient",
        "TriggerRejected",
        "UnknownMailing",
        "UnknownRecipient",
    ]
    assert sorted(producers.files.__all__) == [
        "FileChanged",
        "FileUnreadable",
        "ImportReport",
        "import_file",
    ]
    for module in (producers, producers.files):
        for name in module.__all__:
            assert getattr(module, name).__doc__, f"{name} has no docstring"


def test_the_blocking_client_does_what_the_asyncio_one_does() -> None:
    def calls(client: type) -> set[str]:
        return {name for name in vars(client) if not name.startswith("_")}

    # Blocks are how bulk calls are made of calls; nobody blocks on one. The rest is the bridge's.
    inner = {
        *("exchange_blocks", "submit_change", "submit_dry_run", "trigger_blocks"),
        *("place", "receipt", "hand_over", "recall"),
    }
    assert calls(producers.TriggerClient) - inner <= calls(producers.SyncTriggerClient) | {"close"}
