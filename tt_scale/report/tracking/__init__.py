"""Experiment trackers that follow a run: Weights & Biases, MLflow, TensorBoard; one file each.

Imports the events of `bench` and the counts of `report`; a tracker's package inside functions.
"""
