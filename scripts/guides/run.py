#!/usr/bin/env python3
"""Runs each command of the deployment guides, in order, against models and emulators (ADR 48); with --list it only says of
each how it is run, and runs none. A command that is neither run nor listed in its guide as one for an account is an error."""

import argparse
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

import fly
from commands import Guide
from places import ROOT, Broken, Place, post, program

# The shell's own, which stand beside commands.
SHELL = ("cat", "echo", "export", "sed")


def main():
    known = argparse.ArgumentParser(description=__doc__)
    known.add_argument("--list", action="store_true")
    known.add_argument("guides", nargs="*", help="files of guides, if not those of docs", type=pathlib.Path)
    said = known.parse_args()
    paths = said.guides or [ROOT / f"docs/{name}.md" for name in RUN]
    guides = [Guide(path, path.stem) for path in paths]
    wrong = [one for guide in guides for one in neither(guide)]
    if wrong:
        sys.exit("\n".join(wrong))
    if said.list:
        return
    for guide in guides:
        try:
            RUN[guide.name](guide)
        except Broken as broken:
            sys.exit(f"nestling: docs/{guide.name}.md: {broken}")


def neither(guide):
    """What is neither run nor listed, and what is listed and stands nowhere."""
    commands = [*guide.commands(), *guide.mentioned()]
    for command in commands:
        if guide.is_listed(command):
            print(f"{guide.name}: on an account: {command}")
        elif not (why := unknown(command)):
            print(f"{guide.name}: runs: {command}")
        else:
            yield f"nestling: docs/{guide.name}.md: nobody runs `{command}` ({why}): teach scripts/guides to, or name it there under what only an account shows"
    for name in guide.only_on_an_account():
        if not any(command == name or command.startswith(name + " ") for command in commands):
            yield f"nestling: docs/{guide.name}.md: `{name}` is listed as one for an account, and stands nowhere else"


def unknown(command):
    """Why it cannot be run; nothing if it can."""
    for part in re.split(r" \| (?=[a-z])", command):
        first, *words = shlex.split(part)
        if first == "fly":
            try:
                fly.parser().parse_args(words)
            except SystemExit:
                return "the stand-in for fly does not know it"
        elif first == "nestling" and "NESTLING" in os.environ:
            help = subprocess.run([os.environ["NESTLING"], *words, "--help"], capture_output=True, text=True)
            if help.returncode != 0:
                return help.stderr.partition("\n")[0]
        elif first == "make" and not is_target(words[0]):
            return "there is no such target"
        elif first not in ("nestling", "aws", "make", *SHELL):
            return f"{first} is not known here"
    return None


def is_target(name):
    return re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def follow(place, after=lambda command: None):
    """Runs the commands in blocks, in their order."""
    for command in place.guide.commands():
        if not place.guide.is_listed(command):
            tell(place, command)
            after(command)


def mention(place, completed):
    """Runs those that stand in sentences, with what a person would complete them by."""
    for command in place.guide.mentioned():
        if not place.guide.is_listed(command):
            # What a target makes is tried by whoever needs it; here it is seen that make knows how.
            dry = command.replace("make ", "make --dry-run ", 1)
            tell(place, completed.get(command, dry))


def tell(place, command):
    print(f"$ {command}", flush=True)
    try:
        said = place.run(command)
    except Broken as broken:
        raise Broken(f"`{command}`: {broken}") from None
    print("".join(f"    {line}\n" for line in said.splitlines()), end="", flush=True)
    return said


def run_fly(guide):
    with Place(guide) as place:
        organisation, token = "example", place.folder / "token"
        model, _ = place.model("fly-model", "--organisation", organisation, "--token", str(token))
        github, _ = place.model("github-model", "--key", str(place.folder / "app.pem"))
        (place.folder / "fly.toml").write_text((ROOT / "deploy/fly.toml").read_text())
        here = {
            "NESTLING__SERVER__LISTEN": f"127.0.0.1:{place.port}",
            "NESTLING__SERVER__DATA_DIR": str(place.folder / "data"),
            # Requests come from here and not from Fly's proxy.
            "NESTLING__SERVER__TRUSTED_PROXIES": '["127.0.0.1/32"]',
            "NESTLING__FORGE__GITHUB__API_URL": github,
            "NESTLING__FORGE__GITHUB__WEB_URL": github,
            "NESTLING__MACHINES__FLY__API_URL": f"{model}/v1",
        }
        place.environment |= {
            "GUIDE_FOLDER": str(place.folder), "GUIDE_FLY": model, "GUIDE_FLY_TOKEN": token.read_text().strip(),
            "GUIDE_ORGANISATION": organisation, "GUIDE_HERE": fly.json.dumps(here),
        }
        try:
            follow(place)
            mention(place, {"nestling check": 'fly ssh console --app nestling-example --command "nestling check"'})
        finally:
            started = place.folder / "server.pid"
            if started.exists():
                os.kill(int(started.read_text()), signal.SIGINT)


def run_aws(guide):
    with Place(guide) as place:
        place.emulator()
        (place.folder / "nestling.toml").write_text(place.configuration())
        blob = place.folder / "nestling-data/blobs/kept/environments/shop/1"
        for kept in ("tests.json", "logs/deployment/000001"):
            (blob / kept).parent.mkdir(parents=True, exist_ok=True)
            (blob / kept).write_text("{}")
        follow(place)
        listed = place.run("aws s3 ls --recursive s3://example-nestling-logs; aws s3 ls --recursive s3://example-nestling-artifacts")
        found = re.findall(r"environments/\S+", listed)
        if found != ["environments/shop/1/logs/deployment/000001", "environments/shop/1/tests.json"]:
            raise Broken(f"blobs are in the wrong buckets:\n{listed}")
        place.serve("nestling serve --config nestling.toml")
        mention(place, {"nestling tables create": "nestling tables create --config nestling.toml"})


def run_github(guide):
    with Place(guide) as place:
        etc = place.folder / "etc"
        etc.mkdir()
        github, told = place.model("github-model", "--key", str(etc / "app.pem"), "--webhook", "https://nestling.example.com/github/webhook")
        app = re.search(r"^App +(\d+)", told.read_text(), re.MULTILINE)[1]
        secret = re.search(r"with the secret (\S+)", told.read_text())[1]
        (etc / "webhook-secret").write_text(secret)
        place.run("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=nestling.example.com"
                  " -addext subjectAltName=DNS:nestling.example.com,DNS:*.preview.example.com"
                  " -keyout /etc/nestling/key.pem -out /etc/nestling/certificate.pem")
        place.environment |= {"NESTLING__FORGE__GITHUB__API_URL": github, "NESTLING__FORGE__GITHUB__WEB_URL": github}
        file = place.folder / "nestling.toml"
        file.write_text(place.configuration())

        def by_hand(command):
            # The first of what is done by hand: the file says which App it is, as the guide has it.
            if command.startswith("export ") and "app_id" not in file.read_text():
                file.write_text(place.configuration() + f"\n[forge.github]\napp_id = {app}\n")

        follow(place, by_hand)
        for number in range(1, 8):
            branch = f"change-{number}"
            pushed = {"repository": "acme/shop", "by": "ann", "branch": branch, "files": {"index.html": branch}}
            post(f"{github}/_world/push", pushed)
            post(f"{github}/_world/open", {"repository": "acme/shop", "by": "ann", "branch": branch, "title": branch})
        mention(place, {})


RUN = {"fly": run_fly, "aws": run_aws, "github": run_github}

if __name__ == "__main__":
    main()
