"""Runs in the file formats of other tools: lm-evaluation-harness, inspect_ai, data sets of Hugging Face.

Imports `bench.reader` and what lies below it; none of these tools.
"""
