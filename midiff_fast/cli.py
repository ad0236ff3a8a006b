"""The command ``midiff``: train, analyse, info.

What needs torch is imported inside the commands, so that help and mistakes answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from .runs import RunConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Functional differentiation of recurrent networks by minimising mutual information.",
)
train_app = typer.Typer(no_args_is_help=True, help="Train an ensemble of runs.")
app.add_typer(train_app, name="train")

# A file or a pipe has no width of its own; rich would take 80, too narrow for the table of runs.
console = Console(width=None if sys.stdout.isatty() else 120)
errors = Console(stderr=True, soft_wrap=True)

INTERRUPTED = 130  # the shell's status of a command that SIGINT ended


@contextmanager
def _user_errors() -> Iterator[None]:
    """One line and status 2 for what the user can mend, 1 for a training that went wrong."""
    from .runs.errors import UserError

    try:
        yield
    except UserError as error:
        errors.print(f"midiff: {error}", markup=False, highlight=False)
        raise typer.Exit(2) from None


def _print_version(asked: bool) -> None:
    from ._version import __version__

    if asked:
        console.print(f"midiff-fast {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    pass


def _add_train_command(study: str, summary: str) -> None:
    """Add ``midiff train STUDY``; all studies take the same options."""

    @train_app.command(study, help=f"{summary} The same command again goes on where it stopped.")
    def command(
        preset: Annotated[
            str, typer.Option(help="quick (minutes) or paper (20 runs: on a CPU, hours to days).")
        ] = "quick",
        runs: Annotated[
            int | None, typer.Option(min=1, help="Runs per λ, with successive seeds.")
        ] = None,
        seeds: Annotated[str | None, typer.Option(help="Seeds, as 1001,1002 or 1001-1020.")] = None,
        mi_weight: Annotated[str | None, typer.Option(help="λ, or several as 0.1,0.05.")] = None,
        control: Annotated[
            bool | None,
            typer.Option("--control/--no-control", help="Train runs with λ = 0 beside the others."),
        ] = None,
        epochs: Annotated[int | None, typer.Option(min=0, help="Epochs to train.")] = None,
        config: Annotated[
            Path | None, typer.Option(help="A TOML file with some or all keys.")
        ] = None,
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help="One key, as training.epochs=100."),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(help="The run's directory.", show_default="runs/STUDY-PRESET"),
        ] = None,
        device: Annotated[
            str, typer.Option(help="auto (CUDA where it can be had), cpu, cuda or such as cuda:1.")
        ] = "auto",
        threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
        analyse: Annotated[bool, typer.Option(help="Analyse the run and write its report.")] = True,
        show_config: Annotated[
            bool, typer.Option("--show-config", help="Print the configuration and stop.")
        ] = False,
    ) -> None:
        from .runs.choose import (
            choose_config,
            member_settings,
            parse_seeds,
            parse_setting,
            parse_weights,
        )

        with _user_errors():
            given: dict[str, Any] = {} if epochs is None else {"training.epochs": epochs}
            given |= dict(parse_setting(text) for text in settings or [])
            chosen = choose_config(preset, config, given, study=study)
            members = member_settings(
                chosen,
                runs=runs,
                seeds=None if seeds is None else parse_seeds(seeds),
                mi_weight=None if mi_weight is None else parse_weights(mi_weight),
                control=control,
            )
            if members:
                chosen = choose_config(preset, config, given | members, study=study)
            directory = out or Path("runs") / f"{study}-{preset}"
            if show_config:
                console.print(
                    chosen.to_toml(), end="", markup=False, highlight=False, soft_wrap=True
                )
                return
            _set_threads(threads)
            _train(chosen, directory, device)
            if analyse:
                _analyse(directory)


_add_train_command("working-memory", "A leaky RNN remembers two bits.")
_add_train_command("separation", "A GRU takes a sum of two chaotic systems apart.")
_add_train_command("sinusoids", "A leaky RNN predicts two sinusoids.")
_add_train_command("rossler", "A leaky RNN predicts a Rössler system.")


@app.command("analyse")
def analyse_run(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
) -> None:
    """Measure a trained run, and write analysis.json, figures/ and report.html."""
    with _user_errors():
        _set_threads(threads)
        _analyse(directory)


@app.command()
def info() -> None:
    """Print versions, what the compiled ops were built for, and the backend that is used."""
    import torch

    from . import _load
    from ._device import automatic_device
    from ._version import __version__

    built = _load.build_info()
    automatic = automatic_device()
    rows = {
        "midiff-fast": __version__,
        "torch": torch.__version__,
        "CUDA ops": built.get("cuda", "none"),
        "CPU instruction set": built.get("instruction_set", "none (no compiled ops)"),
        "CPU threads": str(torch.get_num_threads()),
        "MINE on the CPU": ", ".join(
            f"{built[precision]} at {precision}" for precision in ("high", "medium") if built
        )
        or "eager",
        "float32 products": torch.get_float32_matmul_precision(),
        "backend": f"{'fused' if _load.available else 'eager'}: {_load.reason}",
        "training by default on": f"{automatic.device}: {automatic.reason}",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _train(config: RunConfig, directory: Path, device: str) -> None:
    from ._device import choose_device
    from .training import DivergedError, train
    from .training.progress import TrainingProgress

    chosen = choose_device(device)
    members = config.members()
    weights = ", ".join(f"{weight:g}" for weight in config.mi_weight)
    console.print(
        f"Training {len(members)} runs ({len(config.seeds)} seeds, λ = {weights}) for "
        f"{config.training.epochs} epochs in {directory}, on {chosen}",
        highlight=False,
        soft_wrap=True,
    )
    try:
        with TrainingProgress(console, "training") as progress:
            train(config, directory, device=chosen, report=progress)
    except DivergedError as error:
        errors.print(f"midiff: {error}", markup=False, highlight=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print(f"midiff: stopped; the same command goes on with {directory}")
        raise typer.Exit(INTERRUPTED) from None


def _analyse(directory: Path) -> None:
    from .analysis import analyse
    from .plots import report

    with console.status("analysing") if console.is_terminal else nullcontext():
        result = analyse(directory)
        written = report(directory)
    _print_summary(result)
    console.print(f"\nReport: {written}", highlight=False, soft_wrap=True)


def _print_summary(result: dict[str, Any]) -> None:
    """The verdict in words, and a row per run; the same as in the report."""
    from .plots import verdict
    from .plots.table import columns, look_up

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = columns(result)
    for heading, _, _ in shown:
        table.add_column(heading, justify="right", no_wrap=True)
    for member in sorted(result["members"], key=lambda m: (-m["mi_weight"], m["seed"])):
        values = [(look_up(member, path), form) for _, path, form in shown]
        table.add_row(*("–" if value is None else form.format(value) for value, form in values))
    console.print(table)
    for entry in verdict(result):
        console.print(f"\n[bold]{entry.headline}.[/bold]", highlight=False)
        console.print(" ".join(entry.sentences), highlight=False)


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def main() -> None:
    """The entry point of the command."""
    app(prog_name="midiff")
