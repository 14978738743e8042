"""The network that is trained: a residual network of half width, its two last stages added up at stride 8.

Dense 3×3 convolutions, which ONNX Runtime runs faster for each multiplication than separable ones.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from .teacher import DIMENSIONS

WIDTHS = (24, 32, 64, 128)
BLOCKS = (1, 2, 2)
#: Pixels are fed as (x − CENTRE) / SPREAD.
CENTRE, SPREAD = 127.5, 64.0


class Convolution(nn.Module):
    """With batch normalisation; without one where `normalises` is false, as in a file it is folded into."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, normalises: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not normalises)
        self.norm = nn.BatchNorm2d(outputs) if normalises else nn.Identity()

    def forward(self, x):
        return self.norm(self.convolution(x))

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights and bias with the normalisation in them."""
        weight = self.convolution.weight.detach().double()
        if isinstance(self.norm, nn.Identity):
            return weight.float().numpy(), self.convolution.bias.detach().numpy()
        factor = self.norm.weight.detach().double() / torch.sqrt(self.norm.running_var.double() + self.norm.eps)
        bias = self.norm.bias.detach().double() - self.norm.running_mean.double() * factor
        return (weight * factor[:, None, None, None]).float().numpy(), bias.float().numpy()


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, normalises: bool) -> None:
        super().__init__()
        self.first = Convolution(inputs, outputs, 3, stride, normalises)
        self.second = Convolution(outputs, outputs, 3, 1, normalises)
        is_same = stride == 1 and inputs == outputs
        self.beside = None if is_same else Convolution(inputs, outputs, 1, stride, normalises)

    def forward(self, x):
        beside = x if self.beside is None else self.beside(x)
        return torch.relu(self.second(torch.relu(self.first(x))) + beside)


class Student(nn.Module):
    def __init__(self, normalises: bool = True) -> None:
        super().__init__()
        stem, *widths = WIDTHS
        self.stem = Convolution(3, stem, 5, 2, normalises)
        inputs = [stem, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Residual(inputs[stage] if block == 0 else width, width, 2 if block == 0 else 1, normalises)
                    for block in range(BLOCKS[stage])
                )
            )
            for stage, width in enumerate(widths)
        )
        fine, coarse = widths[-2:]
        self.from_coarse = Convolution(coarse, DIMENSIONS, 1, normalises=False)
        self.from_fine = Convolution(fine, DIMENSIONS, 1, normalises=False)
        self.joint = Convolution(DIMENSIONS, DIMENSIONS, 3, normalises=normalises)
        self.answer = Convolution(DIMENSIONS, DIMENSIONS, 1, normalises=False)
        self.straight = Convolution(fine, DIMENSIONS, 1, normalises=False)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for stage in self.stages[:-1]:
            x = stage(x)
        above = self.from_coarse(self.stages[-1](x))
        above = functional.interpolate(above, scale_factor=2, mode="bilinear", align_corners=False)
        joint = torch.relu(self.joint(torch.relu(self.from_fine(x) + above)))
        return self.answer(joint) + self.straight(x) + above

    def convolutions(self) -> Iterator[Convolution]:
        """In the order in which an exported file has them."""
        yield self.stem
        for stage in self.stages:
            for block in stage:
                yield from (block.first, block.second)
                if block.beside is not None:
                    yield block.beside
        yield from (self.from_coarse, self.from_fine, self.joint, self.answer, self.straight)


def fed(pictures: np.ndarray) -> torch.Tensor:
    """What the student sees of uint8 N×H×W×3."""
    return ((torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - CENTRE) / SPREAD).contiguous()


def student_from(path: Path) -> tuple[Student, np.ndarray]:
    """A student with the weights of an exported file, and the scale of its answers."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        # halved weights are brought back by a Cast
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]].astype(np.float32)
    student = Student(normalises=False)
    files = [node for node in graph.node if node.op_type == "Conv"]
    ours = list(student.convolutions())
    for index, (node, ours_) in enumerate(zip(files, ours, strict=True)):
        weight, bias = (constants[name] for name in node.input[1:])
        factor = SPREAD if index == 0 else 1
        ours_.convolution.weight.data = torch.from_numpy(weight * np.float32(factor))
        ours_.convolution.bias.data = torch.from_numpy(bias.copy())
    last = next(node for node in graph.node if node.output[0] == "feat")
    scale = next(constants[name] for name in last.input if name in constants)
    return student, scale.reshape(-1)
