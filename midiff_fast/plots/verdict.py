"""What an analysis says, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..analysis.precedence import FEWEST_FOR_INTERVAL, sign_test
from .numbers import Numbers
from .precedence import headline_row

SIGNIFICANT = 0.05
"""Of the sign test: below it the direction is called settled."""


@dataclass(frozen=True)
class Verdict:
    """One ``headline`` and the ``sentences`` that support it."""

    headline: str
    sentences: tuple[str, ...]


def verdict(analysis: dict[str, Any], *, html: bool = False) -> list[Verdict]:
    """A verdict per weight λ > 0 of the mutual information, the largest first.

    Args:
        analysis: as returned by ``midiff_fast.analysis.analyse``.
        html: mark each number with its place in analysis.json.
    """
    numbers = Numbers(analysis, html)
    found = [
        _of_weight(numbers, index)
        for index, entry in reversed(list(enumerate(analysis["precedence"])))
        if entry["mi_weight"] > 0.0
    ]
    return found or [_controls_only(numbers)]


def _controls_only(numbers: Numbers) -> Verdict:
    place = _summary_of(numbers, 0.0)
    sentences = ["No run had a penalty on mutual information, so there is nothing to compare."]
    return Verdict("Controls only", (*sentences, _accuracy(numbers, place, "the runs")))


def _of_weight(numbers: Numbers, index: int) -> Verdict:
    entry = numbers.value("precedence", index)
    row = headline_row(entry)
    weight = entry["mi_weight"]
    weights = {e["mi_weight"] for e in numbers.value("precedence")} - {0.0}
    prefix = f"λ = {weight:g}: " if len(weights) > 1 else ""
    sentences = [_counts(numbers, index, row)]
    if entry["sweep"][row]["functional_first"] + entry["sweep"][row]["structural_first"]:
        sentences.append(_difference(numbers, index, row))
    sentences += [_sweep(entry), _half_height(numbers, index)]
    summary = _summary_of(numbers, weight)
    comparison = _comparison_of(numbers, weight)
    if comparison is None:
        sentences.append("There are no control runs (λ = 0) to compare with.")
    else:
        sentences.append(_against_control(numbers, comparison))
    sentences.append(_accuracy(numbers, summary, "the runs with the penalty"))
    if comparison is not None:
        sentences.append(_accuracy(numbers, _summary_of(numbers, 0.0), "the controls"))
    sentences.append(_information(numbers, summary, comparison))
    return Verdict(prefix + _headline(entry["sweep"][row]), tuple(sentences))


def _headline(row: dict[str, Any]) -> str:
    functional, structural = row["functional_first"], row["structural_first"]
    runs = functional + structural + row["undecided"]
    onsets = (*row["functional_onsets"], *row["structural_onsets"])
    if all(onset is None for onset in onsets):
        return f"Undecided: neither modularity rose for good in any of {runs} runs"
    if functional == structural:
        return f"Undecided: functional first in {functional}, structural first in {structural} runs"
    first, count = max(("Functional", functional), ("Structural", structural), key=lambda x: x[1])
    headline = f"{first} modularity came first in {count} of {runs} runs"
    if row["p_value"] >= SIGNIFICANT:
        few = _cannot_settle(functional + structural)
        headline += ", too few to settle it" if few else ", which does not settle it"
    return headline


def _cannot_settle(decided: int) -> bool:
    """Whether the sign test could not settle the direction even if all decided runs agreed."""
    p_value = sign_test(decided, 0)
    return p_value is not None and p_value >= SIGNIFICANT


def _counts(numbers: Numbers, index: int, row: int) -> str:
    place = ("precedence", index, "sweep", row)
    counts = [
        f"{name}: {numbers.show('{:d}', *place, key)}"
        for key, name in (
            ("functional_first", "functional first"),
            ("structural_first", "structural first"),
            ("undecided", "undecided"),
        )
    ]
    found = numbers.value(*place)
    threshold = numbers.show("{:g}", *place, "threshold")
    text = (
        f"A modularity counts as risen when Q / {numbers.symbol('Q_max')} exceeds {threshold} and "
        f"stays above for two more snapshots; two that rose between the same two snapshots have no "
        f"order and count as undecided ({'; '.join(counts)})."
    )
    if found["p_value"] is not None:
        text += f" Exact sign test: p = {numbers.show('{:.2g}', *place, 'p_value')}"
        decided = found["functional_first"] + found["structural_first"]
        if _cannot_settle(decided):
            runs = "run" if decided == 1 else "runs"
            text += f"; with {decided} decided {runs} it could not be below {SIGNIFICANT:g}"
        text += "."
    return text


def _difference(numbers: Numbers, index: int, row: int) -> str:
    place = ("precedence", index, "sweep", row)
    found = numbers.value(*place)
    text = (
        "Median of structural minus functional onset over all runs: "
        f"{numbers.show('{:.0f}', *place, 'median_difference')} epochs"
    )
    censored = {
        name: sum(onset is None for onset in found[f"{name}_onsets"])
        for name in ("functional", "structural")
    }
    if found["interval"] is not None:
        low = numbers.show("{:.0f}", *place, "interval", 0)
        high = numbers.show("{:.0f}", *place, "interval", 1)
        text += f" (bootstrap 95 % interval {low} to {high})"
    elif len(found["functional_onsets"]) < FEWEST_FOR_INTERVAL:
        text += f" (no 95 % interval: {FEWEST_FOR_INTERVAL} runs are the fewest that can give one)"
    else:
        text += " (no 95 % interval: onsets that were not seen could set its ends)"
    missing = [
        f"{name} modularity never rose in {count} run{'s' if count > 1 else ''}"
        for name, count in censored.items()
        if count
    ]
    if missing:
        last = numbers.show("{:g}", *place, "censored_at")
        text += (
            f"; {' and '.join(missing)}, counted as if at epoch {last}, the last at which an onset "
            f"could be confirmed, so the median {_bound(**censored)}"
        )
    return text + "."


def _bound(functional: int, structural: int) -> str:
    """What a median says in which so many onsets of either kind are put as early as they can be."""
    if functional and structural:
        return "may be larger or smaller"
    return "is at most this" if functional else "is at least this"


def _sweep(entry: dict[str, Any]) -> str:
    sweep = entry["sweep"]
    functional = sum(row["functional_first"] > row["structural_first"] for row in sweep)
    structural = sum(row["functional_first"] < row["structural_first"] for row in sweep)
    low, high = sweep[0]["threshold"], sweep[-1]["threshold"]
    return (
        f"Of {len(sweep)} thresholds from {low:g} to {high:g}, functional modularity is ahead at "
        f"{functional}, structural at {structural}, neither at "
        f"{len(sweep) - functional - structural}."
    )


def _half_height(numbers: Numbers, index: int) -> str:
    place = ("precedence", index, "half_height")
    functional, structural, undecided = (
        numbers.show("{:d}", *place, key)
        for key in ("functional_first", "structural_first", "undecided")
    )
    text = (
        "At half of each curve's own final height, which does not favour the one that rises "
        f"higher: functional first: {functional}; structural first: {structural}; undecided: "
        f"{undecided} (also runs in which one ends no higher than "
        f"{numbers.show('{:g}', *place, 'floor')})."
    )
    if numbers.value(*place, "p_value") is not None:
        text += f" Exact sign test: p = {numbers.show('{:.2g}', *place, 'p_value')}."
    return text


def _summary_of(numbers: Numbers, weight: float) -> tuple[str, int]:
    entries = numbers.value("summary")
    return "summary", next(i for i, e in enumerate(entries) if e["mi_weight"] == weight)


def _comparison_of(numbers: Numbers, weight: float) -> tuple[str, int] | None:
    entries = numbers.value("comparison")
    found = [i for i, entry in enumerate(entries) if entry["mi_weight"] == weight]
    return ("comparison", found[0]) if found else None


def _against_control(numbers: Numbers, comparison: tuple[str, int]) -> str:
    parts = []
    for name in ("Q_cor", "D_cor", "Q_str"):
        place = (*comparison, "measures", name)
        if numbers.value(*place) is None:
            continue
        parts.append(
            f"{numbers.symbol(name)} {numbers.show('{:.3f}', *place, 'median')} against "
            f"{numbers.show('{:.3f}', *place, 'median_control')} (higher in "
            f"{numbers.show('{:d}', *place, 'higher')} of {numbers.show('{:d}', *place, 'pairs')})"
        )
    return f"Against the controls of the same seeds, medians at the end: {'; '.join(parts)}."


def _accuracy(numbers: Numbers, summary: tuple[str, int], who: str) -> str:
    name = numbers.value("task", "score")
    return (
        f"{name[:1].upper()}{name[1:]} of {who}: median "
        f"{numbers.show('{:.3f}', *summary, 'measures', 'accuracy', 'median')}, above "
        f"{numbers.show('{:g}', 'task', 'success')} in "
        f"{numbers.show('{:d}', *summary, 'succeeded')} of "
        f"{numbers.show('{:d}', *summary, 'runs')}."
    )


def _information(
    numbers: Numbers, summary: tuple[str, int], comparison: tuple[str, int] | None
) -> str:
    place = (*summary, "measures", "fresh_critic")
    text = (
        "Mutual information between the groups, of which a freshly trained critic finds a lower "
        "bound on held-out sequences: median at least "
        f"{numbers.show('{:.2f}', *place, 'median')} nats"
    )
    if comparison is not None:
        control = (*comparison, "measures", "fresh_critic")
        text += (
            f", controls at least {numbers.show('{:.2f}', *control, 'median_control')} "
            f"(the bound is lower in {numbers.show('{:d}', *control, 'lower')} of "
            f"{numbers.show('{:d}', *control, 'pairs')})"
        )
    members = numbers.value("members")
    null = max(
        range(len(members)), key=lambda i: abs(members[i]["information"]["shuffled_null"] or 0.0)
    )
    return text + (
        "; with all pairs shuffled, where it should be 0, the value furthest from 0 is "
        f"{numbers.show('{:.2f}', 'members', null, 'information', 'shuffled_null')}."
    )
