"""Images built and run on this machine, without a registry: buildah, on a base that debootstrap makes."""
