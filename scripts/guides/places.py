"""Where the commands of a guide run: a folder, the models beside it, and the servers that they start."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What is not there by then does not come.
PATIENCE = 60
# How long a command may take: those of AWS's own client wait for their stacks.
COMMAND = 180
# Any twelve digits are an account of the emulator.
ACCOUNT = "111122223333"


class Broken(Exception):
    """A command, a model or a server that does not do what the guide says."""


class Place:
    def __init__(self, guide):
        nestling = program("nestling")
        self.guide = guide
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"guide-{guide.name}-"))
        self.children = []
        self.exports = []
        self.server = None
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "nestling").symlink_to(nestling)
        (programs / "fly").symlink_to(ROOT / "scripts/guides/fly.py")
        if (aws := ROOT / "tests/guides/.venv/bin/aws").exists():
            (programs / "aws").symlink_to(aws)
        (self.folder / "deploy").symlink_to(ROOT / "deploy")
        for file in ("Makefile", "scripts"):
            (self.folder / file).symlink_to(ROOT / file)
        # Nothing of whoever runs this gets in.
        kept = {name: value for name, value in os.environ.items() if not re.match("NESTLING__|AWS_|FLY_", name)}
        self.port = free_port()
        self.environment = {**kept, "PATH": f"{programs}:{kept['PATH']}", "NESTLING__SERVER__LISTEN": f"127.0.0.1:{self.port}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            # As Ctrl-C does: a server ends what runs on it, too.
            child.send_signal(signal.SIGINT)
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command):
        """Runs it as a person would at a prompt; what it says."""
        if command.startswith("export "):
            self.exports.append(self.here(command))
            return ""
        if command.startswith("nestling serve"):
            self.serve(command)
            return ""
        script = "\n".join(["set -euo pipefail", *self.exports, self.here(command)])
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, timeout=COMMAND,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if done.returncode != 0:
            raise Broken(f"it ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def serve(self, command):
        """A server on the same data takes the place of the one before."""
        if self.server:
            self.server.terminate()
            self.server.wait(PATIENCE)
        script = "\n".join([*self.exports, "exec " + self.here(command)])
        log = self.folder / "server.log"
        self.server = self.start(["bash", "-c", script], log)
        until(lambda: is_open(self.port), self.server, log)

    def start(self, command, log, **more):
        environment = {**self.environment, **more}
        with log.open("ab") as said:
            child = subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        self.children.append(child)
        return child

    def model(self, name, *arguments):
        """Starts a model; where it listens, and where it says what a person has to know of it."""
        address = f"127.0.0.1:{free_port()}"
        log = self.folder / f"{name}.log"
        child = self.start([program(name), "--listen", address, *arguments], log)
        # It listens before, and these are its last words.
        until(lambda: "All that can be done" in log.read_text(), child, log)
        return f"http://{address}", log

    def emulator(self):
        """AWS, with an account in which there is nothing yet."""
        found = os.environ.get("MINISTACK", ROOT / "tests/aws/.venv/bin/ministack")
        port, log = free_port(), self.folder / "aws.log"
        child = self.start([str(found)], log, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port))
        until(lambda: is_open(port), child, log)
        self.environment |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "of-the-guide",
        }

    def here(self, text):
        """Places of the whole box become places of this folder."""
        return text.replace("/etc/nestling/", f"{self.folder}/etc/")

    def configuration(self):
        """What the guide has people write."""
        return self.here(self.guide.configurations()[0])


def program(name):
    folder = pathlib.Path(os.environ.get("GUIDE_PROGRAMS", ROOT / "target/debug"))
    found = folder / name
    if not found.exists():
        sys.exit(f"nestling: there is no {found}: make test-guides builds it")
    return str(found)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_open(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def until(so, child, log):
    for _ in range(PATIENCE * 10):
        if so():
            return
        if child.poll() is not None:
            break
        time.sleep(0.1)
    raise Broken(f"{' '.join(map(str, child.args))} does not listen:\n{log.read_text()}")


def post(url, body):
    with urllib.request.urlopen(url, json.dumps(body).encode()) as answer:
        return answer.read().decode()
