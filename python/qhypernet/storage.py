"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qhypernet import _core

if TYPE_CHECKING:
    import xarray as xr


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file beside its place to write to; once written it is put on disk and moved there.

    Raises:
        OSError: What the system says, with the path; whatever stood there before is still there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EEXIST, "not a file that can be replaced", str(target))
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(descriptor)
        yield Path(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any other file of the user's.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = f"{error.strerror} (nothing was changed)"
            raise OSError(error.errno, message, str(target)) from error
        raise


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file by :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """:func:`write_bytes` for text."""
    write_bytes(path, content.encode())


def write_dataset(path: str | os.PathLike[str], dataset: xr.Dataset) -> None:
    """Writes a labelled data set as NetCDF.

    Not compressed: the same numbers are to be the same bytes, and what a compressor makes of them
    depends on which one a process has loaded. Numbers from training shrink by little anyway.
    """
    marked = dataset.assign_attrs({_DIGEST: _digest(_parts(dataset), dataset.attrs)})
    write_bytes(path, bytes(marked.to_netcdf(engine="h5netcdf")))


def read_dataset(path: str | os.PathLike[str]) -> xr.Dataset:
    """Reads what :func:`write_dataset` wrote, into memory.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not NetCDF, or is damaged: its numbers are not those that were
            written.
    """
    import xarray as xr

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        _check_self_contained(path)
        with xr.open_dataset(path, engine="h5netcdf") as file:
            _core.check_memory(f"{path}", file.nbytes)
            dataset = file.load()
    except Exception as error:
        raise ValueError(f"{path}: expected a result file of qhypernet, got {error}") from error
    _check_digest(path, _parts(dataset), dataset.attrs)
    del dataset.attrs[_DIGEST]
    return dataset


def read_arrays(path: str | os.PathLike[str], dims: Mapping[str, Dims]) -> dict[str, Values]:
    """The same without labels, many times faster, for files of which there are many.

    Args:
        path: What :func:`write_dataset` wrote.
        dims: The dimensions of each variable that it may hold.

    Raises:
        ValueError: The file is not NetCDF, or is damaged.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            arrays = {name: _values(file[name]) for name in dims if name in file}
            attributes = dict(file.attrs)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path}: expected a result file of qhypernet, got {error}") from error
    _check_digest(path, {name: (dims[name], values) for name, values in arrays.items()}, attributes)
    return arrays


Dims = tuple[str, ...]
Values = NDArray[Any]

_DIGEST = "sha256"
_OWN_FILTERS = {1, 2, 3}
"""HDF5's numbers of deflate, shuffle and Fletcher's checksum, which it has built in."""


def _check_self_contained(path: str | os.PathLike[str]) -> None:
    """Refuses HDF5 that asks for other files or for plug-ins, which are libraries that it loads."""
    import h5py

    with h5py.File(path) as file:
        for name in file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"a link, {name}, to another place")
            variable = file[name]
            if not isinstance(variable, h5py.Dataset):
                raise ValueError(f"{name}, which is not an array")
            properties = variable.id.get_create_plist()
            filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
            if variable.external or variable.is_virtual or not filters <= _OWN_FILTERS:
                raise ValueError(f"{name}, whose numbers are not in the file as they should be")


def _parts(dataset: xr.Dataset) -> dict[str, tuple[Dims, Values]]:
    """Dimensions and values of all variables."""
    variables = dataset.variables.items()
    return {str(name): (tuple(map(str, v.dims)), v.values) for name, v in variables}


def _values(stored: Any) -> Values:
    """What xarray wrote, from HDF5."""
    if stored.dtype.kind == "O":
        return np.asarray(stored.asstr()[()])
    values = np.asarray(stored[()])
    return values.astype(bool) if stored.attrs.get("dtype") == "bool" else values


def _check_digest(
    path: object, parts: Mapping[str, tuple[Dims, Values]], attributes: Mapping[str, Any]
) -> None:
    # HDF5 notices damage to its own structure only now and then, and to numbers never.
    if attributes.get(_DIGEST) != _digest(parts, attributes):
        raise ValueError(f"{path}: expected a whole result file of qhypernet, got a damaged one")


def _digest(parts: Mapping[str, tuple[Dims, Values]], attributes: Mapping[str, Any]) -> str:
    """A hash of all values, names, shapes and attributes but the hash itself."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        dims, values = parts[name]
        digest.update(repr((name, dims, values.shape)).encode())
        digest.update(
            values.tobytes() if values.dtype.kind in "biuf" else repr(values.tolist()).encode()
        )
    texts = {k: str(v) for k, v in attributes.items() if k not in (_DIGEST, "_NCProperties")}
    digest.update(repr(sorted(texts.items())).encode())
    return digest.hexdigest()
