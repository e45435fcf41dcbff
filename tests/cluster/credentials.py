"""Certificates of the cluster's parts, and the files by which they call each other."""

from pathlib import Path

from tests.certificates import openssl
from tests.cluster.room import ADDRESS, NODE

#: Of the network of services; the API server takes the first.
SERVICES = "10.96.0.0/16"
API = f"https://{ADDRESS}:6443"
SERVED = f"IP:{ADDRESS},IP:127.0.0.1,IP:10.96.0.1,DNS:kubernetes.default.svc"
#: By file: the name and the group for which Kubernetes has rights from the start, and what a server answers as.
PARTS = {
    "api": ("kube-apiserver", "", SERVED),
    "api-client": ("kube-apiserver-kubelet-client", "system:masters", ""),
    "admin": ("admin", "system:masters", ""),
    "controllers": ("system:kube-controller-manager", "", ""),
    "scheduler": ("system:kube-scheduler", "", ""),
    "proxy": ("system:kube-proxy", "system:node-proxier", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes", f"IP:{ADDRESS},DNS:{NODE}"),
}
CONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{api}", certificate-authority: {folder}/ca.pem}}}}]
users: [{{name: own, user: {{client-certificate: {folder}/{name}.pem, client-key: {folder}/{name}.key}}}}]
contexts: [{{name: test, context: {{cluster: test, user: own}}}}]
current-context: test
"""


def write(folder: Path) -> None:
    """Writes NAME.pem, NAME.key and NAME.conf for each of PARTS, ca.pem, and tokens.key and tokens.pub for tokens."""
    authority(folder)
    for name, (who, group, served) in PARTS.items():
        issue(folder, name, f"{f'/O={group}' if group else ''}/CN={who}", served)
        (folder / f"{name}.conf").write_text(CONFIG.format(api=API, folder=folder, name=name))
    openssl("genrsa", "-out", folder / "tokens.key", "2048")
    openssl("rsa", "-in", folder / "tokens.key", "-pubout", "-out", folder / "tokens.pub")


def authority(folder: Path) -> None:
    """Writes ca.pem and ca.key."""
    _openssl_of(folder, "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test-ca", "-out", "ca.pem", key="ca.key")


def issue(folder: Path, name: str, subject: str, served: str) -> None:
    """Writes NAME.pem and NAME.key, of the folder's authority, for these subject alternative names."""
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={served}\n" if served else "extendedKeyUsage=clientAuth\n")
    _openssl_of(folder, "req", "-nodes", "-subj", subject, "-out", request.name, key=f"{name}.key")
    openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", extensions, "-out", folder / f"{name}.pem"),
    )


def _openssl_of(folder: Path, *arguments: str, key: str) -> None:
    """With a new key; the file after -out lies in the folder."""
    *before, out = arguments
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", folder / key)
    openssl(before[0], *new, *before[1:], folder / out)
