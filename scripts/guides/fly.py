#!/usr/bin/env python3
"""A stand-in for flyctl, as far as the guide uses it: what is ordered is asked of the model of Fly. The machine of an app
that is deployed is a server on this box, with what its fly.toml and its secrets say."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request

FOLDER = pathlib.Path(os.environ.get("GUIDE_FOLDER", "."))
MODEL = os.environ.get("GUIDE_FLY", "")
# What the volume and the addresses of the app are on this box.
HERE = json.loads(os.environ.get("GUIDE_HERE", "{}"))
SECRETS = FOLDER / "secrets.json"
MACHINE = FOLDER / "machine.json"
# A server that has not answered by then does not start.
PATIENCE = 60


def parser():
    """Knows each command of the guide with its flags, and no other."""
    known = argparse.ArgumentParser(prog="fly", allow_abbrev=False)
    groups = known.add_subparsers(required=True)

    def command(words, act, *flags):
        group, _, name = words.partition(" ")
        if name:
            if group not in groups.choices:
                made = groups.add_parser(group, allow_abbrev=False)
                made.names = made.add_subparsers(required=True)
            one = groups.choices[group].names.add_parser(name, allow_abbrev=False)
        else:
            one = groups.add_parser(group, allow_abbrev=False)
        for flag, settings in flags:
            one.add_argument(flag, **settings)
        one.set_defaults(act=act)

    app = ("--app", {"required": True})
    flag = {"action": "store_true", "required": True}
    command("apps create", create_app, ("name", {}), ("--org", {"required": True}))
    command("apps list", list_apps)
    command("orgs list", list_organisations)
    command("platform regions", list_regions)
    volume = [("--region", {"required": True}), ("--size", {"type": int, "required": True})]
    command("volumes create", create_volume, ("name", {}), app, *volume)
    command("ips allocate-v4", lambda a: assign(a, "shared_v4"), ("--shared", flag), app)
    command("ips allocate-v6", lambda a: assign(a, "v6"), app)
    command("certs add", add_certificate, ("hostname", {}), app)
    command("tokens create", create_token, ("kind", {"choices": ["org"]}), ("--org", {"required": True}), ("--expiry", {}))
    command("secrets import", import_secrets, app, ("--stage", flag))
    command("deploy", deploy, ("--config", {"required": True}), ("--ha", {"choices": ["false"]}))
    command("ssh console", console, app, ("--command", {"required": True}))
    return known


def ask(method, path, body=None):
    request = urllib.request.Request(MODEL + path, method=method)
    request.add_header("Authorization", "Bearer " + os.environ["GUIDE_FLY_TOKEN"])
    sent = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, sent) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        sys.exit(f"Error: {method} {path}: {refused.code} {refused.read().decode()}")


def create_app(a):
    ask("POST", "/v1/apps", {"name": a.name, "org_slug": a.org})


def list_apps(_):
    organisation = os.environ["GUIDE_ORGANISATION"]
    for app in ask("GET", f"/v1/apps?org_slug={organisation}")["apps"]:
        print(app["name"])


def list_organisations(_):
    for token in ask("GET", "/v1/tokens/current")["tokens"]:
        print(token["org_slug"])


def list_regions(_):
    for region in ask("GET", "/v1/platform/regions")["regions"]:
        print(region["code"], region["name"])


def create_volume(a):
    volume = {"name": a.name, "region": a.region, "size_gb": a.size}
    ask("POST", f"/v1/apps/{a.app}/volumes", volume)


def assign(a, kind):
    ask("POST", f"/v1/apps/{a.app}/ip_assignments", {"type": kind})


def add_certificate(a):
    ask("POST", f"/v1/apps/{a.app}/certificates/acme", {"hostname": a.hostname})


def create_token(a):
    print("FlyV1", ask("POST", "/_world/token", {"organisation": a.org})["token"])


def import_secrets(a):
    lines = (line.strip().partition("=") for line in sys.stdin if line.strip())
    values = {name: value for name, _, value in lines}
    if not all(values.values()):
        sys.exit("Error: a secret without a value")
    ask("POST", f"/v1/apps/{a.app}/secrets", {"values": values})
    # Fly shows them to machines only.
    SECRETS.write_text(json.dumps(values))


def deploy(a):
    file = tomllib.loads(pathlib.Path(a.config).read_text())
    app, region = file["app"], file["primary_region"]
    there = {(one["name"], one["region"]): one["id"] for one in ask("GET", f"/v1/apps/{app}/volumes")}
    mounts = [{"volume": there[(one["source"], region)], "path": one["destination"]} for one in file["mounts"]]
    size, memory = file["vm"][0]["size"], file["vm"][0]["memory"]
    kind, cpus = size.removesuffix("x").replace("-cpu-", "-").rsplit("-", 1)
    service = file["http_service"]
    config = {
        "image": file["build"]["image"],
        "env": file["env"],
        "mounts": mounts,
        "guest": {"cpu_kind": kind, "cpus": int(cpus), "memory_mb": 1024 * int(memory.removesuffix("gb"))},
        "services": [{"protocol": "tcp", "internal_port": service["internal_port"], "ports": [{"port": 443, "handlers": ["tls", "http"]}]}],
    }
    ask("POST", f"/v1/apps/{app}/machines", {"region": region, "config": config})
    environment = {**file["env"], **json.loads(SECRETS.read_text()), **HERE}
    for name, value in environment.items():
        environment[name] = value.replace("registry.fly.io", MODEL.removeprefix("http://"))
    MACHINE.write_text(json.dumps(environment))
    log = (FOLDER / "server.log").open("ab")
    server = subprocess.Popen(["nestling", "serve"], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    (FOLDER / "server.pid").write_text(str(server.pid))
    for check in service["checks"]:
        until_it_answers(server, check)


def until_it_answers(server, check):
    url = f"http://{HERE['NESTLING__SERVER__LISTEN']}{check['path']}"
    request = urllib.request.Request(url, method=check["method"], headers=check["headers"])
    for _ in range(PATIENCE * 10):
        try:
            with urllib.request.urlopen(request) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if server.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit("Error: the machine does not become healthy:\n" + (FOLDER / "server.log").read_text())


def console(a):
    environment = {**os.environ, **json.loads(MACHINE.read_text())}
    command = a.command.replace("/data/", HERE["NESTLING__SERVER__DATA_DIR"] + "/")
    sys.exit(subprocess.run(["bash", "-c", command], env=environment).returncode)


if __name__ == "__main__":
    said = parser().parse_args()
    said.act(said)
