"""ONNX: the weights as 8-bit integers, for every runtime that reads it."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from qhypernet import _check, _core, storage
from qhypernet.export._ensemble import Ensemble, Source, ensemble

_OPSET, _IR = 17, 8
"""Old enough for runtimes of the last years."""
_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}


def to_onnx(
    source: Source,
    path: str | os.PathLike[str],
    *,
    n_networks: int | None = None,
    dtype: str = "float32",
) -> None:
    """Writes networks as an ONNX model.

    Input ``features`` (D, F). Outputs of a classifier: ``probabilities`` (D, K), the average of the
    networks', and ``label`` (D,), the index of the most probable class; of a regressor: ``mean``
    (D,) and ``variance`` (D,), noise included. Names of classes and features are in the model's
    metadata as JSON. Weights are stored as int8, as ONNX has no single bits.

    Args:
        source: A fitted estimator, a run or an :class:`Ensemble`.
        path: The file.
        n_networks: The so many most probable networks; None is all.
        dtype: "float32" or "float64", of input, arithmetic and outputs.

    Raises:
        ModuleNotFoundError: The package onnx is missing; says how to install it.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "to_onnx needs the package onnx: pip install 'qhypernet[export]'"
        ) from None
    exported = ensemble(source, n_networks)
    _check.choice("dtype", dtype, ("float32", "float64"))
    model = _Graph(exported, np.dtype(dtype), onnx).model()
    onnx.checker.check_model(model, full_check=True)
    storage.write_bytes(path, model.SerializeToString())


class _Graph:
    """A graph under construction."""

    def __init__(self, exported: Ensemble, dtype: np.dtype[Any], onnx: Any) -> None:
        self._exported = exported
        self._dtype = dtype
        self._onnx = onnx
        self._type = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def model(self) -> Any:
        """The whole model."""
        exported, helper = self._exported, self._onnx.helper
        centred = self._node("Sub", "features", self._constant(exported.mean))
        inputs = self._node("MatMul", centred, self._constant(exported.matrix))
        # All networks at once: (1, D, inputs) by (S, inputs, outputs).
        values = self._node("Unsqueeze", inputs, self._constant([0], np.int64))
        for layer, (matrix, bias) in enumerate(exported.layers):
            if layer:
                values = self._activation(values)
            values = self._node("MatMul", values, self._signs(matrix))
            if bias is not None:
                values = self._node("Add", values, self._signs(bias[:, None]))
        logits = self._node("Mul", values, self._constant(exported.net.logit_scale))
        classes = exported.net.n_classes
        outputs = self._classes(logits) if classes else self._mean_and_variance(logits)
        shapes: dict[str, list[Any]] = {name: ["points"] for name in outputs}
        if classes:
            shapes["probabilities"].append(classes)
        features = len(exported.mean)
        integer = self._onnx.TensorProto.INT64
        graph = helper.make_graph(
            self._nodes,
            "qhypernet",
            [helper.make_tensor_value_info("features", self._type, ["points", features])],
            [
                helper.make_tensor_value_info(n, integer if n == "label" else self._type, shape)
                for n, shape in shapes.items()
            ],
            self._constants,
        )
        model = helper.make_model(
            graph,
            ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            producer_name="qhypernet",
            producer_version=_core.__version__,
        )
        names = {"classes": exported.class_names, "features": exported.feature_names}
        helper.set_model_props(model, {k: json.dumps(list(v)) for k, v in names.items()})
        return model

    def _activation(self, values: str) -> str:
        name = self._exported.activation
        if name == "identity":
            return values
        if name != "sign":
            return self._node(_ACTIVATIONS[name], values)
        # ONNX has Sign(0) = 0; here it is +1.
        ahead = self._node("GreaterOrEqual", values, self._constant(0.0))
        return self._node("Where", ahead, self._constant(1.0), self._constant(-1.0))

    def _classes(self, logits: str) -> list[str]:
        if self._exported.net.likelihood == "bernoulli":
            second = self._node("Sigmoid", logits)
            first = self._node("Sigmoid", self._node("Neg", logits))
            each = self._node("Concat", first, second, axis=2)
        else:
            each = self._node("Softmax", logits, axis=2)
        self._average(each, "probabilities")
        self._node("ArgMax", "probabilities", output="label", axis=1, keepdims=0)
        return ["probabilities", "label"]

    def _mean_and_variance(self, outputs: str) -> list[str]:
        offset, unit = self._exported.target
        average = self._average(outputs)
        last = self._constant([1], np.int64)
        scaled = self._node("Mul", average, self._constant(unit))
        shifted = self._node("Add", scaled, self._constant(offset))
        self._node("Squeeze", shifted, last, output="mean")
        away = self._node("Sub", outputs, average)
        spread = self._average(self._node("Mul", away, away))
        total = self._node("Add", spread, self._constant(self._exported.net.noise**2))
        variance = self._node("Mul", total, self._constant(unit**2))
        self._node("Squeeze", variance, last, output="variance")
        return ["mean", "variance"]

    def _average(self, each: str, output: str = "") -> str:
        """The weighted sum over networks, (S, D, K) to (D, K)."""
        weighted = self._node("Mul", each, self._constant(self._exported.weights[:, None, None]))
        axis = self._constant([0], np.int64)
        return self._node("ReduceSum", weighted, axis, output=output, keepdims=0)

    def _signs(self, bits: Any) -> str:
        """Weights +1 and -1 of bits, stored in a byte each."""
        stored = self._constant(1 - 2 * bits.astype(np.int8), np.int8)
        return self._node("Cast", stored, to=self._type)

    def _constant(self, values: Any, dtype: Any = None) -> str:
        array = np.ascontiguousarray(np.asarray(values, dtype=dtype or self._dtype))
        # ascontiguousarray makes a vector of a number.
        array = array.reshape(np.shape(values))
        name = f"c{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output
