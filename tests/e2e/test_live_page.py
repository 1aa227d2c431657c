"""The live page in Chromium: under load, by keyboard, with hostile texts, with a token, light and dark; and who gets it at all."""
import json
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import Browser
from harness import Agent
from live_scene import Endpoint, Scene

TOKEN = "a-token-of-the-test"
HOSTILE = '</script><img src="http://evil.example/x" onerror="alert(1)">&lt;b&gt;\u202e\u0000{{7*7}}'
# The contrast of every text with what is behind it, as WCAG counts it; those below 4.5 are given back.
CONTRAST = """(() => {
  const parts = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return {rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1}; };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const b = parts(getComputedStyle(e).backgroundColor); if (b.a > 0.5) return b.rgb; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color).rgb), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([e.tagName, e.className, e.textContent.slice(0, 40), ratio]);
  }
  return low;
})()"""
UNNAMED = """[...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility() && !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
    .map((e) => e.outerHTML)"""


def text(browser, element):
    return browser.run(f"document.getElementById({element!r}).innerText")


def has(browser, element, words):
    return browser.wait(f"document.getElementById({element!r}).innerText.includes({json.dumps(words)})", f"{element} says {words!r}")


@pytest.fixture(scope="module")
def one_browser():
    one = Browser()
    yield one
    one.close()


@pytest.fixture
def browser(one_browser):
    one_browser.requests.clear()
    one_browser.errors.clear()
    one_browser.size(1280, 900)
    one_browser.scheme("light")
    yield one_browser
    one_browser.open("about:blank")


@pytest.fixture
def make_scene():
    scenes = []

    def make(**environment):
        scenes.append(Scene(**environment))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()


def expect_no_harm(browser, url):
    # The browser says by itself that the agent does not know a run (any more).
    assert [one for one in browser.errors if "/run?target=" not in one or "404" not in one] == []
    assert [one for one in browser.requests if not one.startswith((url, "data:"))] == []


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow(reason="half a minute of load"))])
def test_under_load_it_shows_what_fails_and_answers_its_user(make_scene, browser, seconds):
    scene, broken = make_scene(WEBHOOK_BREAKER_FAILURES="5"), Endpoint()
    browser.open(scene.url)
    has(browser, "state", "Ready")
    browser.run("window.began = performance.now()")
    busy_before = browser.busy()
    scene.offer_for_ever(1000)
    has(browser, "missed", "more than are shown")  # the agent tells of a part of them
    # The breaker opens and a probe fails every three seconds, so most of them wait for as long as this takes.
    scene.offer(*(f"r_broken{i}" for i in range(80)), url=broken.url + "/broken")
    has(browser, "conditions-list", broken.url)
    has(browser, "destinations", "only fails")
    browser.wait(f"performance.now() - window.began > {seconds * 1000}", seconds=seconds + 60)
    answered = browser.run("""(async () => {
      let answered = 0;
      for (let i = 0; i < 10; i++) {
        const before = document.getElementById('pause').getAttribute('aria-pressed');
        document.getElementById('pause').click();
        await new Promise((shown) => requestAnimationFrame(shown));
        answered += document.getElementById('pause').getAttribute('aria-pressed') !== before;
      }
      return answered;
    })()""")
    assert answered == 10
    assert browser.run("document.querySelectorAll('#flow-body tr').length") <= 151
    # Processor time, so that it is no more on a machine that is busy otherwise; a page that cannot follow does nothing but follow.
    assert browser.busy() - busy_before < browser.run("performance.now() - window.began") / 1000 / 2
    browser.run("document.getElementById('only').click()")
    has(browser, "flow-body", "the endpoint answered 500")
    browser.run("document.getElementById('filter').value = 'r_broken'; document.getElementById('filter').dispatchEvent(new Event('input'))")
    browser.wait("[...document.querySelectorAll('#flow-body button')].every((b) => b.textContent.startsWith('r_broken'))")
    browser.run("document.querySelector('#flow-body button').click()")
    has(browser, "steps", "the endpoint answered 500")
    has(browser, "facts", "FAILURE")
    has(browser, "facts", "DEAD_LETTER_DIR")  # the hint
    scene.offer_for_ever(0)
    assert browser.run(UNNAMED) == []
    for scheme in ["light", "dark"]:
        browser.scheme(scheme)
        assert browser.run(CONTRAST) == []
    dark = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.scheme("light")
    assert browser.run("getComputedStyle(document.body).backgroundColor") != dark
    browser.size(360, 800)
    assert browser.run("document.documentElement.scrollWidth") <= 360
    expect_no_harm(browser, scene.url)
    broken.close()


def test_every_control_is_reached_by_keyboard_and_a_restart_is_survived(make_scene, browser, tmp_path):
    (tmp_path / "mapping.json").write_text(json.dumps([{"enabled": '.context.runId != "r_unwanted"'}]))
    scene = make_scene(CONTROL_THE_PAYLOAD_CONFIG_PATH=str(tmp_path / "mapping.json"))
    scene.offer("r_1", path="/broken")
    browser.open(scene.url)
    has(browser, "flow-body", "r_1")
    has(browser, "destinations", scene.endpoint.url)
    reached = []
    for _ in range(20):
        browser.press("Tab")
        at = browser.run("document.activeElement.id || document.activeElement.textContent || document.activeElement.tagName")
        if at in reached:
            break
        reached.append(at)
    for control in ["Skip to deliveries", "pause", "filter", "only", "look-up", scene.endpoint.url, "r_1"]:
        assert control in reached, reached
    browser.run("[...document.querySelectorAll('#flow-body button')].find((b) => b.textContent === 'r_1').focus()")
    browser.press("Enter")
    browser.wait("document.activeElement.id === 'timeline'")
    has(browser, "steps", "the endpoint answered 500")
    browser.press("Escape")
    assert browser.run("document.activeElement.textContent") == "r_1"
    browser.run("document.getElementById('pause').focus()")
    browser.press(" ")
    has(browser, "link", "paused")
    scene.offer("r_2")
    has(browser, "link", "1 new")
    assert "r_2" not in text(browser, "flow-body")
    browser.press(" ")
    has(browser, "flow-body", "r_2")
    browser.run("document.getElementById('filter').focus()")
    browser.type("r_nobodys")
    browser.press("Enter")
    has(browser, "flow-none", "No run r_nobodys")
    scene.offer("r_unwanted")
    scene.agent.wait_log("no mapping wants the event")
    browser.run("document.getElementById('filter').value = 'r_unwanted'")
    browser.press("Enter")
    has(browser, "facts", "no mapping wants the event")
    browser.press("Escape")
    expect_no_harm(browser, scene.url)

    scene.agent.kill()
    has(browser, "state", "No answer")
    scene.agent = Agent(scene.environment)
    has(browser, "state", "Ready")
    browser.run("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input'))")
    scene.offer("r_3")
    has(browser, "flow-body", "r_3")
    assert "r_1" not in text(browser, "flow-body")  # another agent's


def test_hostile_texts_are_shown_as_texts(make_scene, browser):
    """The agent's page and policy, and a stream in which every text means harm."""
    scene = make_scene()
    with urllib.request.urlopen(scene.url, timeout=30) as answer:
        html, headers = answer.read(), answer.headers
    with urllib.request.urlopen(scene.url + "status.json", timeout=30) as answer:
        status = json.loads(answer.read())
    state = {**status, "readiness": {"ready": False, "reasons": [HOSTILE], "notes": [HOSTILE]}, "version": HOSTILE, "phase": HOSTILE,
             "conditions": [{"words": HOSTILE, "subject": HOSTILE, "reason": HOSTILE, "value": 1, "count": 2, "for_s": 3.0}],
             "destinations": {"count": 1, "list": [{"name": HOSTILE, "in_flight": 1, "waiting": 2, "breaker": "open", "open_for_s": 3.0, "paused": False, "last_cause": HOSTILE}]},
             "partitions": {"count": 1, "list": [{"topic": HOSTILE, "partition": 0, "not_done": 1, "lag": 1, "in_progress": 1,
                                                  "oldest": {"offset": 1, "run_id": HOSTILE, "waits_for": HOSTILE, "destination": HOSTILE}}]}}
    delivery = {"n": 1, "at": 1, "outcome": "failed", "run_id": HOSTILE, "topic": HOSTILE, "partition": 0, "offset": 1, "method": HOSTILE, "url": HOSTILE,
                "status": 500, "attempt": 1, "error_type": HOSTILE, "cause": HOSTILE, "hint": HOSTILE, "reported": HOSTILE}
    run = {"run_id": HOSTILE, "deliveries": [{"taken": "2026-01-01T00:00:00Z", "state": HOSTILE, "waits_for": HOSTILE, "url": HOSTILE, "attempts": 1}],
           "remembered": {"outcome": "failed", "tries": [{"at": "2026-01-01T00:00:00Z", "cause": HOSTILE}], "reported": HOSTILE, "port": HOSTILE}}
    stream = f"event: state\ndata: {json.dumps(state)}\n\nid: 1.1\nevent: deliveries\ndata: {json.dumps({'fresh': True, 'lost': 3, 'left_out': 0, 'list': [delivery]})}\n\n"
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Security-Policy", headers["Content-Security-Policy"])
            self.send_header("Content-Type", "text/html; charset=utf-8" if self.path == "/" else "application/json")
            self.end_headers()
            self.wfile.write({"/": html, "/events": stream.encode()}.get(self.path, json.dumps(run).encode()))
            self.wfile.flush()
            if self.path == "/events":
                over.wait()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    browser.open(url)
    for element in ["reasons", "about", "conditions-list", "destinations", "partitions", "flow-body"]:
        browser.wait(f"document.getElementById({element!r}).textContent.includes({json.dumps(HOSTILE)})", element)
    has(browser, "state", "Not ready")
    has(browser, "missed", "3 were missed")
    browser.run("document.querySelector('#flow-body button').click()")
    browser.wait(f"['facts', 'steps'].every((id) => document.getElementById(id).textContent.includes({json.dumps(HOSTILE)}))")
    assert browser.run("document.querySelectorAll('main img, main script, main b').length") == 0
    # Nor could a mistake in the page make markup of it.
    assert "TrustedHTML" in browser.run("(() => { try { document.body.innerHTML = '<p>'; return 'taken'; } catch (problem) { return String(problem); } })()")
    browser.errors[:] = [one for one in browser.errors if "TrustedHTML" not in one]
    expect_no_harm(browser, url)
    over.set()
    server.shutdown()
    server.server_close()


def test_where_a_token_is_needed_it_is_asked_for_and_kept_in_the_tab(make_scene):
    scene = make_scene(ADMIN_TOKEN=TOKEN)
    # By a name that is not this machine's own, as behind a proxy.
    browser = Browser(arguments=["--host-resolver-rules=MAP agent.example 127.0.0.1"])
    try:
        url = scene.url.replace("127.0.0.1", "agent.example")
        browser.open(url)
        browser.wait("document.activeElement.id === 'token'")
        assert not browser.run("document.getElementById('all').checkVisibility()")
        browser.type("wrong")
        browser.press("Enter")
        has(browser, "token-problem", "not the token")
        browser.type(TOKEN)
        browser.press("Enter")
        has(browser, "state", "Ready")
        assert browser.run("document.getElementById('token').value") == ""
        browser.open(url)
        has(browser, "state", "Ready")
        scene.offer("r_1")
        has(browser, "flow-body", "r_1")
        browser.run("document.querySelector('#flow-body button').click()")
        has(browser, "facts", "Port")
        browser.run("document.getElementById('forget').click()")
        browser.wait("document.getElementById('ask').checkVisibility() && sessionStorage.length === 0")
        assert not [one for one in browser.requests if TOKEN in one]
        # The browser itself says that a request was refused, and nothing else was wrong.
        assert [one for one in browser.errors if "/events" not in one or "403" not in one] == []
    finally:
        browser.close()


def get(scene, path="", **headers):
    request = urllib.request.Request(scene.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def test_who_may_not_see_runs_gets_no_page_or_an_empty_one(make_scene):
    scene, guarded = make_scene(), make_scene(ADMIN_TOKEN=TOKEN)
    assert get(scene)[0] == 200
    assert get(scene, Host="evil.example")[0] == 403
    assert get(guarded, Host="evil.example")[0] == 200
    for one in [scene, guarded]:
        assert get(one, "events", Host="evil.example")[0] == 403
        assert get(one, "events", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})[0] == 403
    assert get(guarded, "events", Host="evil.example", Authorization=f"Bearer {TOKEN}")[0] == 200
    headers = get(scene)[1]
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", policy["script-src"]) and re.fullmatch(r"'sha256-[\w+/=]+'", policy["style-src"])
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"], headers["Cache-Control"]) == ("nosniff", "DENY", "no-store")
