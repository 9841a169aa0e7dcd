"""What `tt-scale doctor` finds out: installation, devices, memory that the models need.

Imports what lies below `bench`.
"""
