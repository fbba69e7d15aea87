"""What ``jackfield_record_stores`` hands over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jackfield.manifest_layers import load_manifest
from jackfield.plugins import build_kernel
from jackfield.ports.records import Record

if TYPE_CHECKING:
    from pathlib import Path


def test_one_store_with_its_options(tmp_path: Path) -> None:
    """Under the instance's name; a relative path starts at the manifest."""
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["kept=sqlite"]\n[config.kept]\nfile = "records.db"\nmax_records = 2\n')
    kernel = build_kernel(load_manifest(file, environ={}))
    [(name, factory)] = kernel.record_stores().items()
    assert name == "kept"
    assert not (tmp_path / "records.db").exists()

    async def body() -> int:
        store = factory()
        for number in range(5):
            await store.put(Record(kind="response", id=str(number), created=2e9 + number))
        found = await store.find("response", "")
        await store.close()
        return len(found)

    assert asyncio.run(body()) == 2
    assert (tmp_path / "records.db").exists()
