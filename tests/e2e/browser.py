"""Chromium without a window, driven through its own protocol (DevTools) over a pipe: no port, no library."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

PROGRAMS = ["chromium-headless-shell", "chromium"]


class Browser:
    """One page. Everything that it asks for, says on its console or throws is kept."""

    def __init__(self, width=1280, height=900, arguments=()):
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        assert program, "chromium-headless-shell is not installed (./dev test installs it)"
        self.profile = tempfile.mkdtemp(prefix="browser-")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        def pipes():
            # 3 is what it reads from, 4 what it writes to; neither may be among those that are moved.
            read, write = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.log = open(os.path.join(self.profile, "log"), "w")
        self.process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--no-proxy-server", "--hide-scrollbars", "--disable-lcd-text",
             f"--user-data-dir={self.profile}", f"--window-size={width},{height}", *arguments, "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.number, self.answers, self.arrived = os.fdopen(ours_out, "wb", 0), 0, {}, threading.Condition()
        self.requests, self.errors, self.over = [], [], False
        threading.Thread(target=self.read, args=(os.fdopen(ours_in, "rb", 0),), daemon=True).start()
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.send(f"{domain}.enable")
        self.send("Performance.enable", timeDomain="threadTicks")
        self.size(width, height)

    def read(self, source):
        rest = b""
        while piece := source.read(1 << 16):
            *whole, rest = (rest + piece).split(b"\0")
            for text in whole:
                self.heard(json.loads(text))
        with self.arrived:
            self.over = True
            self.arrived.notify_all()

    def heard(self, message):
        what, params = message.get("method"), message.get("params", {})
        with self.arrived:
            if "id" in message:
                self.answers[message["id"]] = message
            elif what == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif what == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"]))
            elif what == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(params["args"]))
            elif what == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                self.errors.append(f"{params['entry'].get('url', '')}: {params['entry']['text']}")
            self.arrived.notify_all()

    def command(self, method, session=None, **params):
        with self.arrived:
            self.number += 1
            number = self.number
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self.out.write(json.dumps(message).encode() + b"\0")
        with self.arrived:
            assert self.arrived.wait_for(lambda: number in self.answers or self.over, 60), f"no answer to {method}"
            answer = self.answers.pop(number, {"error": "the browser has ended"})
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def send(self, method, **params):
        return self.command(method, self.session, **params)

    def open(self, url):
        self.run("window.isLeft = true")
        self.send("Page.navigate", url=url)
        self.wait("!window.isLeft && document.readyState === 'complete'")

    def run(self, script):
        """The value of an expression; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script, what=None, seconds=60):
        """Until the expression is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"not true: {what or script}\n{self.run('document.body?.innerText')}\n{self.errors}"
            time.sleep(0.05)
        return value

    def press(self, key, text=None, modifiers=0):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        more = {"text": "\r" if key == "Enter" else key} if key in ("Enter", " ") else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code={" ": "Space"}.get(key, key), windowsVirtualKeyCode=codes.get(key, 0), modifiers=modifiers, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code={" ": "Space"}.get(key, key), windowsVirtualKeyCode=codes.get(key, 0), modifiers=modifiers)

    def type(self, text):
        self.send("Input.insertText", text=text)

    def busy(self):
        """Seconds of processor time that the page's own thread has used."""
        return next(one["value"] for one in self.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")

    def size(self, width, height):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self):
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)
