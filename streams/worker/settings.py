"""What a worker process needs to know, once, from its starter or its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.topics import ACKS, DEAD_LETTERS, LOG, SENDS, STATE, STATISTICS

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_PREFIX = "MAILING_TRIGGER_"
KAFKA_ENV_PREFIX = ENV_PREFIX + "KAFKA_"
KAFKA_SECURITY = tuple(KAFKA_ENV_PREFIX + what for what in ("SASL_", "SECURITY_", "SSL_"))
# What keeps the recipients: the process's memory, or a database in its data folder.
STORES = ("memory", "rocksdb")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """One worker's settings; *security* holds librdkafka's SASL and TLS properties."""

    bootstrap_servers: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    schema_registry_url: str | None = field(default=None, repr=False)
    # Empty: one group for each topic prefix.
    group: str = ""
    # A dead worker's partitions move after this long. Heartbeats come from a thread of their own,
    # so a busy worker never looks dead.
    session_timeout_s: float = 6.0
    data_dir: Path = Path(".data/worker")
    store: str = STORES[0]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> WorkerSettings:
        """Read the settings a supervisor, or `faust -A`, hands over by environment."""
        defaults = cls()

        def of(name: str, default: str) -> str:
            return environ.get(ENV_PREFIX + name, default)

        return cls(
            bootstrap_servers=of("BOOTSTRAP_SERVERS", defaults.bootstrap_servers),
            topic_prefix=of("TOPIC_PREFIX", ""),
            security={
                name.removeprefix(KAFKA_ENV_PREFIX).lower().replace("_", "."): value
                for name, value in environ.items()
                if name.startswith(KAFKA_SECURITY)
            },
            schema_registry_url=environ.get(ENV_PREFIX + "SCHEMA_REGISTRY_URL") or None,
            group=of("GROUP", defaults.group),
            session_timeout_s=float(of("SESSION_TIMEOUT_S", str(defaults.session_timeout_s))),
            store=of("STORE", defaults.store),
            data_dir=Path(of("DATA_DIR", str(defaults.data_dir.parent))) / "worker",
        )

    @property
    def group_id(self) -> str:
        """The consumer group in which workers share the log."""
        return self.group or f"{self.topic_prefix}mailing-trigger"

    @property
    def log(self) -> str:
        """The topic of events."""
        return self.topic_prefix + LOG

    @property
    def acks(self) -> str:
        """The topic of acknowledgements and answers."""
        return self.topic_prefix + ACKS

    @property
    def sends(self) -> str:
        """The topic of messages to deliver."""
        return self.topic_prefix + SENDS

    @property
    def state(self) -> str:
        """The changelog."""
        return self.topic_prefix + STATE

    @property
    def dead_letters(self) -> str:
        """The topic of events that could not be processed."""
        return self.topic_prefix + DEAD_LETTERS

    @property
    def statistics(self) -> str:
        """The topic of mailings' counters."""
        return self.topic_prefix + STATISTICS
