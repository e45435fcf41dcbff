"""A cluster of one node in namespaces of its own: Kubernetes' servers, etcd, containerd. As root, on amd64."""
