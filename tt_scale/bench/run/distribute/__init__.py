"""Search on replicas of the models, on a Ray cluster: placement, replicas, and the driver that hands out problems.

Imports from `bench.run` and from below it. Ray is imported inside functions, where a run asks for it.
"""
