"""The script for a machine with a GPU: stages go on after a failure, and are told at the end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "cuda" / "check.sh"
# In place of Python: the tests fail, training hangs, everything else works.
STUB = """#!/bin/sh
case "$*" in
  "-m pytest"*) echo two of them failed; exit 3 ;;
  "-m bench.training"*) exec sleep 30 ;;
esac
echo "$*"
"""


def check(tmp_path: Path, *stages: str, **environment: str) -> tuple[int, str, Path]:
    stub = tmp_path / "python3"
    stub.write_text(STUB)
    stub.chmod(0o755)
    out = tmp_path / "out"
    done = subprocess.run(
        ["bash", str(SCRIPT), str(out), *stages],
        env={**os.environ, "PYTHON": str(stub), "CUDA_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    return done.returncode, done.stdout, out


def test_goes_on_after_a_failure(tmp_path: Path) -> None:
    status, summary, out = check(tmp_path, "build", "tests", "leaky", "mine", QUICK="1")
    lines = {row.split()[0]: row for row in summary.splitlines()}
    assert list(lines) == ["build", "tests", "leaky", "mine"]
    assert "FAILED (3)" in lines["tests"]
    assert all(" ok " in lines[name] for name in ("build", "leaky", "mine"))
    assert status == 1
    assert "two of them failed" in (out / "logs" / "tests.txt").read_text()
    asked = (out / "logs" / "mine.txt").read_text().split()
    assert asked == f"-m bench.mine --device cuda --out {out / 'results'} --quick".split()
    assert (out / "summary.txt").read_text() == summary


def test_what_takes_too_long_is_stopped(tmp_path: Path) -> None:
    status, summary, _ = check(tmp_path, "training", LIMIT="1")
    assert "TOO LONG (limit 1 s)" in summary
    assert status == 1


def test_unknown_stages_are_refused(tmp_path: Path) -> None:
    status, summary, _ = check(tmp_path, "nonsense")
    assert status == 2
    assert summary == ""
