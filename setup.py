"""Builds the compiled ops; everything else about the package is in pyproject.toml.

Environment variables:
  MIDIFF_NATIVE=0|1  leave the compiled ops out | fail when they do not build. Unset: try to build
                     them, and install the pure Python package with a message when that fails.
  MIDIFF_CUDA=0|1    leave the CUDA ops out | fail when they do not build. Unset: build them where
                     nvcc is found, and leave them out with a message when that fails.
  CUDA_HOME          where CUDA is; else the nvcc on the PATH, else /usr/local/cuda.
  TORCH_CUDA_ARCH_LIST  architectures to build, such as "8.0;9.0+PTX", which is the default.
  MIDIFF_WERROR=1    treat compiler warnings as errors.
  MAX_JOBS           number of compilers to run at once.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as plain_build_ext

ROOT = Path(__file__).resolve().parent
# The oldest torch whose stable ABI has everything we call; the build works with all later ones.
TORCH_TARGET_VERSION = "0x020A000000000000"
# 8.0 runs on every 8.x; PTX of the last one on whatever comes after.
CUDA_ARCHITECTURES = "8.0;9.0+PTX"


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


def warnings() -> list[str]:
    return ["-Wall", "-Wextra", *(["-Werror"] if wish("MIDIFF_WERROR") else [])]


def extension(name: str, files: list[str], system_includes: tuple[Path, ...] = ()) -> Extension:
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
        f"-ffile-prefix-map={ROOT}/=",
        *warnings(),
    ]
    # System includes: their warnings are not ours.
    for folder in [pybind11.get_include(), *cpp_extension.include_paths(), *system_includes]:
        flags += ["-isystem", str(folder)]
    return Extension(
        f"midiff_fast.{name}",
        files,
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


def cuda_folders(home: Path, name: str) -> list[Path]:
    """Where the toolkit at ``home`` may keep its "include" or "lib64": conda has them by target."""
    target = {"aarch64": "sbsa"}.get(platform.machine(), platform.machine())
    plain = name.removesuffix("64")
    return [home / name, home / plain, home / "targets" / f"{target}-linux" / plain]


def cuda_include(home: Path) -> Path | None:
    folders = cuda_folders(home, "include")
    return next((folder for folder in folders if (folder / "cuda_runtime.h").exists()), None)


def cuda_home() -> Path | None:
    """The folder of the CUDA toolkit, or None. The nvcc on the PATH may be a script elsewhere."""
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    found = shutil.which("nvcc")
    candidates = [Path(named)] if named else [Path("/usr/local/cuda")]
    if found and not named:
        candidates.insert(0, Path(found).resolve().parent.parent)
    for home in candidates:
        if (home / "bin" / "nvcc").exists() and cuda_include(home):
            return home
    return None


def cuda_architectures() -> list[str]:
    """Such as ["8.0", "9.0+PTX"]."""
    named = os.environ.get("TORCH_CUDA_ARCH_LIST") or CUDA_ARCHITECTURES
    architectures = named.replace(" ", ";").split(";")
    for architecture in architectures:
        if not re.fullmatch(r"\d+\.\d[af]?(\+PTX)?", architecture):
            raise SystemExit(
                f"TORCH_CUDA_ARCH_LIST: expected such as {CUDA_ARCHITECTURES!r}, got {named!r}"
            )
    return architectures


class CudaExtension(Extension):
    """The op files are C++; the kernels know nothing of torch, and nvcc compiles them by itself:
    any nvcc goes with any torch, also with one that has no CUDA."""

    def __init__(self, home: Path) -> None:
        include = cuda_include(home) or home / "include"
        base = extension("_C_cuda", sources("cuda", suffix=".cpp"), (include,))
        self.__dict__.update(base.__dict__)
        architectures = cuda_architectures()
        self.define_macros.append(
            ("MIDIFF_CUDA_ARCHITECTURES", '"' + " ".join(architectures) + '"')
        )
        # The static runtime: nothing of CUDA has to be installed where the package runs.
        self.library_dirs += map(str, cuda_folders(home, "lib64"))
        self.libraries += ["cudart_static", "dl", "rt", "pthread"]
        self.kernels = [Path(path) for path in sources("cuda", suffix=".cu")]
        # Spills mean a kernel that waits for memory: an error wherever warnings are.
        on_spill = ",-warn-spills,-Werror" if wish("MIDIFF_WERROR") else ""
        self.nvcc = [
            *(str(home / "bin" / "nvcc"), "-std=c++17", "-O3", "-I."),
            *("--expt-relaxed-constexpr", "-Xcudafe", "--display_error_number"),
            *(f"-Xptxas=-v{on_spill}", "-Xcompiler", ",".join(["-fPIC", *warnings()])),
        ]
        for architecture in architectures:
            number = architecture.removesuffix("+PTX").replace(".", "")
            code = [f"sm_{number}"]
            if architecture.endswith("+PTX"):
                code.append(f"compute_{number}")
            self.nvcc += ["-gencode", f"arch=compute_{number},code=[{','.join(code)}]"]

    def compile_kernels(self, folder: Path) -> None:
        """Objects under ``folder``, and beside each what its kernels take of the device."""
        jobs = int(os.environ.get("MAX_JOBS") or os.cpu_count() or 1)
        with ThreadPoolExecutor(jobs) as pool:
            self.extra_objects = list(
                pool.map(lambda path: self._compile(path, folder), self.kernels)
            )

    def _compile(self, source: Path, folder: Path) -> str:
        target = folder / f"{source}.o"  # beside the .o of the op file of the same name
        depends, command = target.with_suffix(".d"), target.with_suffix(".command")
        arguments = [*self.nvcc, "-MD", "-MF", str(depends), "-c", str(source), "-o", str(target)]
        if self._up_to_date(target, depends, command, arguments):
            return str(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        command.unlink(missing_ok=True)
        print("nvcc", source, flush=True)
        result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
        output = result.stdout + result.stderr
        if result.returncode:
            told = [line for line in output.splitlines() if re.search("error|fatal", line)]
            raise RuntimeError(f"nvcc failed on {source}:\n" + ("\n".join(told) or output))
        target.with_suffix(".resources.txt").write_text(output)
        command.write_text("\n".join(arguments))
        return str(target)

    def _up_to_date(self, target: Path, depends: Path, command: Path, arguments: list[str]) -> bool:
        if not (target.exists() and depends.exists() and command.exists()):
            return False
        if command.read_text() != "\n".join(arguments):
            return False
        names = depends.read_text().replace("\\\n", " ").split(":", 1)[1].split()
        built = target.stat().st_mtime
        return all((ROOT / n).exists() and (ROOT / n).stat().st_mtime <= built for n in names)


def extensions() -> list[Extension]:
    found = [extension("_C", sources("ops", "cpu", suffix=".cpp"))]
    wanted = wish("MIDIFF_CUDA")
    if wanted is False:
        return found
    home = cuda_home()
    if home is not None:
        return [*found, CudaExtension(home)]
    if wanted:
        raise SystemExit("MIDIFF_CUDA=1: nvcc was not found; CUDA_HOME names the CUDA toolkit")
    return found


def announce(title: str, detail: str) -> None:
    line = "=" * 88
    print(f"\n{line}\n{title}\n\n{detail}\n{line}\n", file=sys.stderr, flush=True)


def command(base: type[plain_build_ext], required: bool) -> type[plain_build_ext]:
    """``base``, but a failing build leaves the extensions out unless they are ``required``."""

    class BuildOrLeaveOut(base):
        def run(self) -> None:
            self._compile_kernels()
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

        def _compile_kernels(self) -> None:
            for module in [m for m in self.extensions if isinstance(m, CudaExtension)]:
                try:
                    module.compile_kernels(Path(self.build_temp))
                except (RuntimeError, OSError) as error:
                    if wish("MIDIFF_CUDA") or wish("MIDIFF_WERROR"):
                        raise
                    self.extensions.remove(module)
                    announce(
                        "midiff-fast: the CUDA ops could not be built, and are left out.",
                        f"Reason: {error}\n\nMIDIFF_CUDA=1 makes this an error.",
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
