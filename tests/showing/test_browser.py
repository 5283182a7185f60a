"""The page in a real browser: nothing is complained of, everything that moves works."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest

from curate.showing.report import report
from tests.showing.making import HOSTILE, write_set

pytestmark = pytest.mark.browser

NAME = HOSTILE.replace("/", "")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report about two sets of 40 images, one of which has a name that would like to run."""
    folder = tmp_path_factory.mktemp("page")
    scores = {f"drive/{n:03d}": round(0.05 + 0.9 * n / 40, 3) for n in range(39)}
    paths = [
        write_set(folder, "city", scores | {NAME: 0.01}, failed=["zz"], method=NAME),
        write_set(folder, "town", {f"t{n}": 0.3 + 0.01 * n for n in range(5)}, seed=1, method=NAME),
    ]
    return report(paths, out=folder / "report.html", project=folder).out


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")
    driver, program = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or program is None:
        pytest.skip("there is no chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1280,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    opened = webdriver.Chrome(options=options, service=service)
    yield opened
    opened.quit()


@pytest.fixture
def shown(browser, page):
    """The page, newly opened; what the browser complained of fails the test."""
    browser.set_window_size(1280, 900)
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def find(browser, selector):
    return browser.find_element("css selector", selector)


def find_all(browser, selector):
    return browser.find_elements("css selector", selector)


def press(browser, selector):
    """Press a button by the keyboard."""
    find(browser, selector).send_keys("\ue007")  # Enter


def style(browser, selector, name):
    code = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return browser.execute_script(code, selector, name)


def slide(browser, selector, value):
    """Move a slider as a hand would: the page is told by an event."""
    code = "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
    browser.execute_script(f"{code} s.dispatchEvent(new Event('input'))", selector, value)


def type_into(browser, name, text):
    box = find(browser, f"#images input[aria-label='Filter {name}']")
    box.clear()
    box.send_keys(text)


def column(browser, name):
    heads = [cell.get_attribute("data-name") for cell in find_all(browser, "#images thead th")]
    place = heads.index(name) + 1
    return [cell.text for cell in find_all(browser, f"#images tbody td:nth-child({place})")]


def test_page_asks_for_nothing(shown):
    code = "return performance.getEntriesByType('resource').map(e => e.name)"
    assert [name for name in shown.execute_script(code) if not name.startswith("data:")] == []


def test_hostile_names_are_shown_and_do_nothing(shown):
    assert "<script>alert(1)<script>" in find(shown, "#sheet").text
    assert "<script>alert(1)<script>" in find(shown, "#images").text
    assert shown.execute_script("return document.scripts.length") == 2


def test_injected_script_would_not_run(browser, page):
    browser.get(page.as_uri())
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s)"
    )
    assert browser.execute_script("return window.ran") is None
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def test_slider_fades_labels_and_scores_over_the_photo(shown):
    assert style(shown, ".row .overlay", "opacity") == "1"
    slide(shown, "#fade", 30)
    assert style(shown, ".row .overlay", "opacity") == "0.3"


def test_slider_obeys_the_keyboard(shown):
    from selenium.webdriver.common.keys import Keys

    find(shown, "#fade").send_keys(Keys.HOME)
    assert style(shown, ".row .overlay", "opacity") == "0"
    find(shown, "#fade").send_keys(Keys.ARROW_RIGHT)
    assert style(shown, ".row .overlay", "opacity") == "0.01"


def test_one_kind_of_rows_is_shown_at_a_time(shown):
    def visible():
        rows = find_all(shown, "[data-rows]")
        return [each.get_attribute("data-rows") for each in rows if each.is_displayed()]

    assert visible() == ["lowest"]
    press(shown, "[data-kind=highest]")
    assert visible() == ["highest"]
    assert find(shown, "[data-kind=highest]").get_attribute("aria-pressed") == "true"
    assert find(shown, "[data-kind=lowest]").get_attribute("aria-pressed") == "false"


def test_image_opens_large_and_fades_from_image_to_scores(shown):
    from selenium.webdriver.common.keys import Keys

    button = find(shown, ".row .open")
    button.send_keys(Keys.ENTER)
    assert find(shown, "#large").is_displayed()
    assert find(shown, "#large-h").text == button.text

    def opacities():
        pictures = find_all(shown, "#large-stack img")
        return [float(picture.value_of_css_property("opacity")) for picture in pictures]

    assert opacities() == [1, 0, 0]
    slide(shown, "#large-fade", 50)
    assert opacities() == [1, 0.5, 0]
    slide(shown, "#large-fade", 200)
    assert opacities() == [1, 1, 1]
    find(shown, "#large-fade").send_keys(Keys.ESCAPE)
    assert not find(shown, "#large").is_displayed()


def test_cut_tells_what_it_keeps(shown):
    slide(shown, "#cut-share", 200)
    assert find(shown, "#cut-text").text == "50 %"
    assert find(shown, "#cut-summary").text.startswith("23 of 45 images are kept, with 51.1 %")
    assert find(shown, "#cut-command").text == "curate export-subset --top 50% --by image"
    rows = [" ".join(row.text.split()) for row in find_all(shown, "#cut-table tbody tr")]
    assert rows[0] == "a 8,640 4,416 51.1 %"
    assert [row.split()[0] for row in rows] == ["a", "b", "Set", "Set"]


def test_cut_goes_by_region_and_weight_too(shown):
    press(shown, "#cut-unit [data-name=region]")
    slide(shown, "#cut-share", 100)
    assert find(shown, "#cut-summary").text.startswith("23 of 90 regions are kept")
    press(shown, "#cut-rank [data-name=weight]")
    assert find(shown, "#cut-command").text.endswith("--by region --rank-by weight")
    press(shown, "#cut-unit [data-name=pixel]")
    assert "cells are kept" in find(shown, "#cut-summary").text


def test_table_sorts_by_every_column(shown):
    first = column(shown, "score")
    assert first == sorted(first)
    for head in ("image", "set", "score", "weight", "valid pixels"):
        for order in ("ascending", "descending"):
            press(shown, f"#images th[data-name='{head}'] button")
            assert find(shown, f"#images th[data-name='{head}']").get_attribute("aria-sort") == (
                order
            )
            cells = [cell for cell in column(shown, head) if cell != "\N{EN DASH}"]
            ordered = sorted(cells, key=str.lower, reverse=order == "descending")
            if head != "image":  # which sorts by code
                assert cells == ordered
        find(
            shown, f"#images th[data-name='{'status' if head != 'status' else 'set'}'] button"
        ).click()


@pytest.mark.parametrize(
    ("head", "text", "count"),
    [
        ("image", "DRIVE/00", 10),
        ("set", "town", 5),
        ("status", "unreadable", 1),
        ("score", "<0.1", 4),
        ("score", "0.3..0.34", 6),
        ("score", ">= .9", 1),
        ("score", "0.01", 1),
        ("image", "nothing", 0),
    ],
)
def test_table_filters_by_every_column(shown, head, text, count):
    type_into(shown, head, text)
    assert find(shown, "#table-count").text == f"{count} of 46 images"


def test_filters_work_together_and_are_cleared(shown):
    type_into(shown, "set", "city")
    type_into(shown, "score", "<0.1")
    assert find(shown, "#table-count").text == "4 of 46 images"
    press(shown, "#clear")
    assert find(shown, "#table-count").text == "46 of 46 images"


def test_filter_that_is_no_number_is_marked_and_hides_nothing(shown):
    type_into(shown, "score", "low")
    box = find(shown, "#images input[aria-label='Filter score']")
    assert box.get_attribute("aria-invalid") == "true"
    assert find(shown, "#table-count").text == "46 of 46 images"


def test_table_turns_its_pages(shown):
    assert find(shown, "#page-text").text == "Page 1 of 2"
    assert not find(shown, "#previous").is_enabled()
    first = column(shown, "image")
    press(shown, "#next")
    assert find(shown, "#page-text").text == "Page 2 of 2"
    assert not set(first) & set(column(shown, "image"))
    assert not find(shown, "#next").is_enabled()


def test_class_brings_its_columns(shown):
    code = "const s = document.querySelector('#class-choice'); s.value = '1';"
    shown.execute_script(f"{code} s.dispatchEvent(new Event('change'))")
    assert set(column(shown, "share of b")) == {"0.500"}
    assert column(shown, "score of b")[0] == "0.990"  # what is left to 1
    type_into(shown, "score of b", "<0.2")
    assert find(shown, "#table-count").text == "5 of 46 images"


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_page_follows_the_system_s_theme(shown, scheme, is_dark):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def red():
        return int(style(shown, "body", "backgroundColor").split("(")[1].split(",")[0])

    assert (red() < 128) is is_dark
    press(shown, "#theme")  # light
    assert red() > 128
    press(shown, "#theme")  # dark
    assert red() < 128
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_text_stands_out_from_what_is_behind_it(shown):
    code = """
    const luminance = (text) => {
      const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => {
        const c = v / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let e = element; e; e = e.parentElement) {
        const colour = getComputedStyle(e).backgroundColor;
        if (!colour.startsWith("rgba")) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const low = [];
    for (const element of document.querySelectorAll("main *, header *")) {
      const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
      if (!own || !element.offsetParent || element.disabled) continue;
      const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance);
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) low.push([element.outerHTML, contrast]);
    }
    return low;
    """
    for theme in ("light", "dark"):
        shown.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        assert shown.execute_script(code) == []


def test_everything_that_is_operated_has_a_name(shown):
    code = """
    return [...document.querySelectorAll("button, input, select, a, svg[role=img], [role=region]")]
      .filter((e) => !e.getAttribute("aria-label") && !e.textContent.trim() && !e.labels?.length)
      .map((e) => e.outerHTML.slice(0, 120));
    """
    assert shown.execute_script(code) == []


def test_headings_go_down_one_level_at_a_time(shown):
    code = (
        "return [...document.querySelectorAll('main h1, main h2, main h3')].map(h => +h.tagName[1])"
    )
    levels = shown.execute_script(code)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_page_fits_a_telephone(shown):
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    code = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert shown.execute_script(code) <= 0
    shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
