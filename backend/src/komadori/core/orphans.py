"""Lets a process end together with the one that started it, whatever ended that one."""

import ctypes
import os
import signal
import sys
from signal import Signals

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int, orphan_signal: Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends.

    It holds for this process and the program that it executes, not for its children.
    Only Linux can do this; elsewhere nothing happens. See prctl(2), PR_SET_PDEATHSIG.

    Args:
        parent_pid: The parent's id, known from before the start: it may be dead already.
        orphan_signal: What to get.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), orphan_signal)
