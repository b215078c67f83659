"""A run's state in a file, safetensors with some JSON; what is read back is believed in nothing.

Names, shapes and types are compared with those of the run that is to go on before a number is
read, and every number with its range: a checkpoint may have come from others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from drti_core.errors import DrtiError, FileError, FormatError
from drti_core.io import outputs, regular, strict_json
from drti_core.io.strict_json import Node

_MEND = "Remove it to start anew."
_OTHER = "Resume with the same options, or remove it."
_KEY = "loop"

#: Shape and type of tensors, by name.
Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]


def write(path: Path, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all; it replaces the one before."""
    from safetensors.torch import save

    kept = {name: value.cpu().contiguous() for name, value in tensors.items()}
    with outputs.atomic_file(path, overwrite=True) as temporary:
        # Its save_file would put another file in the place of the temporary, which is noted.
        temporary.write_bytes(save(kept, metadata={_KEY: json.dumps(numbers)}))


def is_one(path: Path) -> bool:
    """Whether a file is a checkpoint, so that a new run may do away with it."""
    try:
        read_numbers(path)
    except DrtiError:
        return False
    return True


def read_numbers(path: Path) -> Node:
    """The JSON of a checkpoint.

    Raises:
        FileError: a link, no regular file, or it cannot be read.
        FormatError: it is damaged.
    """
    regular.check(path, links=False)
    errors = _errors()
    try:
        with _opened(path) as file:
            text = (file.metadata() or {})[_KEY]
        if len(text) > strict_json.MAX_BYTES:
            raise ValueError(f"{len(text)} bytes of JSON")
        return Node(json.loads(text), path)
    except errors as error:
        raise _damaged(path, error) from error


def read_tensors(path: Path, *layouts: Layout) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, of finite numbers.

    Args:
        path: the file.
        layouts: the tensors that it may hold: those of one of them, and no others.

    Raises:
        FileError: a link, no regular file, or it cannot be read.
        FormatError: damaged, or other tensors; says of the first one what is wrong.
    """
    regular.check(path, links=False)
    errors = _errors()
    try:
        with _opened(path) as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            layout = next((each for each in layouts if each.keys() == found.keys()), None)
            if layout is None:
                names = sorted({name for each in layouts for name in each} ^ found.keys())
                raise FormatError(
                    f"tensors too many or too few: {', '.join(names)[:200]}",
                    where=str(path),
                    expected="those of this training",
                    mend=_OTHER,
                )
            tensors = {}
            for name, (shape, kind) in layout.items():
                # Before it is read: a sparse file may claim any size.
                stated = tuple(found[name].get_shape())
                tensor = file.get_tensor(name) if stated == shape else None
                if tensor is None or tensor.dtype != kind or not tensor.isfinite().all():
                    told = stated if tensor is None or tensor.dtype == kind else tensor.dtype
                    raise FormatError(
                        f"a tensor {told}" if told != shape else "a number that is not finite",
                        where=f"{path}: {name}",
                        expected=f"finite numbers {kind} of shape {shape}",
                        mend=_OTHER,
                    )
                tensors[name] = tensor
    except DrtiError:
        raise
    except errors as error:
        raise _damaged(path, error) from error
    return tensors


def _opened(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(path, framework="pt")


def _errors() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError, RuntimeError


def _damaged(path: Path, error: Exception) -> FormatError | FileError:
    if isinstance(error, FileError):
        return error
    return FormatError(f"damaged ({error})", where=str(path), mend=_MEND)
