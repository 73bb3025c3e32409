"""Debian's Exim as the other side: a daemon with its own configuration, spool and ports in the room. Its mail lands in a
Maildir. It insists on a user Debian-exim, which is made in the room's /etc alone."""

import email
import email.policy
import pwd

from suite import *

USER = "Debian-exim"
CONFIG = """primary_hostname = mx.peer.test
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
pid_file_path = {folder}/pid
log_selector = +tls_certificate_verified +received_recipients
local_interfaces = 127.0.0.1
daemon_smtp_ports = {ports}
tls_on_connect_ports = {wrapped}
host_lookup =
rfc1413_hosts =
recipient_unqualified_hosts =
deliver_drop_privilege = true
dns_dnssec_ok = 0
keep_environment =
accept_8bitmime = true
chunking_advertise_hosts = *
{options}
acl_smtp_rcpt = rcpt
acl_smtp_connect = connect
begin acl
connect:
{connect}
  accept
rcpt:
{rcpt}
  accept
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  maildir_format
  directory = {folder}/mail
  create_directory
begin authenticators
{authenticators}
"""
AUTHENTICATORS = """plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if and{{{{def:tls_in_cipher}}{{eq{{$received_port}}{{{plain}}}}}}}}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if and{{{{def:tls_in_cipher}}{{eq{{$received_port}}{{{login}}}}}}}}}
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
  server_advertise_condition = ${{if and{{{{def:tls_in_cipher}}{{eq{{$received_port}}{{{cram}}}}}}}}}
"""


class Exim:
    """listeners: {name: {"chain": file, "wrapped": bool, "size": limit, "auth": "PLAIN", "rcpt": acl, "connect": acl}},
    each a port of its own; .port[name] is where it listens."""

    user, password = "exim-login", "correct-horse"

    def __init__(self, listeners):
        self.folder = ROOM / f"exim-{time.monotonic_ns()}"
        self.listeners = listeners
        self.port = {name: free_port() for name in listeners}
        self.program = PEERS / "exim4-daemon-light/usr/sbin/exim4"

    def by_port(self, key, default):
        """An expansion: what the listener has for `key`."""
        text = default
        for name, options in self.listeners.items():
            if key in options:
                text = f"${{if eq{{$received_port}}{{{self.port[name]}}}{{{options[key]}}}{{{text}}}}}"
        return text

    def acl(self, key):
        lines = ""
        for name, options in self.listeners.items():
            for line in options.get(key, ()):
                verb, _, rest = line.partition(" ")
                lines += f"  {verb} condition = ${{if eq{{$received_port}}{{{self.port[name]}}}}}\n    {rest}\n"
        return lines

    def configuration(self):
        auth = {name.lower(): 0 for name in ("PLAIN", "LOGIN", "CRAM-MD5")}
        for name, options in self.listeners.items():
            if "auth" in options:
                auth[options["auth"].lower()] = self.port[name]
        options = (f"tls_advertise_hosts = {self.by_port('tls', '')}\n"
                   f"tls_certificate = {self.by_port('chain', '/nowhere')}\n"
                   f"message_size_limit = {self.by_port('size', '0')}\n")
        return CONFIG.format(
            program=self.program, folder=self.folder, ports=" : ".join(str(p) for p in self.port.values()),
            wrapped=" : ".join(str(self.port[n]) for n, o in self.listeners.items() if o.get("wrapped")), options=options,
            rcpt=self.acl("rcpt"), connect=self.acl("connect"),
            authenticators=AUTHENTICATORS.format(user=self.user, password=self.password, plain=auth["plain"],
                                                 login=auth["login"], cram=auth["cram-md5"]))

    def __enter__(self):
        for options in self.listeners.values():
            if "chain" in options:
                options["tls"] = "*"
        if not in_passwd(USER):
            expect(os.environ.get("ROOM_NAMESPACE"), f"there is no user {USER}, and this room has no /etc of its own")
            call("useradd", "-M", "-U", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", USER)
        who = pwd.getpwnam(USER)
        for folder in (self.folder, self.folder / "spool", self.folder / "log", self.folder / "mail"):
            folder.mkdir(mode=0o755)
            os.chown(folder, who.pw_uid, who.pw_gid)
        (self.folder / "config").write_text(self.configuration())
        libraries = {"LD_LIBRARY_PATH": f"{PEERS}/usr/lib/x86_64-linux-gnu"}
        self.said = open(self.folder / "said", "wb")
        self.process = subprocess.Popen([self.program, "-bdf", "-C", self.folder / "config"], env=environment(**libraries),
                                        stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said, start_new_session=True)
        try:
            for port in self.port.values():
                wait_until(lambda: self.process.poll() is not None or listening(port), "Exim does not start", 30)
            expect(self.process.poll() is None, "Exim ended")
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, *problem):
        pids = family(self.process.pid)
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        for pid in pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self.said.close()
        if problem and problem[0]:
            for file in (self.folder / "said", *(self.folder / "log").glob("*")):
                print(f"  --- {file}")
                print("\n".join("  " + line[:300] for line in file.read_text(errors="replace").splitlines()[-30:]))

    def log(self):
        file = self.folder / "log/main"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_log(self, pattern):
        return wait_until(lambda: re.search(pattern, self.log(), re.M), f"no {pattern!r} in Exim's log")

    def files(self):
        return sorted((self.folder / "mail/new").glob("*"), key=lambda f: f.stat().st_mtime_ns)

    def next_message(self, before):
        """The message that came after there were `before`, parsed; and its bytes."""
        wait_until(lambda: len(self.files()) > before, "Exim has not delivered it")
        data = self.files()[before].read_bytes()
        return email.message_from_bytes(data, policy=email.policy.default), data
