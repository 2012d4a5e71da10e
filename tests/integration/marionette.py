"""Drives Debian's Firefox by Marionette, its own remote protocol: one process, several windows.

playwright-core, which drives Chromium here, cannot drive a Firefox that its makers did not patch, and
speaks a newer WebDriver BiDi than this one.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import tempfile

from harness import DEADLINE_S, wait_until

ENTER = "\ue007"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that WebDriver has for a reference
START_S = 60
PREFERENCES = {"browser.aboutwelcome.enabled": False, "marionette.port": 0, "app.normandy.enabled": False,
               "datareporting.policy.dataSubmissionEnabled": False,
               "network.captive-portal-service.enabled": False,
               "network.connectivity-service.enabled": False}


class Firefox:
    """Ends with close(); a command that fails raises AssertionError."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="weir-firefox-")
        folder = self.profile.name
        with open(os.path.join(folder, "user.js"), "w", encoding="utf-8") as f:
            for name, value in PREFERENCES.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        self.popen = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "HOME": folder})
        self.socket, self.number = None, 0
        try:
            self.socket = socket.create_connection(("127.0.0.1", self._port()), timeout=START_S)
            self.stream = self.socket.makefile("rb")
            self._read()  # its greeting
            self.call("WebDriver:NewSession")
        except BaseException:
            self.close()
            raise

    def _port(self):
        path = os.path.join(self.profile.name, "MarionetteActivePort")

        def read():
            if not os.path.exists(path):
                return 0
            with open(path, encoding="ascii") as f:
                return int(f.read() or 0)

        return wait_until(read, "Firefox listens to Marionette", START_S)

    def close(self):
        if self.socket is not None:
            self.socket.close()
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # ended before
        self.popen.wait()
        self.profile.cleanup()

    def _read(self):
        size = b""
        while not size.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise AssertionError("Firefox is gone")
            size += byte
        return json.loads(self.stream.read(int(size[:-1])))

    def call(self, command, **arguments):
        self.number += 1
        text = json.dumps([0, self.number, command, arguments]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, number, error, result = self._read()
        if number != self.number or error is not None:
            raise AssertionError(f"{command}: {error}")
        return result.get("value", result) if isinstance(result, dict) else result

    def window(self, url, width=1000, height=760):
        return Window(self, url, width, height)


class Window:
    """A page in a window of its own."""

    def __init__(self, firefox, url, width, height):
        self.firefox = firefox
        self.handle = firefox.call("WebDriver:NewWindow", type="window")["handle"]
        self.call("WebDriver:SetWindowRect", width=width, height=height)
        self.call("WebDriver:Navigate", url=url)

    def call(self, command, **arguments):
        self.firefox.call("WebDriver:SwitchToWindow", handle=self.handle, focus=True)
        return self.firefox.call(command, **arguments)

    def run(self, script, *arguments):
        """The value that the body of a function returns."""
        return self.call("WebDriver:ExecuteScript", script=script, args=list(arguments))

    def run_async(self, script, *arguments):
        """The value that it gives to its last argument."""
        return self.call("WebDriver:ExecuteAsyncScript", script=script, args=list(arguments),
                         scriptTimeout=int(DEADLINE_S * 6000))

    def wait_for(self, script, *arguments):
        return wait_until(lambda: self.run(script, *arguments), script, 6 * DEADLINE_S)

    def type(self, selector, text):
        found = self.call("WebDriver:FindElement", using="css selector", value=selector)
        self.call("WebDriver:ElementSendKeys", id=found[ELEMENT], text=text)

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("WebDriver:TakeScreenshot", full=False)))
