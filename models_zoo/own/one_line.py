"""Models of the user's own, each from one line of text: a timm name and a file, a Python file, a model file, a folder.

A Python file is a program that its user named, and runs; nothing else does. What such a line does not say is
"unknown" on the card.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from fer_bench.core.labels import expression
from fer_bench.core.model_card import VALENCE_AROUSAL, LocalFile, ModelCard
from fer_bench.errors import FerBenchError, UsageError
from fer_bench.fetch.cards import local_file
from models_zoo.inputs import Input, parse_input
from models_zoo.own import hf_folder, timm_model
from models_zoo.preprocessing import Prepared
from models_zoo.weights.checkpoint import read_checkpoint, read_torchscript
from models_zoo.weights.state_dict import fill

#: File names that are TorchScript, or are said not to be.
_SCRIPTS = (".pt", ".pth", ".torchscript", ".ts")


def is_own(text: str) -> bool:
    """True for a text that names a model of the user's own rather than a registered one."""
    lower = text.lower()
    python = lower.endswith(".py") or ".py:" in lower
    return python or lower.startswith(("timm:", "hf:")) or lower.endswith((*_SCRIPTS, ".onnx"))


def own_card(text: str, classes: Sequence[str] = (), given: str = "") -> ModelCard:
    """The card of the model that `text` names; `classes` in the order of its outputs, `given` its input in words.

    Both may be left out where the model says them itself. Raises UsageError for what is missing or cannot be read.
    """
    lower = text.lower()
    if lower.startswith("timm:"):
        return _timm(text, classes, given)
    if lower.startswith("hf:"):
        return _folder(text, classes, given)
    if lower.endswith(".onnx"):
        return _onnx(text, classes, given)
    if lower.endswith(_SCRIPTS):
        wanted = parse_input(given)
        note = "The file runs its own graph, in torch's interpreter; it holds no Python."
        files = (local_file(text),)
        card = _file_card(
            text, files, classes, wanted, lambda paths: Prepared(read_torchscript(paths[0]), wanted), "TorchScript"
        )
        return dataclasses.replace(card, notes=(note,))
    return _python(text, classes)


def _card(
    text: str,
    name: str,
    classes: Sequence[str],
    described: str,
    files: tuple[LocalFile, ...],
    build: Callable[[Sequence[Path]], nn.Module],
    family: str,
) -> ModelCard:
    words = tuple(expression(word) for word in classes)
    return ModelCard(
        name=name.replace(",", "_"),
        title=text,
        task="va" if words == VALENCE_AROUSAL else "expression",
        classes=words,
        input=described,
        parameters=0,
        paper="unknown",
        year=0,
        licence="unknown",
        files=files,
        build=build,
        family=family,
        own=text,
        setup=(family, described),
    )


def _named(text: str, classes: Sequence[str]) -> Sequence[str]:
    if not classes:
        raise UsageError(
            f"the classes of '{text}' are not known; give them in the order of its outputs: --classes "
            "angry,disgust,... (valence,arousal for a regressor)."
        )
    return classes


def _file_card(
    text: str,
    files: tuple[LocalFile, ...],
    classes: Sequence[str],
    wanted: Input,
    build: Callable[[Sequence[Path]], nn.Module],
    family: str,
) -> ModelCard:
    return _card(text, files[0].member, _named(text, classes), str(wanted), files, build, family)


def _onnx(text: str, classes: Sequence[str], given: str) -> ModelCard:
    from models_zoo.weights import onnx_file, onnx_graph  # here: the package onnx is slow to import, and seldom needed

    file = local_file(text)
    files = (file, *(local_file(path) for path in onnx_file.files_beside(file.path)))
    wanted = parse_input(given) if given else onnx_file.declared_input(file.path)
    return _file_card(
        text, files, classes, wanted, lambda paths: Prepared(onnx_graph.read_onnx(paths, wanted), wanted), "ONNX"
    )


def _timm(text: str, classes: Sequence[str], given: str) -> ModelCard:
    architecture, at, path = text[len("timm:") :].partition("@")
    if not at or not path:
        raise UsageError(
            f"'{text}' names no weights; write timm:ARCHITECTURE@FILE, as in timm:resnet18@weights.safetensors."
        )
    timm_model.check_name(architecture)
    wanted = parse_input(given) if given else timm_model.wanted_input(architecture)
    words, file = _named(text, classes), local_file(path)

    def build(paths: Sequence[Path]) -> nn.Module:
        network = timm_model.create(architecture, len(words))
        fill(network, read_checkpoint(paths[0]))
        return Prepared(network, wanted)

    return _card(text, f"{architecture}@{file.path.stem}", words, str(wanted), (file,), build, architecture)


def _folder(text: str, classes: Sequence[str], given: str) -> ModelCard:
    folder = Path(text[len("hf:") :]).expanduser().absolute()
    files = tuple(local_file(path) for path in hf_folder.files(folder))
    wanted = parse_input(given) if given else hf_folder.wanted_input(folder)
    words = classes or hf_folder.classes(folder)
    return _card(
        text,
        f"hf:{folder.name}",
        _named(text, words),
        str(wanted),
        files,
        lambda paths: Prepared(hf_folder.build(paths), wanted),
        "Hugging Face folder",
    )


def _python(text: str, classes: Sequence[str]) -> ModelCard:
    """`FILE.py:NAME`: a function without arguments (or an nn.Module class) that makes the model, or a ModelCard."""
    path, colon, name = text.rpartition(":")
    if text.lower().endswith(".py"):  # also 'C:\\x.py', whose only colon is the drive's
        path, colon, name = text, "", ""
    if not colon or not name.isidentifier():
        raise UsageError(f"'{text}' names no builder; write FILE.py:FUNCTION, as in my_file.py:build.")
    file = local_file(path, code=True)
    found, stated = _run(file, name, text)
    words = classes or stated
    if isinstance(found, ModelCard):
        return dataclasses.replace(found, own=text, classes=tuple(words) or found.classes)
    if not callable(found) or isinstance(found, nn.Module):
        raise UsageError(f"'{name}' of {path} is a {type(found).__name__}; expected a function that builds the model.")
    make: Callable[[], nn.Module] = found
    name = f"{file.path.stem}:{name}"
    return _card(text, name, _named(text, words), "as its code says", (file,), lambda paths: make(), "own code")


def _run(file: LocalFile, name: str, text: str) -> tuple[object, Sequence[str]]:
    """Runs the user's file, and returns what it calls `name`, and its CLASSES where it states some."""
    module_name = f"ferbench_own_{file.sha256[:16]}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, file.path)
        if spec is None or spec.loader is None:
            raise UsageError(f"{file.path} cannot be read as a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # dataclasses and pickles look their module up there
        sys.path.insert(0, str(file.path.parent))  # its neighbours, as if it were run
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever the user's code raises
            del sys.modules[module_name]
            if isinstance(error, FerBenchError):
                raise
            raise UsageError(f"{file.path} cannot be run: {type(error).__name__}: {error}.") from error
        finally:
            sys.path.remove(str(file.path.parent))
    if not hasattr(module, name):
        raise UsageError(f"{file.path} defines no '{name}'; '{text}' needs it.")
    return getattr(module, name), tuple(getattr(module, "CLASSES", ()))
