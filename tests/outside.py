"""A package of somebody else, written to a folder as pip would install it."""

from __future__ import annotations

from pathlib import Path

CODE = '''
"""A searcher, a PRM and generators that tt_scale has never heard of."""

import asyncio
import os
import time
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from tt_scale import EngineDeadError, Outcome, PRM, Scores, Searcher
from tt_scale.generator.simulated import FIRST_PROMPT, SimulatedGenerator


@dataclass(frozen=True)
class Shots(Searcher):
    """So many complete solutions."""

    summary: ClassVar[str] = "so many complete solutions"
    source: ClassVar[str] = "nobody"
    temperature: float = 0.8
    shots: int = 2

    async def search(self, space):
        children = await space.complete(space.roots(), self.shots, temperature=self.temperature)
        return Outcome(tuple(path for path in children[0] if path.is_finished), "enough")


class Halves(PRM):
    """Every step is worth one half."""

    @classmethod
    def from_config(cls, config, generator):
        return cls()

    async def score(self, problem, paths):
        return [Scores((0.5,) * (len(path.steps) - len(path.scores))) for path in paths]


class Slow(SimulatedGenerator):
    """The simulated world, a little slower."""

    async def generate(self, requests):
        await asyncio.sleep(float(os.environ.get("OUTSIDE_SECONDS", "0")))
        return await super().generate(requests)


class Mortal(SimulatedGenerator):
    """Dies after some requests."""

    async def generate(self, requests):
        self.served = getattr(self, "served", 0) + len(requests)
        if self.served > int(os.environ.get("OUTSIDE_LIFE", "1000000")):
            raise EngineDeadError("The engine is gone.")
        return await super().generate(requests)


class Hanging(SimulatedGenerator):
    """Never answers again after some requests, in the first OUTSIDE_HANGS of its lives."""

    lives = 0

    async def start(self):
        type(self).lives += 1
        self.served = 0
        await super().start()

    async def generate(self, requests):
        self.served += len(requests)
        if type(self).lives <= int(os.environ.get("OUTSIDE_HANGS", "1")) and self.served > 40:
            await asyncio.sleep(3600)
        return await super().generate(requests)


class Blocking(SimulatedGenerator):
    """Blocks the event loop."""

    async def generate(self, requests):
        time.sleep(3600)


class Fragile(SimulatedGenerator):
    """Ends its process at the problem of number OUTSIDE_NUMBER, once for each file in OUTSIDE_DEATHS."""

    async def generate(self, requests):
        folder = os.environ.get("OUTSIDE_DEATHS", "")
        if folder and requests[0].ids[0] == FIRST_PROMPT + int(os.environ["OUTSIDE_NUMBER"]):
            for name in os.listdir(folder):
                os.remove(os.path.join(folder, name))
                os._exit(1)
        return await super().generate(requests)


class NoSearcher:
    """Something else."""


class Lacking(Searcher):
    """Cannot search."""

    summary = source = ""


class NoKnobs(Searcher):
    """No dataclass."""

    summary = source = ""

    async def search(self, space):
        return Outcome((), "enough")
'''
ENTRY_POINTS = """
[tt_scale.searchers]
shots = outside:Shots
no_searcher = outside:NoSearcher
lacking = outside:Lacking
no_knobs = outside:NoKnobs
gone = outside:Gone
broken = outside_broken:Anything

[tt_scale.prms]
halves = outside:Halves

[tt_scale.generators]
slow = outside:Slow
mortal = outside:Mortal
hanging = outside:Hanging
blocking = outside:Blocking
fragile = outside:Fragile
"""


def install(folder: Path) -> Path:
    """Write the package, with the metadata that entry points are read from; give the folder for PYTHONPATH."""
    metadata = folder / "outside-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "outside.py").write_text(CODE)
    (folder / "outside_broken.py").write_text("raise RuntimeError('no licence')\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
