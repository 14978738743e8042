"""Says how far a long step is."""

import sys
import time

#: Seconds between two lines, which is also how often long steps save what they have.
EVERY = 10


class Progress:
    def __init__(self, what: str, total: int, done: int = 0) -> None:
        self.what, self.total, self.done, self.first = what, total, done, done
        self.started = self.said = time.monotonic()

    def step(self, count: int = 1, note: str = "") -> bool:
        """Counts; true when it is time to save, once in EVERY seconds and at the end."""
        self.done += count
        now = time.monotonic()
        if now - self.said < EVERY and self.done < self.total:
            return False
        self.said = now
        rate = (self.done - self.first) / max(now - self.started, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        print(f"{self.what}: {self.done} of {self.total}, {left:.0f} s left {note}".rstrip(), file=sys.stderr, flush=True)
        return True
