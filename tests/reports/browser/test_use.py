"""The page in the hands of a reader, in a real browser: keyboard, hints, a phone, paper, forced colours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import CHROMIUM, HOSTILE
from playwright.sync_api import Browser, Page, sync_playwright
from stored_results import CONTEXT, NEVER, WRONG, Made, cw, make, pgd

from reports.tables.frames import Frames
from reports.tables.results import Results
from reports.write import html

pytestmark = pytest.mark.slow

#: What Tab must reach, in the page's order.
CONTROLS = "a[href], button, input, select, summary, [tabindex='0']"
FLAGGED = dataclasses.replace(CONTEXT, contaminated="It was trained on the test images.", family="other")


def store(folder: Path) -> Frames:
    """Three models, one of them flagged, under several attacks; more columns than a narrow page or a sheet holds."""
    cells = []
    for model, context in (("ant", CONTEXT), ("bee", FLAGGED), ("cat", CONTEXT)):
        for eps in (0.25, 0.5, 1, 2, 3, 4, 6, 8):
            cells.append(Made([NEVER, 0.001, 0.001, WRONG], pgd(eps / 255), model=model, context=context))
            cells.append(
                Made(
                    [NEVER, NEVER, 0.001, WRONG],
                    pgd(eps / 255, "pgd(region=outside-core)"),
                    model=model,
                    context=context,
                )
            )
        cells.append(Made([0.2, 0.3, 0.6, WRONG], cw(), model=model, context=context))
    return make(folder, *cells)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no chromium or google-chrome on the path; install one (apt-get install chromium)")
    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    html.write_html(Results(store(path.parent / "store")), path)
    return path.as_uri()


@pytest.fixture
def page(browser: Browser, written: str) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        opened = context.new_page()
        problems: list[str] = []
        opened.on("console", lambda message: problems.append(message.text))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("request", lambda request: problems.append(request.url) if request.url != written else None)
        opened.goto(written)
        yield opened
        assert problems == []


def models(page: Page) -> list[str]:
    return page.locator("#table-1 tbody tr:not([hidden]) .name").all_inner_texts()


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(page):
    wanted = page.evaluate(
        """(controls) => {
          const shown = (e) => e.checkVisibility() && !e.closest("details:not([open]) > :not(summary)");
          window.wanted = [...document.querySelectorAll(controls)].filter(shown);
          return window.wanted.length;
        }""",
        CONTROLS,
    )
    seen, hidden = [], []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        place, outline, inside = page.evaluate(
            """() => {
              const [e, style] = [document.activeElement, getComputedStyle(document.activeElement)];
              const at = e.getBoundingClientRect();
              const inside = at.right > 0 && at.bottom > 0 && at.left < innerWidth && at.top < innerHeight;
              const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
              return [window.wanted.indexOf(e), outline, inside];
            }"""
        )
        seen.append(place)
        if outline < 2 or not inside:
            hidden.append(place)
    assert wanted > 60
    assert seen == list(range(wanted))
    assert hidden == []


def test_the_first_stop_skips_the_contents_and_the_last_returns_to_them(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator(".back").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "contents"


def test_the_table_is_sorted_searched_filtered_and_narrowed_by_keys_alone(page):
    assert models(page) == ["ant", "bee", "cat"]
    page.locator("#table-1 thead button").nth(1).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert models(page) == ["cat", "bee", "ant"]
    assert page.locator("#announcement").inner_text() == "Sorted by model, descending."
    page.locator("#table-1 thead button").nth(2).focus()
    page.keyboard.press("Shift+Enter")  # a second key: all are equal in accuracy
    assert page.locator("#announcement").inner_text() == "Sorted by model, descending; then accuracy, descending."
    page.locator("input[type=search]").focus()
    page.keyboard.type("a toy other")
    assert models(page) == ["bee"]
    for _ in "a toy other":
        page.keyboard.press("Backspace")
    page.keyboard.press("Tab")  # to the first filter, the family
    page.keyboard.type("toys")
    assert models(page) == ["cat", "ant"]
    page.locator(".columns summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert (
        page.locator("#table-1 thead tr:last-child th:visible").count() + 1
        == page.locator("#table-1 thead tr:last-child th").count()
    )
    assert "hide=2" in page.evaluate("location.hash")


def test_a_flag_tells_its_reason_under_the_pointer_and_the_focus(page):
    badge = page.locator("#table-1 .badge").first
    reason = "It was trained on the test images."
    for show, hide in (
        (badge.focus, lambda: page.keyboard.press("Escape")),
        (badge.focus, lambda: page.keyboard.press("Tab")),
        (badge.hover, lambda: page.locator("h1").hover()),
    ):
        page.evaluate("document.activeElement.blur()")
        show()
        assert page.locator("#hint").inner_text() == reason
        assert (
            page.evaluate(
                "e => document.getElementById(e.getAttribute('aria-describedby')).textContent", badge.element_handle()
            )
            == reason
        )
        hide()
        assert not page.locator("#hint").is_visible()


def test_intervals_of_squares_are_written_out_by_a_button(page):
    square = page.locator("#table-heat-1 td.square[title]").first
    below = "e => getComputedStyle(e, '::after').content"
    assert square.evaluate(below) == "none"
    button = page.locator("section[aria-labelledby=heat] button", has_text="Show details")
    button.focus()
    page.keyboard.press("Enter")
    assert square.evaluate(below) == f'"{square.get_attribute("title")}"'
    assert " to " in square.evaluate(below)
    assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert square.evaluate(below) == "none"


def test_a_row_leads_to_its_profile_its_card_and_its_command(page):
    for words, place in (("detail", "article.profile h3"), ("card", ".cards article"), ("reproduce", "figure.command")):
        link = page.locator("#table-1 tbody tr", has_text="bee").get_by_text(words, exact=False).first
        link.focus()
        page.keyboard.press("Enter")
        target = page.locator(f"{place}[id='{page.evaluate('location.hash.slice(1)')}']")
        assert target.locator("bdi").first.inner_text() == "bee"
        assert target.evaluate(
            "e => { const at = e.getBoundingClientRect(); return at.top >= 0 && at.top < innerHeight; }"
        )


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_scrolls_inside_its_tables_only(browser, tmp_path, width):
    cells = []
    for at, name in enumerate(HOSTILE):
        classes = (name, *CONTEXT.model_classes[1:])
        own = dict.fromkeys(("model_title", "family", "licence"), name) | dict.fromkeys(
            ("model_classes", "data_classes"), classes
        )
        context = dataclasses.replace(CONTEXT, **own)
        cells.append(Made([NEVER, 0.01], model=name, digest=f"{at}" * 64, context=context))
        cells.append(Made([NEVER, 0.01], cw(), model=name, digest=f"{at}" * 64, context=context))
    html.write_html(Results(make(tmp_path / "store", *cells)), tmp_path / "report.html")
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        opened = context.new_page()
        opened.goto((tmp_path / "report.html").as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth") == width
        beyond = (
            """all => all.map(e => e.getBoundingClientRect().right - e.parentElement.getBoundingClientRect().right)"""
        )
        assert max(opened.locator("th > bdi, td > bdi").evaluate_all(beyond)) <= 0  # no name covers a number
        tall = opened.locator("tbody tr").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
        assert max(tall) < 500


def test_paper_holds_every_table_and_figure_and_what_is_folded(browser, written):
    """A4 landscape less its margins is 273 mm, 1031 pixels of 1/96 inch; the screen is dark, paper is not."""
    with browser.new_context(viewport={"width": 1031, "height": 700}, color_scheme="dark") as context:
        opened = context.new_page()
        opened.goto(written)
        opened.emulate_media(media="print", color_scheme="dark")
        edges = opened.locator("table, svg, pre").evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
        assert max(edges) <= 1032
        assert opened.locator("article details table").first.evaluate("e => e.checkVisibility() && e.offsetHeight > 20")
        assert not opened.locator(".tools, nav, .back, .skip").first.is_visible()
        colour = "getComputedStyle(document.querySelector('.s0 polyline')).stroke"
        assert opened.evaluate(colour) == "rgb(11, 92, 173)"  # as on white


def test_forced_colours_are_those_of_the_drawings_too(browser, written):
    """Browsers leave drawings alone; the page gives them the reader's text colour, and bars an outline in it."""
    with browser.new_context(forced_colors="active") as context:
        opened = context.new_page()
        opened.goto(written)
        ink = opened.evaluate("getComputedStyle(document.body).color")
        for what, name in (
            (".s1 polyline", "stroke"),
            (".name-of", "fill"),
            ("svg .axis", "fill"),
            (".bar", "outlineColor"),
        ):
            assert opened.locator(what).first.evaluate(f"e => getComputedStyle(e).{name}") == ink
