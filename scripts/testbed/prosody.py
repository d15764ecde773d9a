"""Prosody: loopback only, in the foreground, with the component's domain."""

import os
import shutil
from pathlib import Path

from .processes import Program
from .servers import CLIENT_STANZA_BYTES, Server

CONFIG = """\
-- Written by the testbed; Prosody 0.12.
{run_as_root}daemonize = false
pidfile = "{dir}/prosody.daemon-pid"
data_path = "{dir}/data"
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{log}" }} }}

interfaces = {{ "{address}" }}
component_interfaces = {{ "{address}" }}
component_ports = {{ 5347 }}
use_ipv6 = false

-- Names without DNS: libunbound reads this file, and knows that nothing else ends in .test.
unbound = {{ resolvconf = false, hoststxt = "{bed}/hosts" }}

modules_enabled = {{ "roster", "saslauth", "tls", "dialback", "disco", "ping", "s2s",
    "s2s_auth_certs", "offline", "register", "smacks" }}
authentication = "internal_plain"
storage = "internal"
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
c2s_stanza_size_limit = {client_stanza_bytes}

ssl = {{ key = "{bed}/certs/{domain}.key", certificate = "{bed}/certs/{domain}.crt",
    cafile = "{bed}/certs/ca.pem" }}
s2s_secure_auth = true
s2s_require_encryption = true

VirtualHost "{domain}"

Component "{component}"
    component_secret = "{secret}"
"""


class Prosody(Server):
    """prosody.test"""

    def __init__(self, directory: Path, address: str, outlive: bool = False) -> None:
        """See `Server`; `outlive` as in `Program`."""
        super().__init__("prosody", directory, address)
        program = shutil.which(
            "prosody", path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", "")
        )
        if program is None:
            raise RuntimeError("prosody is not installed (scripts/install-deps.sh installs it)")
        self._config = self.directory / "prosody.cfg.lua"
        self.program = Program(
            self.name, [program, "-F", "--config", str(self._config)], directory, outlive=outlive
        )

    def write(self) -> None:
        """Writes its configuration."""
        # Prosody looks for a folder of certificates beside its configuration.
        (self.directory / "certs").mkdir(parents=True, exist_ok=True)
        (self.directory / "data").mkdir(exist_ok=True)
        self._config.write_text(
            CONFIG.format(
                run_as_root="run_as_root = true\n" if os.geteuid() == 0 else "",
                dir=self.directory,
                bed=self.bed,
                log=self.log,
                address=self.address,
                domain=self.domain,
                component=self.component,
                secret=self.secret,
                client_stanza_bytes=CLIENT_STANZA_BYTES,
            )
        )
