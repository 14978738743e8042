"""Teaches the student the targets. Which pictures a step sees depends on the seed and its number alone."""

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .progress import EVERY, Progress
from .student import Student, fed

BATCH = 16
#: The first pictures are never trained on: by them one sees how well it goes.
HELD_BACK = 48
WARM_UP = 200
#: From this share of the steps on batch normalisation is a constant. With its statistics taken from each
#: batch to the end, one extreme picture was off by a squared error of 51 instead of 0.4.
FREEZE_AT = 2 / 3


def _norms(student: Student) -> list[nn.BatchNorm2d]:
    return [module for module in student.modules() if isinstance(module, nn.BatchNorm2d)]


@torch.no_grad()
def _settle_norms(student: Student, pictures: np.ndarray, seed: int) -> None:
    """Statistics over many batches in place of a moving average over the last ones."""
    for norm in _norms(student):
        norm.reset_running_stats()
        norm.momentum = None
    student.train()
    random = np.random.default_rng([seed, 3])
    for _ in range(min(40, max(1, len(pictures) // BATCH))):
        student(fed(pictures[np.sort(random.integers(0, len(pictures), 2 * BATCH))]))


@torch.no_grad()
def unexplained(student: Student, pictures: np.ndarray, targets: np.ndarray) -> float:
    """Share of the targets' variance the student does not explain, on pictures it was not trained on."""
    was_training = student.training
    student.eval()
    starts = range(0, len(pictures), BATCH)
    answers = torch.cat([student(fed(np.array(pictures[start : start + BATCH]))) for start in starts])
    wanted = torch.from_numpy(np.array(targets)).float()
    student.train(was_training)
    variance = ((wanted - wanted.mean((0, 2, 3), keepdim=True)) ** 2).mean()
    return float(((answers - wanted) ** 2).mean() / variance)


def _save(path: Path, state: dict) -> None:
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    draft.replace(path)


def learn(
    folder: Path, student: Student, pictures: np.ndarray, targets: np.ndarray, *, steps: int, rate: float, seed: int, made_of: dict
) -> Student:
    """AdamW with a cosine; goes on from `student.pt` of the folder where that was made of the same."""
    held_back = min(HELD_BACK, len(pictures) // 4)
    kernels = [p for p in student.parameters() if p.dim() > 1]
    others = [p for p in student.parameters() if p.dim() <= 1]
    groups = [{"params": kernels, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))
    made_of = {**made_of, "steps": steps, "rate": rate, "seed": seed}
    path = folder / "student.pt"
    step, frozen = 0, False
    if path.exists():
        state = torch.load(path, weights_only=True)
        if state["madeOf"] == made_of:
            student.load_state_dict(state["student"])
            optimizer.load_state_dict(state["optimizer"])
            step, frozen = state["step"], state["frozen"]

    def save() -> None:
        states = {"student": student.state_dict(), "optimizer": optimizer.state_dict()}
        _save(path, {**states, "step": step, "frozen": frozen, "madeOf": made_of})

    progress = Progress("steps", steps, step)
    saved = time.monotonic()
    student.train()
    while step < steps:
        if not frozen and step >= steps * FREEZE_AT:
            _settle_norms(student, pictures[held_back:], seed)
            frozen = True
        for norm in _norms(student):
            norm.train(not frozen)
        share = step / steps
        now = rate * min(1, (step + 1) / min(WARM_UP, max(1, steps // 4))) * (0.495 * (1 + math.cos(math.pi * share)) + 0.01)
        for group in optimizer.param_groups:
            group["lr"] = now
        random = np.random.default_rng([seed, 2, step])
        chosen = np.sort(random.integers(held_back, len(pictures), BATCH))
        answers = student(fed(pictures[chosen]))
        loss = ((answers - torch.from_numpy(targets[chosen]).float()) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        step += 1
        if progress.step(1, f"loss {float(loss.detach()):.4f}") or time.monotonic() - saved > 6 * EVERY:
            saved = time.monotonic()
            save()
    save()
    student.eval()
    print(f"unexplained: {unexplained(student, pictures[:held_back], targets[:held_back]):.4f}")
    return student
