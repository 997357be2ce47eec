"""Who gets in, how a session ends, and what a page lets nobody do."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import httpx
import pytest

from service.api import Settings
from service.api.gate import COOKIE
from service.hosting import HostSettings
from service.journal import Journal
from service.tokens import Sessions, Vault
from service.tokens.sessions import LIFE, MOST
from tests.service import postgres
from tests.service.serving import begin, served

from .conftest import Shown, signed_in
from .test_pages import checked, text_of

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MISSING = "/allocations/a-0123456789abcdef"


def enter(browser: httpx.Client, token: str, to: str = "/", **headers: str) -> httpx.Response:
    return browser.post("/sign-in", data={"token": token, "to": to}, headers=headers)


@pytest.mark.parametrize("where", ["/", MISSING, f"{MISSING}/report", "/allocations", "/allocations/x/y"])
def test_without_a_session_there_is_only_the_form(stranger: httpx.Client, where: str) -> None:
    answer = stranger.get(where)
    assert answer.status_code == 303
    to = where if where.startswith(MISSING) else "/"
    assert answer.headers["location"] == f"/sign-in?to={to}"
    form = stranger.get(answer.headers["location"])
    checked(form)
    assert f'name="to" value="{to}"' in form.text
    assert 'type="password"' in form.text


def test_signing_in_leads_on_and_hides_the_token(shown: Shown, stranger: httpx.Client) -> None:
    token, where = shown.service.vault.create("brains", "read")[1], f"/allocations/{shown.ids['begun']}"
    answer = enter(stranger, token, where, Origin=shown.service.url)
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", f"Max-Age={LIFE}", "Path=/"):
        assert word in cookie
    assert "Secure" not in cookie
    secret, value = token.rsplit("_", 1)[1], stranger.cookies[COOKIE]
    assert secret not in str(answer.headers)
    with shown.service.journal.reading() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM sessions").all())
    assert value not in rows
    assert secret not in rows
    assert stranger.get(where).status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", "isth_0123456789ab_" + "A" * 43, "\ud83d\ude00", "'; DROP TABLE tokens; --"]
)
def test_a_token_that_is_none(shown: Shown, stranger: httpx.Client, token: str) -> None:
    answer = enter(stranger, token.encode("utf-16", "surrogatepass").decode("utf-16"), Origin=shown.service.url)
    checked(answer, 401)
    assert "This token is not valid" in text_of(answer.text)
    assert "set-cookie" not in answer.headers
    assert not token or token == "x" or token not in answer.text


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "/docs", "javascript:x"])
def test_nobody_is_sent_elsewhere(shown: Shown, stranger: httpx.Client, to: str) -> None:
    token = shown.service.vault.create("brains", "read")[1]
    assert enter(stranger, token, to, Origin=shown.service.url).headers["location"] == "/"
    assert 'name="to" value="/"' in stranger.get("/sign-in", params={"to": to}).text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OURS"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
    ],
    ids=str,
)
def test_forms_of_other_sites_do_nothing(shown: Shown, browser: httpx.Client, headers: dict[str, str]) -> None:
    headers = {name: shown.service.url if value == "OURS" else value for name, value in headers.items()}
    token = shown.service.vault.create("brains", "read")[1]
    answer = enter(browser, token, **headers)
    checked(answer, 403)
    assert "set-cookie" not in answer.headers
    checked(browser.post("/sign-out", headers=headers | FORM), 403)
    assert browser.get("/").status_code == 200


def test_signed_out_is_out_wherever_the_cookie_went(shown: Shown, browser: httpx.Client) -> None:
    stolen = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    assert httpx.get(f"{shown.service.url}/", headers=stolen).status_code == 200
    answer = browser.post("/sign-out", headers=FORM | {"Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in browser.cookies
    assert httpx.get(f"{shown.service.url}/", headers=stolen).status_code == 303


def test_signing_in_again_ends_the_session_before(shown: Shown, browser: httpx.Client) -> None:
    before = browser.cookies[COOKIE]
    enter(browser, shown.service.vault.create("brains", "read")[1], Origin=shown.service.url)
    assert browser.cookies[COOKIE] != before
    answer = httpx.get(f"{shown.service.url}/", headers={"Cookie": f"{COOKIE}={before}"})
    assert answer.status_code == 303


def test_sessions_end_with_time_with_their_token_and_in_number(store_url: str) -> None:
    now = [1000.0]
    with Journal(store_url) as store:
        vault = Vault(store, clock=lambda: now[0], remembered=0)
        sessions = Sessions(store, vault, clock=lambda: now[0])
        token, _ = vault.create("brains", "read")
        other, _ = vault.create("brains", "read", days=0.1)
        values = [sessions.begin(token)]
        lasting = sessions.begin(other)
        assert sessions.check(values[0]) == token
        for _ in range(MOST):
            now[0] += 1
            values.append(sessions.begin(token))
        assert sessions.check(values[0]) is None
        assert all(sessions.check(value) == token for value in values[1:])
        assert sessions.check(lasting) == other
        now[0] += 0.1 * 86400
        assert sessions.check(lasting) is None
        now[0] += LIFE
        assert sessions.check(values[-1]) is None
        fresh = sessions.begin(token)
        with store.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 1
        vault.revoke(token.id)
        assert sessions.check(fresh) is None
        for wrong in ("", "x", values[0] + "=", "é" * 43, "'" * 43):
            assert sessions.check(wrong) is None
            sessions.end(wrong)


def test_cookie_and_token_do_not_stand_for_each_other(shown: Shown, browser: httpx.Client) -> None:
    assert browser.get("/v1/allocations").status_code == 401
    assert browser.post("/v1/allocations", json={}).status_code == 401
    with shown.service.client("admin") as program:
        assert program.get("/").status_code == 303


def test_another_project_does_not_exist(shown: Shown, browser: httpx.Client) -> None:
    for end in ("", "/report"):
        there = browser.get(f"/allocations/{shown.ids['foreign']}{end}")
        missing = browser.get(f"{MISSING}{end}")
        checked(there, 404)
        assert there.text == missing.text
    with signed_in(shown.service, project="hearts") as other:
        assert "brain-and-body" not in other.get("/?archived=true").text
        assert other.get(f"/allocations/{shown.ids['foreign']}").status_code == 200
        assert other.get(f"/allocations/{shown.ids['law']}").status_code == 404


def test_secure_over_tls_and_a_proxy_is_believed_only_if_told(tmp_path: Path) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "isthmus.example",
        "Origin": "https://isthmus.example",
    }
    for trusting in (False, True):
        settings = Settings(behind_proxy=trusting)
        with served(f"sqlite:///{tmp_path / f'{trusting}.db'}", settings) as service:
            token = service.vault.create("brains", "read")[1]
            with httpx.Client(base_url=service.url) as far:
                answer = enter(far, token, **forwarded)
                assert answer.status_code == (303 if trusting else 403)
                assert ("Secure" in answer.headers.get("set-cookie", "")) is trusting


def test_headers_let_nothing_foreign_in(shown: Shown, browser: httpx.Client, stranger: httpx.Client) -> None:
    pages = [browser.get("/"), browser.get(f"/allocations/{shown.ids['law']}"), browser.get(MISSING)]
    for answer in [*pages, stranger.get("/sign-in")]:
        policy = answer.headers["content-security-policy"]
        sheets = re.findall(r"<style>(.*?)</style>", answer.text, flags=re.S)
        assert len(sheets) == 1
        told = base64.b64encode(hashlib.sha256(sheets[0].encode()).digest()).decode()
        assert f"style-src 'sha256-{told}'" in policy
        assert "unsafe" not in policy
        for word in ("default-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
            assert word in policy
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r'(src|action)="?https?:', answer.text)


def test_too_fast_is_told_in_a_page(tmp_path: Path) -> None:
    settings = Settings(rate=2, burst=4, strangers=3)
    with served(f"sqlite:///{tmp_path / 's.db'}", settings) as service, signed_in(service) as browser:
        answers = [browser.get("/") for _ in range(8)]
        assert [answer.status_code for answer in answers[:4]] == [200] * 4
        checked(answers[-1], 429)
        assert int(answers[-1].headers["retry-after"]) >= 1
        with httpx.Client(base_url=service.url) as guesser:
            guesses = [enter(guesser, "isth_x", Origin=service.url).status_code for _ in range(12)]
        assert guesses[0] == 401
        assert guesses[-1] == 429


ODD = ["/?cursor=x", "/?cursor=", "/?archived=maybe", "/?cursor=WzEsImEiXQ", "/allocations/", "/allocations/%00",
       "/allocations/%2e%2e%2fetc", "/allocations/a-0123456789ABCDEF", "/allocations/" + "a" * 5000,
       "/sign-in?to=%ff%00", "/sign-in?to=" + "a" * 5000, "/?x=%ed%a0%80"]  # fmt: skip


@pytest.mark.parametrize("where", ODD)
def test_odd_addresses_are_no_failure(browser: httpx.Client, where: str) -> None:
    answer = browser.get(where)
    checked(answer, answer.status_code)
    assert answer.status_code in (200, 404, 422)


BODIES = [b"", b"token", b"&" * 50, b"token=%ff%fe", b"\xff\xfe", b"a=1&" * 2000, b"token=" + b"x" * 100_000]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_odd_forms_are_no_failure(shown: Shown, stranger: httpx.Client, body: bytes) -> None:
    headers = FORM | {"Origin": shown.service.url}
    answer = stranger.post("/sign-in", content=body, headers=headers)
    checked(answer, answer.status_code)
    assert answer.status_code in (401, 422)
    for cookie in ("x", '"', "a=b; ;;=", f"{COOKIE}=" + "A" * 4000):
        stranger.cookies.clear()
        assert stranger.get("/", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 303
        assert stranger.post("/sign-out", content=body, headers=headers | {"Cookie": cookie}).status_code == 303


def test_what_is_no_form_or_too_large(tmp_path: Path, shown: Shown, stranger: httpx.Client) -> None:
    checked(stranger.post("/sign-in", json={"token": "x"}), 415)
    with served(f"sqlite:///{tmp_path / 's.db'}", Settings(max_body=2000)) as service:
        large, headers = {"token": "x" * 3000}, {"Origin": service.url}
        checked(httpx.post(f"{service.url}/sign-in", data=large, headers=headers), 413)
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        assert stranger.request(method, "/", headers=FORM).status_code in (405, 415)


def test_pages_are_not_in_the_document_of_the_interface(shown: Shown) -> None:
    paths = shown.service.app.openapi()["paths"]
    assert not [
        path for path in paths if not path.startswith("/v1") and path not in ("/healthz", "/readyz", "/metrics")
    ]


@pytest.mark.parametrize("url", ["mlflow", "javascript:alert(1)", "http://", "ftp://x", "http://a b", "http://[x"])
def test_links_that_are_no_pages(url: str) -> None:
    with pytest.raises(ValueError, match="give the URL of a page"):
        Settings(mlflow=url)
    with pytest.raises(ValueError, match="dashboard is"):
        Settings(dashboard=url)


@pytest.mark.slow
def test_a_lost_database_is_told_in_a_page() -> None:
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with (
        postgres.server() as server,
        served(server.url("lost"), hosting=HostSettings(patience=1.0)) as service,
        service.client() as client,
        signed_in(service) as browser,
    ):
        path = begin(client).removeprefix("/v1")
        server.stop("immediate")
        for where in ("/", path):
            answer = browser.get(where)
            checked(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
            assert "not-a-secret" not in answer.text
        server.start()
        assert browser.get(path).status_code == 200
