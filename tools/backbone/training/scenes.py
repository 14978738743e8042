"""The kinds of pictures, each a function of chance alone."""

import math
import string

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from .fields import SIDE, brushed, log_uniform, pattern
from .flaws import cracked
from .parts import body, outline, placed
from .surfaces import dull_grey, lit, plain, texture

LETTERS = list(string.ascii_letters + string.digits + " -./:")


def rgb(random: Generator) -> tuple[int, ...]:
    return tuple(random.integers(0, 256, 3).tolist())


def floats(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def image_of(picture: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def leaves(random: Generator) -> np.ndarray:
    """Dead leaves: shapes of all sizes over one another, as things in the world are (Lee et al., 2001)."""
    image = Image.new("RGB", (SIDE, SIDE), rgb(random))
    draw = ImageDraw.Draw(image)
    base, spread = random.random(3), random.choice([0.08, 0.25, 1.0])
    textures = [image_of(texture(random)) for _ in range(3)] if random.random() < 0.6 else []
    smallest, power = random.uniform(2, 8), random.uniform(1.2, 2.2)
    kind = random.integers(5)
    for _ in range(int(log_uniform(random, 20, 600))):
        radius = min(smallest * (1 - random.random()) ** (-1 / power), 110)
        x, y = random.uniform(0, SIDE, 2)
        colour = tuple((np.clip(base + random.normal(0, spread, 3), 0, 1) * 255).astype(int).tolist())
        shape = kind if kind < 4 else random.integers(4)
        if textures and random.random() < 0.3:
            mask = Image.new("L", (SIDE, SIDE))
            ImageDraw.Draw(mask).ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
            image.paste(textures[random.integers(3)], (0, 0), mask)
        elif shape == 0:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
        elif shape == 1:
            half = radius * random.uniform(0.2, 1)
            draw.rectangle([x - radius, y - half, x + radius, y + half], fill=colour)
        elif shape == 2:
            start, corners = random.uniform(0, 6.3), random.integers(3, 7)
            angles = [start + index * 2 * math.pi / corners for index in range(corners)]
            reach = [radius * random.uniform(0.5, 1) for _ in angles]
            draw.polygon(
                [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(reach, angles, strict=True)], fill=colour
            )
        else:
            angle = random.uniform(0, 6.3)
            a, b = radius * 2 * math.cos(angle), radius * 2 * math.sin(angle)
            draw.line([x - a, y - b, x + a, y + b], fill=colour, width=int(random.integers(1, 7)))
    return floats(image)


def relief(random: Generator) -> np.ndarray:
    height = pattern(random) * random.uniform(2, 30)
    if random.random() < 0.5:
        height = ndimage.gaussian_filter(height, random.uniform(0.5, 3))
    if random.random() < 0.6:
        height = height + body(random)[1] * random.uniform(0.3, 1.5)
    bare = plain(random.random(3) if random.random() < 0.5 else random.random())
    return lit(random, height, texture(random) if random.random() < 0.5 else bare)


def assembly(random: Generator) -> np.ndarray:
    """One to four parts on a ground."""
    picture = texture(random) if random.random() < 0.6 else plain(random.random(3))
    for _ in range(random.integers(1, 5)):
        picture = placed(random, picture)
    return picture


def lettering(random: Generator) -> np.ndarray:
    ground = texture(random) if random.random() < 0.7 else relief(random)
    layer = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(layer)
    for _ in range(random.integers(1, 12)):
        words = "".join(random.choice(LETTERS, random.integers(2, 16)))
        # the font inside Pillow: the same on every machine
        font = ImageFont.load_default(int(log_uniform(random, 8, 70)))
        place = (random.uniform(-10, SIDE * 0.8), random.uniform(-5, SIDE * 0.95))
        draw.text(place, words, fill=int(random.integers(120, 256)), font=font)
    if random.random() < 0.6:
        layer = layer.rotate(random.uniform(-180, 180))
    mask = floats(layer)[..., None]
    return ground * (1 - mask) + mask * random.random(3)


def circuit(random: Generator) -> np.ndarray:
    """Traces on a grid, vias, and parts soldered on."""
    image = Image.new("RGB", (SIDE, SIDE), rgb(random))
    draw = ImageDraw.Draw(image)
    copper, pitch = rgb(random), int(random.integers(6, 20))
    ways = [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1)]
    for _ in range(random.integers(10, 50)):
        x, y = (random.integers(0, SIDE // pitch + 1, 2) * pitch).tolist()
        width = int(random.integers(1, max(2, pitch // 2)))
        for _ in range(random.integers(1, 8)):
            across, down = ways[random.integers(6)]
            length = int(random.integers(1, 7)) * pitch
            draw.line([x, y, x + across * length, y + down * length], fill=copper, width=width)
            x, y = x + across * length, y + down * length
        radius = pitch * random.uniform(0.3, 0.7)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=copper)
        if random.random() < 0.5:
            radius *= 0.5
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(0, 0, 0))
    for _ in range(random.integers(0, 12)):
        x, y = random.integers(0, SIDE, 2).tolist()
        width, height = random.integers(5, 45, 2).tolist()
        draw.rectangle([x, y, x + width, y + height], fill=rgb(random), outline=rgb(random))
    return floats(image)


def tiles(random: Generator) -> np.ndarray:
    """The same thing again and again, as in a tray or a woven belt."""
    count = int(random.integers(2, 9))
    side = SIDE // count + 1
    thing = placed(random, texture(random)) if random.random() < 0.7 else leaves(random)
    tile = floats(image_of(thing).resize((side, side), Image.Resampling.BOX))
    return np.tile(tile, (count + 1, count + 1, 1))[:SIDE, :SIDE]


def two_textures(random: Generator) -> np.ndarray:
    mask = outline(random)[..., None]
    return texture(random) * mask + texture(random) * (1 - mask)


def grey_surface(random: Generator) -> np.ndarray:
    """A dull surface, two thirds with hairline cracks: little contrast, thin lines."""
    picture = dull_grey(random)
    if random.random() < 0.67:
        for _ in range(random.integers(1, 4)):
            picture = cracked(random, picture)
    return picture


def grey_part(random: Generator) -> np.ndarray:
    """A stamped or machined part of one metal on a dull ground, with edges, bores, marks and cracks."""
    picture = dull_grey(random)
    for _ in range(random.integers(1, 3)):
        mask, height = body(random)
        sheen = (brushed(random) - 0.5) * random.uniform(0, 0.1) if random.random() < 0.5 else 0
        metal = np.clip(dull_grey(random) + np.asarray(sheen)[..., None], 0, 1)
        part = lit(random, height * random.uniform(0.1, 0.8), metal)
        picture = picture * (1 - mask[..., None]) + part * mask[..., None]
    if random.random() < 0.6:
        picture = cracked(random, picture)
    return picture


#: How often each kind is drawn, of the sum.
KINDS = [
    (leaves, 14),
    (texture, 13),
    (relief, 13),
    (assembly, 18),
    (lettering, 5),
    (circuit, 6),
    (tiles, 5),
    (two_textures, 6),
    (grey_surface, 10),
    (grey_part, 10),
]


def scene(random: Generator) -> np.ndarray:
    weights = np.array([weight for _, weight in KINDS], float)
    return KINDS[random.choice(len(KINDS), p=weights / weights.sum())][0](random)
