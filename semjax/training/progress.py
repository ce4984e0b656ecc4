"""One line of progress on stderr, with speed and the time that is left."""

import datetime
import math
import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

QUIET_EVERY_S = 30.0
SHOWN = 4


class Progress:
    """One line of progress with speed and time left: a bar on a terminal, elsewhere a line now and then."""

    def __init__(self, first_step: int, total_steps: int):
        self._bar = tqdm(total=total_steps, initial=first_step, unit="step", disable=not sys.stderr.isatty())
        self._done, self._total = first_step, total_steps
        self._text = ""
        self._start: tuple[int, float] | None = None
        self._said = time.monotonic()

    def update(self, step: int) -> None:
        """Steps done."""
        self._bar.update(step - self._done)
        self._done = step
        now = time.monotonic()
        first, start = self._start = self._start or (step, now)  # the first step compiles: it foretells nothing
        if self._bar.disable and (now - self._said > QUIET_EVERY_S or step == self._total):
            self._said = now
            seconds = (now - start) / (step - first) * (self._total - step) if step > first else math.nan
            left = f"{datetime.timedelta(seconds=round(seconds))} left" if math.isfinite(seconds) else ""
            print(f"step {step}/{self._total}  {left}  {self._text}", file=sys.stderr, flush=True)

    def say(self, values: Mapping[str, float]) -> None:
        """The figures shown beside the progress."""
        self._text = "  ".join(f"{name} {value:.4g}" for name, value in list(values.items())[:SHOWN])
        self._bar.set_postfix_str(self._text, refresh=False)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()
