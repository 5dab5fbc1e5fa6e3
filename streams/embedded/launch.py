"""Start Java so that it dies with its parent; run as a program, which needs nothing of ours.

Arguments: the parent's process id, then the command. The process becomes the command and keeps its
id. On Linux only: elsewhere a killed parent leaves the broker, and the next start names its id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept across exec


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the line above
            sys.exit("the parent is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main()
