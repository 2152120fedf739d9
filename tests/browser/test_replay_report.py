"""The HTML page of ``panda replay``, opened from its file in Chromium."""

from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.browser.conftest import Browser
from tests.support.replay_runs import ReplayRun, replayed, write_walks

DESKTOP, PHONE = 1280, 390
CHARTS = ("equity", "price", "daily", "trade", "exposure")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ReplayRun:
    folder = tmp_path_factory.mktemp("replay")
    write_walks(folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PANDA_DATA_DIR", str(folder / "data"))
        monkeypatch.setenv("PANDA_RISK_MAX_POSITION", "20")
        monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)
        monkeypatch.delenv("PANDA_DATABASE_URL", raising=False)
        return replayed(folder / "r.html", "--timezone", "Asia/Kolkata", "--capital", "25000")


def drawn(browser: Browser, chart: str) -> Any:
    """How many lines, marks and bars of a chart have a place on the screen."""
    return browser.ask(
        "const drawn = (selector) => [...document.querySelectorAll(`#chart-${arguments[0]} "
        ".cartesianlayer ${selector}`)].filter((one) => one.getBoundingClientRect().width).length;"
        "return {lines: drawn('.js-line'), marks: drawn('.points path.point'),"
        " bars: drawn('.bars .point path')}",
        chart,
    )


def visible_range(browser: Browser, chart: str = "price") -> list[str]:
    """The first and the last moment of a chart's axis."""
    found: list[str] = browser.ask(
        "return document.getElementById(`chart-${arguments[0]}`)._fullLayout.xaxis.range", chart
    )
    return found


def value(browser: Browser, selector: str) -> str:
    """What programs are to read from a field of the page."""
    found = browser.driver.find_element(By.CSS_SELECTOR, f"{selector} data")
    return found.get_attribute("value") or ""


@pytest.mark.parametrize(("width", "is_phone"), [(DESKTOP, False), (PHONE, True)])
def test_charts_are_drawn_and_nothing_is_wider_than_the_window(
    browser: Browser, run: ReplayRun, width: int, is_phone: bool
) -> None:
    browser.show(run.page, width=width, is_phone=is_phone)
    assert browser.ask("return innerWidth") == width
    assert {name: drawn(browser, name)["lines"] for name in ("equity", "exposure")} == {
        "equity": 2,
        "exposure": 2,
    }
    price = drawn(browser, "price")
    assert price["lines"] == 1
    assert price["marks"] > 30
    assert min(drawn(browser, name)["bars"] for name in ("daily", "trade")) > 5
    widths = [
        browser.ask(
            "return document.querySelector(`#chart-${arguments[0]} .main-svg`)"
            ".getBoundingClientRect().right",
            name,
        )
        for name in CHARTS
    ]
    assert max(widths) <= width
    assert browser.ask("return document.documentElement.scrollWidth") == width
    assert browser.ask(
        "return [...document.querySelectorAll('.scroll')]"
        ".every((box) => box.getBoundingClientRect().right <= innerWidth)"
    )


def test_it_asks_nothing_of_the_network_and_has_no_errors(browser: Browser, run: ReplayRun) -> None:
    browser.show(run.page, width=DESKTOP)
    picture = browser.ask(
        "return Plotly.toImage(document.getElementById('chart-equity'), {format: 'png'})"
    )
    assert picture.startswith("data:image/png;base64,")
    asked, _ = browser.requests()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [run.page.as_uri()]
    assert browser.complaints() == []


def test_what_the_page_would_not_load_is_refused(browser: Browser, run: ReplayRun) -> None:
    browser.show(run.page, width=DESKTOP)
    browser.ask(
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)"
    )
    WebDriverWait(browser, 10).until(
        lambda it: any("Content Security Policy" in said for said in it.complaints())
    )
    _, blocked = browser.requests()
    assert "csp" in blocked


def test_the_numbers_shown_are_those_of_the_json(browser: Browser, run: ReplayRun) -> None:
    browser.show(run.page, width=DESKTOP)
    statistics = run.facts["statistics"]
    for field in ("net_profit", "total_return", "sharpe_ratio", "max_drawdown", "trades"):
        assert value(browser, f"[data-field={field}]") == str(statistics["all"][field])
    assert value(browser, "[data-field=time_in_market]") == str(statistics["time_in_market"])
    shown = browser.driver.find_element(By.CSS_SELECTOR, "[data-field=net_profit]").text
    assert shown == f"{float(statistics['all']['net_profit']):,.2f}"
    fees = browser.driver.find_element(By.CSS_SELECTOR, "[data-field=fees]").text
    assert fees == statistics["all"]["reasons"]["fees"]
    rejected = browser.driver.find_element(By.ID, "rejections").text.splitlines()
    (code, count), *_ = run.facts["rejections"].items()
    assert rejected == ["reason count", f"{code} {count:,}"]
    assert run.facts["fingerprint"]["whole"] in browser.driver.find_element(By.ID, "run").text


@pytest.mark.parametrize("token", ["1001", "1002"])
def test_an_instrument_can_be_chosen(browser: Browser, run: ReplayRun, token: str) -> None:
    browser.show(run.page, width=DESKTOP)
    choice = Select(browser.driver.find_element(By.ID, "instrument"))
    by_token = run.facts["statistics"]["instruments"]
    assert {option.text for option in choice.options} == {*by_token, "1003"}
    choice.select_by_visible_text("1003")
    assert browser.driver.find_element(By.ID, "price-note").text == "It was not traded."
    assert drawn(browser, "price")["marks"] == 0
    choice.select_by_visible_text(token)
    chart = browser.driver.find_element(By.ID, "chart-price")
    WebDriverWait(browser, 10).until(lambda _: f"price of {token}" in chart.text)
    note = browser.driver.find_element(By.ID, "price-note").text
    assert note.startswith(f"{by_token[token]['trades']:,} closed trades")
    assert drawn(browser, "price")["marks"] > 30


def test_dragging_over_prices_zooms_and_a_button_shows_all_again(
    browser: Browser, run: ReplayRun
) -> None:
    browser.show(run.page, width=DESKTOP)
    whole = visible_range(browser)
    area = browser.driver.find_element(By.CSS_SELECTOR, "#chart-price .nsewdrag")
    actions = ActionChains(browser.driver)
    actions.scroll_to_element(area).move_to_element_with_offset(area, -200, 0)
    actions.click_and_hold().move_by_offset(150, 5).move_by_offset(150, 5).release().perform()
    zoomed = WebDriverWait(browser, 10).until(
        lambda it: None if visible_range(it) == whole else visible_range(it)
    )
    assert whole[0] < zoomed[0] < zoomed[1] < whole[1]
    # A double click does so as well; whether two clicks are one depends on how busy the machine is.
    button = "#chart-price .modebar-btn[data-attr=zoom][data-val=reset]"
    ActionChains(browser.driver).move_to_element(area).perform()
    browser.driver.find_element(By.CSS_SELECTOR, button).click()
    WebDriverWait(browser, 10).until(lambda it: visible_range(it) == whole)


def test_on_a_phone_a_finger_scrolls_and_the_small_chart_zooms(
    browser: Browser, run: ReplayRun
) -> None:
    browser.show(run.page, width=PHONE, is_phone=True)
    assert (
        browser.ask("return document.getElementById('chart-price')._fullLayout.dragmode") is False
    )
    whole = visible_range(browser)
    handle = browser.driver.find_element(By.CSS_SELECTOR, ".rangeslider-grabarea-min")
    actions = ActionChains(browser.driver)
    actions.scroll_to_element(handle).move_to_element(handle)
    actions.click_and_hold().move_by_offset(60, 0).move_by_offset(40, 0).release().perform()
    zoomed = WebDriverWait(browser, 10).until(
        lambda it: None if visible_range(it) == whole else visible_range(it)
    )
    assert whole[0] < zoomed[0] < zoomed[1]


def test_it_follows_the_dark_theme(browser: Browser, run: ReplayRun) -> None:
    browser.show(run.page, width=DESKTOP)
    script = (
        "const font = document.getElementById('chart-equity')._fullLayout.font.color;"
        "return [getComputedStyle(document.body).backgroundColor, font]"
    )
    light = browser.ask(script)
    theme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", theme)
    WebDriverWait(browser, 10).until(
        lambda it: all(one != other for one, other in zip(it.ask(script), light, strict=True))
    )
    assert browser.ask(script) == ["rgb(18, 22, 28)", "#e7ebf0"]
