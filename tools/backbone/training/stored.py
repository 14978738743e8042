"""An array on disk that is filled from the start, and goes on where it was interrupted."""

import json
from pathlib import Path

import numpy as np

from .progress import Progress


class Stored:
    """`<name>.npy` and beside it `<name>.json`: what it was made of, and how many rows are there."""

    def __init__(self, folder: Path, name: str, shape: tuple[int, ...], dtype, made_of: dict) -> None:
        self.name, self.made_of = name, made_of
        self.file, self._state = folder / f"{name}.npy", folder / f"{name}.json"
        state = json.loads(self._state.read_text()) if self._state.exists() else {}
        resumes = self.file.exists() and state.get("madeOf") == made_of
        self.done = state["done"] if resumes else 0
        mode = "r+" if resumes else "w+"
        self.rows = np.lib.format.open_memmap(self.file, mode, dtype, None if resumes else shape)

    def fill(self, batches) -> np.ndarray:
        """Appends what `batches` yields, each an array of one row or more."""
        progress = Progress(self.name, len(self.rows), self.done)
        for batch in batches:
            self.rows[self.done : self.done + len(batch)] = batch
            self.done += len(batch)
            if progress.step(len(batch)):
                self.save()
        self.save()
        return self.rows

    def save(self) -> None:
        self.rows.flush()
        self._state.write_text(json.dumps({"madeOf": self.made_of, "done": self.done}))
