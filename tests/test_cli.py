"""The command line: what it prints, and one line with status 2 for every mistake."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from midiff_fast._device import automatic_device
from midiff_fast._version import __version__
from midiff_fast.analysis import run as analysis_of_a_run
from midiff_fast.analysis.held_out import CriticBudget
from midiff_fast.cli import app
from midiff_fast.runs import RunConfig, RunDirectory

TINY = """
seeds = [11, 12]
mi_weight = [0.1, 0.0]
[task]
pulse_probability = 0.02
[model]
units = 6
[critic]
hidden_size = 8
samples = 0
[training]
epochs = 3
batch = 2
transient = 5
steps = 40
critic_pretraining = 1
critic_steps = 1
snapshot_every = 1
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def midiff(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def train(*arguments: object) -> tuple[int, str, str]:
    return midiff("train", "working-memory", *arguments)


def test_train_analyse_and_report(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_of_a_run, "CriticBudget", partial(CriticBudget, steps=5))
    out = tmp_path / "run"
    status, output, _ = train("--config", tiny, "--out", out)
    assert status == 0
    assert "Training 4 runs (2 seeds, λ = 0.1, 0) for 3 epochs" in output
    assert "Q_cor" in output
    assert f"Report: {out}/report.html" in output.replace("\n", "")
    for name in ("config.toml", "metrics.csv", "snapshots.npz", "checkpoint.pt", "analysis.json"):
        assert (out / name).stat().st_size > 0
    assert (out / "report.html").stat().st_size > 10_000


def test_the_written_configuration_runs_again(tiny: Path, tmp_path: Path) -> None:
    assert train("--config", tiny, "--out", tmp_path / "a", "--no-analyse")[0] == 0
    again = tmp_path / "a" / "config.toml"
    assert train("--config", again, "--out", tmp_path / "b", "--no-analyse")[0] == 0
    first, second = (RunDirectory(tmp_path / name) for name in "ab")
    assert first.checkpoint_path.read_bytes() == second.checkpoint_path.read_bytes()


def shown(*arguments: object) -> RunConfig:
    status, output, _ = train(*arguments, "--show-config")
    assert status == 0
    return RunConfig.from_toml(output)


def test_options_change_the_preset() -> None:
    config = shown("--preset", "paper", "--runs", 3, "--mi-weight", 0.2, "--control", "--epochs", 9)
    assert config.seeds == (1001, 1002, 1003)
    assert config.mi_weight == (0.2, 0.0)
    assert config.training.epochs == 9
    assert config.critic.hidden_size == 512
    assert shown("--no-control").mi_weight == (0.1,)
    assert shown("--seeds", "5,7-8").seeds == (5, 7, 8)
    assert shown("--set", "model.units=20", "--set", "compute.precision=high").model.units == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "training.epoch=3"],
            "unknown key training.epoch; did you mean training.epochs?",
        ),
        (["--set", "training.epochs=-1"], "training.epochs: should be greater than or equal to 0"),
        (["--set", "training.epochs"], "--set: expected key=value, got 'training.epochs'"),
        (["--set", "seeds.0=5"], "unknown key seeds.0: seeds is no table"),
        (["--set", "mi_weight=0.1"], "mi_weight: should be a list, such as [0.1], got 0.1"),
        (["--mi-weight", "-0.1"], "mi_weight.0: should be greater than or equal to 0, got -0.1"),
        (["--mi-weight", "much"], "--mi-weight: expected 0.1 or 0.1,0.05, got 'much'"),
        (["--seeds", "1-"], "--seeds: expected 1001,1002 or 1001-1020, got '1-'"),
        (["--preset", "fast"], "--preset: expected paper or quick, got 'fast'"),
        (["--config", "none.toml"], "cannot read none.toml: No such file or directory"),
        (["--runs", "2", "--seeds", "7"], "--runs 2 contradicts --seeds, which are 1"),
        (["--device", "gpu"], "device: expected auto, cpu, cuda or such as cuda:1, got 'gpu'"),
        (["--device", "cuda:99"], "device cuda:99 is not possible: torch "),
    ],
)
def test_mistakes_end_with_one_line_and_status_2(arguments: list[str], message: str) -> None:
    status, output, error = train(*arguments, "--out", "never-made")
    assert status == 2
    assert output == ""
    assert message in error
    assert error.startswith("midiff: ")
    assert error.count("\n") == 1
    assert not Path("never-made").exists()


def test_a_washout_of_all_steps_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = ["--set", "training.steps=60", "--set", "critic.samples=0"]
    status, _, error = midiff("train", "separation", *settings, "--out", out)
    assert status == 2
    assert error == (
        "midiff: configuration: task.washout = 200 leaves none of the steps of "
        "training.steps = 60\n"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["train", "working-memory", "--epoch", "3"], "--epoch"),
        (["train", "working-memory", "--runs", "0"], "--runs"),
        (["train", "working-memory", "--runs", "many"], "--runs"),
        (["train", "working-memry"], "working-memry"),
        (["trane"], "trane"),
        (["analyse"], "directory"),
    ],
)
def test_misspelt_commands_and_options(arguments: list[str], culprit: str) -> None:
    status, _, error = midiff(*arguments)
    assert status == 2
    assert culprit in error


def test_a_mistake_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("[critic]\nhiden_size = 3\n")
    status, _, error = train("--config", path)
    assert status == 2
    assert (
        error
        == f"midiff: {path}: unknown key critic.hiden_size; did you mean critic.hidden_size?\n"
    )


def test_another_configurations_directory(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train("--config", tiny, "--out", out, "--no-analyse")[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    status, _, error = train("--config", tiny, "--out", out, "--set", "model.units=8")
    assert status == 2
    assert "holds another configuration's run: model.units is 6 there, 8 here" in error
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_place_that_cannot_be_written_to(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, error = train("--config", tiny, "--out", tmp_path / "file" / "run")
    assert status == 2
    assert "cannot make the directory" in error


def test_analyse_without_a_run(tmp_path: Path) -> None:
    status, _, error = midiff("analyse", tmp_path)
    assert status == 2
    assert error == f"midiff: {tmp_path} holds no run: there is no config.toml\n"


@pytest.mark.parametrize("command", ["train", "analyse"])
@pytest.mark.parametrize("name", ["config.toml", "snapshots.npz"])
def test_a_damaged_run(tiny: Path, tmp_path: Path, command: str, name: str) -> None:
    out = tmp_path / "run"
    arguments = ["--config", tiny, "--out", out, "--epochs", 1, "--no-analyse"]
    assert train(*arguments)[0] == 0
    damaged = out / name
    damaged.write_bytes(b"\xff" + damaged.read_bytes()[1:-100])
    status, _, error = train(*arguments) if command == "train" else midiff("analyse", out)
    assert status == 2
    assert error.startswith(f"midiff: cannot read {damaged}: ")
    assert error.count("\n") == 1


def test_version() -> None:
    assert midiff("--version") == (0, f"midiff-fast {__version__}\n", "")


def test_help_says_how_long_the_presets_take_and_where_the_run_goes() -> None:
    status, output, _ = midiff("train", "separation", "--help")
    assert status == 0
    words = " ".join(output.replace("│", " ").split())
    assert "quick (minutes) or paper (20 runs: on a CPU, hours to days)." in words
    assert "runs/STUDY-PRESET" in words


def test_info() -> None:
    status, output, _ = midiff("info")
    assert status == 0
    for name in ("midiff-fast", "torch", "CUDA", "CPU instruction set", "CPU threads", "backend"):
        assert name in output
    assert re.search(rf"training by default on +{automatic_device().device}: ", output)
