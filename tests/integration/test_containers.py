"""The images and the Compose file. There is no container engine here, so what one would do is done
by hand: the build with what COPY brings, and a container's life in namespaces of our own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

import manifests
import proxies
from harness import (EDGE_BIN, LINK_KEY, ROOT, ROUTER_BIN, SLOW, WEIRCTL_BIN, Edge, Process,
                     Router, TestCase, environment, wait_until)

DOCKERFILE = os.path.join(manifests.DEPLOY, "Dockerfile")
PROGRAMS = {"edge": EDGE_BIN, "router": ROUTER_BIN}
IN_EVERY_IMAGE = {"libc6", "libgcc-s1", "zlib1g"}


def instructions():
    """{stage: {"RUN": [rest of the line, ...]}}, what a stage inherits included."""
    with open(DOCKERFILE, encoding="utf-8") as f:
        text = re.sub(r"(?m)^#.*\n", "", f.read()).replace("\\\n", " ")
    stages, current = {}, None
    for line in filter(str.strip, text.splitlines()):
        word, rest = line.split(None, 1)
        if word == "FROM":
            parent, name = rest.split(" AS ")
            current = stages[name] = {key: list(value)
                                      for key, value in stages.get(parent, {}).items()}
        current.setdefault(word, []).append(rest)
    return stages


def installed_by(stage):
    words = shlex.split(instructions()[stage]["RUN"][0])
    after = words[words.index("install"):]
    end = after.index("&&") if "&&" in after else len(after)
    return {word for word in after[1:end] if not word.startswith("-")}


class Images(unittest.TestCase):
    expected_seconds = 5

    def test_the_build_installs_what_the_project_builds_with(self):
        script = '. "$0"; printf "%s\\n" "${build_packages[@]}"'
        done = subprocess.run(["bash", "-c", script, os.path.join(ROOT, "deploy", "lib.sh")],
                              capture_output=True, text=True, check=True)
        self.assertEqual(installed_by("build"), set(done.stdout.split()))

    @unittest.skipIf(shutil.which("dpkg-query") is None, "needs Debian")
    def test_the_images_hold_the_libraries_that_the_programs_need(self):
        paths = set()
        for program in (EDGE_BIN, ROUTER_BIN, WEIRCTL_BIN):
            head = subprocess.run(["readelf", "-d", program], capture_output=True, text=True,
                                  check=True).stdout
            linked = subprocess.run(["ldd", program], capture_output=True, text=True,
                                    check=True).stdout
            for name in re.findall(r"\(NEEDED\).*\[(.+?)\]", head):
                path = re.search(rf"{re.escape(name)} => (\S+)", linked)
                if path:  # a sanitizer's own is not
                    paths.add(os.path.realpath(path.group(1)))
        needed = self.packages_of(paths)
        self.assertLessEqual(needed - IN_EVERY_IMAGE, installed_by("runtime"))
        self.assertLessEqual(installed_by("runtime") - {"ca-certificates"}, needed)

    def packages_of(self, paths):
        """dpkg knows a library by the path it was packed with, /lib or /usr/lib."""
        known = [*paths, *(path.removeprefix("/usr") for path in paths)]
        done = subprocess.run(["dpkg-query", "-S", *known], capture_output=True, text=True,
                              check=False)
        rows = [line.split(": ", 1) for line in done.stdout.splitlines()]
        self.assertEqual({path.removeprefix("/usr") for path in paths},
                         {path.removeprefix("/usr") for _, path in rows})
        return {package.split(":")[0] for package, _ in rows}

    def test_what_is_copied_is_enough_to_build(self):
        """meson finds each file it names; ninja, which only plans here, each it would read."""
        stage = instructions()["build"]
        with open(DOCKERFILE + ".dockerignore", encoding="utf-8") as f:
            sent = {line[1:].strip() for line in f if line.startswith("!")}
        with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
            for line in stage["COPY"]:
                *sources, target = line.split()
                for source in sources:
                    self.assertIn(source, sent)
                    self.copy(os.path.join(ROOT, source), os.path.join(folder, target), source)
            for line in stage["RUN"][1:]:
                self.assertRegex(line, r"^(meson setup|ninja -C) build ")
                words = shlex.split(line) + (["-n"] if line.startswith("ninja") else [])
                done = subprocess.run(words, cwd=folder, capture_output=True, text=True,
                                      check=False, timeout=120 * SLOW,
                                      env={**os.environ, "CC": "gcc"})
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(stage["RUN"]), 3)

    def copy(self, source, target, name):
        if os.path.isdir(source):
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, os.path.join(target, name))

    def test_the_programs_that_are_copied_are_those_that_are_built(self):
        stages = instructions()
        built = set(shlex.split(stages["build"]["RUN"][2])[3:])
        copied = set()
        for stage in PROGRAMS:
            for line in stages[stage]["COPY"]:
                source, *paths, target = line.split()
                self.assertEqual((source, target), ("--from=build", "/usr/bin/"))
                copied |= {path.removeprefix("/src/build/") for path in paths}
        self.assertEqual(copied, built)
        self.assertEqual(stages["build"]["WORKDIR"], ["/src"])

    def test_process_1_is_the_program_and_nobody_in_particular(self):
        for stage, program in PROGRAMS.items():
            with self.subTest(stage=stage):
                told = instructions()[stage]
                self.assertEqual(told["ENTRYPOINT"], [f'["/usr/bin/{os.path.basename(program)}"]'])
                self.assertEqual(told["USER"][-1], f"{manifests.USER}:{manifests.USER}")
                self.assertEqual(told["STOPSIGNAL"], ["SIGTERM"])
                self.assertEqual(len(told["HEALTHCHECK"]), 1)


@unittest.skipIf(manifests.missing(), manifests.missing())
class Compose(unittest.TestCase):
    expected_seconds = 4

    @classmethod
    def setUpClass(cls):
        cls.path = os.path.join(manifests.DEPLOY, "compose.yaml")
        (cls.told,) = manifests.documents(cls.path)
        cls.services = cls.told["services"]

    def test_image_names_are_values_that_the_page_names(self):
        with open(os.path.join(manifests.DEPLOY, "README.md"), encoding="utf-8") as f:
            page = f.read()
        for name, stage in (("router", "router"), ("edge-1", "edge"), ("edge-2", "edge")):
            variable = f"WEIR_{stage.upper()}_IMAGE"
            self.assertEqual(self.services[name]["image"], f"${{{variable}:-weir-{stage}}}")
            self.assertIn(f"`{variable}`", page)

    def test_compose_knows_every_field(self):
        self.assertEqual(manifests.faults("compose", self.path), [])

    def test_a_misspelt_field_would_be_noticed(self):
        with open(self.path, encoding="utf-8") as f:
            text = f.read()
        self.assertIn("stop_grace_period", text)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text.replace("stop_grace_period", "stop_grace_time"))
            f.flush()
            self.assertIn("stop_grace_time", "\n".join(manifests.faults("compose", f.name)))

    def test_the_programs_accept_what_they_are_started_with(self):
        for name in ("router", "edge-1", "edge-2"):
            with self.subTest(name=name):
                service = self.services[name]
                stage = instructions()[service["build"]["target"]]
                image = dict(word.split("=", 1) for line in stage["ENV"] for word in line.split())
                told = {**image, **service["environment"]}
                for value in told.values():
                    path = value.rpartition(":")[2]
                    if path.startswith("/run/secrets/"):
                        self.assertIn(os.path.basename(path), service["secrets"])
                with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
                    done = manifests.check_config(folder, told)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_edge_has_time_to_drain(self):
        for name in ("edge-1", "edge-2"):
            service = self.services[name]
            drain = manifests.seconds(service["environment"]["WEIR_EDGE_DRAIN_TIMEOUT"])
            grace = manifests.seconds(service["stop_grace_period"])
            self.assertGreaterEqual(grace, max(drain, manifests.default_drain()) + 5)

    def test_containers_can_do_nothing_but_their_work(self):
        for name, service in self.services.items():
            with self.subTest(name=name):
                self.assertTrue(service["read_only"])
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertNotIn("privileged", service)

    def test_only_the_proxy_is_open_to_others(self):
        published = {name: service["ports"] for name, service in self.services.items()
                     if "ports" in service}
        self.assertEqual(published, {"nginx": ["8080:8080"],
                                     "prometheus": ["127.0.0.1:9090:9090"]})
        self.assertTrue(self.told["networks"]["back"]["internal"])
        self.assertEqual(self.services["router"]["networks"], ["back"])
        (front,) = self.told["networks"]["front"]["ipam"]["config"]
        for name in ("edge-1", "edge-2"):
            trusted = self.services[name]["environment"]["WEIR_EDGE_TRUSTED_PROXIES"]
            self.assertEqual(trusted, front["subnet"])

    def test_names_lead_to_each_other(self):
        folder = os.path.dirname(self.path)
        for service in self.services.values():
            if "build" in service:
                context = os.path.normpath(os.path.join(folder, service["build"]["context"]))
                self.assertEqual(context, ROOT)
                self.assertTrue(os.path.exists(os.path.join(context,
                                                            service["build"]["dockerfile"])))
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue(os.path.exists(os.path.join(folder, source)), source)
                else:
                    self.assertIn(source, self.told["volumes"])
            self.assertLessEqual(set(service.get("secrets", [])), set(self.told["secrets"]))
            self.assertLessEqual(set(service["networks"]), set(self.told["networks"]))
        for name in ("edge-1", "edge-2"):
            self.assertEqual(self.services[name]["environment"]["WEIR_EDGE_ROUTER"],
                             "tcp://router:7070")
            with open(os.path.join(folder, "compose", "nginx.conf"), encoding="utf-8") as f:
                self.assertIn(f"server {name}:8080;", f.read())
            with open(os.path.join(folder, "prometheus", "prometheus.yml"), encoding="utf-8") as f:
                self.assertIn(f"'{name}:9180'", f.read())


class ComposeNginx(proxies.Nginx):
    """nginx as Compose runs it: with the file it mounts, within what the image has around it."""

    def __init__(self, cluster):
        address = proxies.free_address()
        folder = os.path.join(cluster.folder, "nginx")
        os.mkdir(folder)
        cluster.write("weir.conf", proxies.rendered("compose/nginx.conf", {
            "listen 8080;": f"listen {proxies.endpoint(address)};",
            "edge-1:8080": proxies.endpoint(cluster.edges[0].address),
            "edge-2:8080": proxies.endpoint(cluster.edges[1].address)}))
        main = cluster.write("nginx.conf", self.main(folder, stream=False))
        argv = [proxies.find_program("nginx"), "-e", "stderr", "-p", folder, "-c", main]
        proxies.Proxy.__init__(self, cluster, "nginx", argv, address)


class ComposeProxy(TestCase):
    def test_clients_come_through_nginx_to_both_edges(self):
        cluster = self.start_cluster(edges=2)
        nginx = ComposeNginx(cluster).wait_until_open()
        clients = [cluster.connect(nginx, f"user-{i}") for i in range(4)]
        for client in clients:
            client.join("tea")
        for row in cluster.rows("edges"):
            self.assertGreater(row["connections"], 0)
        clients[0].publish("tea", "milk?")
        for client in clients[1:]:
            self.assertEqual(client.expect("chat")["text"], "milk?")


def can_unshare():
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True,
                          check=False)
    return done.returncode == 0


# What an engine sets up: a tmpfs, the program, a root that cannot be written, then nobody's rights.
CONTAINER = """
set -e
mount -t tmpfs -o size=64m,mode=755 tmpfs /run
mkdir -m 0700 /run/weir
chown {user}:{user} /run/weir
cp {program} /run/program
mount -o remount,bind,ro /
exec setpriv --reuid {user} --regid {user} --clear-groups --no-new-privs --bounding-set=-all \\
    --inh-caps=-all --pdeathsig KILL /run/program "$@"
"""


@unittest.skipUnless(os.geteuid() == 0 and can_unshare(), "needs root and namespaces")
class Contained(TestCase):
    """As process 1 of a process namespace, as a user without a name or a right, on a root file
    system that cannot be written."""

    expected_seconds = 4

    def contain(self, kind, name, program, *words):
        script = CONTAINER.format(user=manifests.USER, program=shlex.quote(program))
        process = kind(self.cluster.folder, name, [
            "unshare", "--mount", "--pid", "--mount-proc", "--fork", "bash", "-c", script, "-",
            *words], wrap=False)
        self.start_process(process)
        return process.wait_ready()

    def process_1(self, process):
        """Its id as seen from here: the only child of `unshare`."""
        path = f"/proc/{process.popen.pid}/task/{process.popen.pid}/children"
        with open(path, encoding="ascii") as f:
            (child,) = f.read().split()
        return int(child)

    def key(self, name):
        path = self.cluster.write(name, LINK_KEY, 0o400)
        os.chown(path, manifests.USER, manifests.USER)
        return path

    def setUp(self):
        self.cluster = self.start_cluster(edges=0)
        os.chmod(self.cluster.folder, 0o755)

    def start_router(self):
        return self.contain(Router, "contained-router", ROUTER_BIN, "--listen",
                            "tcp://127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--admin",
                            "ipc:///run/weir/router.sock", "--link-key-file",
                            self.key("own-link.key"))

    def start_edge(self, router):
        return self.contain(Edge, "contained-edge", EDGE_BIN, "--listen", "127.0.0.1:0",
                            "--ops-listen", "127.0.0.1:0", "--router", router.link_url,
                            "--link-key-file", self.key("own-link.key"), "--jwt-key",
                            "HS256:" + self.key("own-jwt.key"), "--drain-timeout", "2s")

    def test_both_serve_and_end_in_order(self):
        router = self.start_router()
        edge = self.start_edge(router).wait_until_ready()
        for process in (edge, router):
            with open(f"/proc/{self.process_1(process)}/status", encoding="ascii") as f:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            self.assertEqual(status["NSpid"].split()[-1], "1")
            self.assertEqual(set(status["Uid"].split()), {str(manifests.USER)})
            self.assertEqual(int(status["CapBnd"], 16), 0)
            self.assertLess(int(status["Threads"]), 64)  # what the units and Compose leave room for
        for process in (edge, router):
            os.kill(self.process_1(process), signal.SIGTERM)
            self.assertEqual(process.wait(), 0)

    def test_the_health_checks_of_the_images_answer(self):
        router = self.start_router()
        edge = self.start_edge(router)
        told = instructions()
        probe = self.health_check(told["edge"])
        self.assertEqual(probe[2], "http://127.0.0.1:9180/ready")
        probe = [EDGE_BIN, probe[1], "http://%s:%d/ready" % edge.ops]
        wait_until(lambda: self.run_check(probe) == 0, "the edge is healthy")
        asked = self.health_check(told["router"])
        # The socket is in the container's own /run, and an engine runs the check in there.
        inside = ["nsenter", "--target", str(self.process_1(router)), "--mount", "--pid"]
        self.assertEqual(self.run_check([*inside, WEIRCTL_BIN, *asked[1:]]), 0)

    def health_check(self, stage):
        words = re.search(r"CMD (\[.*\])", stage["HEALTHCHECK"][0]).group(1)
        return re.findall(r'"([^"]*)"', words)

    def run_check(self, words):
        return subprocess.run(words, capture_output=True, timeout=10 * SLOW, check=False,
                              env=environment(self.cluster.folder)).returncode


if __name__ == "__main__":
    unittest.main()
