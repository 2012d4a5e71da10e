"""The commands of deploy/README.md: those that can be carried out without an engine, a cluster or a
running systemd are, in a folder that stands for the system; of the others it is checked what they
name."""

import glob
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import unittest

import manifests
from harness import LINK_KEY, ROOT, SLOW


def commands(title):
    """The lines of the first shell block of a section."""
    with open(os.path.join(ROOT, "deploy", "README.md"), encoding="utf-8") as f:
        section = f.read().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return re.search(r"```sh\n(.*?)```", section, re.DOTALL).group(1).splitlines()


class Commands(unittest.TestCase):
    expected_seconds = 3

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        shutil.copytree(os.path.join(ROOT, "deploy"), os.path.join(self.root, "deploy"),
                        ignore=shutil.ignore_patterns("secrets", "__pycache__"))

    def run_line(self, line):
        done = subprocess.run(["bash", "-c", line], cwd=self.root, capture_output=True, text=True,
                              timeout=60 * SLOW, check=False)
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    @unittest.skipIf(shutil.which("systemctl") is None, "systemd is not installed")
    def test_systemd(self):
        for name in ("link.key", "jwt.key"):
            with open(os.path.join(self.root, name), "wb") as f:
                f.write(LINK_KEY)
        system = os.path.join(self.root, "lib/systemd/system")
        os.makedirs(system)
        for target in glob.glob("/lib/systemd/system/*.target"):
            shutil.copy(target, system)
        started = None
        for line in commands("systemd"):
            if line.startswith("systemctl start "):
                started = line.split()[2:]
            else:
                line = line.replace("systemctl ", f"systemctl --root={shlex.quote(self.root)} ")
                self.run_line(line.replace(" /etc/", f" {shlex.quote(self.root)}/etc/"))
        enabled = os.listdir(os.path.join(self.root, "etc/systemd/system/multi-user.target.wants"))
        self.assertEqual({f"{name}.service" for name in started}, set(enabled))
        self.assertEqual(set(os.listdir(os.path.join(self.root, "etc/weir"))),
                         {"router.conf", "edge-one.conf", "link.key", "jwt.key"})
        mode = os.stat(os.path.join(self.root, "etc/weir/link.key")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o640)

    @unittest.skipUnless(os.geteuid() == 0, "needs root for chown")
    def test_containers(self):
        *lines, last = commands("Containers")
        for line in lines:
            self.run_line(line)
        for name in ("link.key", "jwt.key"):
            found = os.stat(os.path.join(self.root, "deploy/secrets", name))
            self.assertEqual((found.st_uid, stat.S_IMODE(found.st_mode)), (manifests.USER, 0o400))
            self.assertGreater(found.st_size, 32)
        words = last.split()
        self.assertEqual(words[:3], ["docker", "compose", "-f"])
        self.assertTrue(os.path.exists(os.path.join(self.root, words[3])))

    @unittest.skipIf(manifests.missing() or manifests.KUBECTL is None,
                     "kubectl or node's packages are not installed (tests/run fetches them)")
    def test_kubernetes(self):
        for line in commands("Containers")[:3]:
            self.run_line(line)
        *lines, last = commands("Kubernetes")
        kubectl = shlex.quote(manifests.KUBECTL)
        made = {}
        for line in lines:
            line = line.replace("kubectl ", kubectl + " ", 1) + " --dry-run=client -o json"
            one = json.loads(self.run_line(line))
            made[one["kind"], one["metadata"]["name"]] = one
        built = os.path.join(self.root, "built.yaml")
        words = last.split()
        self.assertEqual(words[:3], ["kubectl", "apply", "-k"])
        self.run_line(f"{kubectl} kustomize {words[3]} > built.yaml")
        for one in manifests.documents(built):
            self.assertIn(("Namespace", one["metadata"]["namespace"]), made)
            if one["kind"] in ("Deployment", "StatefulSet"):
                self.check_secrets(one["spec"]["template"]["spec"], made)

    def check_secrets(self, pod, made):
        """What the containers read is what the secrets hold."""
        (container,) = pod["containers"]
        paths = " ".join(one["value"] for one in container["env"])
        mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        for volume in pod["volumes"]:
            if "secret" in volume:
                secret = made["Secret", volume["secret"]["secretName"]]
                self.assertEqual(secret["metadata"]["namespace"], "weir")
                (file,) = secret["data"]
                self.assertIn(f"{mounted[volume['name']]}/{file}", paths)


if __name__ == "__main__":
    unittest.main()
