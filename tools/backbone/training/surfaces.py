"""Colour and light: from fields of height and tone to pictures, float32 rows of RGB between 0 and 1."""

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from .fields import SIDE, clouds, pattern, slope


def plain(colour) -> np.ndarray:
    """A picture of one colour, or of one grey."""
    return np.ones((SIDE, SIDE, 3), np.float32) * np.asarray(colour, np.float32)


def painted(random: Generator, field: np.ndarray) -> np.ndarray:
    """The field in a scale of two to four colours: tinted greys, shades of one colour, or any."""
    count = random.integers(2, 5)
    look = random.random()
    if look < 0.35:
        greys = random.random(count)[:, None]
        colours = np.clip(greys * (1 + random.normal(0, 0.06, 3))[None], 0, 1)
    elif look < 0.67:
        colours = np.clip(random.random(3) + random.normal(0, random.uniform(0.05, 0.3), (count, 3)), 0, 1)
    else:
        colours = random.random((count, 3))
    steps = np.linspace(0, 1, count)
    channels = [np.interp(field, steps, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).astype(np.float32)


def texture(random: Generator) -> np.ndarray:
    return painted(random, pattern(random))


def lit(random: Generator, height: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """The surface under one lamp, with some gloss (Blinn 1977)."""
    down, across = np.gradient(height)
    lamp = random.normal(0, 1, 3)
    lamp[2] = abs(lamp[2]) + 0.4
    lamp /= np.linalg.norm(lamp)
    half = lamp + [0, 0, 1]
    half /= np.linalg.norm(half)
    length = np.sqrt(across**2 + down**2 + 1)
    diffuse = np.clip((lamp[2] - across * lamp[0] - down * lamp[1]) / length, 0, 1)
    gloss = np.clip((half[2] - across * half[0] - down * half[1]) / length, 0, 1) ** np.exp(random.uniform(1.5, 5))
    ambient, strength = random.uniform(0.1, 0.5), random.uniform(0.5, 1)
    shine = random.choice([0, random.uniform(0, 1)])
    return np.clip(albedo * (ambient + strength * diffuse)[..., None] + (shine * gloss)[..., None], 0, 1)


def dull_grey(random: Generator) -> np.ndarray:
    """Ground steel, cast iron, concrete, ceramic, cardboard: nearly one grey, a fine grain, uneven light."""
    tone = random.uniform(0.15, 0.85)
    grain = pattern(random) - 0.5 if random.random() < 0.6 else clouds(random, random.uniform(0, 1.2), 1) - 0.5
    field = tone + grain * random.uniform(0.01, 0.12) + (slope(random) - 0.5) * random.uniform(0, 0.25)
    field = field + random.normal(0, random.uniform(0.002, 0.03), (SIDE, SIDE))
    if random.random() < 0.5:
        field = ndimage.gaussian_filter(field, random.uniform(0.3, 0.9))
    tint = 1 + random.normal(0, random.choice([0, 0.02]), 3)
    return np.clip(field[..., None] * tint, 0, 1).astype(np.float32)
