#!/usr/bin/env python3
"""Opens reports in headless Chromium by way of chromedriver: browse.py PAGE... [--shots PREFIX]

Of a single run it points at a token and moves with the arrow keys; of several it looks at the
table. Fails unless the page answers, and if the console has an error. With --shots it also takes
pictures: 1280 pixels wide, light and dark, and 390 wide.
"""
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
RIGHT = "\ue014"


class Browser:
    def __init__(self, folder):
        self.port = 20000 + os.getpid() % 20000
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        self.session = ""
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-proxy-server", f"--user-data-dir={folder}"]
        options = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        for _ in range(100):
            try:
                self.call("/status", None)
                break
            except OSError:
                time.sleep(0.1)
        self.session = "/session/" + self.call("/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def call(self, path, body, method=None):
        url = f"http://127.0.0.1:{self.port}{self.session}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {error.read().decode()[:500]}")

    def run(self, script, *args):
        return self.call("/execute/sync", {"script": script, "args": list(args)})

    def find(self, selector):
        return self.call("/element", {"using": "css selector", "value": selector})

    def point(self, element, x, y):
        move = {"type": "pointerMove", "duration": 0, "origin": element, "x": x, "y": y}
        self.call("/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def keys(self, element, text):
        self.call(f"/element/{element[ELEMENT]}/value", {"text": text})

    def device(self, command, parameters):
        self.call("/goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": parameters})

    def close(self):
        self.call("", None, "DELETE")
        os.killpg(self.driver.pid, signal.SIGTERM)
        self.driver.wait()


def expect(condition, text):
    if not condition:
        sys.exit(f"FAILED: {text}")


def check(browser, page):
    browser.call("/url", {"url": "file://" + os.path.abspath(page)})
    expect(browser.run("return document.getElementById('title').textContent"), "the page has no title")
    expect(browser.run("return document.querySelectorAll('b[onmouseover], main script').length") == 0,
           "a name became markup")
    expect(browser.run("return document.querySelectorAll('.chart path').length") >= 2, "no curves are drawn")
    before = browser.run("return document.querySelector('.values').textContent")
    browser.keys(browser.find(".chart svg"), RIGHT)
    expect(browser.run("return document.querySelector('.values').textContent") != before, "a chart ignores arrow keys")
    if browser.run("return data.runs.length") > 1:
        expect(browser.run("return document.querySelectorAll('#compare .differs').length") > 0, "no options differ")
    else:
        check_inspector(browser)
    errors = [entry for entry in browser.call("/se/log", {"type": "browser"}) if entry["level"] != "INFO"]
    expect(not errors, f"the console says {errors}")
    wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    expect(wide <= 0, f"the page is {wide} pixels wider than the window")


def check_inspector(browser):
    expect(not browser.run("return document.getElementById('inspector').hidden"), "there is no inspector")
    readout = "return document.getElementById('token-readout').textContent"
    drawn = "return [...document.querySelectorAll('#maps canvas')].map(c => c.toDataURL()).join()"
    for selector in ("#maps canvas", "#maps canvas[aria-label^=Row]", "#text span:nth-child(3)"):
        if not browser.run("return document.querySelector(arguments[0]) !== null", selector):
            continue
        browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        old = browser.run(readout), browser.run(drawn)
        target = browser.find(selector)
        browser.point(target, -2 if "span" in selector else -40, 0)
        pointed = browser.run(readout), browser.run(drawn)
        expect(pointed[0] != old[0] and pointed[1] != old[1], f"pointing at {selector} changes nothing")
        browser.keys(browser.find("#text") if "span" in selector else target, RIGHT)
        expect(browser.run(readout) != pointed[0], f"{selector} ignores arrow keys")
    if browser.run("return document.querySelector('#text .mask') !== null"):
        browser.point(browser.find("#text .mask:nth-child(n + 2)"), 0, 0)
        expect(browser.run("return document.querySelectorAll('#guesses .meter').length") > 0, "no candidates are shown")


def take_shots(browser, prefix):
    for name, width, scheme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")):
        browser.device("setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        phone = width < 500
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        browser.device("setDeviceMetricsOverride", metrics)
        time.sleep(0.3)
        height = browser.run("window.scrollTo(0, 0); return document.documentElement.scrollHeight")
        wide = browser.run("return document.documentElement.scrollWidth")
        expect(wide <= width, f"{name}: the page is {wide} pixels wide, the window {width}")
        browser.device("setDeviceMetricsOverride", metrics | {"height": min(height, 12000)})
        time.sleep(0.3)
        with open(f"{prefix}-{name}.png", "wb") as file:
            file.write(base64.b64decode(browser.call("/screenshot", None)))
    browser.device("clearDeviceMetricsOverride", {})


def main():
    arguments = sys.argv[1:]
    shots = arguments[arguments.index("--shots") + 1] if "--shots" in arguments else None
    pages = [a for a in arguments if a.endswith(".html")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            for page in pages:
                check(browser, page)
                if shots:
                    take_shots(browser, shots)
        finally:
            browser.close()
    print(f"{len(pages)} pages work")


main()
