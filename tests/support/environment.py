"""What the environment tells the suite; nothing of it reaches what is tested."""

from __future__ import annotations

import os

# Not named like settings, which are forgotten before xdist starts its workers.
REQUIRE = "TESTS_REQUIRE"
# Set where a missing broker or engine is a failure, not a reason to skip.
REQUIRED = bool(os.environ.get(REQUIRE))
DEFAULT_IMAGE = "apache/kafka:4.1.1"
KAFKA_IMAGE = os.environ.get("TESTS_KAFKA_IMAGE", DEFAULT_IMAGE)


def forget_settings() -> None:
    """Drop the settings of whoever runs the suite from the environment of its tests."""
    for name in [name for name in os.environ if name.startswith("MAILING_TRIGGER_")]:
        del os.environ[name]
