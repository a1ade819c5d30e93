"""A pass in int8: an ONNX graph whose convolutions read 8 bit numbers, in the usual form of quantise and dequantise.

Weights: symmetric, one scale for each output channel. What convolutions read is 0 and up, since it comes from a ReLU:
unsigned, one scale for each tensor, found by `observe` and `best_scale`. Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

STEPS = 255
"""Steps of an unsigned 8 bit number."""
_MOST = 127
_FINEST = 1e-8


def observable(data: bytes) -> tuple[bytes, list[str]]:
    """The graph with what each convolution reads as further outputs, and their names, in the order they are computed.

    The first convolution is left out: it reads the picture, and stays as it is.
    """
    import onnx

    model = onnx.load_model_from_string(data)
    names = _read_by_convolutions(model.graph)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return model.SerializeToString(), names


def quantised(data: bytes, scales: Sequence[float | None]) -> bytes:
    """The graph in int8. `scales`: one step of each tensor that `observable` names; None: what reads it stays float.

    Raises `ValueError` where there are not as many as tensors.
    """
    import onnx

    model = onnx.load_model_from_string(data)
    names = _read_by_convolutions(model.graph)
    if len(names) != len(scales):
        raise ValueError(f"{len(scales)} scales for {len(names)} tensors")
    chosen = {name: scale for name, scale in zip(names, scales, strict=True) if scale is not None}
    _Quantiser(model, chosen).run()
    return bytes(model.SerializeToString())


def _read_by_convolutions(graph: GraphProto) -> list[str]:
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return list(dict.fromkeys(node.input[0] for node in convolutions[1:]))


class _Quantiser:
    """Puts a pair of quantise and dequantise behind tensors and before the weights that meet them."""

    def __init__(self, model: ModelProto, scales: dict[str, float]) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._graph, self._scales = model.graph, scales
        self._initial = {one.name: one for one in model.graph.initializer}
        self._same = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}

    def run(self) -> None:
        """Rewrite the graph in place; its nodes stay in an order in which they can be computed."""
        nodes = list(self._graph.node)
        self._graph.ClearField("node")
        for node in nodes:
            self._graph.node.extend(self._changed(node))
        self._drop_unread()

    def _drop_unread(self) -> None:
        """The float weights that nothing reads any more."""
        read = {name for node in self._graph.node for name in node.input}
        kept = [one for one in self._graph.initializer if one.name in read]
        self._graph.ClearField("initializer")
        self._graph.initializer.extend(kept)

    def _changed(self, node: NodeProto) -> Iterator[NodeProto]:
        if node.op_type == "Conv" and node.input[0] in self._scales:
            yield from self._with_weights(node)
        if node.op_type in ("Conv", "Add"):
            for number, name in enumerate(node.input):
                if name in self._scales:
                    node.input[number] = f"{name}.dequantised"
        yield node
        for name in node.output:
            if name in self._scales:
                yield from self._pair(name, self._scales[name])

    def _pair(self, name: str, scale: float) -> Iterator[NodeProto]:
        parts = [
            self._constant(f"{name}.scale", np.float32(scale)),
            self._constant(f"{name}.zero", np.uint8(0)),
        ]
        yield self._helper.make_node("QuantizeLinear", [name, *parts], [f"{name}.quantised"])
        yield self._helper.make_node("DequantizeLinear", [f"{name}.quantised", *parts], [f"{name}.dequantised"])

    def _with_weights(self, node: NodeProto) -> Iterator[NodeProto]:
        name = f"{node.output[0]}.weight"
        weight = self._values(node.input[1])
        scale = np.maximum(np.abs(weight).max(axis=(1, 2, 3)) / _MOST, _FINEST).astype(np.float32)
        whole = np.clip(np.rint(weight / scale[:, None, None, None]), -_MOST, _MOST).astype(np.int8)
        parts = [self._constant(f"{name}.scale", scale), self._constant(f"{name}.zero", np.zeros(len(scale), np.int8))]
        quantised_name = self._constant(f"{name}.quantised", whole)
        yield self._helper.make_node("DequantizeLinear", [quantised_name, *parts], [name], axis=0)
        node.input[1] = name
        if len(node.input) > 2:
            yield self._bias(node, scale * np.float32(self._scales[node.input[0]]))

    def _bias(self, node: NodeProto, scale: NDArray[np.float32]) -> NodeProto:
        """In 32 bit, in the steps of the products that it is added to."""
        name = f"{node.output[0]}.bias"
        whole = np.rint(self._values(node.input[2]).astype(np.float64) / scale)
        limits = np.iinfo(np.int32)
        parts = [self._constant(f"{name}.scale", scale), self._constant(f"{name}.zero", np.zeros(len(scale), np.int32))]
        quantised_name = self._constant(f"{name}.quantised", np.clip(whole, limits.min, limits.max).astype(np.int32))
        node.input[2] = name
        return self._helper.make_node("DequantizeLinear", [quantised_name, *parts], [name], axis=0)

    def _values(self, name: str) -> NDArray[np.float32]:
        while name in self._same:
            name = self._same[name]
        return np.asarray(self._numpy.to_array(self._initial[name]), np.float32)

    def _constant(self, name: str, values: Any) -> str:
        self._graph.initializer.append(self._numpy.from_array(np.asarray(values), name))
        return name
