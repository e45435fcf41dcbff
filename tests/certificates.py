"""Certificates for tests, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """PEM files."""

    cert: Path
    key: Path

    def fingerprint(self) -> str:
        """SHA-256, as openssl prints it."""
        return openssl("x509", "-in", self.cert, "-noout", "-fingerprint", "-sha256").strip().partition("=")[2]


class Authority:
    """Signs certificates; its own is `ca.pem`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.cert, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", self._key, "-out", self.cert),
        )

    def issue(self, name: str, *, days: int = 2, file: str = "", strict: bool = True) -> Certificate:
        """A certificate whose one subject alternative name is the host `name` (and 127.0.0.1 for a server).

        If it is not `strict`, it does not name the authority's key, which RFC 5280 asks for.
        """
        base = self._folder / (file or name)
        made = Certificate(base.with_suffix(".pem"), base.with_suffix(".key"))
        request, extensions = base.with_suffix(".csr"), base.with_suffix(".ext")
        openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", made.key, "-out", request),
        )
        names = f"DNS:{name}" + (",IP:127.0.0.1" if name == "collector" else "")
        key = "authorityKeyIdentifier=keyid\n" if strict else ""
        extensions.write_text(f"subjectAltName={names}\n{key}")
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", str(days), "-extfile", extensions, "-out", made.cert),
        )
        return made


def openssl(*arguments: str | Path) -> str:
    """What the command prints."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
