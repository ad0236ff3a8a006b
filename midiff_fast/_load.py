"""Loads the compiled ops where they are built and fit; the package works without them.

``available`` says whether they are there, ``reason`` says why (or why not) in one sentence;
``cuda_available`` and ``cuda_reason`` say it of their CUDA side, and :func:`cuda_obstacle` of one
GPU. ``MIDIFF_NATIVE=0`` in the environment leaves them all out.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from types import ModuleType
from typing import NamedTuple

import torch  # the library's symbols resolve against the torch that is already loaded


def _load() -> tuple[ModuleType | None, str]:
    if os.environ.get("MIDIFF_NATIVE") == "0":
        return None, "the compiled ops are switched off by MIDIFF_NATIVE=0"
    try:
        module = importlib.import_module("midiff_fast._C")
    except ModuleNotFoundError:
        return None, (
            "the compiled ops are not built: install the package with a C++17 compiler at hand, "
            "or run `python setup.py build_ext --inplace`"
        )
    except Exception as error:
        return None, f"the compiled ops do not load with torch {torch.__version__}: {error}"
    return module, f"the compiled ops are loaded ({module.build_info()['instruction_set']})"


def _load_cuda() -> tuple[ModuleType | None, str]:
    if _module is None:
        return None, reason
    if torch.version.cuda is None:
        return None, f"torch {torch.__version__} was built without CUDA"
    try:
        module = importlib.import_module("midiff_fast._C_cuda")
    except ModuleNotFoundError:
        return None, (
            "the CUDA ops are not built: install the package again where nvcc is on the PATH, "
            "or with CUDA_HOME naming the CUDA toolkit"
        )
    except Exception as error:
        return None, f"the CUDA ops do not load with torch {torch.__version__}: {error}"
    info = module.build_info()
    obstacle = _driver_obstacle(info["cuda"], module.driver_version())
    if obstacle is not None:
        return None, obstacle
    return module, f"the CUDA ops are loaded ({info['architectures']})"


def _version(text: str) -> tuple[int, int]:
    """(12, 8) for "12.8"."""
    major, minor = text.split(".")
    return int(major), int(minor)


def _driver_obstacle(cuda: str, driver: str) -> str | None:
    """Why a driver that knows CUDA up to ``driver`` (empty: there is none) does not run what CUDA
    ``cuda`` has built; None where it does: from the same major version on."""
    if not driver:
        return "no NVIDIA driver was found"
    if _version(driver)[0] >= _version(cuda)[0]:
        return None
    return (
        f"the CUDA ops are built with CUDA {cuda}, and the NVIDIA driver knows CUDA up to "
        f"{driver}: update the driver, or install the package again with an older CUDA toolkit"
    )


class Architecture(NamedTuple):
    """One entry of TORCH_CUDA_ARCH_LIST."""

    capability: tuple[int, int]
    only: bool  # "9.0a": of that very compute capability
    code_to_come: bool  # "+PTX", which the driver compiles for whatever comes after

    def runs_on(self, capability: tuple[int, int]) -> bool:
        if self.only:
            return capability == self.capability
        newer = capability >= self.capability
        return newer and (self.code_to_come or capability[0] == self.capability[0])


def _architectures(info: dict[str, str], driver: str) -> tuple[Architecture, ...]:
    """What the library holds. PTX counts only where the driver is as new as its compiler."""
    ptx = bool(driver) and _version(driver) >= _version(info["cuda"])
    return tuple(
        Architecture(
            _version(name.removesuffix("+PTX").rstrip("af")),
            "a" in name,
            ptx and name.endswith("+PTX"),
        )
        for name in info["architectures"].split()
    )


@functools.cache
def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def cuda_obstacle(device: torch.device) -> str | None:
    """Why the CUDA ops do not run on this CUDA device; None where they do."""
    if not cuda_available:
        return cuda_reason
    if torch.compiler.is_compiling():  # which folds this call by itself, but not a cached one
        properties = torch.cuda.get_device_properties(device)
        capability = properties.major, properties.minor
    else:
        capability = _capability(device)
    for architecture in cuda_architectures:
        if architecture.runs_on(capability):
            return None
    return (
        f"that GPU has compute capability {capability[0]}.{capability[1]}, and the CUDA ops are "
        f"built for {build_info()['cuda']}"
    )


_module, reason = _load()
available: bool = _module is not None
_cuda_module, cuda_reason = _load_cuda()
cuda_available: bool = _cuda_module is not None
cuda_architectures = (
    _architectures(_cuda_module.build_info(), _cuda_module.driver_version()) if _cuda_module else ()
)


def build_info() -> dict[str, str]:
    """How the compiled library was built and which instruction set it runs; empty without it.

    Keys: ``version``, ``instruction_set`` ("avx512", "avx2" or "baseline"), ``high`` and
    ``medium`` (products of MINE at that float32 precision: "float32"; "bf16"; or "amx", bf16 in
    AMX's tiles, into two of which "high" splits each number), ``compiler``, ``torch_target``
    (oldest torch it works with), ``torch_headers`` (torch it was built against), ``cuda`` (the
    architectures built and the CUDA version, or why the CUDA ops are not used).
    """
    if _module is None:
        return {}
    info: dict[str, str] = dict(_module.build_info())
    built = importlib.util.find_spec("midiff_fast._C_cuda") is not None
    info["cuda"] = f"{'built, not used' if built else 'no'}: {cuda_reason}"
    if _cuda_module is not None:
        cuda: dict[str, str] = _cuda_module.build_info()
        info["cuda"] = f"{cuda['architectures']} (CUDA {cuda['cuda']})"
    return info
