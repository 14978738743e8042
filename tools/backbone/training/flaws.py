"""What goes wrong with surfaces: scratches, cracks, stains, chips, dirt, displaced pieces."""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from .fields import COLUMNS, ROWS, SIDE, blobs, log_uniform

#: Hairlines are drawn this much larger and averaged: a crack is thinner than a pixel.
FINE = 4


def wandering(random: Generator, start, angle: float, steps: int, step: float, bend: float):
    """Points of a line that changes its direction a little with each step."""
    points = [tuple(start)]
    for _ in range(steps):
        angle += random.normal(0, bend)
        x, y = points[-1]
        points.append((x + step * math.cos(angle), y + step * math.sin(angle)))
    return points, angle


def crack_mask(random: Generator) -> np.ndarray:
    """A hairline crack 0.25 to 1.5 pixels wide that wanders, forks and ends in a point."""
    side = SIDE * FINE
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    branches = [(random.uniform(0.1, 0.9, 2) * side, random.uniform(0, 2 * np.pi), int(random.integers(8, 45)))]
    width = random.uniform(1, 6)
    for _ in range(6):
        if not branches:
            break
        start, angle, steps = branches.pop()
        points, angle = wandering(random, start, angle, steps, random.uniform(8, 20), random.uniform(0.1, 0.6))
        for index, (one, other) in enumerate(zip(points, points[1:], strict=False)):
            draw.line([one, other], fill=255, width=max(1, round(width * (1 - index / len(points)))))
        if random.random() < 0.4 and steps > 8:
            fork = points[int(random.integers(2, len(points)))]
            branches.append((fork, angle + random.choice([-1, 1]) * random.uniform(0.4, 1.2), steps // 2))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255


def cracked(random: Generator, picture: np.ndarray) -> np.ndarray:
    """Darker or lighter by little than the surface it runs through, often with a bright lip beside it."""
    mask = crack_mask(random)
    change = random.choice([-1, -1, -1, 1]) * random.uniform(0.03, 0.45)
    picture = picture * (1 + change * mask[..., None])
    if random.random() < 0.3:
        lip = ndimage.shift(mask, random.uniform(-1.5, 1.5, 2), order=1)
        picture = picture + random.uniform(0.02, 0.15) * lip[..., None]
    return picture


def mark_mask(random: Generator, kind: str) -> np.ndarray:
    image = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    x, y = random.uniform(10, SIDE - 10, 2)
    if kind == "scratch":
        angle, length = random.uniform(0, 6.3), random.uniform(8, 150)
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        draw.line([(x, y), end], fill=255, width=int(random.integers(1, 4)))
    elif kind == "thread":
        points, _ = wandering(random, (x, y), random.uniform(0, 6.3), int(random.integers(5, 40)), 4, 0.5)
        draw.line(points, fill=255, width=int(random.integers(1, 4)))
    elif kind == "spot":
        radius = log_uniform(random, 1.3, 20)
        flat = random.uniform(0.5, 1)
        draw.ellipse([x - radius, y - radius * flat, x + radius, y + radius * flat], fill=255)
    elif kind == "dirt":
        for _ in range(random.integers(3, 30)):
            radius = random.uniform(0.5, 3)
            a, b = x + random.normal(0, 15), y + random.normal(0, 15)
            draw.ellipse([a - radius, b - radius, a + radius, b + radius], fill=255)
    else:
        reach = np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * random.uniform(5, 30) ** 2))
        return blobs(random) * reach
    return np.asarray(image, np.float32) / 255


def marked(random: Generator, picture: np.ndarray, kind: str) -> np.ndarray:
    mask = ndimage.gaussian_filter(mark_mask(random, kind), random.uniform(0.3, 1.5))[..., None]
    mask = mask * random.uniform(0.3, 1)
    colour = random.random(3) if random.random() < 0.5 else random.random() * np.ones(3)
    return picture * (1 - mask) + mask * colour


def displaced(random: Generator, picture: np.ndarray) -> np.ndarray:
    """A square of the picture where another belongs."""
    size = int(random.integers(6, 50))
    (row, column), (from_row, from_column) = random.integers(0, SIDE - size, (2, 2))
    picture = picture.copy()
    picture[row : row + size, column : column + size] = picture[
        from_row : from_row + size, from_column : from_column + size
    ].copy()
    return picture


def flawed(random: Generator, picture: np.ndarray) -> np.ndarray:
    """One to four flaws of any kind."""
    for _ in range(random.integers(1, 5)):
        kind = random.choice(["scratch", "thread", "spot", "dirt", "stain", "displaced", "crack"])
        if kind == "displaced":
            picture = displaced(random, picture)
        elif kind == "crack":
            picture = cracked(random, picture)
        else:
            picture = marked(random, picture, kind)
    return picture
