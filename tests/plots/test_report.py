"""The report and its figures: files, self-containedness, and numbers that lead back to the file."""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from midiff_fast import analysis, plots
from midiff_fast.analysis import CriticBudget
from midiff_fast.runs import RunDirectory, RunError

BUDGET = CriticBudget(hidden_size=8, steps=2, samples=50)
Make = Callable[..., Any]


def write_metrics(directory: RunDirectory) -> None:
    members = directory.read_config().members()
    rows = [
        {
            "epoch": epoch,
            "member": member.index,
            "seed": member.seed,
            "mi_weight": member.mi_weight,
            "accuracy": 0.5 + epoch / 200,
            "task_loss": 1.0 / epoch,
            "decay_loss": 0.2,
            "mi_critic": np.nan if member.mi_weight == 0.0 else 1.0 - epoch / 100,
            "mi_model": np.nan,
            "seconds": 1.0,
        }
        for epoch in range(1, 51)
        for member in members
    ]
    directory.metrics_path.write_text(pd.DataFrame(rows).to_csv(index=False))


@pytest.fixture(scope="module")
def reported(
    tmp_path_factory: pytest.TempPathFactory, small_config: Make, write_run: Make
) -> RunDirectory:
    directory: RunDirectory = write_run(
        tmp_path_factory.mktemp("runs") / "small", small_config(seeds=[5])
    )
    write_metrics(directory)
    analysis.analyse(directory.path, budget=BUDGET)
    assert plots.report(directory.path) == directory.report_path
    return directory


class Page(HTMLParser):
    """Collects what a page refers to, and the elements that hold numbers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.data: list[tuple[str, str, str]] = []  # value, title, text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "data" and "value" in self.tags[-1][1]:
            attributes = self.tags[-1][1]
            self.data.append((attributes.pop("value"), attributes["title"], data))


def place_in(record: Any, path: str) -> Any:
    for key, index in re.findall(r"([A-Za-z_]+)|\[(\d+)\]", path):
        record = record[key] if key else record[int(index)]
    return record


def test_every_figure_is_a_readable_png_and_pdf(reported: RunDirectory) -> None:
    names = {path.name for path in reported.figures_path.iterdir()}
    assert names == {f"{e.name}.{kind}" for e in plots.CATALOGUE for kind in ("png", "pdf")}
    for name in names:
        content = (reported.figures_path / name).read_bytes()
        if name.endswith("pdf"):
            assert content.startswith(b"%PDF-")
            assert content.rstrip().endswith(b"%%EOF")
        else:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                assert min(image.size) > 100
                assert len(set(image.convert("L").resize((60, 60)).tobytes())) > 2  # not empty


def test_report_needs_no_other_file(reported: RunDirectory) -> None:
    page = Page(reported.report_path.read_text())
    references = [
        attributes[name]
        for _, attributes in page.tags
        for name in ("src", "href", "srcset", "data", "action")
        if name in attributes
    ]
    assert references
    assert all(reference.startswith("data:image/png;base64,") for reference in references)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    text = re.sub(r"base64,[^\"]*", "", reported.report_path.read_text())
    assert "http" not in text
    assert "url(" not in text
    for reference in references:
        with Image.open(io.BytesIO(base64.b64decode(reference.partition(",")[2]))) as image:
            image.verify()
    assert str(reported.path) not in text


def test_numbers_of_the_report_are_those_of_the_analysis(reported: RunDirectory) -> None:
    stored = json.loads(reported.analysis_path.read_text())
    page = Page(reported.report_path.read_text())
    assert len(page.data) > 2 * 11
    for value, title, text in page.data:
        path = unescape(title).removeprefix("analysis.json: ")
        expected = place_in(stored, path)
        assert float(value) == expected, path
        digits = len(text.partition(".")[2])
        assert float(text.replace("−", "-")) == pytest.approx(
            expected, abs=0.51 * 10**-digits, rel=0.05
        )
    assert "<th>MI ≥ (nats)</th>" in reported.report_path.read_text()  # a bound, not a value
    titles = {title for _, title, _ in page.data}
    for member in range(2):
        for name in ("accuracy", "Q_cor", "Q_str", "D_cor", "D_in", "D_out"):
            assert f"analysis.json: members[{member}].final.{name}" in titles


def test_the_users_settings_are_left_alone(reported: RunDirectory, fast_render: None) -> None:
    with matplotlib.rc_context({"font.size": 31.0, "axes.facecolor": "pink"}):
        before = dict(matplotlib.rcParams)
        plots.report(reported.path)
        assert dict(matplotlib.rcParams) == before


@pytest.fixture
def fast_render(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made up and laid out by nobody: for tests that look at something else."""
    module = importlib.import_module("midiff_fast.plots.report")
    monkeypatch.setattr(module, "render", lambda figure, kind: b"")


@pytest.mark.usefixtures("fast_render")
@pytest.mark.parametrize(
    ("changes", "epochs", "headline", "missing"),
    [
        ({"seeds": [5], "mi_weight": [0.1]}, range(0, 60, 10), "", set()),
        ({"mi_weight": [0.0]}, range(0, 60, 10), "Controls only", {"precedence"}),
        ({}, [0], "Undecided", set()),
        ({"mi_weight": [0.1, 0.02, 0.0]}, range(0, 60, 10), "λ = 0.1: ", set()),
        ({"seeds": list(range(1, 13)), "mi_weight": [0.1, 0.0]}, [0, 10, 20], "", set()),
        ({"task": {"logic": "xor"}, "seeds": [5]}, [0, 10, 20], "", set()),
    ],
    ids=["one run", "control only", "no snapshot but the start", "two weights", "many", "xor"],
)
def test_other_directories(
    tmp_path: Path,
    small_config: Make,
    write_run: Make,
    changes: dict[str, Any],
    epochs: Any,
    headline: str,
    missing: set[str],
) -> None:
    directory = write_run(tmp_path / "run", small_config(**changes), epochs=list(epochs))
    analysis.analyse(directory.path, budget=CriticBudget(hidden_size=4, steps=1, samples=20))
    plots.report(directory.path)  # without metrics.csv
    drawn = {path.stem for path in directory.figures_path.iterdir()}
    assert {entry.name for entry in plots.CATALOGUE} - drawn == missing
    assert f'<p class="headline">{headline}' in directory.report_path.read_text()


def test_a_directory_without_analysis_is_refused(
    tmp_path: Path, small_config: Make, write_run: Make
) -> None:
    with pytest.raises(RunError, match=r"holds no run"):
        plots.report(tmp_path)
    directory = write_run(tmp_path / "run", small_config())
    with pytest.raises(RunError, match=r"has not been analysed"):
        plots.report(directory.path)
    directory.analysis_path.write_text("{")
    with pytest.raises(RunError, match=r"analysis\.json"):
        plots.report(directory.path)
    for other in ('{"format": 1}', "[]"):
        directory.analysis_path.write_text(other)
        with pytest.raises(RunError, match=r"analysis\.json: expected format 2, got .* again$"):
            plots.report(directory.path)
    assert not directory.report_path.exists()
