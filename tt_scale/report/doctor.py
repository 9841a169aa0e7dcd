"""Print the diagnosis of `tt-scale doctor`."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tt_scale._version import __version__
from tt_scale.doctor.diagnosis import Diagnosis, Installed, Models
from tt_scale.report.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_diagnosis"]


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print a diagnosis in sections: packages, machine, and requirements of the configuration."""
    console = Terminal(highlight=False, soft_wrap=True)
    _print_installed(console, diagnosis.installed)
    _print_machine(console, diagnosis.machine, diagnosis.sandbox)
    _section(console, "This configuration")
    if diagnosis.models is None:
        _line(console, "backend", diagnosis.no_engine)
    else:
        _print_models(console, diagnosis.models)


def _print_installed(console: Console, installed: Installed) -> None:
    _section(console, "Installed")
    _line(console, "tt-scale", f"{__version__} on Python {platform.python_version()}")
    for each in installed.packages:
        if each.version:
            devices = f", {installed.devices}" if each.package == "torch" else ""
            _line(console, each.package, each.version + devices)
    missing = [each for each in installed.packages if not each.version]
    if missing or installed.fault:
        _section(console, "Missing or broken")
    for each in missing:
        _line(console, each.package, f"for {each.purpose}. Type: {each.command}")
    if installed.fault:
        _line(console, "transformers", installed.fault)


def _print_machine(console: Console, machine: Mapping[str, Any], sandbox: str) -> None:
    _section(console, "Machine")
    _line(console, "processor", f"{machine['processor']}, {machine['cores']} cores")
    _line(console, "memory", f"{machine['memory_gib']} GiB")
    for gpu in machine["gpus"] or ["none that nvidia-smi shows"]:
        _line(console, "GPU", str(gpu))
    _line(console, "sandbox", sandbox)


def _print_models(console: Console, models: Models) -> None:
    lines = [("generator", models.generator), *[("PRM", each) for each in models.prms or ["none"]]]
    if models.combined:
        lines.append(("combined by", models.combined))
    lines += [("server", line) for line in models.servers]
    lines += [("dtype", line) for line in models.dtypes] + [("memory", line) for line in models.memory.lines]
    for label, text in (*lines, ("verdict", models.memory.verdict)):
        _line(console, label, text)


def _section(console: Console, title: str) -> None:
    console.print(f"\n[bold]{title}[/bold]")


def _line(console: Console, label: str, text: str) -> None:
    console.print(f"  {label:<13}{text}", markup=False)
