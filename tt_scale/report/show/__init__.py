"""Runs and searches in the terminal: what `tt-scale show` prints.

Imports the readers and tables of `report`, and rich; `cli` alone imports it.
"""
