"""The measures of one network at one snapshot, from its weights and its activity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

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
from .modularity import Modularity, modularity
from .selectivity import selectivity, selectivity_weight_correlation
from .separation import separation_index, target_set_table

Result = TypeVar("Result")
Sets = Sequence[Sequence[int]]

SCALARS = (
    "Q_str",
    "Q_str_normalised",
    "Q_str_reset",
    "Q_str_update",
    "Q_cor",
    "Q_cor_normalised",
    "D_in",
    "D_out",
    "D_cor",
)
"""What ``curve_point`` measures, by name; None where it is undefined."""

COMPONENTS = 5


@dataclass(frozen=True)
class Conventions:
    """How a study takes its measures (Tomoda et al. 2025).

    Attributes:
        cell: the recurrence; structural measures of a GRU are those of its candidate gate.
        sequences: correlations of all sequences pooled, or |correlation| per sequence, averaged.
        follows: what D_cor correlates the units with, the targets or the network's own outputs.
        washout: first steps that D_cor leaves out.
        reduce: how D_out combines the outputs of a target set.
    """

    cell: Literal["leaky", "gru"] = "leaky"
    sequences: Literal["pooled", "absolute"] = "pooled"
    follows: Literal["target", "output"] = "target"
    washout: int = 0
    reduce: Literal["sum", "mean"] = "sum"


class Network(NamedTuple):
    """One network: its weights, what it did, and which outputs and inputs belong together."""

    # weight_ih [N, I], weight_hh [N, N] (of a GRU [3N, I], [3N, N]), weight_out [O, N]
    weights: Mapping[str, NDArray[Any]]
    states: Floats  # [B, T, N]
    target: Floats  # [B, T, O]
    output: Floats  # [B, T, O]
    target_sets: Sets
    input_sets: Sets
    conventions: Conventions = Conventions()

    def recurrent(self, gate: int = 2) -> NDArray[Any]:
        """Recurrent weights [N, N]; of a GRU those of a gate: reset 0, update 1, candidate 2."""
        return self._gate("weight_hh", gate)

    def input(self) -> NDArray[Any]:
        """Input weights [N, I]; of a GRU the candidate's."""
        return self._gate("weight_ih", 2)

    def _gate(self, name: str, gate: int) -> NDArray[Any]:
        weights = self.weights[name]
        if self.conventions.cell == "gru":
            weights = np.split(weights, 3)[gate]
        return weights

    def rates(self) -> Floats:
        """What is read out: [B, T, N]."""
        return np.tanh(self.states) if self.conventions.cell == "leaky" else self.states

    def correlation(self) -> Floats:
        """Between all pairs of units: [N, N]."""
        return unit_correlation(self.states, sequences=self.conventions.sequences)

    def target_correlation(self) -> Floats:
        """Of every unit with what D_cor follows: [O, N]."""
        how = self.conventions
        goals = self.target if how.follows == "target" else self.output
        later = slice(how.washout, None)
        return unit_target_correlation(
            self.states[:, later], goals[:, later], sequences=how.sequences
        )


def curve_point(network: Network) -> dict[str, float | None]:
    """Modularities and separation indices of a network; see ``SCALARS``.

    The separation indices compare two target sets; with another number they are None.
    """
    groups = halves(network.states.shape[2])

    def structure(gate: int) -> Modularity | None:
        return defined(lambda: modularity(structural_adjacency(network.recurrent(gate)), groups))

    structural = structure(2)
    gates = (structure(0), structure(1)) if network.conventions.cell == "gru" else (None, None)
    correlation = network.correlation()
    functional = defined(lambda: modularity(adjacency_of_correlation(correlation), groups))
    tables = _tables(network, network.target_correlation())
    separation = {
        name: defined(partial(separation_index, table, groups)) for name, table in tables.items()
    }
    return {
        "Q_str": structural.raw if structural else None,
        "Q_str_normalised": structural.normalised if structural else None,
        "Q_str_reset": gates[0].raw if gates[0] else None,
        "Q_str_update": gates[1].raw if gates[1] else None,
        "Q_cor": functional.raw if functional else None,
        "Q_cor_normalised": functional.normalised if functional else None,
        **{name: separation.get(name) for name in ("D_in", "D_out", "D_cor")},
    }


def final_details(network: Network) -> dict[str, Any]:
    """What is looked at in the finished network only, ready for JSON.

    ``correlation [N, N]``, ``community_correlation [N, N]`` that the communities are of (None
    where it is the same), ``unit_target_correlation [O, N]``, ``rate_std [N]``, ``d [N]`` and
    ``phi [N]`` of the two target sets, ``d_weight_correlation`` with the outgoing weights, with
    these scaled by each unit's rate, and with the incoming ones, ``communities`` in both graphs,
    ``explained_variance`` of the first components, ``weight_blocks``, ``r_squared`` per output.
    """
    units = network.states.shape[2]
    groups = halves(units)
    correlation, targets = network.correlation(), network.target_correlation()
    tables = _tables(network, targets)
    rate_std = network.rates().reshape(-1, units).std(0)
    recurrent = network.recurrent()
    # Communities of sequences that are not pooled: |·| is taken after averaging them.
    averaged = network.conventions.sequences == "absolute"
    signed = unit_correlation(network.states, sequences="signed") if averaged else correlation
    details: dict[str, Any] = {
        "correlation": correlation.tolist(),
        "community_correlation": signed.tolist() if averaged else None,
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
            for (source, goal), values in weight_blocks(recurrent, groups).items()
        },
        "communities": {
            "functional": _community(
                defined(lambda: communities(adjacency_of_correlation(signed), groups))
            ),
            "structural": _community(
                defined(lambda: communities(structural_adjacency(recurrent), groups))
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
        reduce = network.conventions.reduce
        tables["D_out"] = target_set_table(network.weights["weight_out"], sets, reduce=reduce)
        if len(network.input_sets) == 2:
            tables["D_in"] = target_set_table(network.input().T, network.input_sets)
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
