"""Check the installation, the devices, and the memory that models need, for `tt-scale doctor`.

Imports what lies below `bench`.
"""
