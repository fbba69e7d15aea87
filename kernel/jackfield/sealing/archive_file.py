"""Archives on the disk: for their owner only, whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jackfield.errors import Conflict, ManifestError
from jackfield.sealing.archive import BYTES_MAX
from jackfield.whole_files import create_file, replace_file

if TYPE_CHECKING:
    from pathlib import Path


def write_file(file: Path, data: bytes, *, replace: bool) -> None:
    """Put *data* into *file*, mode 0600, in one step.

    Raises:
        Conflict: It is there, and may not be replaced.
        OSError: It cannot be written; nothing is left of it.
    """
    try:
        if replace:
            replace_file(file, data)
        else:
            create_file(file, data)
    except FileExistsError:
        raise Conflict(f"{file} is there; --force replaces it") from None


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
