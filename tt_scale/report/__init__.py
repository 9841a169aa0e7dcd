"""Tables, CSV files, plots and progress.

Imports `bench`, `prm_eval`, `doctor` and what lies below them; decides nothing and is imported by `cli` alone.
"""
