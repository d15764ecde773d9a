"""A certificate authority for this run alone, and one certificate per server."""

import subprocess
from pathlib import Path

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def make(directory: Path, domains: list[str]) -> None:
    """Writes ca.pem, and DOMAIN.key, DOMAIN.crt, DOMAIN.pem (both) for each domain."""
    directory.mkdir(parents=True, exist_ok=True)
    _openssl(
        directory, "req", "-x509", *_NEW_KEY, "-days", "30", "-subj", "/CN=Courant testbed CA",
        "-keyout", "ca.key", "-out", "ca.pem",
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    for domain in domains:
        # *.domain covers the component; clientAuth is what SASL EXTERNAL between servers asks for.
        (directory / f"{domain}.ext").write_text(
            f"subjectAltName=DNS:{domain},DNS:*.{domain}\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
            "basicConstraints=CA:FALSE\n"
        )
        _openssl(
            directory, "req", *_NEW_KEY, "-subj", f"/CN={domain}",
            "-keyout", f"{domain}.key", "-out", f"{domain}.csr",
        )  # fmt: skip
        _openssl(
            directory, "x509", "-req", "-in", f"{domain}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "30", "-extfile", f"{domain}.ext", "-out", f"{domain}.crt",
        )  # fmt: skip
        both = (directory / f"{domain}.crt").read_text() + (directory / f"{domain}.key").read_text()
        (directory / f"{domain}.pem").write_text(both)


def _openssl(directory: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], cwd=directory, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
