"""The package with and without its compiled library, and on every instruction set."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import midiff_fast
from midiff_fast import _load
from midiff_fast._version import __version__

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
        "medium",
        "compiler",
        "torch_target",
        "torch_headers",
        "cuda",
    }
    assert info["version"] == __version__
    assert info["instruction_set"] in ("avx512", "avx2", "baseline")
    assert info["medium"] in ("float32", "bf16")
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
print(json.dumps(midiff_fast._C_cuda.build_info()))
"""
    info = json.loads(run(code))
    assert set(info) == {"architectures", "cuda"}
    assert info["architectures"].split()


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
