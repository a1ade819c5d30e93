"""What the README says of commands, options, settings, exit codes and records is all there is, and true."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
from pydantic import BaseModel

from streamfilter import __version__
from streamfilter.cli.main import PIPE_CLOSED, streamfilter_command
from streamfilter.cli.stopping import INTERRUPTED
from streamfilter.config import RunConfig, TrainConfig
from streamfilter.errors import StreamFilterError
from streamfilter.sinks import load_schema
from streamfilter.types import Rejection

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
README = PAGES[0].read_text("utf-8")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
STAGES = ("source", "sampler", "gate", "classifier", "rejector", "smoother", "sinks")


def commands(command: click.Command, name: str = "streamfilter") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups among them."""
    yield name, command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from commands(child, f"{name} {child.name}")


def options(command: click.Command) -> Iterator[str]:
    """Every long and short name of a command's options, those for help among them."""
    for parameter in command.get_params(click.Context(command, **streamfilter_command.context_settings)):
        if isinstance(parameter, click.Option):
            yield from (*parameter.opts, *parameter.secondary_opts)


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    return [text for kind, text in FENCE.findall(README) if kind == language]


def documented_lines() -> Iterator[list[str]]:
    """The arguments of every `streamfilter ...` line that the README shows."""
    for block in blocks("bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition("|")[0], comments=True)
            if words[:1] == ["streamfilter"]:
                yield words[1:]


def anchor(heading: str) -> str:
    """A heading's address, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def mentions(word: str) -> bool:
    """Whether the README has the word, whole."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", README) is not None


@pytest.mark.parametrize(("name", "command"), list(commands(streamfilter_command)))
def test_every_command_and_option_is_in_the_readme(name: str, command: click.Command) -> None:
    missing = [word for word in (name, *options(command)) if not mentions(word)]
    assert not missing


def test_every_option_in_the_readme_exists() -> None:
    known = {word for _, command in commands(streamfilter_command) for word in options(command)}
    written = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", re.sub(r"\]\([^)]*\)", "", README)))
    assert written - known == set()


@pytest.mark.parametrize("arguments", list(documented_lines()), ids=" ".join)
def test_every_command_line_in_the_readme_is_right_usage(arguments: list[str]) -> None:
    command: click.Command = streamfilter_command
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(command.name, arguments)


def test_every_setting_in_the_readme_exists() -> None:
    sections = "|".join(RunConfig.model_fields)
    written = set(re.findall(rf"`(?:--set )?({sections})\.(\w+)", README))
    assert written
    for section, key in written:
        kind = RunConfig.model_fields[section].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, BaseModel)
        assert key in kind.model_fields, f"{section}.{key}"


def test_the_defaults_that_the_readme_names_are_the_defaults() -> None:
    train, run = TrainConfig(), RunConfig()
    assert f"logos of {train.min_side * 100:g} to {train.max_side * 100:g} % of the scene" in " ".join(README.split())
    assert f"looks per second of video, {run.sampler.rate:g} unless told" in README
    assert f"32 pixels of a picture analysed at {train.short_side}:" in README


def test_the_readme_lists_exactly_the_exit_codes() -> None:
    def codes(kind: type[StreamFilterError]) -> set[int]:
        return {kind.exit_code}.union(*map(codes, kind.__subclasses__()))

    usage = click.UsageError.exit_code
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    written = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert written == sorted({0, usage, INTERRUPTED, PIPE_CLOSED} | codes(StreamFilterError))


def test_every_type_of_record_and_every_reason_is_in_the_readme() -> None:
    types = {kind["properties"]["type"]["const"] for kind in load_schema()["$defs"].values() if _is_record(kind)}
    assert "event_close" in types
    assert [word for word in (*types, *Rejection) if f"`{word}`" not in README] == []


def _is_record(kind: dict[str, object]) -> bool:
    properties = kind.get("properties")
    return isinstance(properties, dict) and "type" in properties


def test_the_example_in_the_readme_is_a_record_and_its_every_part_is_explained() -> None:
    (text,) = blocks("json")
    record = json.loads(text)
    jsonschema.validate(record, load_schema())
    assert record["type"] == "event_close"
    explained = README.partition("## The event log")[2].partition("## ")[0].replace(text, "")
    assert [key for key in record if f"`{key}`" not in explained] == []


def test_the_stages_stand_in_their_order() -> None:
    rows = re.findall(r"^\| (\w+) \|", README.partition("## How it works")[2], re.MULTILINE)
    assert tuple(row for row in rows if row in STAGES) == STAGES
    assert " ──► ".join(STAGES) in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_is_dead(page: Path) -> None:
    text = page.read_text("utf-8")
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    targets = [target for target in LINK.findall(text) if "://" not in target]
    dead = [t for t in targets if not (t[1:] in anchors if t.startswith("#") else (page.parent / t).exists())]
    assert not dead


def test_the_pictures_are_small() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    assert all((ROOT / picture).stat().st_size < 300_000 for picture in pictures)


def test_the_readme_says_which_network_the_demos_model_is() -> None:
    from streamfilter.demo.runner import MODEL
    from streamfilter.model import model_info

    architecture = model_info(MODEL)["network"]["architecture"]
    assert f"demo's model is a {architecture.replace('resnet', 'ResNet')}" in README


def test_the_changelog_knows_this_version() -> None:
    assert f"\n## {__version__}" in PAGES[1].read_text("utf-8")


def test_the_readmes_two_commands_are_the_scripts_that_ci_runs_too() -> None:
    written = [line.split()[0] for line in blocks("bash")[0].splitlines()]
    assert written == ["scripts/demo", "scripts/test"]
    for name in (*written, ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} cannot be run"
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text("utf-8")
