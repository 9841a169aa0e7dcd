"""Check the installation, the devices, and the memory that models need, for `tt-scale doctor`.

Imports `bench` and what lies below it; prints nothing.
"""
