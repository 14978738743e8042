"""Whether the exported file answers what the student answers, also for pictures that are not square."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from .student import Student, fed

#: Of the largest feature. Half precision weights are good for three digits.
TOLERANCE = 1e-2


@torch.no_grad()
def check(path: Path, student: Student, scale: np.ndarray, pictures: np.ndarray) -> float:
    """The largest difference as a share of the largest feature; raises SystemExit above TOLERANCE."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    student.eval()
    worst = 0.0
    for batch in (pictures, pictures[:1, :128, :]):
        batch = np.ascontiguousarray(batch)
        wanted = (student(fed(batch)) * torch.from_numpy(scale)[None, :, None, None]).numpy()
        (found,) = session.run(["feat"], {"image": batch})
        if found.shape != wanted.shape:
            raise SystemExit(f"{path} answers {found.shape}, the student {wanted.shape}")
        worst = max(worst, float(np.abs(found - wanted).max() / np.abs(wanted).max()))
    if worst > TOLERANCE:
        raise SystemExit(f"{path} differs from the student by {worst:.2%} of the largest feature")
    return worst
