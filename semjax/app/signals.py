"""Signals that ask a run to stop: SIGTERM (preemption, exit code 42) and SIGINT (Ctrl-C, exit code 130).

The first one asks: the run finishes its step, saves, waits for the checkpoint to be whole, and ends. A further SIGTERM
changes nothing, so that nothing is cut short; a second Ctrl-C interrupts at once. What is being compiled or read is
finished first, since Python runs handlers between its own instructions only.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from semjax.app.errors import EXIT_INTERRUPTED, EXIT_PREEMPTED

EXIT_CODES = {signal.SIGTERM: EXIT_PREEMPTED, signal.SIGINT: EXIT_INTERRUPTED}
SAID = {
    signal.SIGTERM: "asked to end: saving after this step",
    signal.SIGINT: "stopping after this step; again to stop at once",
}


class Stop:
    """Whether the run was asked to stop, and by which signal.

    The loop asks once per step and nowhere else: several processes would agree on the step here.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def asked(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """Of the program, when it has stopped for the signal; 0 without one."""
        return EXIT_CODES[self.signal] if self.signal else 0


@contextlib.contextmanager
def stoppable() -> Iterator[Stop]:
    """Takes over SIGTERM and SIGINT; gives them back at the end. In a thread that is not the main one, does nothing."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in EXIT_CODES}

    def handle(number: int, frame: FrameType | None) -> None:
        which = signal.Signals(number)
        if which == signal.SIGINT:
            signal.signal(signal.SIGINT, before[signal.SIGINT])
        if stop.signal is None:
            stop.signal = which
            with contextlib.suppress(OSError):
                os.write(2, f"{SAID[which]}\n".encode())  # print() is not allowed to be interrupted by itself

    for number in EXIT_CODES:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
