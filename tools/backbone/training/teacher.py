"""What the student shall answer: features of a larger network, smoothed and put into few dimensions.

Two layers are averaged over 3×3 patches and laid over one another, as PatchCore does it (Roth et al.,
CVPR 2022, section 3.1). A principal component analysis keeps DIMENSIONS of them; half whitened, so
that components of little variance count in the loss too, though not as much as the large ones.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from .fields import SIDE
from .progress import Progress
from .stored import Stored

DIMENSIONS = 128
STRIDE = 8
BATCH = 16
#: Patches of each picture that the components are computed from.
PATCHES = 60

MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32) * 255


class Block(nn.Module):
    """Basic block of a residual network (He et al., 2016), named as torchvision names it."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        beside = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + beside)


class Trunk(nn.Module):
    """ResNet-18 up to its third layer; takes the weights torchvision publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        fine = self.layer2(self.layer1(x))
        return fine, self.layer3(fine)


class Teacher:
    """From a `.onnx` with the outputs `layers`, or a `.pth` of torchvision's ResNet-18."""

    def __init__(self, path: Path, layers: list[str]) -> None:
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".onnx":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            self._run = lambda x: [torch.from_numpy(y) for y in session.run(layers, {name: x.numpy()})]
        else:
            trunk = Trunk().eval()
            weights = torch.load(path, weights_only=True)
            trunk.load_state_dict({k: v for k, v in weights.items() if not k.startswith(("layer4", "fc"))})
            self._run = trunk

    @torch.no_grad()
    def features(self, pictures: np.ndarray) -> torch.Tensor:
        """N×C×28×28 of uint8 N×224×224×3."""
        normalised = torch.from_numpy((pictures - MEAN) / DEVIATION).permute(0, 3, 1, 2).contiguous()
        fine, coarse = (functional.avg_pool2d(y, 3, 1, 1) for y in self._run(normalised))
        coarse = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([fine, coarse], 1)


class Space:
    """An affine map from the teacher's features to targets, and `scale` from those to what is exported."""

    def __init__(self, matrix: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> None:
        self.matrix, self.offset, self.scale = matrix, offset, scale

    def save(self, path: Path) -> None:
        np.savez(path, matrix=self.matrix, offset=self.offset, scale=self.scale)

    @staticmethod
    def load(path: Path) -> "Space":
        with np.load(path) as file:
            return Space(file["matrix"], file["offset"], file["scale"])

    def targets(self, features: torch.Tensor) -> torch.Tensor:
        weights = torch.from_numpy(self.matrix)[:, :, None, None]
        return functional.conv2d(features, weights, torch.from_numpy(self.offset))


def _patches(features: torch.Tensor, places: np.ndarray) -> np.ndarray:
    return features.flatten(2)[:, :, places].permute(0, 2, 1).reshape(-1, features.shape[1]).numpy()


def _sample(teacher: Teacher, pictures: np.ndarray, seed: int, also=None):
    """Features of some patches of each picture, and what `also` answers for the same patches."""
    random = np.random.default_rng([seed, 1])
    ours, others = [], []
    progress = Progress("components", len(pictures))
    for start in range(0, len(pictures), BATCH):
        batch = np.array(pictures[start : start + BATCH])
        places = random.integers((SIDE // STRIDE) ** 2, size=PATCHES)
        ours.append(_patches(teacher.features(batch), places))
        if also is not None:
            others.append(_patches(also(batch), places))
        progress.step(len(batch))
    return np.concatenate(ours), np.concatenate(others) if others else None


def principal_space(teacher: Teacher, pictures: np.ndarray, seed: int) -> Space:
    patches, _ = _sample(teacher, pictures, seed)
    centre = patches.mean(0, dtype=np.float64)
    centred = patches - centre
    variance, vectors = np.linalg.eigh(centred.T @ centred / len(patches))
    variance, vectors = variance[::-1][:DIMENSIONS], vectors[:, ::-1][:, :DIMENSIONS]
    # the sign of a component is of no meaning, but has to be always the same
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(DIMENSIONS)])
    scale = variance**0.25
    matrix = (vectors / scale).T / np.sqrt((variance**0.5).mean())
    return Space(
        matrix.astype(np.float32),
        (-matrix @ centre).astype(np.float32),
        (scale / np.sqrt((scale**2).mean())).astype(np.float32),
    )


def space_of_student(teacher: Teacher, pictures: np.ndarray, seed: int, student, scale: np.ndarray) -> Space:
    """The space a student was trained in, by least squares, where its file was not kept."""
    patches, answers = _sample(teacher, pictures, seed, student)
    ones = np.concatenate([patches, np.ones((len(patches), 1), np.float32)], 1).astype(np.float64)
    solution = np.linalg.solve(ones.T @ ones + 1e-3 * np.eye(ones.shape[1]), ones.T @ answers)
    return Space(solution[:-1].T.astype(np.float32), solution[-1].astype(np.float32), scale.astype(np.float32))


def compute_targets(folder: Path, teacher: Teacher, space: Space, pictures: np.ndarray, made_of: dict) -> np.ndarray:
    """float16 N×DIMENSIONS×28×28."""
    grid = SIDE // STRIDE
    space_digest = hashlib.sha256(space.matrix.tobytes() + space.offset.tobytes()).hexdigest()
    made_of = {**made_of, "teacher": teacher.digest, "space": space_digest}
    stored = Stored(folder, "targets", (len(pictures), DIMENSIONS, grid, grid), np.float16, made_of)
    starts = range(stored.done, len(pictures), BATCH)
    return stored.fill(
        space.targets(teacher.features(np.array(pictures[start : start + BATCH]))).numpy() for start in starts
    )
