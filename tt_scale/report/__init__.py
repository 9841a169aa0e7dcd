"""Tables, CSV files, plots and progress.

Imports `bench`, `prm_eval`, `doctor` and the packages below them; contains no logic of its own; only `cli` imports it.
"""
