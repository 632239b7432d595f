"""The gallery through the command line: what is chosen, shown, withheld and said; tiny models on a FER2013 csv."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from pages import Tree, dom
from PIL import Image
from stored_results import NEVER, WRONG, Made, make, pgd
from toys import SmallConvToy, toy_card, toy_data, write_csv

from fer_bench.api import benchmark, replays
from fer_bench.api import results as readout
from fer_bench.bench import gallery, replay
from fer_bench.cli.main import main
from fer_bench.core.model_card import ModelCard
from fer_bench.data import DATASETS, redistributable
from fer_bench.errors import FetchError, UsageError
from fer_bench.faces import landmarks
from fer_bench.registry import Registry
from fer_bench.store.find import short
from reports.tables.results import Results
from reports.view import exhibits
from reports.view.gallery import SIDE, magnification, uri
from reports.write import listing

pytestmark = pytest.mark.slow

URI = re.compile(r'src="data:image/png;base64,([^"]+)" alt="([^"]*)"><span>([^<]*)</span>')


def agreed(*seeds: int) -> tuple[np.ndarray, list[int]]:
    """Twelve images on which the toys of these seeds agree, and what they say."""
    images = toy_data(100, SmallConvToy()).images
    with torch.no_grad():
        said = [SmallConvToy(gain=20, seed=seed)(images).argmax(1) for seed in seeds]
    kept = (said[0] == said[-1]).nonzero().squeeze(1)[:12]
    assert len(kept) == 12
    return (images[kept, 0] * 255).round().to(torch.uint8).numpy(), said[0][kept].tolist()


PIXELS, LABELS = agreed(0, 4)


def registry(**seeds: int) -> Registry[ModelCard]:
    models: Registry[ModelCard] = Registry("model", "ferbench.no-such-group")
    for name, seed in seeds.items():
        models.register(name, toy_card(name, lambda seed=seed: SmallConvToy(gain=20, seed=seed)))
    return models


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two models that are right on every image of a csv, under two norms; dlib replaced by a mean face."""
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as patch:
        write_csv(folder / "data" / "fer2013.csv", list(PIXELS), LABELS)
        patch.setattr("models_zoo.catalogue.MODELS", registry(ant=0, bee=4))
        patch.setenv("FERBENCH_CACHE", str(folder / "cache"))
        patch.setattr(landmarks, "_locate", lambda gray: landmarks.mean_face(*gray.shape))
        data = f"fer2013:{folder / 'data'}:test"
        benchmark.run_cells("ant,bee", "fgsm,pgdl2-5", data, eps="4/255,L2:0.5", out=folder / "results")
        yield folder / "results"


def report(results: Path, output: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["report", str(results), "-o", str(output), *words])


def shown(results: Path, output: Path, *words: str) -> str:
    done = report(results, output, "--gallery", *words)
    assert done.exit_code == 0, done.output
    return output.read_text(encoding="utf-8")


def pictures(page: str) -> list[tuple[np.ndarray, str, str]]:
    """Every picture of a page: its pixels, its alternative text, its words."""
    found = []
    for code, alt, words in URI.findall(page):
        with Image.open(io.BytesIO(base64.b64decode(code))) as image:
            found.append((np.asarray(image), alt, words))
    assert len(found) == page.count("data:image")
    return found


def section(page: str) -> str:
    start = page.index('<section aria-labelledby="gallery">')
    return page[start : page.index("</section>", start)]


def test_a_restricted_image_is_in_the_page_only_where_the_user_says_so(results, tmp_path):
    done = report(results, tmp_path / "r.html", "--gallery")
    assert done.exit_code == 0, done.output
    assert "gallery: fer2013, n = 12: its images are not known to be free to pass on" in done.stderr
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not [word for word in ("<img", "data:image", "base64", "img-src") if word in page]
    text = Tree(section(page)).text
    assert "--embed-restricted puts them in" in text
    assert text.count("(true: ") == text.count("sample ") > 4
    assert text.count("density ") >= 2 * (5 + 3) * 2
    assert len(pictures(shown(results, tmp_path / "e.html", "--embed-restricted"))) == 3 * text.count("(true: ")


def test_only_the_free_one_of_two_data_sets_is_pictured(results, tmp_path, monkeypatch):
    free = dataclasses.replace(DATASETS.get("fer2013"), name="free", redistributable=True)
    find = free.find

    def renamed(path, split):
        found = find(path, split)
        return dataclasses.replace(found, name="free", source=f"free:{path}:{split}")

    monkeypatch.setitem(DATASETS._items, "free", dataclasses.replace(free, find=renamed))
    open_data = toy_data(6, SmallConvToy(gain=20), seed=7)
    open_pixels = (open_data.images[:, 0] * 255).round().to(torch.uint8).numpy()
    write_csv(tmp_path / "free" / "fer2013.csv", list(open_pixels), open_data.labels.tolist())
    benchmark.run_cells("ant", "fgsm", f"free:{tmp_path / 'free'}:test", eps="4/255", out=tmp_path / "more")
    done = CliRunner().invoke(
        main, ["report", str(results), str(tmp_path / "more"), "-o", str(tmp_path / "r.html"), "--gallery"]
    )
    assert done.exit_code == 0, done.output
    clean = [pixels for pixels, _, words in pictures((tmp_path / "r.html").read_text()) if words == "clean"]
    assert clean
    assert all((open_pixels == pixels).all((1, 2)).any() for pixels in clean)


def test_pictures_and_words_are_those_of_a_replay(results, tmp_path):
    page = section(shown(results, tmp_path / "r.html", "--embed-restricted", "--gallery-samples", "2"))
    figures = page.split("<figure")[1:]
    assert len(figures) == 2 * len(re.findall('class="wall"', page))
    for figure in figures:
        (clean, _, _), (attacked, alt, _), (difference, _, words) = pictures(figure)
        cell, sample = re.search(r"cell (\w+), sample (\w+)", figure).groups()
        again = replays.replay(results, cell, sample, out=tmp_path / "again")
        with np.load(again.tensors) as exact:
            wanted, made = exact["clean"][0], exact["adversarial"][0]
        factor = float(words.removeprefix("difference \u00d7 "))
        assert (clean == PIXELS).all((1, 2)).any()
        assert np.array_equal(clean, np.round(wanted * 255))
        assert np.abs(attacked - made * 255).max() <= 0.51
        assert np.abs(difference - (127.5 + 255 * factor * (made - wanted))).max() <= 0.6
        assert np.abs(difference - 127.5).max() > 100  # magnified until it can be seen
        classes = again.cell.context.model_classes
        now = again.now
        change = f"{classes[now.label]} \u2192 {classes[now.attacked_prediction]}"
        assert change in Tree(f"<figure{figure.partition('</figure>')[0]}</figure>").text
        assert alt.endswith(f"predicted {classes[now.attacked_prediction]}")
        assert "Not as stored" not in figure


def test_images_that_fell_everywhere_come_first_and_classes_take_turns(tmp_path):
    labels = (0, 0, 0, 1, 1, 2, 2, 2)
    frames = make(
        tmp_path,
        Made([0.001, 0.001, NEVER, 0.001, 0.001, NEVER, WRONG, 0.001], pgd(2 / 255), model="ant", labels=labels),
        Made([0.001, 0.001, 0.001, 0.001, WRONG, NEVER, 0.001, NEVER], pgd(2 / 255), model="bee", labels=labels),
        Made([NEVER] * 8, pgd(2 / 255), model="cat", labels=labels),
        Made([0.001] * 8, pgd(8 / 255), model="cat", labels=labels),
        Made([NEVER] * 7 + [0.001], pgd(2 / 255, "fgsm"), model="ant", labels=labels),
    )
    names = frames.verdicts.loc[frames.verdicts["cell"] == 1, "sample"].tolist()
    of = {
        choice.wanted.cell.cell.model: (choice, [names.index(v.sample) for v in choice.wanted.verdicts])
        for choice in exhibits.choose(Results(frames), 4)
    }
    first = [sorted(group, key=names.__getitem__) for group in ([0, 1], [3])]
    common = [first[0][0], 3, first[0][1]]  # a class each, then the next of the first class
    assert of["ant"][1][:3] == of["bee"][1][:3] == common
    assert set(of["ant"][1]) == {0, 1, 3, 4, 7}
    assert set(of["bee"][1]) == {0, 1, 2, 3, 6}
    assert of["ant"][0].reading.attack == "pgd"
    assert of["cat"][1] == []  # at the smallest budget nothing fell
    assert all(v.fooled and v.clean_right for choice, _ in of.values() for v in choice.wanted.verdicts)


def test_a_model_or_data_set_that_is_gone_is_a_line_and_the_others_are_shown(results, tmp_path, monkeypatch):
    monkeypatch.setattr("models_zoo.catalogue.MODELS", registry(bee=4))
    done = report(results, tmp_path / "r.html", "--gallery")
    assert done.exit_code == 0, done.output
    assert "gallery: ant, fgsm@4/255: model 'ant' is not known here any more; install the package" in done.stderr
    text = Tree(section((tmp_path / "r.html").read_text())).text
    assert "Nothing to show:" in text
    assert "bee (" in text
    data = results.parent / "data"
    data.rename(tmp_path / "away")
    try:
        page = shown(results, tmp_path / "r.html", "--embed-restricted")
    finally:
        (tmp_path / "away").rename(data)
    assert "does not exist" in Tree(section(page)).text
    assert pictures(page) == []


def test_what_does_not_come_out_as_stored_is_shown_and_said(results, tmp_path, monkeypatch):
    monkeypatch.setattr("models_zoo.catalogue.MODELS", registry(ant=0, bee=9))
    page = section(shown(results, tmp_path / "r.html", "--embed-restricted"))
    figures = page.split("<figure")[1:]
    differing = [figure for figure in figures if "Not as stored" in figure]
    assert 0 < len(differing) < len(figures)
    assert all("model digest: stored" in figure and pictures(figure) for figure in differing)


def test_without_landmarks_the_bands_are_still_there(results, tmp_path, monkeypatch):
    def gone(*_: object) -> None:
        raise FetchError("the predictor cannot be fetched: offline.")

    monkeypatch.setattr(landmarks, "find", gone)
    done = report(results, tmp_path / "r.html", "--gallery")
    assert "gallery: Parts of the face are not known: the predictor cannot be fetched: offline." in done.stderr
    tree = Tree(section((tmp_path / "r.html").read_text()))
    assert [row[1:] for row in tree.rows["table-gallery-1-energy-1"]] == [[""] * 5] * 2
    for row in tree.rows["table-gallery-1-energy-2"]:
        assert sum(map(float, row[1:])) == pytest.approx(1)


def test_an_interruption_leaves_the_old_page_whole(results, tmp_path, monkeypatch):
    calls = []

    def stop(*given: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return replay.remake(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(gallery, "remake", stop)
    (tmp_path / "r.html").write_text("old")
    assert report(results, tmp_path / "r.html", "--gallery").exit_code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_text() == "old"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gallery-samples", "3"], "are for --gallery"),
        (["--embed-restricted"], "are for --gallery"),
        (["--gallery", "--weights", "wasp=x.pt"], "no model of this gallery is called 'wasp'; it has ant, bee"),
        (["--gallery", "-o", "page.md"], "leave --gallery out"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(results, tmp_path, words, said):
    done = report(results, tmp_path / "r.html", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_gallery_of_no_images_is_refused_from_python_too(results, tmp_path):
    with pytest.raises(UsageError, match="gallery=0 cannot be shown"):
        readout.report(results, tmp_path / "r.html", gallery=0)


def test_a_page_without_gallery_is_the_same_before_and_after_one(results, tmp_path):
    assert report(results, tmp_path / "a.html").exit_code == 0
    shown(results, tmp_path / "g.html")
    assert report(results, tmp_path / "b.html").exit_code == 0
    page = (tmp_path / "a.html").read_text()
    assert page == (tmp_path / "b.html").read_text()
    assert 'id="gallery"' not in page
    assert ".exhibit" not in page


def test_a_store_without_anything_to_show_and_hostile_names_are_a_clear_page(tmp_path):
    make(tmp_path / "none", Made([], error="The weights are gone.", n=4))
    assert "nothing to show" in section(shown(tmp_path / "none", tmp_path / "r.html"))
    make(tmp_path / "bad", Made([0.001, NEVER], model='<script>alert("1")</script>\u202e'))
    page = section(shown(tmp_path / "bad", tmp_path / "r.html"))
    assert "script" not in Tree(page).seen
    assert '<script>alert("1")</script>\\u202e' in Tree(page).text


def test_the_browser_takes_every_picture_and_complains_of_nothing(results, tmp_path):
    page = shown(results, tmp_path / "r.html", "--embed-restricted")
    ids = [value for name, value in Tree(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    seen = dom((tmp_path / "r.html").as_uri(), tmp_path / "profile")  # fails where the page's policy stops a picture
    assert seen.count("data:image/png") == len(pictures(page))


def test_no_bundled_data_set_may_be_passed_on_and_an_unknown_one_is_not_either():
    assert not [card.name for card in DATASETS if card.redistributable]
    assert "images only with --embed-restricted" in listing.dataset(DATASETS.get("fer2013"))
    assert not redistributable("nobody:/somewhere:test")


def test_the_magnification_is_the_number_that_is_told():
    assert magnification(np.full((1, 2, 2), -8 / 255)) == 15  # 15.9
    assert magnification(np.full((1, 2, 2), 1e-3)) == 500
    assert magnification(np.full((1, 2, 2), 0.7)) == 0.71
    assert magnification(np.zeros((1, 2, 2))) == 1


def test_a_large_picture_is_reduced_and_a_small_one_kept():
    large = np.random.default_rng(0).random((3, 2 * SIDE, SIDE))
    with Image.open(io.BytesIO(base64.b64decode(uri(large).partition(",")[2]))) as image:
        assert image.size == (SIDE // 2, SIDE)
    assert short("a" * 64) == "a" * 16
