"""Packed bits: an eighth of a byte a weight, in NumPy's own archive."""

from __future__ import annotations

import io
import os
import zipfile
import zlib

import numpy as np

from qhypernet import _check, _core, storage
from qhypernet.export._ensemble import Ensemble, Source, ensemble
from qhypernet.networks import BinaryNetwork

_FORMAT = 1
_DAMAGE = (LookupError, TypeError, ValueError, EOFError, OSError, MemoryError, NotImplementedError)
"""What reading a damaged archive raises, besides zip's own errors."""


def to_npz(source: Source, path: str | os.PathLike[str], *, n_networks: int | None = None) -> None:
    """Writes networks as packed bits.

    Arrays of the archive: ``bits``, uint8 of shape (S, ceil(n_weights / 8)), where weight i of a
    network is bit ``i % 8`` of byte ``i // 8`` (0 is +1, 1 is -1; unpack with
    ``numpy.unpackbits(bits, axis=1, count=n_weights, bitorder="little")``), in the flat order of
    :class:`BinaryNetwork`; ``weights`` (S,); ``layers``; ``activation``; ``bias``;
    ``logit_scale``; ``likelihood``; ``noise``; ``mean`` (F,) and ``matrix`` (F, inputs), with which
    a network's inputs are ``(X - mean) @ matrix``; ``feature_names``; ``class_names``; ``target``;
    ``format``.

    Args:
        source: A fitted estimator, a run or an :class:`Ensemble`.
        path: The file.
        n_networks: The so many most probable networks; None is all.
    """
    exported = ensemble(source, n_networks)
    net = exported.net
    archive = io.BytesIO()
    np.savez(
        archive,
        format=_FORMAT,
        bits=np.packbits(exported.bits, axis=1, bitorder="little"),
        weights=exported.weights,
        layers=net.layers,
        activation=exported.activation,
        bias=net.bias,
        logit_scale=net.logit_scale,
        likelihood=net.likelihood,
        noise=net.noise,
        mean=exported.mean,
        matrix=exported.matrix,
        feature_names=np.array(exported.feature_names, dtype=str),
        class_names=np.array(exported.class_names, dtype=str),
        target=exported.target,
    )
    storage.write_bytes(path, archive.getvalue())


def from_npz(path: str | os.PathLike[str]) -> Ensemble:
    """Reads what :func:`to_npz` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Another file, another format, or a damaged one.
    """
    try:
        # NumPy leaves a file that is no archive open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            # A small archive can unpack to any size.
            unpacked = sum(member.file_size for member in archive.zip.infolist())
            _core.check_memory(f"{path}", 2 * unpacked)
            values = {name: archive[name] for name in archive.files}
        if values["format"] != _FORMAT:
            raise ValueError(f"expected format {_FORMAT}, got {values['format']}")
        net = BinaryNetwork(
            values["layers"].tolist(),
            str(values["activation"]),
            bool(values["bias"]),
            logit_scale=float(values["logit_scale"]),
            likelihood=str(values["likelihood"]),
            noise=float(values["noise"]),
        )
        packed = values["bits"]
        if packed.dtype != np.uint8 or packed.shape[1:] != ((net.n_weights + 7) // 8,):
            raise ValueError(f"bits: expected {net.n_weights} a network, got {packed.shape}")
        mean, matrix = (_check.floats(name, values[name]) for name in ("mean", "matrix"))
        if matrix.shape != (len(mean), net.layers[0]):
            raise ValueError(f"matrix: expected {net.layers[0]} inputs, got {matrix.shape}")
        target = _check.floats("target", values["target"])
        read = Ensemble(
            net,
            np.unpackbits(packed, axis=1, count=net.n_weights, bitorder="little"),
            _check.distributions("weights", values["weights"], 1),
            mean,
            matrix,
            tuple(values["feature_names"].tolist()),
            tuple(values["class_names"].tolist()),
            (float(target[0]), float(target[1])),
        )
        names = {"weights": len(packed), "feature_names": len(mean), "class_names": net.n_classes}
        for name, expected in names.items():
            if len(values[name]) != expected:
                raise ValueError(f"{name}: expected {expected}, got {len(values[name])}")
        return read
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected networks that to_npz wrote, got {error}") from error
