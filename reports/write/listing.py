"""Cards to text for a terminal: what `list` and `show` print. It looks nothing up."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fer_bench.core.attack_spec import describe_range
from fer_bench.core.model_card import CardFile, ModelCard, PackageFile, PublishedAccuracy, UserFile, WebFile
from reports.view.format import crop

if TYPE_CHECKING:
    from attacks.card import AttackCard
    from attacks.staged import SuiteCard
    from fer_bench.bench.examination import Examined
    from fer_bench.data import DatasetCard
    from fer_bench.data.survey import Survey

#: How many unreadable files, and how many sizes, are named.
_NAMED = 10
#: Width of columns that are cut; `show` has the whole.
_SHORT = 16
#: Up to this many characters the first column, by which things are named, is never folded.
_NAME_WIDTH = 32


def _render(table: Table) -> str:
    width = max(100, shutil.get_terminal_size((120, 24)).columns)
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(table)
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().splitlines())


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A plain table; text is taken literally. The first column, a name that may be copied, is not broken."""
    table = Table(box=None, pad_edge=False, header_style="", padding=(0, 2, 0, 0))
    written = list(rows)
    longest = max((len(row[0]) for row in written), default=0)
    for number, title in enumerate(header):
        table.add_column(
            title, overflow="fold", min_width=max(len(title), min(longest, _NAME_WIDTH) if number == 0 else 0)
        )
    for row in written:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    return _render(table)


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, value.replace("[", "\\["))
    return _render(table)


def models(cards: Iterable[ModelCard], status: Callable[[ModelCard], str]) -> str:
    """One line a model, short enough for a terminal; `status` says where its weights are."""
    shown = list(cards)
    rows = [
        (
            card.name,
            card.task,
            str(len(card.classes)),
            crop(_size(card.input), _SHORT),
            crop(_best(card), _SHORT),
            crop(card.licence, _SHORT),
            status(card).partition(":")[0],
            "yes" if card.verified else "no",
        )
        for card in shown
    ]
    header = ("model", "task", "classes", "input", "clean accuracy", "licence", "weights", "verified")
    verified = sum(card.verified for card in shown)
    legend = (
        f"{len(shown)} models, {verified} of them verified here with their weights. `ferbench models show NAME` says "
        "all that is known of one."
    )
    return f"{grid(header, rows)}\n{legend}"


def _size(text: str) -> str:
    """The first words of a card's input: '224x224 RGB' of '224x224 RGB, normalised as for ImageNet'."""
    return text.partition(",")[0].partition(" in [")[0]


def _best(card: ModelCard) -> str:
    if not card.accuracy:
        return "unknown"
    stated = max(card.accuracy, key=lambda accuracy: (accuracy.n or 0, accuracy.split == "test"))
    return f"{stated.value:.3f} {stated.data.partition(',')[0]}"


def model(card: ModelCard, status: str) -> str:
    """Everything a model's card says."""
    pairs = [
        ("model", card.name),
        ("title", card.title),
        ("task", card.task),
        ("family", card.family),
        ("paper", card.paper),
        ("year", str(card.year or "unknown")),
        ("classes", ", ".join(card.classes)),
        ("input", card.input),
        ("parameters", f"{card.parameters:,}" if card.parameters else "unknown"),
        ("trained on", card.trained_on),
        ("licence", card.licence),
        ("defended", "yes" if card.defended else "no"),
        ("weights", status),
    ]
    pairs += [("file", _file(file)) for file in card.files]
    pairs += [("accuracy", _accuracy(stated)) for stated in card.accuracy]
    if card.contaminated:
        pairs.append(("contaminated?", card.contaminated))
    pairs += [("note", note) for note in card.notes]
    return _facts([*pairs, ("digest", card.digest)])


def examined(name: str, found: Examined) -> str:
    """What an examination found in a model."""
    rate = found.accuracy
    clean = "not measured" if rate is None else f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"
    pairs = [("model", name), ("images", f"{found.n:,}"), ("clean accuracy", clean)]
    pairs += [(finding.code, finding.reason) for finding in found.findings] or [("findings", "none")]
    return _facts(pairs)


def _accuracy(stated: PublishedAccuracy) -> str:
    n = "unknown" if stated.n is None else f"{stated.n:,}"
    return f"{stated.value:.4f} on {stated.data} {stated.split}, n = {n} ({stated.source})"


def _file(file: CardFile) -> str:
    if isinstance(file, PackageFile):
        where = f"{file.registry} {file.package} {file.version}: {file.member}"
        return f"{where}, {file.size:,} bytes, sha256 {file.sha256}"
    if isinstance(file, WebFile):
        return f"{file.url}, {'' if file.size is None else f'{file.size:,} bytes, '}git blob {file.blob}"
    if isinstance(file, UserFile):
        return f"yours to bring: {file.what}, offered at {file.page}"
    return f"{file.path}, {file.size:,} bytes, sha256 {file.sha256}"


def attacks(cards: Iterable[AttackCard]) -> str:
    """One line an attack."""
    rows = (
        (
            card.name,
            "/".join(card.norms) + (" minimum" if card.minimum_norm else ""),
            "yes" if card.targeted else "no",
            "yes" if card.gradient else "no",
            card.rows,
            card.forwards,
            card.backwards,
            ", ".join(f"{p.name}={p.default}" for p in card.parameters) or "none",
            f"refused: {card.notes[0]}" if card.status == "refused" else card.status,
        )
        for card in cards
    )
    header = ("attack", "norm", "targeted", "gradients", "rows", "forwards", "backwards", "defaults", "status")
    return grid(header, rows)


def attack(card: AttackCard) -> str:
    """Everything an attack's card says."""
    budget = (
        "none: it searches the smallest perturbation" if card.minimum_norm else "eps, a budget for pixels in [0, 1]"
    )
    pairs = [
        ("attack", card.name),
        ("title", card.title),
        ("source", card.source),
        ("norms", ", ".join(card.norms)),
        ("budget", budget),
        ("targeted", "yes: target=CLASS, least-likely or random" if card.targeted else "no"),
        ("region", "region=NAME confines it to a part of the face" if card.regional else "no"),
        ("gradients", "needed" if card.gradient else "not needed"),
        ("rows", card.rows),
        ("fooled rows", "answered from cache" if card.freeze else "computed on"),
        (
            "keeps",
            "the first adversarial image" if card.record == "first" else "the smallest adversarial image",
        ),
        ("draws", card.draws),
        ("large logits", "may mask it: its gradient rounds to zero" if card.masked_by_scale else "do not mask it"),
        ("forwards", f"{card.forwards} a sample that does not fall"),
        ("backwards", f"{card.backwards} a sample that does not fall"),
        ("status", card.status),
        ("version", str(card.version)),
    ]
    pairs += [("parameter", f"{p.name}={p.default}: {p.meaning}; {describe_range(p)}") for p in card.parameters]
    return _facts([*pairs, *(("note", note) for note in card.notes)])


def suites(cards: Iterable[SuiteCard]) -> str:
    """One line a suite: its stages in order."""
    rows = ((card.name, "/".join(card.norms), " > ".join(_stages(card)), card.title) for card in cards)
    return grid(("suite", "norm", "stages, each on what the ones before left standing", "what it is"), rows)


def suite(card: SuiteCard) -> str:
    """Everything a suite's card says."""
    pairs = [
        ("suite", card.name),
        ("also called", ", ".join(card.aliases) or "-"),
        ("title", card.title),
        ("source", card.source),
        ("norms", ", ".join(card.norms)),
        ("budget", "eps, a budget for pixels in [0, 1], the same for every stage"),
        ("its number", "share of samples that withstand every stage; a stage's kills are not its robust accuracy"),
    ]
    pairs += [("stage", stage) for stage in _stages(card)]
    return _facts([*pairs, *(("note", note) for note in card.notes)])


def _stages(card: SuiteCard) -> list[str]:
    return [
        f"{name}({','.join(f'{key}={value}' for key, value in settings)})" if settings else name
        for name, settings in card.stages
    ]


def datasets(cards: Iterable[DatasetCard]) -> str:
    """One line a data set."""
    rows = ((c.name, c.title, "yes" if c.needs_path else "no", ", ".join(c.splits) or "-", c.licence) for c in cards)
    return grid(("data set", "what it is", "bring it", "splits", "licence"), rows)


def dataset(card: DatasetCard) -> str:
    """What a data set's card says."""
    pairs = [
        ("data set", card.name),
        ("title", card.title),
        ("classes", ", ".join(card.classes) or "those that are found"),
        ("layouts", card.layouts),
        ("splits", ", ".join(card.splits) or "-"),
        ("licence", card.licence),
        ("in reports", "images may be embedded" if card.redistributable else "images only with --embed-restricted"),
    ]
    return _facts(pairs)


def survey(found: Survey) -> str:
    """What is in a data set that was looked through."""
    contents = found.contents
    pairs = [("source", contents.source), ("images", f"{found.images:,}{_forms(found)}")]
    if contents.classes:
        counts = [f"{name} {count:,}" for name, count in zip(contents.classes, found.counts, strict=True)]
        pairs.append(("classes", ", ".join(counts)))
    if found.unlabelled:
        pairs.append(("no class", f"{found.unlabelled:,} images"))
    pairs += [(s.name, f"{s.low:.3f} to {s.high:.3f}, mean {s.mean:.3f}") for s in found.spreads]
    labels = f", {found.disputed:,} of them under another label" if found.disputed else ""
    pairs.append(("duplicates", f"{found.duplicates:,} images equal another one{labels}"))
    pairs += [("other split", f"{count:,} of these images are in {split} too") for split, count in found.shared]
    pairs.append(("unreadable", f"{len(found.unreadable):,} images" if found.unreadable else "none"))
    pairs += [("", message) for message in found.unreadable[:_NAMED]]
    if len(found.unreadable) > _NAMED:
        pairs.append(("", f"and {len(found.unreadable) - _NAMED:,} more"))
    pairs.append(("digest", found.digest or "none: the set cannot be used as it is"))
    return _facts([*pairs, *(("note", note) for note in contents.notes)])


def _forms(found: Survey) -> str:
    if len(found.forms) <= 1:
        return "".join(f", {form}" for form, _ in found.forms)
    more = f" and {len(found.forms) - _NAMED} other sizes" if len(found.forms) > _NAMED else ""
    return ": " + "; ".join(f"{count:,} of {form}" for form, count in found.forms[:_NAMED]) + more
