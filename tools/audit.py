"""Asks for known vulnerabilities of what a virtual environment holds; `make audit` calls it.

    .venv-tools/bin/python tools/audit.py .venv

pip-audit asks the package index. Many mirrors answer no such questions, and pip-audit then ends as if nothing were
wrong; so packages that could not be asked about are counted, and where that is all of them, it is said. The exit
status is 1 where a package has a known vulnerability that another version repairs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"
SECONDS = 900


@dataclass(frozen=True)
class Vulnerability:
    """A known one.

    Attributes:
        package: its name and version.
        name: of the vulnerability.
        repaired: versions that do not have it.
    """

    package: str
    name: str
    repaired: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.package}: {self.name}, {'repaired in ' + ', '.join(self.repaired) if self.repaired else 'open'}"


@dataclass(frozen=True)
class Audit:
    """What came of asking.

    Attributes:
        asked: packages that the index knows.
        unknown: packages that could not be asked about.
        vulnerabilities: of all packages.
    """

    asked: int
    unknown: int
    vulnerabilities: tuple[Vulnerability, ...]

    @classmethod
    def of(cls, report: Any) -> Audit:
        """Read what pip-audit gives as JSON."""
        packages = report["dependencies"]
        known = [package for package in packages if "skip_reason" not in package]
        found = [
            Vulnerability(f"{package['name']} {package['version']}", each["id"], tuple(each["fix_versions"]))
            for package in known
            for each in package["vulns"]
        ]
        return cls(len(known), len(packages) - len(known), tuple(found))

    @property
    def status(self) -> int:
        """Exit status."""
        return int(any(each.repaired for each in self.vulnerabilities))

    def lines(self) -> list[str]:
        """Say it."""
        if not self.asked:
            return [f"The index answers no questions about vulnerabilities; {self.unknown} packages were not audited."]
        rest = f"; {self.unknown} are unknown to the index" if self.unknown else ""
        count = len(self.vulnerabilities) or "no"
        return [*map(str, self.vulnerabilities), f"{self.asked} packages audited, {count} known vulnerabilities{rest}."]


def main(arguments: Sequence[str]) -> int:
    """Audit an environment, and give the exit status."""
    (environment,) = arguments
    python = Path(environment) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    folder = subprocess.run([python, "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip()
    command = [sys.executable, "-m", "pip_audit", "--path", folder, "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        audit = Audit.of(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        print(f"The index cannot be asked about vulnerabilities; nothing was audited: {last}")
        return 0
    except subprocess.TimeoutExpired:
        print(f"The index gave no answer within {SECONDS} seconds; nothing was audited.")
        return 0
    print("\n".join(audit.lines()))
    return audit.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
