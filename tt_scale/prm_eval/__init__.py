"""A PRM measured against truth: labelled solutions, their scores, and what these are worth.

`calibration` and `first_error` are pure statistics; `sets`, `solutions_file` and `sampled` bring labelled solutions;
`scoring` asks a PRM; `figures` turns scores into numbers with intervals; `session` runs all of it and resumes.

Imports `bench` and what lies below it; prints nothing.
"""
