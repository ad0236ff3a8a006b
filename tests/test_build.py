"""The package with and without its compiled library, and on every instruction set."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import midiff_fast
from midiff_fast import _load
from midiff_fast._version import __version__
from midiff_fast.ops._common import use_fused

needs_compiled = pytest.mark.skipif(not _load.available, reason=_load.reason)
PACKAGE = Path(midiff_fast.__file__).parent


def run(code: str, **environment: str) -> str:
    """What ``code`` prints in a new Python, with nothing but these variables changed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MIDIFF_") and name not in ("DISPLAY", "MPLBACKEND")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": str(PACKAGE.parent), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


DRAW = """
import json, torch
from midiff_fast import _load
from midiff_fast.functional import trajectories
from midiff_fast.ops import random
seeds = torch.tensor([1001, 7])
start = torch.tensor([[0.3, 0.6, 0.1], [0.9, 0.2, 0.5]], dtype=torch.float64)
drawn = {
    "instruction_set": _load.build_info().get("instruction_set"),
    "permutation": random.permutation(seeds, 8, 3, 100).tolist(),
    "uniform": random.uniform(seeds, 3, 3, (1000,)).tolist(),
    "normal": random.normal(seeds, 5, 3, (1000,)).tolist(),
    # In 50 time units, chaos would make a difference in the last bit as large as the signal.
    "lorenz": trajectories("lorenz", start, 0.05, 1000, substeps=8, first=990).tolist(),
    "rossler": trajectories("rossler", start, 0.05, 1000, first=990).tolist(),
}
"""

WITHOUT_LIBRARY = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == "midiff_fast._C":
            raise {error}
sys.meta_path.insert(0, Hide())
import torch
from midiff_fast import _load
from midiff_fast.ops import random
seeds = torch.tensor([1])
print(_load.available, _load.build_info(), _load.reason)
print(random.uniform(seeds, 1, 0, (2,)).tolist())
try:
    random.uniform(seeds, 1, 0, (2,), backend="fused")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ('ModuleNotFoundError("no such module", name=name)', "the compiled ops are not built"),
        ('ImportError("undefined symbol: aoti")', "do not load with torch"),
    ],
)
def test_without_the_library_eager_works_and_says_why(error: str, reason: str) -> None:
    state, numbers, refusal = run(WITHOUT_LIBRARY.format(error=error)).splitlines()
    assert state.startswith("False {} ")
    assert reason in state
    assert len(json.loads(numbers)[0]) == 2
    assert refusal.startswith('backend="fused" is not possible for uniform: ')
    assert reason in refusal


def test_midiff_native_0_leaves_the_library_out() -> None:
    code = "from midiff_fast import _load; print(_load.available, _load.reason)"
    assert run(code, MIDIFF_NATIVE="0").startswith("False the compiled ops are switched off")


@needs_compiled
def test_build_info() -> None:
    info = _load.build_info()
    assert set(info) == {
        "version",
        "instruction_set",
        "high",
        "medium",
        "compiler",
        "torch_target",
        "torch_headers",
        "cuda",
    }
    assert info["version"] == __version__
    assert info["instruction_set"] in ("avx512", "avx2", "baseline")
    assert (info["high"], info["medium"]) in (
        ("float32", "float32"),
        ("float32", "bf16"),
        ("amx", "amx"),
    )
    assert info["torch_target"] == "2.10"
    assert info["instruction_set"] in _load.reason


@needs_compiled
@pytest.mark.skipif(
    importlib.util.find_spec("midiff_fast._C_cuda") is None, reason="the CUDA ops are not built"
)
def test_the_cuda_library_loads_beside_any_torch() -> None:
    """All its symbols are found, also those of kernels, with a torch that has no CUDA."""
    code = """
import json, os, sys
import torch
import midiff_fast._C
sys.setdlopenflags(os.RTLD_NOW)
import midiff_fast._C_cuda
print(json.dumps([midiff_fast._C_cuda.build_info(), midiff_fast._C_cuda.driver_version()]))
"""
    info, driver = json.loads(run(code))
    assert set(info) == {"architectures", "cuda"}
    assert _load._architectures(info, driver)
    assert driver == "" or _load._version(driver)


class CudaLibrary(ModuleType):
    """Stands in for midiff_fast._C_cuda, built with CUDA 13.0."""

    def __init__(self, driver: str, architectures: str = "8.0 9.0+PTX") -> None:
        super().__init__("midiff_fast._C_cuda")
        self.driver, self.architectures = driver, architectures

    def build_info(self) -> dict[str, str]:
        return {"architectures": self.architectures, "cuda": "13.0"}

    def driver_version(self) -> str:
        return self.driver


@needs_compiled
@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        ("13.0", "the CUDA ops are loaded (8.0 9.0+PTX)"),
        ("14.2", "the CUDA ops are loaded (8.0 9.0+PTX)"),
        (
            "12.8",
            "the CUDA ops are built with CUDA 13.0, and the NVIDIA driver knows CUDA up to 12",
        ),
        ("", "no NVIDIA driver was found"),
    ],
)
def test_a_driver_too_old_for_the_cuda_ops(
    driver: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own CUDA may work where ours cannot: "auto" has to know."""
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setitem(sys.modules, "midiff_fast._C_cuda", CudaLibrary(driver))
    module, told = _load._load_cuda()
    assert told.startswith(reason)
    assert (module is not None) == ("loaded" in reason)


@pytest.mark.parametrize(
    ("architectures", "driver", "capability", "runs"),
    [
        ("8.0 9.0+PTX", "13.0", (7, 0), False),
        ("8.0 9.0+PTX", "13.0", (8, 0), True),
        ("8.0 9.0+PTX", "13.0", (8, 9), True),
        ("8.0 9.0+PTX", "13.0", (12, 0), True),  # the driver compiles the PTX
        ("8.0 9.0", "13.0", (12, 0), False),
        ("8.6", "13.0", (8, 0), False),
        ("9.0a", "13.0", (9, 0), True),
        ("9.0a+PTX", "13.0", (12, 0), False),  # "a" is of one capability alone
        ("10.0f", "13.0", (10, 3), True),
    ],
)
def test_which_gpus_the_cuda_ops_run_on(
    architectures: str,
    driver: str,
    capability: tuple[int, int],
    runs: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, CudaLibrary(driver, architectures), capability)
    obstacle = _load.cuda_obstacle(torch.device("cuda", 0))
    major, minor = capability
    wanted = f"that GPU has compute capability {major}.{minor}, and the CUDA ops are built for "
    assert (obstacle is None) == runs
    assert obstacle is None or obstacle.startswith(wanted + architectures)


def test_ptx_newer_than_the_driver_does_not_count() -> None:
    info = {"architectures": "9.0+PTX", "cuda": "13.2"}
    assert not _load._architectures(info, "13.0")[0].runs_on((12, 0))
    assert _load._architectures(info, "13.0")[0].runs_on((9, 0))
    assert _load._architectures(info, "13.2")[0].runs_on((12, 0))


def pretend(
    monkeypatch: pytest.MonkeyPatch, library: CudaLibrary, capability: tuple[int, int]
) -> None:
    """As if the library were loaded beside a GPU of this compute capability."""

    class Properties:
        major, minor = capability

    monkeypatch.setattr(_load, "available", True)
    monkeypatch.setattr(_load, "cuda_available", True)
    monkeypatch.setattr(_load, "_module", library)
    monkeypatch.setattr(_load, "_cuda_module", library)
    monkeypatch.setattr(
        _load,
        "cuda_architectures",
        _load._architectures(library.build_info(), library.driver_version()),
    )
    monkeypatch.setattr(_load, "_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)


class OnGpu:
    """A tensor on a GPU, as far as choosing a backend looks at it."""

    device, dtype = torch.device("cuda", 0), torch.float32

    def is_floating_point(self) -> bool:
        return True


def test_auto_takes_eager_on_a_gpu_that_cannot_run_the_cuda_ops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors: Any = {"input": OnGpu()}
    pretend(monkeypatch, CudaLibrary("13.0"), (7, 0))
    assert not use_fused("gru", "auto", tensors)
    with pytest.raises(
        RuntimeError, match=r"gru: input is on cuda:0, but that GPU has compute cap"
    ):
        use_fused("gru", "fused", tensors)
    pretend(monkeypatch, CudaLibrary("13.0"), (8, 6))
    assert use_fused("gru", "auto", tensors)


@pytest.mark.parametrize("capability", [(7, 0), (9, 0)])
def test_the_choice_by_gpu_compiles(
    capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, CudaLibrary("13.0"), capability)
    device = torch.device("cuda", 0)

    def double_where_it_runs(x: Tensor) -> Tensor:
        return x * 2 if _load.cuda_obstacle(device) is None else x

    compiled = torch.compile(double_where_it_runs, fullgraph=True, backend="eager")
    assert compiled(torch.ones(1)).item() == (2 if capability == (9, 0) else 1)


@needs_compiled
@pytest.mark.parametrize("instruction_set", ["baseline", "avx2"])
def test_instruction_sets_agree(instruction_set: str) -> None:
    """Integers, uniforms and trajectories to the bit; normals as closely as float32 lets them."""
    best: dict[str, Any] = {}
    exec(DRAW, best)
    best = best["drawn"]
    lesser = json.loads(run(DRAW + "print(json.dumps(drawn))", MIDIFF_CPU=instruction_set))
    if best["instruction_set"] != "baseline":
        assert lesser["instruction_set"] == instruction_set
    assert lesser["permutation"] == best["permutation"]
    for name in ("uniform", "lorenz", "rossler"):
        assert lesser[name] == best[name], name
    torch.testing.assert_close(
        torch.tensor(lesser["normal"]), torch.tensor(best["normal"]), rtol=1e-6, atol=1e-6
    )


def test_imports_without_a_display_and_without_drawing() -> None:
    """A figure window's toolkit, or matplotlib at all, has no business in a bare import."""
    code = "import sys, midiff_fast; print('matplotlib.pyplot' in sys.modules)"
    assert run(code) == "False"


def test_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
