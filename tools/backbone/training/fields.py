"""Grey patterns from nothing but chance: square arrays of float32 between 0 and 1."""

import numpy as np
from numpy.random import Generator
from scipy import ndimage
from scipy.spatial import cKDTree

SIDE = 224
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)

_VERTICAL = np.fft.fftfreq(SIDE)[:, None]
_HORIZONTAL = np.fft.rfftfreq(SIDE)[None]


def log_uniform(random: Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform: as often between 1 and 2 as between 10 and 20."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def unit(field: np.ndarray) -> np.ndarray:
    """The field stretched to 0…1."""
    field = field - field.min()
    return (field / (field.max() + 1e-9)).astype(np.float32)


def turned(random: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in pixels round the centre, in a direction of chance."""
    angle = random.uniform(0, 2 * np.pi)
    across, down = COLUMNS - SIDE / 2, ROWS - SIDE / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    return across * cosine + down * sine, down * cosine - across * sine


def clouds(random: Generator, exponent: float | None = None, stretch: float | None = None) -> np.ndarray:
    """Noise whose amplitude falls as 1/f^exponent, as natural surfaces have it; in a third, one band."""
    exponent = random.uniform(0.4, 3) if exponent is None else exponent
    stretch = np.exp(random.uniform(0, 1.8)) if stretch is None else stretch
    angle = random.uniform(0, np.pi)
    along = _HORIZONTAL * np.cos(angle) + _VERTICAL * np.sin(angle)
    across = _VERTICAL * np.cos(angle) - _HORIZONTAL * np.sin(angle)
    frequency = np.sqrt((along * stretch) ** 2 + (across / stretch) ** 2) + 1 / SIDE
    if random.random() < 0.3:
        centre = log_uniform(random, 0.02, 0.3)
        amplitude = np.exp(-(((frequency - centre) / (centre * random.uniform(0.1, 0.6))) ** 2))
    else:
        amplitude = frequency**-exponent
    spectrum = np.fft.rfft2(random.standard_normal((SIDE, SIDE)))
    return unit(np.fft.irfft2(spectrum * amplitude, s=(SIDE, SIDE)))


def marble(random: Generator) -> np.ndarray:
    along, _ = turned(random)
    wobble = random.uniform(1, 20) * random.uniform(0.2, 2) * clouds(random, random.uniform(1.5, 3))
    return unit(np.sin(along * log_uniform(random, 0.02, 0.5) + wobble))


def rings(random: Generator) -> np.ndarray:
    """Grain of wood, grooves of a record."""
    along, across = turned(random)
    flat = random.uniform(0.05, 1)
    radius = np.hypot(along - random.uniform(-200, 200), (across - random.uniform(-100, 100)) * flat)
    return unit(np.sin(radius * log_uniform(random, 0.05, 0.6) + random.uniform(1, 10) * clouds(random, 2.2)))


def cells(random: Generator) -> np.ndarray:
    """Voronoi cells: crystals, gravel, leather, cobbles."""
    count = int(log_uniform(random, 8, 900))
    along, across = turned(random)
    stretch = random.choice([1, random.uniform(1, 4)])
    bend = clouds(random, 2.5) * random.uniform(0, 30)
    places = np.stack([(along + bend).ravel(), ((across + bend.T) * stretch).ravel()], 1)
    seeds = random.uniform(-170, 170, (count, 2)) * [1, stretch]
    distance, nearest = cKDTree(seeds).query(places, k=2)
    border = distance[:, 1] - distance[:, 0]
    tone = random.random(count)[nearest[:, 0]]
    look = random.integers(4)
    if look == 0:
        field = tone
    elif look == 1:
        field = np.clip(border / random.uniform(1, 8), 0, 1)
    elif look == 2:
        field = distance[:, 0]
    else:
        field = tone * np.clip(border / random.uniform(1, 4), random.uniform(0, 0.8), 1)
    return unit(field.reshape(SIDE, SIDE))


def stripes(random: Generator) -> np.ndarray:
    """Stripes, weaves, checks and concentric grooves."""
    along, across = turned(random)
    pitch = log_uniform(random, 0.03, 1.6)
    bend = clouds(random, 2.5) * random.choice([0, 0, random.uniform(0, 15)])
    field = np.sin(along * pitch + bend)
    look = random.integers(5)
    if look == 1:
        field = np.maximum(field, np.sin(across * pitch * random.choice([1, 1, random.uniform(0.3, 3)]) + bend))
    elif look == 2:
        field = field * np.sin(across * pitch + bend)
    elif look == 3:
        field = np.sign(field) * np.sign(np.sin(across * pitch + bend))
    elif look == 4:
        radius = np.hypot(along - random.uniform(-90, 90), across - random.uniform(-90, 90))
        field = np.sin(radius * pitch + bend)
    if random.random() < 0.4:
        field = np.tanh(field * random.uniform(1, 10) - random.uniform(-1, 1))
    return unit(field)


def brushed(random: Generator) -> np.ndarray:
    """Metal that was brushed in one direction, or turned on a lathe."""
    streaks = ndimage.gaussian_filter(
        random.standard_normal((SIDE, SIDE)), (random.uniform(0.3, 1), random.uniform(5, 60)), mode="wrap"
    )
    if random.random() < 0.35:
        column, row = random.uniform(0, SIDE, 2)
        radius = np.hypot(COLUMNS - column, ROWS - row)
        turn = (np.arctan2(ROWS - row, COLUMNS - column) + np.pi) / (2 * np.pi) * (SIDE - 1)
        streaks = ndimage.map_coordinates(streaks, [radius % (SIDE - 1), turn], order=1)
    else:
        angle = random.choice([0, 90, random.uniform(0, 180)])
        streaks = ndimage.rotate(streaks, angle, reshape=False, mode="wrap", order=1)
    return unit(np.clip(streaks / (streaks.std() + 1e-6), -3, 3))


def fractal(random: Generator) -> np.ndarray:
    """The attractor of a few contracting maps, as in training without photographs (Kataoka et al., 2020)."""
    count = random.integers(2, 6)
    maps = random.uniform(-1, 1, (count, 2, 2))
    for index in range(count):
        maps[index] *= random.uniform(0.4, 0.9) / np.linalg.svd(maps[index], compute_uv=False)[0]
    shifts = random.uniform(-1, 1, (count, 2))
    points = random.uniform(-1, 1, (3000, 2))
    visited = []
    for turn in range(40):
        chosen = random.integers(count, size=len(points))
        points = np.einsum("nij,nj->ni", maps[chosen], points) + shifts[chosen]
        if turn > 8:
            visited.append(points)
    cloud = np.concatenate(visited)
    low, high = np.percentile(cloud, 0.5, 0), np.percentile(cloud, 99.5, 0)
    pixels = ((cloud - low) / (high - low + 1e-6) * (SIDE * 0.9) + SIDE * 0.05).astype(int)
    inside = ((pixels >= 0) & (pixels < SIDE)).all(1)
    counts = np.bincount(pixels[inside, 0] * SIDE + pixels[inside, 1], minlength=SIDE * SIDE)
    field = np.log1p(counts.reshape(SIDE, SIDE).astype(np.float32))
    return unit(ndimage.gaussian_filter(field, random.uniform(0.5, 2)) if random.random() < 0.5 else field)


def blobs(random: Generator) -> np.ndarray:
    field = clouds(random, random.uniform(1.5, 3), 1)
    return unit(np.tanh((field - np.quantile(field, random.uniform(0.1, 0.9))) * log_uniform(random, 3, 150)))


def specks(random: Generator) -> np.ndarray:
    count = int(log_uniform(random, 7, 3000))
    field = np.zeros((SIDE, SIDE))
    field[random.integers(SIDE, size=count), random.integers(SIDE, size=count)] = random.uniform(-1, 1, count)
    return unit(ndimage.gaussian_filter(field, random.uniform(0.5, 5)))


def slope(random: Generator) -> np.ndarray:
    return unit(turned(random)[0]) * random.uniform(0, 0.6) + random.uniform(0, 0.4)


KINDS = [clouds, clouds, marble, rings, cells, cells, stripes, stripes, brushed, brushed, fractal, blobs, specks, slope]


def pattern(random: Generator) -> np.ndarray:
    """One of the patterns; a quarter are two, one over the other."""
    field = KINDS[random.integers(len(KINDS))](random)
    if random.random() < 0.25:
        field = np.clip(field * 0.6 + 0.4 * KINDS[random.integers(len(KINDS))](random), 0, 1)
    return field
