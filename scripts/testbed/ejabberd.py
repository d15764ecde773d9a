"""ejabberd: loopback only, in the foreground, with the component's domain.

It is started as a plain Erlang program: ejabberdctl insists on being root or the user ejabberd.
Without a node name it needs neither the port mapper (epmd) nor a port for Erlang's distribution.
"""

import shutil
from pathlib import Path

from .processes import Program
from .servers import CLIENT_STANZA_BYTES, Server

CONFIG = """\
# Written by the testbed; ejabberd 23.01.
loglevel: info
log_rotate_count: 0
hosts: [{domain}]
certfiles: ["{bed}/certs/{domain}.pem"]
ca_file: "{bed}/certs/ca.pem"
s2s_use_starttls: required
# After one failed connection ejabberd bounces everything to that domain for up to this many
# seconds (300 unless configured), even if the other server is back.
s2s_max_retry_delay: 1
auth_password_format: plain
auth_method: [internal]
registration_timeout: infinity
listen:
  -
    port: 5222
    ip: "{address}"
    module: ejabberd_c2s
    starttls: true
    starttls_required: false
    max_stanza_size: {client_stanza_bytes}
  -
    port: 5269
    ip: "{address}"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
  -
    port: 5347
    ip: "{address}"
    module: ejabberd_service
    access: all
    hosts:
      {component}:
        password: {secret}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_offline: {{}}
  mod_s2s_dialback: {{}}
  mod_stream_mgmt: {{}}
  mod_register:
    ip_access: all
    access: all
"""

# No resolver for SRV records; A records come from the hosts file by way of nss_wrapper.
INETRC = """\
{resolv_conf,""}.
{lookup,[file]}.
{host,{127,0,0,1},["localhost"]}.
"""


class Ejabberd(Server):
    """ejabberd.test"""

    def __init__(self, directory: Path, address: str, outlive: bool = False) -> None:
        """See `Server`; `outlive` as in `Program`."""
        super().__init__("ejabberd", directory, address)
        libraries = _one("/usr/lib", "*/ejabberd-*/ebin/ejabberd.app", "ejabberd").parents[2]
        wrapper = _one("/usr/lib", "*/libnss_wrapper.so", "libnss-wrapper")
        erl = shutil.which("erl", path="/usr/bin:/usr/local/bin")
        if erl is None:
            raise RuntimeError("Erlang is not installed (scripts/install-deps.sh installs it)")
        self.program = Program(
            self.name,
            [erl, "+K", "true", "-noinput", "-mnesia", "dir", f'"{self.directory}/spool"',
             "-ejabberd", "log_rotate_count", "0", "-s", "ejabberd"],
            directory,
            {
                "ERL_LIBS": str(libraries),
                "ERL_INETRC": str(self.directory / "inetrc"),
                "ERL_CRASH_DUMP_BYTES": "0",
                "EJABBERD_CONFIG_PATH": str(self.directory / "ejabberd.yml"),
                "EJABBERD_LOG_PATH": str(self.log),
                "EJABBERD_PID_PATH": str(self.directory / "ejabberd.daemon-pid"),
                "CONTRIB_MODULES_PATH": str(self.directory / "contrib"),
                "HOME": str(self.directory),
                "LD_PRELOAD": str(wrapper),
                "NSS_WRAPPER_HOSTS": str(directory / "hosts"),
            },
            outlive=outlive,
        )  # fmt: skip

    def write(self) -> None:
        """Writes its configuration."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "inetrc").write_text(INETRC)
        (self.directory / "ejabberd.yml").write_text(
            CONFIG.format(
                bed=self.bed,
                address=self.address,
                domain=self.domain,
                component=self.component,
                secret=self.secret,
                client_stanza_bytes=CLIENT_STANZA_BYTES,
            )
        )


def _one(root: str, pattern: str, package: str) -> Path:
    for path in sorted(Path(root).glob(pattern)):
        return path
    raise RuntimeError(f"{package} is not installed (scripts/install-deps.sh installs it)")
