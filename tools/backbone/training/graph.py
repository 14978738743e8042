"""Writes the student as ONNX: bytes in, features out, nothing to be done outside."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .student import BLOCKS, CENTRE, SPREAD, Student
from .teacher import DIMENSIONS

#: As old as the heads that are written behind it allow.
OPSET, IR_VERSION = 13, 7


class Writer:
    def __init__(self, convolutions: list[tuple[np.ndarray, np.ndarray]], halves: bool) -> None:
        self._convolutions = iter(convolutions)
        self._halves = halves
        self.nodes: list = []
        self.constants: list = []

    def constant(self, name: str, values: np.ndarray) -> str:
        """Large ones are kept as float16, which costs half the bytes and, after loading, nothing."""
        if not self._halves or values.dtype != np.float32 or values.size <= 256:
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
            return name
        self.constants.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        return self.node("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, data: str, name: str, stride: int = 1, factor: float = 1) -> str:
        weight, bias = next(self._convolutions)
        kernel = weight.shape[2]
        inputs = [data, self.constant(f"{name}_weight", weight / np.float32(factor)), self.constant(f"{name}_bias", bias)]
        half = kernel // 2
        return self.node("Conv", inputs, name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[half] * 4)

    def relu(self, data: str) -> str:
        return self.node("Relu", [data], f"{data}_relu")

    def residual(self, data: str, name: str, stride: int, is_same: bool) -> str:
        first = self.relu(self.convolution(data, f"{name}_first", stride))
        second = self.convolution(first, f"{name}_second")
        beside = data if is_same else self.convolution(data, f"{name}_beside", stride)
        return self.relu(self.node("Add", [second, beside], name))


def model_of(student: Student, scale: np.ndarray, halves: bool = True) -> onnx.ModelProto:
    """`image` uint8 N×H×W×3 RGB to `feat` float32 N×128×H/8×W/8; H and W are multiples of 16."""
    writer = Writer([convolution.folded() for convolution in student.convolutions()], halves)
    data = writer.node("Cast", ["image"], "pixels", to=TensorProto.FLOAT)
    data = writer.node("Sub", [data, writer.constant("centre", np.float32(CENTRE))], "centred")
    data = writer.node("Transpose", [data], "planes", perm=[0, 3, 1, 2])
    data = writer.relu(writer.convolution(data, "stem", 2, SPREAD))
    fine = data
    for stage, blocks in enumerate(BLOCKS, 1):
        fine = data
        for block in range(blocks):
            data = writer.residual(data, f"stage{stage}_{block}", 1 if block else 2, block > 0)
    above = writer.convolution(data, "from_coarse")
    twice = writer.constant("twice", np.array([1, 1, 2, 2], np.float32))
    resize = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    above = writer.node("Resize", [above, "", twice], "above", **resize)
    joint = writer.relu(writer.node("Add", [writer.convolution(fine, "from_fine"), above], "joined"))
    answer = writer.convolution(writer.relu(writer.convolution(joint, "joint")), "answer")
    sum_ = writer.node("Add", [answer, writer.convolution(fine, "straight")], "sum")
    sum_ = writer.node("Add", [sum_, above], "features")
    writer.node("Mul", [sum_, writer.constant("scale", scale.astype(np.float32).reshape(1, -1, 1, 1))], "feat")
    graph = helper.make_graph(
        writer.nodes,
        "backbone",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("feat", TensorProto.FLOAT, ["N", DIMENSIONS, "h", "w"])],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="jidoka")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def write(model: onnx.ModelProto, path: Path) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(model.SerializeToString(deterministic=True))
    draft.replace(path)
