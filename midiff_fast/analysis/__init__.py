"""Measures of functional and structural differentiation (Tomoda et al. 2025), and whole runs.

The measures are pure functions of arrays (NumPy arrays, lists or torch tensors). ``analyse`` takes
a run directory and writes every measure of every run to its ``analysis.json``.
"""

from .adjacency import adjacency_of_correlation, correlation_adjacency, structural_adjacency
from .blocks import BlockHistograms, weight_blocks, weight_histograms
from .communities import Communities, communities, normalised_mutual_information
from .components import PrincipalComponents, principal_components
from .correlation import pearson, unit_correlation, unit_target_correlation
from .determination import r_squared
from .groups import group_labels, halves
from .half_height import HalfHeight, half_height
from .held_out import CriticBudget, held_out_information
from .modularity import Modularity, modularity
from .precedence import THRESHOLDS, Precedence, onset, precedence, precedence_sweep
from .run import analyse
from .selectivity import Selectivity, selectivity, selectivity_weight_correlation
from .separation import separation_index, target_set_table

__all__ = [
    "THRESHOLDS",
    "BlockHistograms",
    "Communities",
    "CriticBudget",
    "HalfHeight",
    "Modularity",
    "Precedence",
    "PrincipalComponents",
    "Selectivity",
    "adjacency_of_correlation",
    "analyse",
    "communities",
    "correlation_adjacency",
    "group_labels",
    "half_height",
    "halves",
    "held_out_information",
    "modularity",
    "normalised_mutual_information",
    "onset",
    "pearson",
    "precedence",
    "precedence_sweep",
    "principal_components",
    "r_squared",
    "selectivity",
    "selectivity_weight_correlation",
    "separation_index",
    "structural_adjacency",
    "target_set_table",
    "unit_correlation",
    "unit_target_correlation",
    "weight_blocks",
    "weight_histograms",
]
