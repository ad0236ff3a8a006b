"""The measures of one network at one snapshot, from its weights and its activity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._check import Floats, UndefinedMeasureError
from .adjacency import adjacency_of_correlation, structural_adjacency
from .blocks import weight_blocks
from .communities import Communities, communities
from .components import principal_components
from .correlation import unit_correlation, unit_target_correlation
from .determination import r_squared
from .groups import halves
from .modularity import modularity
from .selectivity import selectivity, selectivity_weight_correlation
from .separation import separation_index, target_set_table

Result = TypeVar("Result")
Sets = Sequence[Sequence[int]]

SCALARS = ("Q_str", "Q_str_normalised", "Q_cor", "Q_cor_normalised", "D_in", "D_out", "D_cor")
"""What ``curve_point`` measures, by name; None where it is undefined."""

COMPONENTS = 5


class Network(NamedTuple):
    """One network: its weights, what it did, and which outputs and inputs belong together."""

    weights: Mapping[str, NDArray[Any]]  # weight_ih [N, I], weight_hh [N, N], weight_out [O, N]
    states: Floats  # [B, T, N]
    target: Floats  # [B, T, O]
    output: Floats  # [B, T, O]
    target_sets: Sets
    input_sets: Sets


def curve_point(network: Network) -> dict[str, float | None]:
    """Modularities and separation indices of a working-memory network; see ``SCALARS``.

    The separation indices compare two target sets; with another number they are None.
    """
    groups = halves(network.states.shape[2])
    structural = defined(
        lambda: modularity(structural_adjacency(network.weights["weight_hh"]), groups)
    )
    correlation = unit_correlation(network.states)
    functional = defined(lambda: modularity(adjacency_of_correlation(correlation), groups))
    tables = _tables(network, unit_target_correlation(network.states, network.target))
    separation = {
        name: defined(partial(separation_index, table, groups)) for name, table in tables.items()
    }
    return {
        "Q_str": structural.raw if structural else None,
        "Q_str_normalised": structural.normalised if structural else None,
        "Q_cor": functional.raw if functional else None,
        "Q_cor_normalised": functional.normalised if functional else None,
        **{name: separation.get(name) for name in ("D_in", "D_out", "D_cor")},
    }


def final_details(network: Network) -> dict[str, Any]:
    """What is looked at in the finished network only, ready for JSON.

    ``correlation [N, N]``, ``unit_target_correlation [O, N]``, ``rate_std [N]``, ``d [N]`` and
    ``phi [N]`` of the two target sets, ``d_weight_correlation`` with the outgoing weights, with
    these scaled by each unit's rate, and with the incoming ones, ``communities`` in both graphs,
    ``explained_variance`` of the first components, ``weight_blocks``, ``r_squared`` per output.
    """
    units = network.states.shape[2]
    groups = halves(units)
    correlation = unit_correlation(network.states)
    targets = unit_target_correlation(network.states, network.target)
    tables = _tables(network, targets)
    rate_std = np.tanh(network.states).reshape(-1, units).std(0)
    details: dict[str, Any] = {
        "correlation": correlation.tolist(),
        "unit_target_correlation": targets.tolist(),
        "rate_std": rate_std.tolist(),
        "explained_variance": principal_components(
            network.states, min(COMPONENTS, units)
        ).explained.tolist(),
        "weight_blocks": {
            f"{source}→{goal}": {
                "mean_magnitude": float(np.abs(values).mean()),
                "standard_deviation": float(values.std()),
            }
            for (source, goal), values in weight_blocks(
                network.weights["weight_hh"], groups
            ).items()
        },
        "communities": {
            "functional": _community(
                defined(lambda: communities(adjacency_of_correlation(correlation), groups))
            ),
            "structural": _community(
                defined(
                    lambda: communities(structural_adjacency(network.weights["weight_hh"]), groups)
                )
            ),
        },
        "r_squared": defined(lambda: r_squared(network.target, network.output).tolist()),
        "d": None,
        "phi": None,
        "d_weight_correlation": None,
    }
    if "D_cor" in tables:
        selective = selectivity(tables["D_cor"])
        d = selective.difference
        details["d"], details["phi"] = d.tolist(), selective.angle.tolist()
        details["d_weight_correlation"] = {
            "out": selectivity_weight_correlation(d, tables["D_out"]),
            "out_scaled_by_rate": selectivity_weight_correlation(d, tables["D_out"], rate_std),
            "in": (selectivity_weight_correlation(d, tables["D_in"]) if "D_in" in tables else None),
        }
    return details


def _tables(network: Network, correlations: Floats) -> dict[str, Floats]:
    """The tables [2, N] of the separation indices that this task has."""
    tables: dict[str, Floats] = {}
    if len(network.target_sets) == 2:
        sets = network.target_sets
        tables["D_cor"] = target_set_table(correlations, sets, reduce="mean")
        tables["D_out"] = target_set_table(network.weights["weight_out"], sets)
        if len(network.input_sets) == 2:
            tables["D_in"] = target_set_table(network.weights["weight_ih"].T, network.input_sets)
    return tables


def defined(measure: Callable[[], Result]) -> Result | None:
    """A measure, or None where it has no value (a graph without edges, a constant target)."""
    try:
        return measure()
    except UndefinedMeasureError:
        return None


def _community(found: Communities | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "labels": found.labels.tolist(),
        "modularity": found.modularity,
        "agreement": found.agreement,
    }
