"""The command lines of all that runs on the node, in the order in which they are started."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests import debian_packages, kubernetes_tools, real_binaries
from tests.cluster import kubernetes
from tests.cluster.credentials import SERVICES
from tests.cluster.room import ADDRESS, NODE

PODS = "10.244.0.0/24"
#: Others need these to answer.
AWAITED = ("containerd", "kube-apiserver")
CONTAINERD = "/run/containerd/containerd.sock"
CONTAINERD_CONFIG = """
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""
NETWORK = {
    "cniVersion": "0.4.0", "name": "pods",
    "plugins": [
        {
            "type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True,
            "ipam": {
                "type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/pods",
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}  # fmt: skip
KUBELET_CONFIG = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}},
    "authorization": {"mode": "Webhook"},
    "cgroupDriver": "cgroupfs", "clusterDNS": [ADDRESS], "clusterDomain": "cluster.local",
    "failSwapOn": False, "resolvConf": "", "address": ADDRESS,
    # However full the disk is on which tests run.
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
    "imageGCHighThresholdPercent": 100,
}  # fmt: skip
#: Answers for each service, as the API server lists them.
NAMES = r"""
columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,IP:.spec.clusterIP
"$1" get services --all-namespaces --watch --no-headers --output "custom-columns=$columns" |
    while read -r namespace name address; do
        echo "$address $name.$namespace.svc.cluster.local" >"$2/$name.$namespace"
    done
"""
PROXY_CONFIG = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "clusterCIDR": PODS,
    "mode": "iptables", "hostnameOverride": NODE, "healthzBindAddress": "127.0.0.1:10256",
    # This table is the whole machine's.
    "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
}  # fmt: skip
Command = tuple[str | Path, ...]


def tools() -> Path:
    """The folder of what Debian has for the node's network: `bin`, `sbin`, `lib`."""
    packages = ("dnsmasq-base", "libnftables1", "conntrack", "socat", "containernetworking-plugins")
    return real_binaries.cached("node_network", lambda folder: debian_packages.unpack(packages, folder)) / "usr"


def environment() -> dict[str, str]:
    """What all services find each other's programs and libraries by."""
    usr = (real_binaries.containerd(), tools())
    path = ":".join(str(folder / name) for folder in usr for name in ("bin", "sbin"))
    return {
        "PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(tools() / "lib/x86_64-linux-gnu"),
    }


def write_configurations(folder: Path, pause: str) -> None:
    """Writes what the services read.

    Args:
        folder: The room's.
        pause: The image that holds a pod's namespaces.
    """
    plugins = tools() / "lib/cni"
    text = CONTAINERD_CONFIG.format(pause=pause, plugins=plugins, folder=folder)
    (folder / "containerd.toml").write_text(text)
    (folder / "cni").mkdir(exist_ok=True)
    (folder / "cni/pods.conflist").write_text(json.dumps(NETWORK))
    (folder / "names").mkdir()
    kubelet = {
        "tlsCertFile": f"{folder}/kubelet.pem", "tlsPrivateKeyFile": f"{folder}/kubelet.key",
        "authentication": KUBELET_CONFIG["authentication"] | {"x509": {"clientCAFile": f"{folder}/ca.pem"}},  # type: ignore[operator]
    }  # fmt: skip
    (folder / "kubelet.json").write_text(json.dumps(KUBELET_CONFIG | kubelet))
    (folder / "proxy.json").write_text(
        json.dumps(PROXY_CONFIG | {"clientConnection": {"kubeconfig": f"{folder}/proxy.conf"}})
    )


def services(folder: Path) -> Iterator[tuple[str, Command]]:
    """(name, command line) of each; the folder has their credentials and configurations."""
    servers = kubernetes.servers()
    yield "etcd", (real_binaries.etcd(), f"--data-dir={folder}/etcd", "--unsafe-no-fsync")
    yield "containerd", (real_binaries.containerd() / "bin/containerd", f"--config={folder}/containerd.toml")
    yield "kube-apiserver", (
        servers / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", f"--advertise-address={ADDRESS}",
        f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC",
        f"--client-ca-file={folder}/ca.pem", f"--tls-cert-file={folder}/api.pem",
        f"--tls-private-key-file={folder}/api.key", f"--kubelet-certificate-authority={folder}/ca.pem",
        f"--kubelet-client-certificate={folder}/api-client.pem", f"--kubelet-client-key={folder}/api-client.key",
        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/tokens.pub",
        f"--service-account-signing-key-file={folder}/tokens.key", f"--cert-dir={folder}/api",
        "--enable-admission-plugins=NodeRestriction", "--kubelet-preferred-address-types=InternalIP",
    )  # fmt: skip
    yield "kube-controller-manager", (
        servers / "kube-controller-manager", f"--kubeconfig={folder}/controllers.conf", "--leader-elect=false",
        f"--service-account-private-key-file={folder}/tokens.key", f"--root-ca-file={folder}/ca.pem",
        "--use-service-account-credentials",
    )  # fmt: skip
    yield "kube-scheduler", (
        servers / "kube-scheduler", f"--kubeconfig={folder}/scheduler.conf", "--leader-elect=false",
    )  # fmt: skip
    yield "kubelet", (
        servers / "kubelet", f"--config={folder}/kubelet.json", f"--kubeconfig={folder}/kubelet.conf",
        "--container-runtime=remote", f"--container-runtime-endpoint=unix://{CONTAINERD}",
        f"--hostname-override={NODE}", f"--node-ip={ADDRESS}",
    )  # fmt: skip
    yield "kube-proxy", (servers / "kube-proxy", f"--config={folder}/proxy.json")
    yield "dnsmasq", (
        tools() / "sbin/dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--local=/cluster.local/",
        f"--hostsdir={folder}/names", f"--listen-address={ADDRESS}", "--bind-interfaces", "--user=root",
        "--conf-file=/dev/null", "--pid-file=/run/dnsmasq.pid",
    )  # fmt: skip
    yield "names", (
        "env", f"KUBECONFIG={folder}/admin.conf", "bash", "-c", NAMES, "names", kubernetes_tools.tool("kubectl"),
        f"{folder}/names",
    )  # fmt: skip
