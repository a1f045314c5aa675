"""A C header: inference with packed bits, XNOR and popcount, for machines without anything else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core, storage
from qhypernet.export._ensemble import Ensemble, Source, ensemble

_ACTIVATIONS = {
    "tanh": "tanh(v)",
    "relu": "(v > 0 ? v : 0)",
    "sigmoid": "1 / (1 + exp(-v))",
    "identity": "v",
}


def to_c(
    source: Source,
    path: str | os.PathLike[str],
    *,
    n_networks: int | None = None,
    name: str = "qhn",
) -> int:
    """Writes networks as a header in C99, which C++ takes too; it needs the standard library only.

    For a classifier it defines ``void qhn_predict_proba(const double *x, double *p)``,
    ``int qhn_predict(const double *x)`` and ``qhn_class_names``; for a regressor
    ``double qhn_predict(const double *x, double *variance)``. Layers behind a sign activation are
    XNOR and popcount on words of bits. Compiled with ``-DQHN_MAIN`` it is a program that reads
    features and prints predictions::

        cc -O2 -DQHN_MAIN -x c model.h -lm -o model && ./model < features.txt

    ``./model 1000`` also repeats every prediction 1000 times and says how long one takes.

    Args:
        source: A fitted estimator, a run or an :class:`Ensemble`.
        path: The file.
        n_networks: The so many most probable networks; None is all.
        name: What names in the header begin with.

    Returns:
        Bytes that the header's constants take.

    Raises:
        ValueError: A name that is none in C.

    Example:
        >>> import pathlib, tempfile, qhypernet as qh
        >>> net = qh.BinaryNetwork((2, 1), activation="sign")
        >>> exact = {"mean": [0, 0], "matrix": [[1, 0], [0, 1]], "weights": [1.0]}
        >>> network = qh.export.Ensemble(
        ...     net, bits=np.array([[0, 1, 1]], np.uint8), feature_names=("a", "b"),
        ...     class_names=("no", "yes"), **{k: np.array(v, float) for k, v in exact.items()})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     qh.export.to_c(network, pathlib.Path(folder) / "model.h")
        9
    """
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        raise ValueError(f"name: expected a name that C takes, got {name!r}")
    header = _Header(ensemble(source, n_networks), name)
    storage.write_text(path, header.text())
    return header.size


class _Header:
    """The header's parts."""

    def __init__(self, exported: Ensemble, name: str) -> None:
        self._exported = exported
        self._net = exported.net
        self._name = name
        self.size = 0
        """Bytes of constants so far."""

    def text(self) -> str:
        """All of it."""
        constants = "\n".join(self._constants())
        code = "\n".join(self._code())
        net, exported, name = self._net, self._exported, self._name.upper()
        layers = "-".join(map(str, net.layers))
        about = f"{exported.activation} activation, {net.n_weights} weights each"
        text = f"""/* {len(exported.bits)} binary networks {layers}, {about}, written by
   qhypernet {_core.__version__}. Constants take {self.size} bytes.
   Features: {_comment(", ".join(exported.feature_names))}. */
#ifndef {name}_H
#define {name}_H

#include <math.h>
#include <stdint.h>

#define {name}_FEATURES {len(exported.mean)}
#define {name}_NETWORKS {len(exported.bits)}
#define {name}_INPUTS {net.layers[0]}
#define {name}_OUTPUTS {net.layers[-1]}
{f"#define {name}_CLASSES {net.n_classes}" if net.n_classes else ""}

{constants}

{code}

#endif
"""
        return text.replace("NAME", name).replace("name_", f"{self._name}_")

    def _constants(self) -> Iterator[str]:
        exported = self._exported
        if not self._takes_features_as_they_are:
            yield self._array("double", "name_mean", exported.mean)
            factors = np.diag(exported.matrix) if self._is_diagonal else exported.matrix
            yield self._array("double", "name_matrix", factors)
        yield self._array("double", "name_weights", exported.weights)
        for layer, (matrix, bias) in enumerate(exported.layers):
            # One row of bits for each unit; a bias is the weight of one more input, which is +1.
            units = matrix.transpose(0, 2, 1)
            if bias is not None:
                units = np.concatenate([units, bias[:, :, None]], axis=2)
            yield self._array(_word(units.shape[2]), f"name_bits{layer}", _packed(units))
        if exported.class_names:
            names = ", ".join(json.dumps(name) for name in exported.class_names)
            yield f"static const char *const name_class_names[NAME_CLASSES] = {{{names}}};"

    def _array(self, kind: str, name: str, values: NDArray[Any]) -> str:
        self.size += values.size * (values.dtype.itemsize if kind != "double" else 8)
        shape = "".join(f"[{length}]" for length in values.shape)
        return f"static const {kind} {name}{shape} = {_literal(values)};"

    @property
    def _is_diagonal(self) -> bool:
        matrix = self._exported.matrix
        square = matrix.shape[0] == matrix.shape[1]
        return square and not (matrix - np.diag(np.diag(matrix))).any()

    @property
    def _takes_features_as_they_are(self) -> bool:
        ones = self._is_diagonal and (np.diag(self._exported.matrix) == 1).all()
        return bool(ones and not self._exported.mean.any())

    def _code(self) -> Iterator[str]:
        yield _ONES
        yield self._inputs()
        yield self._outputs()
        yield {"bernoulli": _BERNOULLI, "categorical": _CATEGORICAL, "gaussian": ""}[
            self._net.likelihood
        ]
        if self._net.n_classes:
            yield _CLASSIFIER + _MAIN.replace("PREDICT", _MAIN_CLASSIFIER).replace("CALL", "")
            return
        offset, unit = self._exported.target
        text = _REGRESSOR + _MAIN.replace("PREDICT", _MAIN_REGRESSOR).replace("CALL", ", 0")
        text = text.replace("OFFSET", repr(float(offset))).replace("UNIT", repr(float(unit)))
        yield text.replace("NOISE", repr(float(self._net.noise)))

    def _inputs(self) -> str:
        if self._takes_features_as_they_are:
            body = "in[i] = x[i];"
        elif self._is_diagonal:
            body = "in[i] = (x[i] - name_mean[i]) * name_matrix[i];"
        else:
            body = """in[i] = 0;
        for (int j = 0; j < NAME_FEATURES; j++)
            in[i] += (x[j] - name_mean[j]) * name_matrix[j][i];"""
        return f"""
/* The networks' inputs. */
static inline void name_inputs(const double *x, double *in) {{
    for (int i = 0; i < {self._net.layers[0]}; i++) {{
        {body}
    }}
}}"""

    def _outputs(self) -> str:
        """The function that evaluates one network, layer by layer."""
        net = self._net
        steps = []
        last = len(net.layers) - 2
        for layer, (n_in, n_out) in enumerate(zip(net.layers, net.layers[1:], strict=False)):
            behind_sign = layer > 0 and self._exported.activation == "sign"
            value = self._bits_value(layer, n_in) if behind_sign else self._real_value(layer, n_in)
            n_next = n_out + net.bias
            if layer == last:
                store, declared = f"out[j] = {net.logit_scale!r} * v;", ""
            elif self._exported.activation == "sign":
                width = _width(n_next)
                declared = f"    {_word(n_next)} a{layer + 1}[{-(-n_next // width)}] = {{0}};\n"
                place = f"a{layer + 1}[j / {width}]"
                bit = f"({_word(n_next)})((uint64_t)(v < 0) << (j % {width}))"
                store = f"{place} = ({_word(n_next)})({place} | {bit});"
            else:
                declared = f"    double a{layer + 1}[{n_out}];\n"
                store = f"a{layer + 1}[j] = {_ACTIVATIONS[self._exported.activation]};"
            steps.append(
                f"""{declared}    for (int j = 0; j < {n_out}; j++) {{
        const {_word(n_in + net.bias)} *w = name_bits{layer}[s][j];
{value}
        {store}
    }}"""
            )
        body = "\n".join(steps)
        return f"""
/* The outputs of network s. */
static inline void name_outputs(int s, const double *a0, double *out) {{
{body}
}}"""

    def _real_value(self, layer: int, n_in: int) -> str:
        """A unit whose inputs are numbers: each is added or subtracted."""
        width = _width(n_in + self._net.bias)
        first = f"(w[{n_in // width}] >> {n_in % width}) & 1 ? -1 : 1" if self._net.bias else "0"
        return f"""        double v = {first};
        for (int i = 0; i < {n_in}; i++)
            v += (w[i / {width}] >> (i % {width})) & 1 ? -a{layer}[i] : a{layer}[i];"""

    def _bits_value(self, layer: int, n_in: int) -> str:
        """A unit whose inputs are bits: twice the number that agree with its weights, less all."""
        n_bits = n_in + self._net.bias
        width = _width(n_bits)
        words = -(-n_bits // width)
        mask = f"UINT64_C({hex((1 << (n_bits - (words - 1) * width)) - 1)})"
        if words > 1:
            mask = f"(k < {words - 1} ? UINT64_C({hex((1 << width) - 1)}) : {mask})"
        return f"""        int v = -{n_bits};
        for (int k = 0; k < {words}; k++)
            v += 2 * name_ones(~((uint64_t)w[k] ^ (uint64_t)a{layer}[k]) & {mask});"""


def _width(n_bits: int) -> int:
    """Bits of the words that hold so many."""
    return next((width for width in (8, 16, 32) if n_bits <= width), 64)


def _word(n_bits: int) -> str:
    return f"uint{_width(n_bits)}_t"


def _packed(rows: NDArray[np.uint8]) -> NDArray[Any]:
    """Bits along the last axis in words, the first bit lowest."""
    width = _width(rows.shape[-1])
    missing = -rows.shape[-1] % width
    padded = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.dtype(f"<u{width // 8}"))


def _literal(values: NDArray[Any]) -> str:
    if values.ndim > 1:
        return "{" + ",\n ".join(_literal(part) for part in values) + "}"
    if values.dtype.kind == "f":
        return "{" + ", ".join(repr(float(value)) for value in values) + "}"
    suffix = "u" if values.dtype.itemsize < 8 else "ull"
    return "{" + ", ".join(f"{value:#x}{suffix}" for value in values.tolist()) + "}"


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("\n", " ")


_ONES = """/* How many bits are 1. */
static inline int name_ones(uint64_t v) {
#if defined(__GNUC__)
    return __builtin_popcountll(v);
#else
    v -= (v >> 1) & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + ((v >> 2) & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int)((v * UINT64_C(0x0101010101010101)) >> 56);
#endif
}"""

_BERNOULLI = """
/* Adds a network's probabilities of the classes, with its weight. */
static inline void name_add(const double *out, double weight, double *p) {
    p[0] += weight / (1 + exp(out[0]));
    p[1] += weight / (1 + exp(-out[0]));
}"""

_CATEGORICAL = """
/* Adds a network's probabilities of the classes, with its weight. */
static inline void name_add(const double *out, double weight, double *p) {
    double largest = out[0], sum = 0;
    for (int k = 1; k < NAME_CLASSES; k++) largest = out[k] > largest ? out[k] : largest;
    for (int k = 0; k < NAME_CLASSES; k++) sum += exp(out[k] - largest);
    for (int k = 0; k < NAME_CLASSES; k++) p[k] += weight * exp(out[k] - largest) / sum;
}"""

_CLASSIFIER = """
/* Probabilities p[NAME_CLASSES] of the classes at features x[NAME_FEATURES]. */
static inline void name_predict_proba(const double *x, double *p) {
    double in[NAME_INPUTS], out[NAME_OUTPUTS];
    name_inputs(x, in);
    for (int k = 0; k < NAME_CLASSES; k++) p[k] = 0;
    for (int s = 0; s < NAME_NETWORKS; s++) {
        name_outputs(s, in, out);
        name_add(out, name_weights[s], p);
    }
}

/* The index of the most probable class. */
static inline int name_predict(const double *x) {
    double p[NAME_CLASSES];
    int best = 0;
    name_predict_proba(x, p);
    for (int k = 1; k < NAME_CLASSES; k++) best = p[k] > p[best] ? k : best;
    return best;
}
"""

_REGRESSOR = """
/* The mean at features x[NAME_FEATURES], and the variance, unless it is null. */
static inline double name_predict(const double *x, double *variance) {
    double in[NAME_INPUTS], out[NAME_NETWORKS][NAME_OUTPUTS], mean = 0, spread = 0;
    name_inputs(x, in);
    for (int s = 0; s < NAME_NETWORKS; s++) {
        name_outputs(s, in, out[s]);
        mean += name_weights[s] * out[s][0];
    }
    for (int s = 0; s < NAME_NETWORKS; s++)
        spread += name_weights[s] * (out[s][0] - mean) * (out[s][0] - mean);
    if (variance) *variance = (spread + NOISE * NOISE) * UNIT * UNIT;
    return OFFSET + UNIT * mean;
}
"""

_MAIN = """
#ifdef NAME_MAIN
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    double x[NAME_FEATURES], seconds = 0;
    volatile double kept = 0;
    long repeats = argc > 1 ? atol(argv[1]) : 0, predictions = 0;
    int i = 0;
    while (scanf("%lf", &x[i]) == 1) {
        if (++i < NAME_FEATURES) continue;
        i = 0;
PREDICT
        clock_t began = clock();
        for (long r = 0; r < repeats; r++) kept += name_predict(xCALL);
        seconds += (double)(clock() - began) / CLOCKS_PER_SEC;
        predictions += repeats;
    }
    if (predictions)
        fprintf(stderr, "%.1f ns a prediction\\n", 1e9 * seconds / (double)predictions);
    return i != 0;
}
#endif"""

_MAIN_CLASSIFIER = """        double p[NAME_CLASSES];
        name_predict_proba(x, p);
        printf("%s", name_class_names[name_predict(x)]);
        for (int k = 0; k < NAME_CLASSES; k++) printf(" %.17g", p[k]);
        printf("\\n");"""

_MAIN_REGRESSOR = """        double mean, variance;
        mean = name_predict(x, &variance);
        printf("%.17g %.17g\\n", mean, variance);"""
