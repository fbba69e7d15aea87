"""Archives on the disk: for their owner only, whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from jackfield.errors import Conflict, ManifestError
from jackfield.sealing.archive import BYTES_MAX


def write_file(file: Path, data: bytes, *, replace: bool) -> None:
    """Put *data* into *file*, mode 0600, in one step.

    Raises:
        Conflict: It is there, and may not be replaced.
        OSError: It cannot be written; nothing is left of it.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            Path(name).replace(file)
        else:
            os.link(name, file)
    except FileExistsError:
        raise Conflict(f"{file} is there; --force replaces it") from None
    finally:
        Path(name).unlink(missing_ok=True)


def read_file(file: Path) -> bytes:
    """What is in *file*.

    Raises:
        ManifestError: It is too large for an archive.
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        data = stream.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        raise ManifestError(f"{file} is too large for an archive")
    return data
