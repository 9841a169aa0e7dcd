"""What people see: tables, CSV files, plots, progress.

Imports records and statistics of `bench`, `prm_eval` and `doctor`; decides nothing and is imported by `cli` alone.
"""
