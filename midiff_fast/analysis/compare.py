"""Runs with the penalty on mutual information against their controls without it, seed by seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._check import Floats
from .precedence import median_interval, sign_test

MEASURES = (
    "accuracy",
    "Q_cor",
    "Q_str",
    "Q_cor_normalised",
    "Q_str_normalised",
    "D_cor",
    "D_in",
    "D_out",
    "fresh_critic",
)
"""Final measures that are compared; ``fresh_critic`` is the bound on mutual information."""

STRUCTURED = 0.1
"""A run differentiated structurally if its raw Q_str exceeds this (Tomoda et al. 2025)."""


def final_value(member: dict[str, Any], name: str) -> float | None:
    """A final measure of a member by its name in ``MEASURES``."""
    part = member["information"] if name == "fresh_critic" else member["final"]
    value: float | None = part[name]
    return value


def compare_with_control(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per weight λ > 0, each measure paired by seed with the run of λ = 0.

    Per measure: number of ``pairs``, medians of both, the ``median_difference`` (run minus
    control) with its bootstrap 95 % ``interval`` (None for fewer pairs than can give one, six), in
    how many pairs the run is ``higher`` or ``lower``, and the exact sign test's ``p_value``. Empty
    without controls.
    """
    controls = {m["seed"]: m for m in members if m["mi_weight"] == 0.0}
    results = []
    for weight in sorted({m["mi_weight"] for m in members} - {0.0}):
        pairs = [
            (member, controls[member["seed"]])
            for member in members
            if member["mi_weight"] == weight and member["seed"] in controls
        ]
        if pairs:
            measures = {name: _paired(pairs, name) for name in MEASURES}
            results.append({"mi_weight": weight, "control": 0.0, "measures": measures})
    return results


def summarise(members: list[dict[str, Any]], success: float) -> list[dict[str, Any]]:
    """Per weight λ: number of ``runs``, how many ``succeeded`` (score above ``success``) and
    ``differentiated`` (structurally), and of each measure median, smallest and largest."""
    results = []
    for weight in sorted({m["mi_weight"] for m in members}):
        chosen = [m for m in members if m["mi_weight"] == weight]
        results.append(
            {
                "mi_weight": weight,
                "runs": len(chosen),
                "succeeded": sum(m["final"]["accuracy"] > success for m in chosen),
                "differentiated": sum((m["final"]["Q_str"] or 0.0) > STRUCTURED for m in chosen),
                "measures": {name: _spread(chosen, name) for name in MEASURES},
            }
        )
    return results


def _spread(members: list[dict[str, Any]], name: str) -> dict[str, float] | None:
    values = [v for v in (final_value(member, name) for member in members) if v is not None]
    if not values:
        return None
    return {"median": float(np.median(values)), "smallest": min(values), "largest": max(values)}


def _paired(pairs: list[tuple[dict[str, Any], dict[str, Any]]], name: str) -> dict[str, Any] | None:
    values = [(final_value(run, name), final_value(control, name)) for run, control in pairs]
    both = [(run, control) for run, control in values if run is not None and control is not None]
    if not both:
        return None
    runs, controls = np.array(both).T
    difference: Floats = runs - controls
    higher, lower = int((difference > 0).sum()), int((difference < 0).sum())
    return {
        "pairs": len(both),
        "median": float(np.median(runs)),
        "median_control": float(np.median(controls)),
        "median_difference": float(np.median(difference)),
        "interval": median_interval(difference),
        "higher": higher,
        "lower": lower,
        "p_value": sign_test(higher, lower),
    }
