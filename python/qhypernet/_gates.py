"""Kinds of gates."""

PERMUTATIONS = ("x", "y", "cx", "swap")
"""Gates that permute outcomes, up to phases."""

PHASES = ("z", "s", "sdg", "t", "tdg", "rz", "p", "cz", "rzz")
"""Gates that turn the phases of outcomes: their matrices are diagonal."""
