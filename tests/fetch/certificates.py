"""Certificates for tests, made with openssl: an authority, and what it signed."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


class Certificates:
    """An authority in *folder*; certificates are made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._made: dict[str, tuple[Path, Path]] = {}
        self._openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority"
            " -keyout ca.key -out ca.pem -addext keyUsage=critical,keyCertSign"
        )

    def pair(self, name: str, alternative: str = "IP:127.0.0.1", *, expired: bool = False) -> tuple[Path, Path]:
        """The files of a certificate for *alternative*, and of its key."""
        if name not in self._made:
            self._openssl(
                f"req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name}"
                f" -keyout {name}.key -out {name}.csr -addext subjectAltName={alternative}"
            )
            days = "-days -1" if expired else "-days 1"
            self._openssl(
                f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key {days} -copy_extensions copy -out {name}.pem"
            )
            self._made[name] = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        return self._made[name]

    def server(
        self, name: str = "server", alternative: str = "IP:127.0.0.1", *, expired: bool = False, asks: bool = False
    ) -> ssl.SSLContext:
        """A server's context; *asks*: for a client's certificate, which the authority signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair(name, alternative, expired=expired))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def _openssl(self, words: str) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("openssl is needed to make a certificate")
        ended = subprocess.run([openssl, *words.split()], cwd=self.folder, capture_output=True, check=False, text=True)
        assert ended.returncode == 0, ended.stderr
