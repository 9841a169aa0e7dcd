"""Measure a PRM on labelled solutions: sets, scores, and metrics with intervals.

`calibration` and `first_error` are pure statistics; `sets`, `solutions_file` and `sampled` provide labelled
solutions; `scoring` runs a PRM; `figures` computes metrics with intervals; `session` runs and resumes an evaluation.

Imports `bench` and what lies below it; prints nothing.
"""
