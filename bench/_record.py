"""What is kept of a benchmark: the machine, every answer and every failure, as JSON."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from midiff_fast import _load
from midiff_fast._version import __version__

from ._harness import Comparison, Session
from ._plots import plot
from ._timing import ROUNDS

RESULTS = Path(__file__).parent / "results"


def folder_of(device: torch.device) -> Path:
    """Where results of a device stay."""
    return RESULTS / "cuda" if device.type == "cuda" else RESULTS


def machine(session: Session) -> dict[str, Any]:
    """What the numbers depend on."""
    flags = _cpuinfo("flags").split()
    about = {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "instruction_set": _load.build_info().get("instruction_set", "none"),
        "amx": "amx_bf16" in flags,
        "torch": torch.__version__,
        "midiff_fast": __version__,
    }
    gpu = session.gpu
    if gpu is not None:
        about |= {
            "gpu": gpu.name,
            "compute_capability": ".".join(map(str, gpu.capability)),
            "multiprocessors": gpu.multiprocessors,
            "clock_hz": gpu.clock,
            "bandwidth_bytes_per_second": gpu.bandwidth,
            "gpu_memory_bytes": gpu.memory,
            "driver": _driver(),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "built_for": _load.build_info().get("cuda", "no"),
        }
    return about


def _driver() -> str | None:
    """The version that nvidia-smi tells; None where it does not."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    asked = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.split("\n", 1)[0].strip() or None


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def row(comparison: Comparison) -> dict[str, Any]:
    """A comparison for JSON; what does not apply is left out."""
    values = asdict(comparison) | {"share_of_limit": comparison.share}
    return {key: value for key, value in values.items() if value is not None}


def record(name: str, session: Session, about: dict[str, Any]) -> dict[str, Any]:
    """All of a session; parts that it has none of are left out."""
    parts: dict[str, Any] = {
        "sweeps": [
            {
                "axis": panel.axis,
                "fixed": panel.fixed,
                "points": [{"value": value, **row(found)} for value, found in panel.points],
            }
            for panel in session.panels
        ],
        "breakdowns": [asdict(breakdown) for breakdown in session.breakdowns],
        "failures": [asdict(failure) for failure in session.failures],
    }
    if session.device.type == "cuda":
        how = {"seconds_per_side": session.seconds, "rounds": ROUNDS, "quick": session.quick}
        parts["timing"] = how
    return {
        "benchmark": name,
        "machine": about,
        "comparisons": [row(comparison) for comparison in session.comparisons],
        **{key: value for key, value in parts.items() if value},
    }


def save(name: str, session: Session, folder: Path) -> None:
    """Writes ``NAME.json``, and the same numbers as pictures, ``NAME.png`` and ``NAME_*.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    about = machine(session)
    text = json.dumps(record(name, session, about), indent=2, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n")
    if "gpu" in about:
        subtitle = f"{about['gpu']}, CUDA {about['cuda']}, torch {about['torch']}"
    else:
        subtitle = f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}"
    plot(name, session, folder, subtitle)
