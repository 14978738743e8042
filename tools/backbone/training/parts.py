"""Outlines of things: masks between 0 and 1, and parts with a body that lie on a ground."""

import math

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from .fields import SIDE, log_uniform, pattern
from .surfaces import lit, plain, texture

#: Outlines are drawn this much larger and averaged, so that their edges are smooth.
SCALE = 2


def around(centre, radii, angles) -> list[tuple[float, float]]:
    return [(centre[0] + r * math.cos(a), centre[1] + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def disc(draw: ImageDraw.ImageDraw, centre, radius: float, fill, flat: float = 1) -> None:
    x, y = centre
    draw.ellipse([x - radius, y - radius * flat, x + radius, y + radius * flat], fill=fill)


def outline(random: Generator) -> np.ndarray:
    """The mask of a disc, polygon, nut, gear, plate with holes, or pebble."""
    side = SIDE * SCALE
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    centre = random.uniform(0.3, 0.7, 2) * side
    radius = log_uniform(random, 0.12, 0.48) * side
    start = random.uniform(0, 2 * np.pi)
    kind = random.choice(["disc", "polygon", "shard", "nut", "gear", "plate", "pebble"])
    if kind == "disc":
        disc(draw, centre, radius, 255, random.uniform(0.3, 1))
    elif kind in ("polygon", "shard"):
        count = random.integers(3, 9)
        angles = start + np.arange(count) * 2 * np.pi / count
        radii = np.full(count, radius)
        if kind == "shard":
            angles, radii = angles + random.normal(0, 0.2, count), radii * random.uniform(0.4, 1, count)
        draw.polygon(around(centre, radii, angles), fill=255)
    elif kind == "nut":
        count = random.choice([6, 6, 60])
        draw.polygon(around(centre, np.full(count, radius), start + np.arange(count) * 2 * np.pi / count), fill=255)
        disc(draw, centre, radius * random.uniform(0.25, 0.7), 0)
    elif kind == "gear":
        teeth = random.integers(8, 40)
        depth = random.uniform(0.7, 0.93)
        radii = [radius if index % 4 < 2 else radius * depth for index in range(teeth * 4)]
        draw.polygon(around(centre, radii, start + np.arange(teeth * 4) * np.pi / (2 * teeth)), fill=255)
        disc(draw, centre, radius * random.uniform(0.1, 0.5), 0)
    elif kind == "plate":
        half = radius * random.uniform(0.3, 1)
        box = [centre[0] - radius, centre[1] - half, centre[0] + radius, centre[1] + half]
        draw.rounded_rectangle(box, radius=half * random.uniform(0, 0.9), fill=255)
        for _ in range(random.integers(0, 6)):
            hole = centre + random.uniform(-0.8, 0.8, 2) * [radius, half]
            disc(draw, hole, random.uniform(0.05, 0.25) * half, 0)
    else:
        angles = np.arange(40) * 2 * np.pi / 40
        waves = sum(random.normal(0, 0.5 / k) * np.cos(k * angles + random.uniform(0, 6)) for k in range(1, 6))
        draw.polygon(around(centre, radius * (0.7 + 0.3 * waves), angles), fill=255)
    if random.random() < 0.5:
        image = image.rotate(random.uniform(0, 360), center=tuple(centre))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255


def body(random: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A mask and the height within it: flat with rounded or bevelled edges."""
    mask = outline(random)
    depth = ndimage.distance_transform_edt(mask > 0.5).astype(np.float32)
    reach = random.uniform(2, depth.max() + 3)
    height = np.minimum(depth, reach)
    if random.random() < 0.5:
        height = np.sqrt(np.maximum(reach**2 - (reach - height) ** 2, 0))
    return mask, ndimage.gaussian_filter(height, random.uniform(0.5, 2))


def placed(random: Generator, ground: np.ndarray) -> np.ndarray:
    """A part on the ground, half of the time with its shadow."""
    mask, height = body(random)
    if random.random() < 0.5:
        albedo = texture(random)
    else:
        albedo = plain(np.clip(random.random() + random.normal(0, random.choice([0.03, 0.3]), 3), 0, 1))
    roughness = pattern(random) * random.choice([0, random.uniform(0, 8)])
    part = lit(random, height * random.uniform(0.3, 1.5) + roughness, albedo)
    if random.random() < 0.5:
        fallen = ndimage.shift(mask, random.uniform(-12, 12, 2), order=0)
        shadow = ndimage.gaussian_filter(fallen, random.uniform(1, 10))
        ground = ground * (1 - random.uniform(0.2, 0.8) * shadow[..., None])
    return ground * (1 - mask[..., None]) + part * mask[..., None]
