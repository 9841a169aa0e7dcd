"""Tables, CSV files, plots and progress.

Imports records and statistics of `bench`, `prm_eval` and `doctor`; decides nothing and is imported by `cli` alone.
"""
