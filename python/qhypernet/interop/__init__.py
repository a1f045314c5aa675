"""Circuits from and to other programs, one format a file."""
