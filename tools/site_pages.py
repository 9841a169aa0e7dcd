"""Pages of the documentation site that are made from the code: a hook of MkDocs, named in mkdocs.yml.

The README becomes the first page. Each method gets a page: its section of docs/algorithms.md, the tree of one search,
its parameters and its source. The trees are drawn anew at each build, by a run of all methods over a pocket problem.
The notebook of the examples opens two runs of the simulated world, and is shown with its results.
Configuration, command line and Python reference are made from schema, help texts and docstrings, so that they cannot
differ from what runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import tt_scale
from tt_scale import read_run
from tt_scale.cli.main import cli
from tt_scale.config import Config
from tt_scale.config.listing import ConfigKey, keys_by_group, shown
from tt_scale.registry import BUILT_IN, searcher_class
from tt_scale.report.charts.render import write_chart
from tt_scale.report.charts.tree import tree_figure
from tt_scale.report.search_tree import grow_tree
from tt_scale.scripts.method_table import method_table

sys.path.insert(0, str(Path(__file__).parent))  # MkDocs loads this file by its path
from run_notebook import NOTEBOOK, executed

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "tt_scale" / "config" / "recipes"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(docs/([^)\s]+)\)")
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "SECURITY.md": "security.md",
}
"""Files of the root that are pages of the site."""

EXAMPLE = [
    *(sys.executable, "-m", "tt_scale", "bench", "--config", "pocket", "--dtype", "float32", "--quiet"),
    *("--generator", "huggingface", "--prm", "huggingface", "--temperature", "0.8", "--temp-origin", "0.8"),
    *("--dataset", "pocket-math:count=2", "--budget", "4", "--concurrency", "1", "--run-tag", "trees"),
]
"""The run that the trees are drawn of; the second of its problems has four steps."""

NOTEBOOK_RUNS = [
    *(sys.executable, "-m", "tt_scale", "bench", "--model-name", "simulated", "--prm-name", "simulated", "--quiet"),
    *("--dataset", "simulated", "--num-samples", "60", "--run-tag", "example"),
    *("--method", "best_of_n", "--method", "collective"),
]
"""The runs that the notebook opens."""

METHODS = sorted(BUILT_IN["searchers"])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put one entry for each method into the navigation."""
    for entry in config.nav or []:
        if "Methods" in entry:
            entry["Methods"][1:1] = [{name: f"methods/{name}.md"} for name in METHODS]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and a tree for each method."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in [*pages(), *trees(Path(folder)), notebook_page(Path(folder) / "notebook")]:
            files.append(File.generated(config, path, content=text))
    return files


def trees(folder: Path) -> Iterator[tuple[str, str]]:
    """Path within the site and SVG of a search by each method."""
    methods = [word for name in METHODS for word in ("--method", name)]
    subprocess.run([*EXAMPLE, *methods, "--output-dir", str(folder)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for manifest in folder.glob("trees/*/manifest.json"):
        run = read_run(manifest.parent)
        tree = grow_tree(run.search((run.rows[-1].id, 0)), run.method, run.tau)
        path = folder / f"{run.method}.svg"
        write_chart(tree_figure(tree), str(path))
        yield f"methods/{path.name}", path.read_text(encoding="utf-8")


def notebook_page(folder: Path) -> tuple[str, str]:
    """Path within the site and Markdown of the notebook with its results."""
    from nbconvert import MarkdownExporter

    folder.mkdir()
    subprocess.run(NOTEBOOK_RUNS, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    text, _ = MarkdownExporter().from_notebook_node(executed(folder / "logs", folder))
    where = f"This page is the notebook `{NOTEBOOK.relative_to(ROOT)}`, run on two runs of the simulated world."
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.DOTALL)
    text = text.replace('<table border="1" class="dataframe">', "<table>")  # as the site draws tables
    head, _, rest = text.partition("\n\n")
    return "notebook.md", f"{head}\n\n{where}\n\n{rest}"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links of pages under docs/ to files of the root at their pages here."""
    return re.sub(r"\]\(\.\./([A-Z]+\.md)", lambda match: f"]({PAGES[match[1]]}", markdown)


def pages() -> Iterator[tuple[str, str]]:
    """Path within the site and Markdown of each page."""
    for source, path in PAGES.items():
        yield path, in_site((ROOT / source).read_text(encoding="utf-8"))
    yield "methods/index.md", f"# Methods\n\n{_linked_table()}\n"
    for name in METHODS:
        yield f"methods/{name}.md", method_page(name)
    yield "recipes.md", recipes_page()
    yield "reference/configuration.md", configuration_page()
    yield "reference/command_line.md", command_line_page()
    yield "reference/python.md", python_page()


def in_site(text: str) -> str:
    """Rewrite links of a page of the repository's root; files that are no pages stay as their names."""
    text = PICTURE.sub(r"![\1](\2)", text)
    return LINK.sub(lambda match: _link(match[1], match[2]), text)


def _link(words: str, target: str) -> str:
    path, _, anchor = target.partition("#")
    if "://" in target or not path:
        return f"[{words}]({target})"
    inside = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if inside is None:
        return words if words.strip("`*") == path else f"{words} (`{path}`)"
    return f"[{words}]({inside}{'#' + anchor if anchor else ''})"


def _linked_table() -> str:
    return re.sub(r"^\| `(\w+)`", r"| [`\1`](\1.md)", method_table(), flags=re.MULTILINE)


def method_page(name: str) -> str:
    """The page of one method."""
    cls = searcher_class(name)
    parts = [
        f"# {name}",
        f"{cls.summary[0].upper()}{cls.summary[1:]}.",
        f"Source: {cls.source}. The answer is chosen by the selector `{cls.selector}`.",
        section(name),
        "## Example",
        "One search of a problem of `pocket-math` at budget 4 ([what the signs mean](../report.md)):",
        f"![The tree of a search by {name}]({name}.svg)",
        "## Parameters",
        _parameters(name),
        f"Type: `tt-scale bench --config pocket --method {name}`",
        "## Code",
        f"::: {cls.__module__}.{cls.__qualname__}\n    options: {{show_root_heading: false, members: [search]}}",
    ]
    return "\n\n".join(parts) + "\n"


def section(name: str) -> str:
    """The section of docs/algorithms.md on a method, without its heading."""
    text = (ROOT / "docs" / "algorithms.md").read_text(encoding="utf-8")
    found = re.search(rf"^### {name}\n(.*?)(?=^##)", text + "\n##", re.MULTILINE | re.DOTALL)
    assert found, f"docs/algorithms.md has no section on {name}"
    text = re.sub(r"\]\(#", "](../algorithms.md#", found[1].strip())
    return re.sub(r"\]\((?!\.\./|https?:)([\w/.-]+)", r"](../\1", text)


def _parameters(name: str) -> str:
    own = {field.name for field in fields(searcher_class(name))}  # type: ignore[arg-type]
    keys = [key for group in keys_by_group().values() for key in group if key.name in own]
    return _table(keys) if keys else "It has none."


def _table(keys: list[ConfigKey]) -> str:
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key in keys:
        values = ", ".join(filter(None, [key.kind.replace("|", ", "), key.limits]))
        rows.append(f"| `{key.name}` | `{shown(key.default)}` | {_cell(values)} | {_cell(key.description)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def configuration_page() -> str:
    """Every key of the configuration."""
    parts = [
        "# Configuration",
        "Every key is a field of `tt_scale.Config`, a line of a YAML file and a flag of the same name with hyphens. "
        "Flags override YAML, and YAML overrides the defaults. `tt-scale init` writes all of them to a file.",
    ]
    for group, keys in keys_by_group().items():
        parts += [f"## {group}", _table(keys)]
    return "\n\n".join(parts) + "\n"


def command_line_page() -> str:
    """The help text of every command."""
    parts = ["# Command line", _help(cli, "tt-scale")]
    for name, command in cli.commands.items():
        if not command.hidden:
            parts += [f"## {name}", _help(command, f"tt-scale {name}")]
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=100)
    return f"```text\n{command.get_help(context).strip()}\n```"


def python_page() -> str:
    """Everything that `tt_scale` exports."""
    parts = [
        "# Python",
        "Everything here is imported from `tt_scale`; names that are not here may change without notice.",
    ]
    for name in tt_scale.__all__:
        thing = getattr(tt_scale, name)
        if callable(thing):
            parts.append(f"::: {thing.__module__}.{thing.__qualname__}")
    return "\n\n".join(parts) + "\n"


def recipes_page() -> str:
    """Every recipe, with what its head says of the memory it needs."""
    parts = [
        "# Recipes",
        "`tt-scale bench --config NAME` runs one, `tt-scale init NAME` writes it to a file, and `tt-scale doctor "
        "--config NAME` computes the memory that its models need on your machine.",
    ]
    for path in sorted(RECIPES.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = re.match(r"(?:#.*\n)+", text)
        words = " ".join([line.lstrip("# ") for line in head[0].splitlines()]) if head else ""
        config = Config(**yaml.safe_load(text))
        pair = f"Generator `{config.model_name}`, PRM `{config.prm_name}`, method `{config.method}`."
        parts += [f"## {path.stem}", words, pair, f"```yaml\n{text.strip()}\n```"]
    return "\n\n".join(parts) + "\n"
