"""The examples run; those that need a package say so where it is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
has_neurogym = importlib.util.find_spec("neurogym") is not None


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(has_neurogym, reason="NeuroGym is installed")
def test_own_task_names_the_package_it_needs() -> None:
    result = run("own_task.py")
    assert result.returncode == 1
    assert result.stderr.strip() == "this example needs NeuroGym: pip install neurogym"


@pytest.mark.skipif(not has_neurogym, reason="NeuroGym is not installed")
def test_own_task_trains() -> None:
    result = run("own_task.py", "--passes", "2")
    assert result.returncode == 0, result.stderr
    assert "pass 2: accuracy" in result.stdout
