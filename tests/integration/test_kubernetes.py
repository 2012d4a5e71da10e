"""The Kubernetes manifests: kustomize can build them, the API knows every field, and what they say
fits together and fits the programs."""

import os
import re
import subprocess
import tempfile
import unittest

import manifests
from harness import SLOW
from test_containers import instructions
from test_documents import read

FOLDER = os.path.join(manifests.DEPLOY, "kubernetes")


def missing():
    return manifests.missing() or (None if manifests.KUBECTL else
                                   "kubectl is not installed (tests/run fetches it)")


@unittest.skipIf(missing(), missing())
class Kubernetes(unittest.TestCase):
    expected_seconds = 10
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.base, cls.base_file = cls.build("base")
        cls.sticky, cls.sticky_file = cls.build("sticky")

    @classmethod
    def build(cls, name):
        """{(kind, name): document} of a kustomization, and the file they are in."""
        done = subprocess.run([manifests.KUBECTL, "kustomize", os.path.join(FOLDER, name)],
                              capture_output=True, text=True, timeout=60 * SLOW, check=False)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(done.stderr)
        path = os.path.join(cls.folder, name + ".yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(done.stdout)
        found = {(one["kind"], one["metadata"]["name"]): one for one in manifests.documents(path)}
        return found, path

    def pods(self):
        """{name: pod} of what runs."""
        return {name: one["spec"]["template"] for (_, name), one in self.base.items()
                if one["kind"] in ("Deployment", "StatefulSet")}

    def container(self, name):
        (only,) = self.pods()[name]["spec"]["containers"]
        return only

    # ---- the API

    def test_the_api_knows_every_field(self):
        self.assertEqual(manifests.faults("kubernetes", self.sticky_file), [])

    def test_a_misspelt_field_and_a_wrong_type_would_be_noticed(self):
        with open(self.base_file, encoding="utf-8") as f:
            text = f.read()
        for old, new in (("initialDelaySeconds: 30", "initialDelaySecond: 30"),
                         ("replicas: 3", "replicas: three"), ("podSelector:", "podSelecter:")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = os.path.join(self.folder, "misspelt.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        found = "\n".join(manifests.faults("kubernetes", path))
        for word in ("initialDelaySecond", "'string' is not assignable to type 'number'",
                     "podSelecter"):
            self.assertIn(word, found)

    # ---- what was asked for

    def test_edges_and_router_are_as_many_and_as_large_as_documented(self):
        self.assertEqual(self.base["Deployment", "weir-edge"]["spec"]["replicas"], 3)
        self.assertEqual(self.base["StatefulSet", "weir-router"]["spec"]["replicas"], 1)
        self.assertEqual(self.container("weir-edge")["resources"],
                         {"requests": {"cpu": "500m", "memory": "512Mi"},
                          "limits": {"cpu": "1", "memory": "1Gi"}})
        scaler = self.base["HorizontalPodAutoscaler", "weir-edge"]["spec"]
        self.assertEqual(scaler["scaleTargetRef"]["name"], "weir-edge")
        self.assertEqual(scaler["minReplicas"], 3)
        budget = self.base["PodDisruptionBudget", "weir-edge"]["spec"]
        self.assertEqual(budget["maxUnavailable"], 1)
        self.assertEqual(budget["selector"],
                         self.base["Deployment", "weir-edge"]["spec"]["selector"])

    def test_probes_ask_the_ops_listener(self):
        for name in self.pods():
            with self.subTest(name=name):
                container = self.container(name)
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                for probe, path, delay, period in (("livenessProbe", "/health", 30, 10),
                                                   ("readinessProbe", "/ready", 5, 5)):
                    told = container[probe]
                    self.assertEqual(told["httpGet"], {"path": path, "port": "ops"})
                    self.assertEqual((told["initialDelaySeconds"], told["periodSeconds"]),
                                     (delay, period))
                stage = instructions()[name.removeprefix("weir-")]
                self.assertIn(f":{ports['ops']}", " ".join(stage["ENV"]))
                self.assertIn(str(ports["ops"]), stage["EXPOSE"][0].split())

    def test_an_edge_has_time_to_drain(self):
        pod = self.pods()["weir-edge"]["spec"]
        container = self.container("weir-edge")
        word, pause = container["lifecycle"]["preStop"]["exec"]["command"]
        self.assertEqual(word, "sleep")
        drain = {one["name"]: one["value"] for one in container["env"]}["WEIR_EDGE_DRAIN_TIMEOUT"]
        longest = max(manifests.seconds(drain), manifests.default_drain())
        self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], int(pause) + longest + 5)

    def test_containers_can_do_nothing_but_their_work(self):
        for name, pod in self.pods().items():
            with self.subTest(name=name):
                spec = pod["spec"]
                security = spec["securityContext"]
                self.assertTrue(security["runAsNonRoot"])
                for field in ("runAsUser", "runAsGroup", "fsGroup"):
                    self.assertEqual(security[field], manifests.USER)
                self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertFalse(spec["automountServiceAccountToken"])
                self.assertEqual(self.container(name)["securityContext"],
                                 {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                  "capabilities": {"drop": ["ALL"]}})

    # ---- what must fit together

    def test_secrets_are_files_that_the_programs_accept(self):
        for name, pod in self.pods().items():
            for volume in pod["spec"]["volumes"]:
                if "secret" in volume:
                    with self.subTest(pod=name, volume=volume["name"]):
                        self.assertEqual(volume["secret"]["defaultMode"], 0o440)

    def test_the_programs_accept_what_their_containers_are_started_with(self):
        for name in self.pods():
            with self.subTest(name=name):
                stage = instructions()[name.removeprefix("weir-")]
                image = dict(word.split("=", 1) for line in stage["ENV"] for word in line.split())
                told = {one["name"]: one["value"] for one in self.container(name)["env"]}
                mounts = [one["mountPath"] for one in self.container(name)["volumeMounts"]]
                for value in told.values():
                    path = value.rpartition(":")[2]
                    if path.startswith("/run/secrets/"):
                        self.assertIn(os.path.dirname(path), mounts)
                with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
                    done = manifests.check_config(folder, {**image, **told})
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_names_and_ports_lead_to_each_other(self):
        for name, kind in (("weir-router", "StatefulSet"), ("weir-edge", "Deployment")):
            service = self.base["Service", name]["spec"]
            workload = self.base[kind, name]["spec"]
            labels = workload["template"]["metadata"]["labels"]
            self.assertEqual(service["selector"], labels)
            self.assertEqual(workload["selector"]["matchLabels"], labels)
            ports = {port["name"] for port in self.container(name)["ports"]}
            self.assertLessEqual({port["targetPort"] for port in service["ports"]}, ports)
            images = {stage for stage in instructions() if stage in self.container(name)["image"]}
            self.assertEqual(images, {name.removeprefix("weir-")})
            self.assertEqual(self.container(name)["imagePullPolicy"], "IfNotPresent")

    def test_the_commands_of_the_guide_name_pods_and_programs_that_there_are(self):
        words = re.findall(r"^kubectl --namespace weir exec (\S+) -- (\w+) (\w+)",
                           read("deploy/README.md"), re.MULTILINE)
        self.assertEqual({pod for pod, _, _ in words}, {"weir-router-0"})
        self.assertEqual({program for _, program, _ in words}, {"weirctl"})
        self.assertIn(("StatefulSet", "weir-router"), self.base)
        told = {one["name"]: one["value"] for one in self.container("weir-edge")["env"]}
        port = self.base["Service", "weir-router"]["spec"]["ports"][0]["port"]
        self.assertEqual(told["WEIR_EDGE_ROUTER"], f"tcp://weir-router:{port}")
        rule = self.base["Ingress", "weir"]["spec"]["rules"][0]["http"]["paths"][0]
        self.assertEqual(rule["backend"]["service"]["name"], "weir-edge")
        ports = {port["name"] for port in self.base["Service", "weir-edge"]["spec"]["ports"]}
        self.assertIn(rule["backend"]["service"]["port"]["name"], ports)

    def test_only_edges_reach_the_link(self):
        policy = self.base["NetworkPolicy", "weir-router"]["spec"]
        self.assertEqual(policy["podSelector"]["matchLabels"],
                         self.pods()["weir-router"]["metadata"]["labels"])
        link = [rule for rule in policy["ingress"] if any(p["port"] == 7070 for p in rule["ports"])]
        self.assertEqual(link, [{"ports": [{"port": 7070, "protocol": "TCP"}], "from": [
            {"podSelector": {"matchLabels": self.pods()["weir-edge"]["metadata"]["labels"]}}]}])
        for rule in policy["ingress"]:
            self.assertTrue(rule["from"])

    def test_the_ingress_waits_longer_than_any_silence(self):
        prefix = "nginx.ingress.kubernetes.io/"
        told = self.base["Ingress", "weir"]["metadata"]["annotations"]
        self.assertEqual(told, {prefix + "proxy-read-timeout": "3600",
                                prefix + "proxy-send-timeout": "3600"})

    def test_the_options_add_just_themselves(self):
        base, sticky = dict(self.base), dict(self.sticky)
        service, ingress = sticky.pop(("Service", "weir-edge")), sticky.pop(("Ingress", "weir"))
        self.assertEqual(service["spec"].pop("sessionAffinity"), "ClientIP")
        self.assertEqual(service["spec"].pop("sessionAffinityConfig"),
                         {"clientIP": {"timeoutSeconds": 3600}})
        self.assertEqual(service, base.pop(("Service", "weir-edge")))
        self.assertEqual(ingress["metadata"]["annotations"].pop(
            "nginx.ingress.kubernetes.io/upstream-hash-by"), "$remote_addr")
        self.assertEqual(ingress, base.pop(("Ingress", "weir")))
        self.assertEqual(sticky, base)


if __name__ == "__main__":
    unittest.main()
