"""Charts as Vega-Lite specifications: one source for the page, for files and for figures of the documentation.

Imports the readers and digests of `report`, statistics of `bench` and `prm_eval`; vl-convert inside functions.
"""
