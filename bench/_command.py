"""The command line that every benchmark has: python -m bench.leaky [--device cuda] …"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from midiff_fast import _load
from midiff_fast._memory import freed_memory_kept

from ._harness import Session
from ._record import folder_of, save

Questions = Mapping[str, Callable[[Session], None]]

# Seconds spent on each side of a comparison: a GPU is timed to a hundredth in less.
SECONDS = {"cpu": 4.0, "cuda": 1.0}
QUICK_SECONDS = 0.1


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    device: str = "cpu"
    only: str = ""
    quick: bool = False
    profile: bool = False
    out: Path | None = None


def parse(name: str, questions: Mapping[str, Questions], arguments: Sequence[str]) -> Options:
    """Options of the benchmark ``name`` with these questions for each device."""
    told = "; ".join(f"{device}: {', '.join(asked)}" for device, asked in questions.items())
    parser = argparse.ArgumentParser(f"python -m bench.{name}", epilog=f"Questions: {told}.")
    parser.add_argument("--device", choices=list(questions), default="cpu")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="questions with TEXT in their name"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small shapes and little time: to see that it runs"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="write a torch.profiler trace of one call of ours for each comparison",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where results go; --only and --quick write them only if this is given",
    )
    options = Options(**vars(parser.parse_args(arguments)))
    if not chosen(questions[options.device], options.only):
        parser.error(
            f"--only: expected a part of one of {', '.join(questions[options.device])}, "
            f"got {options.only!r}"
        )
    return options


def chosen(questions: Questions, only: str) -> Questions:
    """Those with ``only`` in their name."""
    return {name: question for name, question in questions.items() if only in name}


def run(name: str, *, cpu: Questions, cuda: Questions) -> None:
    """Asks a benchmark's questions as the command line says; exits with 1 if one has no answer."""
    questions = {"cpu": cpu, "cuda": cuda}
    options = parse(name, questions, sys.argv[1:])
    if options.device == "cuda":
        _need_cuda()
    folder = options.out
    if folder is None and not (options.only or options.quick):
        folder = folder_of(torch.device(options.device))
    session = session_of(options, folder_of(torch.device(options.device)))
    with freed_memory_kept():  # both sides gain by it
        for title, question in chosen(questions[options.device], options.only).items():
            print(f"-- {title}", flush=True)
            session.ask(title, question)
            if folder is not None:  # what there is by now, should it be stopped
                save(name, session, folder)
    if session.failures:
        sys.exit(f"{name}: {len(session.failures)} without an answer, see above")


def session_of(options: Options, results: Path) -> Session:
    """A session with nothing in it yet; traces go beside the results."""
    return Session(
        torch.device(options.device),
        quick=options.quick,
        seconds=QUICK_SECONDS if options.quick else SECONDS[options.device],
        traces=(options.out or results) / "traces" if options.profile else None,
    )


def _need_cuda() -> None:
    if not torch.cuda.is_available():
        sys.exit("--device cuda: torch finds no CUDA device")
    if not _load.cuda_available:
        sys.exit(f"--device cuda: {_load.cuda_reason}")
