"""Certificates, made by openssl as an operator would."""

import hashlib
import os
import shutil
import ssl
import subprocess

from rawhttp import SLOW


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True,
                   timeout=30 * SLOW)


def fingerprint(path):
    """The SHA-256 of a certificate, as AB:CD:..."""
    with open(path, encoding="ascii") as f:
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(f.read())).hexdigest()
    return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2)).upper()


def missing():
    return None if shutil.which("openssl") else "openssl is not installed"


def link_options(folder, name, authority="ca"):
    """The options of one end of a TLS link, with files that lie in `folder`."""
    path = os.path.join(folder, "")
    return {"link_tls_cert": f"{path}{name}.pem", "link_tls_key": f"{path}{name}.key",
            "link_tls_ca": f"{path}{authority}.pem"}


class Authority:
    """A key and a certificate that sign others; its files lie in `folder` under its name."""

    def __init__(self, folder, name="ca"):
        self.folder = folder
        self.name = name
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.pem", "-days", "2")

    @property
    def path(self):
        return os.path.join(self.folder, self.name + ".pem")

    def issue(self, name, common_name="localhost", names="DNS:localhost, IP:127.0.0.1", days=2):
        """Writes NAME.pem and NAME.key and returns their paths. With `names` "" only the common name
        is there; 0 days: it has expired already."""
        cert, key = (os.path.join(self.folder, name + end) for end in (".pem", ".key"))
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", f"/CN={common_name}", "-keyout", key, "-out", f"{name}.csr")
        extensions = os.path.join(self.folder, name + ".ext")
        with open(extensions, "w", encoding="ascii") as f:
            f.write(f"subjectAltName = {names}\n" if names else "")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", self.path, "-CAkey",
                f"{self.name}.key", "-CAcreateserial", "-days", str(days), "-extfile", extensions,
                "-out", cert)
        os.chmod(key, 0o600)
        return cert, key
