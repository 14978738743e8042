"""Pictures to train on: drawn, flawed, and seen by a camera. Picture n of a seed is always the same."""

import io
import multiprocessing
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image
from scipy import ndimage

from .fields import SIDE, turned
from .flaws import flawed
from .scenes import scene
from .stored import Stored


def exposed(random: Generator, picture: np.ndarray) -> np.ndarray:
    """Grey or coloured, dark or bright, blurred, noisy: what cameras make of one thing."""
    picture = np.clip(picture, 0, 1)
    if random.random() < 0.3:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    if random.random() < 0.5:
        picture = picture ** np.exp(random.normal(0, 0.35))
    if random.random() < 0.6:
        contrast = np.exp(random.uniform(-1.6, 0.4))
        picture = (picture - picture.mean()) * contrast + random.random() * 0.8 + 0.1
    if random.random() < 0.4:
        picture = picture * (1 + random.normal(0, 0.12, 3))
    if random.random() < 0.35:
        picture = picture * (1 + random.uniform(-0.4, 0.4) * turned(random)[0] / SIDE)[..., None]
    if random.random() < 0.35:
        blur = np.exp(random.uniform(-1, 1.1))
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    if random.random() < 0.5:
        channels = 1 if random.random() < 0.5 else 3
        picture = picture + random.normal(0, 1, (SIDE, SIDE, channels)) * np.exp(random.uniform(-5.5, -2.2))
    return np.clip(picture, 0, 1)


def compressed(random: Generator, pixels: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=int(random.integers(30, 90)))
    return np.asarray(Image.open(file))


def nearer(random: Generator, pixels: np.ndarray) -> np.ndarray:
    side = int(random.integers(SIDE // 2, SIDE))
    row, column = random.integers(0, SIDE - side + 1, 2)
    cut = Image.fromarray(pixels[row : row + side, column : column + side])
    return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def draw(seed: int, number: int) -> np.ndarray:
    """Picture `number` of `seed`: uint8, SIDE×SIDE×3, RGB."""
    random = default_rng([seed, number])
    picture = scene(random)
    if random.random() < 0.45:
        picture = flawed(random, picture)
    pixels = (exposed(random, picture) * 255 + 0.5).astype(np.uint8)
    if random.random() < 0.2:
        pixels = compressed(random, pixels)
    if random.random() < 0.25:
        pixels = nearer(random, pixels)
    return pixels


def _draw(task: tuple[int, int]) -> np.ndarray:
    return draw(*task)


def draw_all(folder: Path, count: int, seed: int, workers: int) -> np.ndarray:
    """uint8 count×SIDE×SIDE×3, the same whatever the number of workers."""
    stored = Stored(folder, "pictures", (count, SIDE, SIDE, 3), np.uint8, {"count": count, "seed": seed})
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        tasks = ((seed, number) for number in range(stored.done, count))
        return stored.fill(pixels[None] for pixels in pool.imap(_draw, tasks, chunksize=8))
