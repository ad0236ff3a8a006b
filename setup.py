"""Builds the compiled ops; everything else about the package is in pyproject.toml.

Environment variables:
  MIDIFF_NATIVE=0|1  leave the compiled ops out | fail when they do not build. Unset: try to build
                     them, and install the pure Python package with a message when that fails.
  MIDIFF_CUDA=0|1    leave the CUDA ops out | fail when nvcc is not found. Unset: build where it is.
  MIDIFF_WERROR=1    treat compiler warnings as errors.
  MAX_JOBS           number of compilers to run at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as plain_build_ext

ROOT = Path(__file__).resolve().parent
# The oldest torch whose stable ABI has everything we call; the build works with all later ones.
TORCH_TARGET_VERSION = "0x020A000000000000"


def wish(name: str) -> bool | None:
    """The environment variable ``name`` as a forced yes, a forced no, or None."""
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise SystemExit(f"{name}: expected 0 or 1, got {value!r}")
    return None if value == "" else value == "1"


def version() -> str:
    namespace: dict[str, str] = {}
    exec((ROOT / "midiff_fast" / "_version.py").read_text(), namespace)
    return namespace["__version__"]


def sources(*folders: str, suffix: str) -> list[str]:
    """Paths relative to the root, as setuptools wants them, in a fixed order."""
    return sorted(
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / "csrc" / folder).glob(f"*{suffix}")
    )


def cpu_extension() -> Extension:
    import pybind11
    from torch.utils import cpp_extension

    flags = [
        "-O3",
        "-g0",
        "-std=c++17",
        "-fvisibility=hidden",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-ffp-contract=fast",
        "-Wall",
        "-Wextra",
        f"-ffile-prefix-map={ROOT}/=",
    ]
    if wish("MIDIFF_WERROR"):
        flags.append("-Werror")
    # System includes: their warnings are not ours.
    for folder in [pybind11.get_include(), *cpp_extension.include_paths()]:
        flags += ["-isystem", folder]
    return Extension(
        "midiff_fast._C",
        sources("ops", "cpu", suffix=".cpp"),
        include_dirs=[str(ROOT)],
        define_macros=[
            ("TORCH_TARGET_VERSION", TORCH_TARGET_VERSION),
            ("MIDIFF_VERSION", f'"{version()}"'),
        ],
        extra_compile_args={"cxx": flags},
        # Every symbol of the stable ABI lives in libtorch_cpu, which `import torch` has loaded
        # before us: no run path is stored, so the library binds to whichever torch that is.
        library_dirs=cpp_extension.library_paths(),
        libraries=["torch_cpu"],
        extra_link_args=["-s"],
        language="c++",
    )


def extensions() -> list[Extension]:
    if wish("MIDIFF_CUDA") and not sources("cuda", suffix=".cu"):
        raise SystemExit("MIDIFF_CUDA=1: this version has no CUDA ops yet")
    return [cpu_extension()]


def announce(title: str, detail: str) -> None:
    line = "=" * 88
    print(f"\n{line}\n{title}\n\n{detail}\n{line}\n", file=sys.stderr, flush=True)


def command(base: type[plain_build_ext], required: bool) -> type[plain_build_ext]:
    """``base``, but a failing build leaves the extensions out unless they are ``required``."""

    class BuildOrLeaveOut(base):
        def run(self) -> None:
            try:
                super().run()
            except (Exception, SystemExit) as error:
                if required:
                    raise
                traceback.print_exc()
                self.extensions = []
                self.distribution.ext_modules = []
                announce(
                    "midiff-fast: the compiled ops could not be built, and are left out.",
                    f"Reason: {type(error).__name__}: {str(error).splitlines()[0]}\n\n"
                    'The package works without them, by backend="eager", only slower.\n'
                    "To have them: install a C++17 compiler (GCC 9 or Clang 12, or later) and\n"
                    "install again. MIDIFF_NATIVE=1 makes this an error.",
                )

    return BuildOrLeaveOut


def native() -> dict[str, Any]:
    """The setup() arguments that build the compiled ops; empty when they are left out."""
    wanted = wish("MIDIFF_NATIVE")
    if wanted is False:
        announce("midiff-fast: MIDIFF_NATIVE=0, the compiled ops are left out.", "Eager only.")
        return {}
    try:
        from torch.utils.cpp_extension import BuildExtension

        modules = extensions()
    except ImportError as error:
        if wanted:
            raise
        announce(
            "midiff-fast: the compiled ops are left out.",
            f"Reason: {error}\nBuilding them needs torch >= 2.10 and pybind11.",
        )
        return {}
    build = command(BuildExtension.with_options(no_python_abi_suffix=False), wanted is True)
    return {"ext_modules": modules, "cmdclass": {"build_ext": build}}


setup(**native())
