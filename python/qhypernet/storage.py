"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from qhypernet import _core

if TYPE_CHECKING:
    import xarray as xr


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file beside its place, makes sure it is on disk, and moves it there.

    Raises:
        OSError: What the system says, with the path; whatever stood there before is still there.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EEXIST, "not a file that can be replaced", str(target))
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
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


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """:func:`write_bytes` for text."""
    write_bytes(path, content.encode())


def write_dataset(path: str | os.PathLike[str], dataset: xr.Dataset) -> None:
    """Writes a labelled data set as NetCDF."""
    encoding = {
        name: {"zlib": True, "complevel": 4}
        for name, variable in dataset.data_vars.items()
        if variable.dtype.kind in "fiu" and variable.ndim
    }
    marked = dataset.assign_attrs({_DIGEST: _digest(dataset)})
    write_bytes(path, bytes(marked.to_netcdf(engine="h5netcdf", encoding=encoding)))


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
    # HDF5 notices damage to its own structure only now and then, and to numbers never.
    if dataset.attrs.pop(_DIGEST, None) != _digest(dataset):
        raise ValueError(f"{path}: expected a whole result file of qhypernet, got a damaged one")
    return dataset


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


def _digest(dataset: xr.Dataset) -> str:
    """A hash of all values, names, shapes and attributes but the hash itself."""
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        values = variable.values
        digest.update(repr((name, variable.dims, values.shape)).encode())
        digest.update(
            values.tobytes() if values.dtype.kind in "biuf" else repr(values.tolist()).encode()
        )
    attributes = {k: str(v) for k, v in dataset.attrs.items() if k != _DIGEST}
    digest.update(repr(sorted(attributes.items())).encode())
    return digest.hexdigest()
