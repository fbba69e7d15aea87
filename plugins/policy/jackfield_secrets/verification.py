"""Something for the kits to read from each source."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jackfield_secrets.sources import CREDENTIALS_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET: Final = "sesame-opens-the-kit"  # noqa: S105 -- nothing opens with it
NAME: Final = "jackfield-kit"
VARIABLE: Final = "JACKFIELD_KIT_SECRET"


def prepare(folder: Path) -> Mapping[str, object]:
    """A file, a credential and a variable of this process, and what the kits are told of them."""
    file = folder / NAME
    file.write_text(SECRET)
    file.chmod(0o600)
    os.environ[CREDENTIALS_DIRECTORY] = str(folder)
    os.environ[VARIABLE] = SECRET
    return {
        "source": {
            "secret": SECRET,
            "missing": "NOTHING",
            "file": {"name": str(file)},
            "systemd": {"name": NAME},
            "env": {"name": VARIABLE},
        }
    }
