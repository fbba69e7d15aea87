"""Automatic threads and memory, over made-up ``/proc`` and ``/sys``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import jackfield
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield.testing.kits.loaded_model import generating
from jackfield_llama import library as llama
from jackfield_llama.backend import LlamaBackend
from jackfield_llama.machine import Machine

if TYPE_CHECKING:
    from jackfield.ports.backend import OptionValue

DEMO: Final = Path(jackfield.__file__).parent / "models" / "demo.gguf"

V2 = {"proc/self/cgroup": "0::/app/web\n"}
V1 = {"proc/self/cgroup": "4:memory:/app\n2:cpu,cpuacct:/app\n"}


def _machine(root: Path, files: dict[str, str]) -> Machine:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Machine(root)


def _cores(count: int, siblings: int = 1) -> dict[str, str]:
    return {
        f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list": str(number // siblings)
        for number in range(count)
    }


@pytest.mark.parametrize(
    ("files", "processors", "threads"),
    [
        pytest.param({}, 1, 1, id="one core"),
        pytest.param({}, 2, 1, id="two cores: one for the gateway"),
        pytest.param({}, 4, 3, id="four cores: one for the gateway"),
        pytest.param({}, 8, 8, id="eight cores"),
        pytest.param(_cores(16, siblings=2), 16, 8, id="hyper-threads count once"),
        pytest.param({**V2, "sys/fs/cgroup/app/web/cpu.max": "200000 100000\n"}, 16, 1, id="v2 quota of two"),
        pytest.param({**V2, "sys/fs/cgroup/app/cpu.max": "600000 100000\n"}, 16, 6, id="v2 quota of the parent"),
        pytest.param({**V2, "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 16, 1, id="v2 half a processor"),
        pytest.param({**V2, "sys/fs/cgroup/app/web/cpu.max": "max 100000\n"}, 16, 16, id="v2 no quota"),
        pytest.param(
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "600000",
                "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us": "100000",
            },
            16,
            6,
            id="v1 quota",
        ),
        pytest.param(
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us": "100000",
            },
            16,
            16,
            id="v1 no quota",
        ),
        pytest.param({**V2, "sys/fs/cgroup/app/web/cpu.max": "garbage"}, 8, 8, id="unreadable quota"),
    ],
)
def test_threads_suit_the_machine(tmp_path: Path, files: dict[str, str], processors: int, threads: int) -> None:
    """Physical cores within affinity and quota, less one where the gateway shares few."""
    assert _machine(tmp_path, files).auto_threads(frozenset(range(processors))) == threads


MEMINFO = {"proc/meminfo": "MemTotal: 9999 kB\nMemAvailable:    8000 kB\n"}
V1_MEMORY = "sys/fs/cgroup/memory/app/memory"


@pytest.mark.parametrize(
    ("files", "available"),
    [
        pytest.param({}, None, id="nothing known"),
        pytest.param(MEMINFO, 8000 * 1024, id="the machine's"),
        pytest.param(
            {
                **MEMINFO,
                **V2,
                "sys/fs/cgroup/app/web/memory.max": "5000000",
                "sys/fs/cgroup/app/web/memory.current": "3000000",
                "sys/fs/cgroup/app/web/memory.stat": "anon 1\ninactive_file 500000\n",
            },
            2_500_000,
            id="v2 limit, page cache given back",
        ),
        pytest.param(
            {**MEMINFO, **V2, "sys/fs/cgroup/app/memory.max": "max", "sys/fs/cgroup/app/memory.current": "1"},
            8000 * 1024,
            id="v2 no limit",
        ),
        pytest.param(
            {
                **MEMINFO,
                **V1,
                f"{V1_MEMORY}.limit_in_bytes": "5000000",
                f"{V1_MEMORY}.usage_in_bytes": "3000000",
                f"{V1_MEMORY}.stat": "inactive_file 1\ntotal_inactive_file 250000\n",
            },
            2_250_000,
            id="v1 limit",
        ),
        pytest.param(
            {
                **MEMINFO,
                **V1,
                f"{V1_MEMORY}.limit_in_bytes": "9223372036854771712",
                f"{V1_MEMORY}.usage_in_bytes": "3000000",
            },
            8000 * 1024,
            id="v1 no limit",
        ),
        pytest.param(
            {**V2, "sys/fs/cgroup/app/memory.max": "10", "sys/fs/cgroup/app/memory.current": "30"},
            0,
            id="over the limit",
        ),
    ],
)
def test_memory_is_the_tightest_limit(tmp_path: Path, files: dict[str, str], available: int | None) -> None:
    """What the machine has, or what the cgroup leaves."""
    assert _machine(tmp_path, files).available_memory() == available


@pytest.mark.parametrize(
    ("modes", "there"),
    [
        ("always [madvise] never", True),
        ("[always] madvise never", True),
        ("always madvise [never]", False),
        (None, False),
    ],
)
def test_huge_pages(tmp_path: Path, modes: str | None, *, there: bool) -> None:
    """Wherever they are not switched off; other systems have none that we know of."""
    files = {} if modes is None else {"sys/kernel/mm/transparent_hugepage/enabled": modes}
    assert _machine(tmp_path, files).huge_pages() is there


class _Roomy(Machine):
    """One that has huge pages or not, and so much memory."""

    def __init__(self, *, huge: bool, free: int | None) -> None:
        super().__init__()
        self.huge = huge
        self.free = free

    def huge_pages(self) -> bool:
        """As made."""
        return self.huge

    def available_memory(self) -> int | None:
        """As made."""
        return self.free


@pytest.mark.parametrize(
    ("machine", "mmap", "mapped"),
    [
        (_Roomy(huge=True, free=1 << 34), "auto", False),
        (_Roomy(huge=False, free=1 << 34), "auto", True),
        (_Roomy(huge=True, free=1 << 20), "auto", True),
        (_Roomy(huge=True, free=None), "auto", True),
        (_Roomy(huge=True, free=1 << 34), True, True),
        (_Roomy(huge=False, free=1 << 34), False, False),
    ],
    ids=["huge pages", "small pages", "no room", "nobody knows", "as told: mapped", "as told: read"],
)
def test_weights_are_read_where_huge_pages_can_have_them(
    machine: Machine, mmap: OptionValue, monkeypatch: pytest.MonkeyPatch, *, mapped: bool
) -> None:
    """By default; the option decides otherwise."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    made = kernel.backends()["llama-cpu"]()
    assert isinstance(made, LlamaBackend)
    backend = LlamaBackend(made._instance, machine)
    modes: list[int] = []
    opened = llama.model_load_from_file

    def load(path: bytes, params: llama.ModelParams) -> llama.Model | None:
        modes.append(params.load_mode)
        return opened(path, params)

    monkeypatch.setattr(llama, "model_load_from_file", load)
    options: dict[str, OptionValue] = {"mmap": mmap, "memory_check": False}
    generating(backend.load(ModelSpec(name="m", path=str(DEMO), context=64, options=options), lambda _: None)).close()
    assert modes[-1] == (llama.LoadMode.MMAP if mapped else llama.LoadMode.READ)


@pytest.mark.parametrize("tiles", [False, True])
def test_a_library_with_tiles_does_not_use_them(monkeypatch: pytest.MonkeyPatch, *, tiles: bool) -> None:
    """It has them for repacked weights, and would crash."""
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    asked: list[bool] = []
    opened = llama.model_load_from_file

    def open_model(path: bytes, params: llama.ModelParams) -> llama.Model | None:
        if not params.no_alloc:
            asked.append(params.use_extra_bufts)
            params.use_extra_bufts = False  # this library may be one of those
        return opened(path, params)

    monkeypatch.setattr(llama, "model_load_from_file", open_model)
    monkeypatch.setattr(llama, "has_tiles", lambda: tiles)
    backend = kernel.backends()["llama-cpu"]()
    spec = ModelSpec(name="m", path=str(DEMO), context=64, options={})
    generating(backend.load(spec, lambda _: None)).close()
    assert asked == [not tiles]
