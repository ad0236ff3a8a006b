"""Loads the compiled ops where they are built and fit; the package works without them.

``available`` says whether they are there, ``reason`` says why (or why not) in one sentence;
``cuda_available`` and ``cuda_reason`` say it of their CUDA side. ``MIDIFF_NATIVE=0`` in the
environment leaves them all out.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

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
    return module, f"the CUDA ops are loaded ({module.build_info()['architectures']})"


_module, reason = _load()
available: bool = _module is not None
_cuda_module, cuda_reason = _load_cuda()
cuda_available: bool = _cuda_module is not None


def build_info() -> dict[str, str]:
    """How the compiled library was built and which instruction set it runs; empty without it.

    Keys: ``version``, ``instruction_set`` ("avx512", "avx2" or "baseline"), ``medium``
    (products of MINE at that float32 precision: "bf16" or "float32"), ``compiler``,
    ``torch_target`` (oldest torch it works with), ``torch_headers`` (torch it was built against),
    ``cuda`` (the architectures built and the CUDA version, or "no" and why).
    """
    if _module is None:
        return {}
    info: dict[str, str] = dict(_module.build_info())
    info["cuda"] = f"no: {cuda_reason}"
    if _cuda_module is not None:
        cuda: dict[str, str] = _cuda_module.build_info()
        info["cuda"] = f"{cuda['architectures']} (CUDA {cuda['cuda']})"
    return info
