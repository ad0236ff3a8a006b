"""Ops: each takes the ensemble axis on every argument, checks, and picks a backend."""
