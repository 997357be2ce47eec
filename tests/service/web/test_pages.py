"""What the pages tell, and that nothing in them can do harm."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from service.story import read_story, words
from service.web import pages
from service.web.reasons import REASONS, ago, in_words
from tests.service.serving import begin, new_body, send, served

from .conftest import EVIL, Shown, signed_in

VOID = {"meta", "input", "br"}


class Checked(HTMLParser):
    """Fails on what a strict policy would block, and on elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.figures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "iframe", "object", "embed", "link", "base"), tag
        assert not [name for name in given if name == "style" or name.startswith("on")], given
        if tag == "svg":
            self.figures.append(given.get("aria-label") or "")
            assert given.get("role") == "img"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.open)


def checked(answer: httpx.Response, status: int = 200) -> Checked:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = Checked()
    found.feed(answer.text)
    found.close()
    assert found.open == []
    return found


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.S)
    plain = html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ")
    return re.sub(r"\s+", " ", plain)


def test_the_first_page_lists_what_runs(shown: Shown, browser: httpx.Client) -> None:
    answer = browser.get("/")
    checked(answer)
    text, story = text_of(answer.text), read_story(shown.service.journal, shown.ids["law"])
    last = story.decisions[-1]
    row = text[text.index("brain-and-body") :]
    for said in ("running", "brains", "transfer_law", "act", f"{story.reached:,}", f"of {story.budget:,}", last.reason):
        assert said in row
    assert last.detail in row
    assert re.search(r"\d+ (s|min) ago|just now", row)
    assert "just-begun begun" in text
    assert "none yet" in text
    assert "advise, ct pinned at 50 %" in text
    assert "old-one" not in text
    assert "foreign" not in text
    assert "old-one archived" in text_of(browser.get("/?archived=true").text)


def test_names_are_text(shown: Shown, browser: httpx.Client) -> None:
    for where in ("/", f"/allocations/{shown.ids['evil']}"):
        answer = browser.get(where)
        checked(answer)
        assert "<script" not in answer.text
        assert EVIL in html.unescape(answer.text)


def test_an_allocation_with_a_law_tells_all(shown: Shown, browser: httpx.Client) -> None:
    answer = browser.get(f"/allocations/{shown.ids['law']}")
    found = checked(answer)
    chapters = re.findall(r'<section id="(\w+)"', answer.text)
    assert chapters == ["now", "mixture", "losses", "transfer", "ends", "prices"]
    story, text = read_story(shown.service.journal, shown.ids["law"]), text_of(answer.text)
    last, law = story.decisions[-1], story.last_law
    assert last.detail in text
    assert in_words(last.reason) in text
    for name, loss in story.final_losses.items():
        assert words.figure(loss) in text
        panel = next(label for label in found.figures if label.startswith(f"Held-out loss of {name}:"))
        assert f"last {words.figure(loss)}, predicted end" in panel
    assert law is not None
    assert {"Transfer matrix between domains", f"Mixture over {words.count(story.reached)} draws by domain"} <= set(
        found.figures
    )
    assert len(re.findall(r"\d more distinct", text)) == len([d for d in story.domains if d.pool is not None])
    band = re.search(r'<polygon points="([^"]+)" fill="rgba', answer.text)
    assert band is not None
    assert len(band.group(1).split()) > 20


def test_links_lead_to_what_is_known(shown: Shown, browser: httpx.Client, tmp_path: Path) -> None:
    page = browser.get(f"/allocations/{shown.ids['law']}").text
    links = re.findall(r'href="([^"#]+)"', page)
    assert f"/allocations/{shown.ids['law']}/report" in links
    assert any(link.startswith("http://tracking.example:5000/#") for link in re.findall(r'href="([^"]+)"', page))
    assert "experimentSearchFilter=brain-and-body" in page
    assert "https://ray.example/dash" in links
    assert "%3Cscript%3E" in browser.get(f"/allocations/{shown.ids['evil']}").text
    with served(f"sqlite:///{tmp_path / 's.db'}") as bare, bare.client() as client, signed_in(bare) as other:
        begin(client)
        for where in ("/", begin(client, "second").removeprefix("/v1")):
            assert not re.findall(r'href="https?:', other.get(where).text)


def test_the_full_report_runs_away_from_the_session(shown: Shown, browser: httpx.Client) -> None:
    answer = browser.get(f"/allocations/{shown.ids['law']}/report")
    assert answer.status_code == 200
    assert "plotly.js v" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox allow-scripts")


@pytest.mark.parametrize("which", ["begun", "evil", "old"])
def test_an_allocation_without_a_law_has_a_page(shown: Shown, browser: httpx.Client, which: str) -> None:
    answer = browser.get(f"/allocations/{shown.ids[which]}")
    checked(answer)
    assert 'id="transfer"' not in answer.text
    assert 'id="now"' in answer.text


def test_more_than_a_page_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROWS", 5)
    with served(f"sqlite:///{tmp_path / 's.db'}") as service, service.client() as client, signed_in(service) as browser:
        assert "Nothing here yet" in browser.get("/").text
        for number in range(8):
            begin(client, f"run-{number:02d}")
        first = browser.get("/")
        older = re.search(r'href="(/\?cursor=[^"]+)"', first.text)
        assert older is not None
        rest = browser.get(html.unescape(older.group(1)))
        checked(rest)
        names = [re.findall(r">(run-\d\d)<", page.text) for page in (first, rest)]
        assert names[0] + names[1] == [f"run-{number:02d}" for number in reversed(range(8))]
        assert len(names[0]) == 5


def test_many_domains_with_long_names(tmp_path: Path) -> None:
    names = [f"{'a' * 61}-{number}" for number in range(60)]
    with served(f"sqlite:///{tmp_path / 's.db'}") as service, service.client() as client, signed_in(service) as browser:
        answer = client.post("/v1/allocations", json=new_body("wide", domains=names))
        where = f"/v1/allocations/{answer.json()['id']}"
        share = dict.fromkeys(names, 50 / 60)
        report = {"position": 50, "draws": share, "eval_loss": dict.fromkeys(names, 1.5)}
        assert client.post(f"{where}/reports", json=report).status_code == 200
        page = browser.get(where.removeprefix("/v1"))
        found = checked(page)
        assert len([label for label in found.figures if label.startswith("Held-out loss")]) == 24
        assert "60 in all; the full report draws every one" in page.text
        checked(browser.get("/"))


def test_a_new_report_shows_at_once(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 's.db'}") as service, service.client() as client, signed_in(service) as browser:
        path = begin(client)
        for position in (50, 150):
            send(client, path, position)
            assert f'value="{position}"' in browser.get("/").text
        client.post(f"{path}/rewind", json={"position": 50})
        assert 'value="50"' in browser.get("/").text
        assert "attempt 2" in text_of(browser.get(path.removeprefix("/v1")).text)


def test_reasons_and_ages_in_words() -> None:
    assert in_words("kept: no gain beyond uncertainty") == REASONS["kept: no gain beyond uncertainty"]
    assert in_words("kept: something new") == REASONS["kept"]
    assert in_words("uniform") == ""
    said = [ago(seconds) for seconds in (-1, 4.9, 48, 75, 3700, 86400, 172800, 1e7)]
    assert said[:4] == ["just now", "just now", "48 s ago", "1 min ago"]
    assert said[4:] == ["1 h 01 min ago", "24 h 00 min ago", "2 days ago", "115 days ago"]
