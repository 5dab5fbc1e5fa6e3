"""What the environment tells the suite; nothing of it reaches what is tested."""

from __future__ import annotations

import os

# Not named like settings, which are forgotten before xdist starts its workers.
REQUIRE = "TESTS_REQUIRE"
# Set where a missing broker or engine is a failure, not a reason to skip.
REQUIRED = bool(os.environ.get(REQUIRE))
DEFAULT_IMAGE = "apache/kafka:4.1.1"
KAFKA_IMAGE = os.environ.get("TESTS_KAFKA_IMAGE", DEFAULT_IMAGE)


# Of a broker that lives for seconds, two fifths of the CPU are the slow compiler's (2.4 of 6.2 s).
QUICK_JAVA = "-XX:TieredStopAtLevel=1"


def start_java_quickly() -> None:
    """Let every Java that tests and their commands start make do with the quick compiler."""
    os.environ["JAVA_TOOL_OPTIONS"] = QUICK_JAVA


def forget_settings() -> None:
    """Drop the settings of whoever runs the suite from the environment of its tests."""
    for name in [name for name in os.environ if name.startswith("MAILING_TRIGGER_")]:
        del os.environ[name]
