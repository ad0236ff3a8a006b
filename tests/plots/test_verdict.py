"""The verdict in words, for outcomes that are made up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from midiff_fast.analysis import half_height
from midiff_fast.analysis.compare import MEASURES, compare_with_control, summarise
from midiff_fast.analysis.precedence import precedence_sweep
from midiff_fast.plots import verdict

EPOCHS = np.arange(0, 100, 10)
NEVER = 1_000.0
FIRST = "Functional modularity came first in"


def made_up(functional: Sequence[float], structural: Sequence[float]) -> dict[str, Any]:
    """An analysis in which run i's curves step above every threshold at the given epochs."""
    members = []
    for weight in (0.1, 0.0):
        for seed in range(len(functional)):
            final = dict.fromkeys(MEASURES, 0.4 if weight else 0.1)
            final["accuracy"] = 0.95 if seed else 0.85
            information = {"fresh_critic": 0.5 if weight else 2.5, "shuffled_null": -0.01}
            members.append(
                {"seed": seed, "mi_weight": weight, "final": final, "information": information}
            )
    first, second = (
        np.array([(start <= EPOCHS).astype(float) for start in starts])
        for starts in (functional, structural)
    )
    sweep = [asdict(row) for row in precedence_sweep(EPOCHS, first, second)]
    halves = asdict(half_height(EPOCHS, first, second))
    entry = {"mi_weight": 0.1, "threshold": 0.1, "sweep": sweep, "half_height": halves}
    control = {**entry, "mi_weight": 0.0}
    return {
        "members": members,
        "precedence": [control, entry],
        "comparison": compare_with_control(members),
        "summary": summarise(members, 0.9),
        "task": {"score": "accuracy", "success": 0.9},
    }


@pytest.mark.parametrize(
    ("functional", "structural", "headline"),
    [
        ([20] * 8, [50] * 8, "Functional modularity came first in 8 of 8 runs"),
        ([50] * 8, [20] * 8, "Structural modularity came first in 8 of 8 runs"),
        ([20] * 3, [50, NEVER, NEVER], "Functional modularity came first in 3 of 3 runs, too few"),
        # Five runs that agree have p = 0.06, six 0.03.
        ([20] * 5, [50] * 5, f"{FIRST} 5 of 5 runs, too few to settle it"),
        ([20] * 5 + [NEVER] * 5, [50] * 5 + [NEVER] * 5, f"{FIRST} 5 of 10 runs, too few to"),
        ([20] * 6 + [50] * 4, [50] * 6 + [20] * 4, f"{FIRST} 6 of 10 runs, which does not settle"),
        ([20, 50], [50, 20], "Undecided: functional first in 1, structural first in 1"),
        ([NEVER] * 4, [NEVER] * 4, "Undecided: neither modularity rose for good in any of 4"),
        ([20, NEVER], [20, NEVER], "Undecided: functional first in 0, structural first in 0 runs"),
    ],
)
def test_headline(functional: list[float], structural: list[float], headline: str) -> None:
    (found,) = verdict(made_up(functional, structural))
    assert found.headline.startswith(headline)


def test_sentences_say_what_was_found() -> None:
    (found,) = verdict(made_up([20] * 4, [50, 50, NEVER, NEVER]))
    text = " ".join(found.sentences)
    assert "functional first: 4; structural first: 0; undecided: 0" in text
    assert "structural modularity never rose in 2 runs, counted as if at epoch 70, the last" in text
    assert "Q_cor 0.400 against 0.100 (higher in 4 of 4)" in text
    assert "Accuracy of the runs with the penalty: median 0.950, above 0.9 in 3 of 4" in text
    assert (
        "lower bound on held-out sequences: median at least 0.50 nats, controls at least 2.50 "
        in text
    )
    assert "(the bound is lower in 4 of 4)" in text
    assert "<" not in text


def test_html_marks_every_number_with_its_place() -> None:
    (found,) = verdict(made_up([20] * 4, [50] * 4), html=True)
    text = " ".join(found.sentences)
    assert 'title="analysis.json: comparison[0].measures.Q_cor.median"' in text
    assert "Q<sub>cor</sub>" in text


@pytest.mark.parametrize(
    ("runs", "interval"),
    [(5, "no 95 % interval: 6 runs are the fewest"), (6, "bootstrap 95 % interval 30 to 30")],
)
def test_fewer_than_six_runs_have_no_interval(runs: int, interval: str) -> None:
    for html in (False, True):
        (found,) = verdict(made_up([20] * runs, [50] * runs), html=html)
        text = re.sub("<[^>]*>", "", " ".join(found.sentences))
        assert interval in text
        assert "nan" not in text
        assert "None" not in text


@pytest.mark.parametrize(
    ("functional", "structural", "bound"),
    [
        ([20] * 8, [50] * 5 + [NEVER] * 3, "so the median is at least this"),
        ([50] * 5 + [NEVER] * 3, [20] * 8, "so the median is at most this"),
        # Both curves of a run, and each curve in a run of its own: no bound.
        ([20] * 7 + [NEVER], [50] * 7 + [NEVER], "so the median may be larger or smaller"),
        ([20] * 7 + [NEVER], [NEVER] + [50] * 7, "so the median may be larger or smaller"),
        ([20] * 8, [50] * 8, None),
    ],
)
def test_what_censored_onsets_leave_of_the_median(
    functional: list[float], structural: list[float], bound: str | None
) -> None:
    (found,) = verdict(made_up(functional, structural))
    (text,) = (sentence for sentence in found.sentences if sentence.startswith("Median"))
    assert ("bootstrap 95 % interval" in text) == (bound is None)
    assert ("no 95 % interval: onsets that were not seen" in text) == (bound is not None)
    assert text.endswith(f"could be confirmed, {bound}." if bound else ").")


@pytest.mark.parametrize(
    ("agree", "differ", "words"),
    [
        (1, 0, "p = 1; with 1 decided run it could not be below 0.05."),
        (4, 0, "p = 0.12; with 4 decided runs it could not be below 0.05."),
        (6, 4, "p = 0.75."),
        (8, 0, "p = 0.0078."),
    ],
)
def test_what_the_sign_test_could_have_said(agree: int, differ: int, words: str) -> None:
    functional, structural = [20] * agree + [50] * differ, [50] * agree + [20] * differ
    (found,) = verdict(made_up(functional, structural))
    assert any(sentence.endswith(f"Exact sign test: {words}") for sentence in found.sentences)
    if differ == 0 and agree >= 6:
        assert found.headline.endswith(f"{agree} of {agree} runs")


def test_half_height_is_told() -> None:
    (found,) = verdict(made_up([20] * 4, [50, 50, 10, NEVER]))
    (text,) = (sentence for sentence in found.sentences if sentence.startswith("At half"))
    assert "functional first: 2; structural first: 1; undecided: 1 (also runs in which" in text
    assert text.endswith("one ends no higher than 0.05). Exact sign test: p = 1.")
