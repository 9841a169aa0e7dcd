"""Execution of model-written code in a bubblewrap sandbox; without a sandbox it is not run.

Imports `errors` alone.
"""

from tt_scale.sandbox.execution import run_code
from tt_scale.sandbox.holes import Hole, Probe, probe, require_sandbox
from tt_scale.sandbox.limits import Limits, Result

__all__ = ["Hole", "Limits", "Probe", "Result", "probe", "require_sandbox", "run_code"]
