"""The servers, each with one configuration for all cases: a folder of the site for each case, and /open/ for all."""

import base64
import json
import os
import shutil
import subprocess

from credentials import CASES, ONE_USER, UP_TO_MANY
from processes import Process, Unavailable, find_program, free_port, hand_over

BODY = ("The quick brown fox jumps over the lazy dog. " * 8).strip() + "\n"


class Site:
    """The files and users of all servers."""

    def __init__(self, folder, password_files, module, nginx_module):
        self.folder = folder
        self.password_files = password_files
        self.root = os.path.join(folder, "site")
        # A copy, since the module may be rebuilt meanwhile, and the servers' user may be unable to read ours.
        self.module = shutil.copy(module, os.path.join(folder, "rust_esauth.so"))
        self.nginx_module = None
        if os.path.exists(nginx_module):
            self.nginx_module = shutil.copy(nginx_module, os.path.join(folder, "ngx_http_esauth_module.so"))
        for case in ["open", *password_files]:
            os.makedirs(os.path.join(self.root, case), exist_ok=True)
            with open(os.path.join(self.root, case, "hello.txt"), "w") as output:
                output.write(BODY)

    def password_line(self, case):
        """The user and the hash that a file ends with."""
        with open(self.password_files[case]) as lines:
            return lines.read().strip().splitlines()[-1].split(":", 1)

    def password_lines(self, case):
        """All users and hashes of a file."""
        with open(self.password_files[case]) as lines:
            return [line.strip().split(":", 1) for line in lines]


class Server:
    """One server under one configuration. Subclasses define its configuration and start."""

    key = label = ""
    # One of this project's modules: fast in every case, and measured more finely.
    is_ours = False
    # With lockouts for guessers.
    locks_out = False
    cases = UP_TO_MANY
    programs = ()

    def __init__(self, site):
        self.site = site
        self.program = self.find()
        self.folder = os.path.join(site.folder, self.key)
        os.makedirs(os.path.join(self.folder, "tmp"), exist_ok=True)
        self.process = None
        self.port = None

    def find(self):
        """The path of the program."""
        return find_program(*self.programs)

    def configuration(self):
        """The text of the configuration file."""
        raise NotImplementedError

    def command(self, path):
        """The command that runs the server in the foreground."""
        raise NotImplementedError

    def start(self):
        """Starts the server and waits until it accepts connections."""
        self.port = free_port()
        path = os.path.join(self.folder, "conf")
        with open(path, "w") as output:
            output.write(self.configuration())
        hand_over(self.folder)
        self.process = Process(self.command(path), os.path.join(self.folder, "output"), self.folder)
        self.process.wait_for_port(self.port)

    def stop(self):
        """Stops the server, if it runs."""
        if self.process:
            self.process.stop()
            self.process = None

    def log(self):
        """The server's log since its first start, of httpd and nginx."""
        with open(os.path.join(self.folder, "error.log"), errors="replace") as text:
            return text.read()

    def url(self, case):
        """The URL of a request."""
        return f"http://127.0.0.1:{self.port}/{case}/hello.txt"


def apxs(variable):
    """A value of the httpd of APXS, or else of the apxs in the PATH."""
    program = os.environ.get("APXS") or find_program("apxs", "apxs2")
    done = subprocess.run([program, "-q", variable], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{program} does not run")
    return done.stdout.strip()


class Httpd(Server):
    """Apache httpd; here without authentication."""

    key, label = "httpd", "httpd, no authentication"
    cases = []
    modules = ("mpm_event", "unixd", "authn_core", "authz_core", "authz_user")
    settings = ""
    section_settings = ""
    providers = "file"
    backend = None

    def find(self):
        return os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))

    def load_modules(self):
        """The LoadModule lines; built-in modules have no file."""
        folder = apxs("LIBEXECDIR")
        names = self.modules + (("proxy", "proxy_http") if self.backend else ())
        paths = [(name, os.path.join(folder, f"mod_{name}.so")) for name in names]
        return "".join(f'LoadModule {name}_module "{path}"\n' for name, path in paths if os.path.exists(path))

    def configuration(self):
        sections = "".join(f"""<Location /{case}/>
    AuthType Basic
    AuthName bench
    AuthBasicProvider {self.providers}
    AuthUserFile "{self.site.password_files[case]}"
    Require valid-user
    {self.section_settings}
</Location>
""" for case in self.cases)
        # Opened like a folder in httpd's own configuration files, which deny all others.
        sections += "<Location /open/>\n    Require all granted\n</Location>\n"
        if self.backend:
            sections += "".join(f"ProxyPass /{case}/ {self.backend}/\n" for case in ["open", *self.cases])
        return f"""{self.load_modules()}ServerRoot "{self.folder}"
DefaultRuntimeDir "{self.folder}/tmp"
PidFile "{self.folder}/pid"
ServerName localhost
Listen 127.0.0.1:{self.port}
ErrorLog "{self.folder}/error.log"
LogLevel warn
DocumentRoot "{self.site.root}"
KeepAlive On
MaxKeepAliveRequests 0
StartServers 2
ThreadsPerChild 64
MinSpareThreads 128
MaxSpareThreads 256
MaxRequestWorkers 256
{self.settings}
{sections}"""

    def command(self, path):
        return [self.program, "-f", path, "-DFOREGROUND"]

    def url(self, case):
        return f"http://127.0.0.1:{self.port}/{case}/_cluster/health" if self.backend else super().url(case)


class Stock(Httpd):
    """mod_auth_basic with mod_authn_file."""

    key, label = "stock", "httpd, mod_authn_file"
    cases = UP_TO_MANY
    modules = Httpd.modules + ("auth_basic", "authn_file")


class Socache(Stock):
    """mod_auth_basic with mod_authn_socache in front of mod_authn_file."""

    key, label = "socache", "httpd, mod_authn_socache"
    modules = Stock.modules + ("socache_shmcb", "authn_socache")
    settings = "AuthnCacheSOCache shmcb\nAuthnCacheEnable"
    section_settings = "AuthnCacheProvideFor file\n    AuthnCacheTimeout 1200"
    providers = "socache file"


class Ours(Httpd):
    """The module of this project."""

    key, label = "ours", "httpd, rust_esauth"
    is_ours = True
    cases = list(CASES)

    def load_modules(self):
        return super().load_modules() + f'LoadModule rust_esauth_module "{self.site.module}"\n'


class OursLockout(Ours):
    """The same with lockouts for guessers."""

    key, label = "ours-lockout", "httpd, rust_esauth, lockout"
    locks_out = True
    # Few, since the measurement begins when they are reached.
    settings = "EsAuthMaxFailures 2/600"


class OursEverything(Ours):
    """The same with all features on: lockout, the metrics' page, mod_status, the access log with our notes."""

    key, label = "ours-everything", "httpd, rust_esauth, everything on"
    cases = ONE_USER
    modules = Ours.modules + ("authz_host", "log_config", "status")
    settings = """EsAuthMaxFailures 100/60
ExtendedStatus On
CustomLog access.log "%h %u %r %>s %{esauth-verdict}n %{esauth-hash-us}n"
<Location /metrics>
    SetHandler rust-esauth-metrics
    Require local
</Location>
<Location /server-status>
    SetHandler server-status
    Require local
</Location>"""


class Nginx(Server):
    """nginx with auth_basic."""

    key, label, programs = "nginx", "nginx, auth_basic", ("nginx",)
    directive = "auth_basic"
    load = settings = log_level = ""
    backend = None

    def section(self, case, directives):
        """A location, which passes requests on if there is a back end."""
        if self.backend:
            directives += " proxy_pass http://backend/; proxy_http_version 1.1; proxy_set_header Connection \"\";"
        return f"location /{case}/ {{ {directives} }}\n"

    def configuration(self):
        sections = self.section("open", "") + "".join(
            self.section(case, f'{self.directive} bench; {self.directive}_user_file "{self.site.password_files[case]}";')
            for case in self.cases)
        if self.backend:
            address = self.backend.removeprefix("http://")
            upstream = f"upstream backend {{ server {address}; keepalive 32; }}\n"
        else:
            upstream = ""
        temporary = "".join(f"{name}_temp_path {self.folder}/tmp/{name};\n"
                            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""{self.load}daemon off;
worker_processes auto;
pid {self.folder}/pid;
error_log {self.folder}/error.log {self.log_level};
events {{ worker_connections 1024; }}
http {{
{temporary}{upstream}{self.settings}access_log off;
sendfile on;
keepalive_requests 1000000;
types {{ text/plain txt; }}
server {{
listen 127.0.0.1:{self.port};
root {self.site.root};
{sections}}}
}}
"""

    def command(self, path):
        return [self.program, "-e", self.folder + "/error.log", "-p", self.folder, "-c", path]

    def url(self, case):
        return f"http://127.0.0.1:{self.port}/{case}/_cluster/health" if self.backend else super().url(case)


class NginxOurs(Nginx):
    """nginx with the module of this project."""

    key, label = "nginx-ours", "nginx, rust_esauth"
    is_ours = True
    cases = list(CASES)
    directive = "esauth"

    def __init__(self, site):
        if not site.nginx_module:
            raise Unavailable("the module is not built (make nginx)")
        self.load = f"load_module {site.nginx_module};\n"
        super().__init__(site)


class NginxOursLockout(NginxOurs):
    """The same with lockouts for guessers."""

    key, label = "nginx-ours-lockout", "nginx, rust_esauth, lockout"
    locks_out = True
    settings = "esauth_max_failures 2 600s;\n"


class Haproxy(Server):
    """HAProxy with a userlist, verified with crypt(3): no $apr1$, no {SHA}."""

    key, label, programs = "haproxy", "HAProxy", ("haproxy",)
    # It computes every hash of a list once at its start; 100,000 would take more than an hour.
    cases = [case for case in ONE_USER if case.startswith("bcrypt")]

    def configuration(self):
        lists = rules = ""
        for case in self.cases:
            user, password_hash = self.site.password_line(case)
            lists += f"userlist {case}\n    user {user} password {password_hash}\n"
            rules += f"    http-request auth realm bench if {{ path_beg /{case}/ }} !{{ http_auth({case}) }}\n"
        return f"""global
    maxconn 2000
defaults
    mode http
    timeout client 1m
    timeout server 1m
    timeout connect 5s
{lists}frontend bench
    bind 127.0.0.1:{self.port}
{rules}    http-request return status 200 content-type text/plain file {self.site.root}/open/hello.txt
"""

    def command(self, path):
        return [self.program, "-db", "-f", path]


class Lighttpd(Server):
    """lighttpd with mod_auth and mod_authn_file."""

    key, label, programs = "lighttpd", "lighttpd", ("lighttpd",)
    settings = ""

    def configuration(self):
        sections = "".join(f"""$HTTP["url"] =~ "^/{case}/" {{
    auth.backend.htpasswd.userfile = "{self.site.password_files[case]}"
    auth.require = ( "" => ( "method" => "basic", "realm" => "bench", "require" => "valid-user" ) )
}}
""" for case in self.cases)
        return f"""server.modules = ( "mod_auth", "mod_authn_file" )
server.document-root = "{self.site.root}"
server.bind = "127.0.0.1"
server.port = {self.port}
server.errorlog = "{self.folder}/error.log"
server.upload-dirs = ( "{self.folder}/tmp" )
mimetype.assign = ( ".txt" => "text/plain" )
auth.backend = "htpasswd"
{self.settings}
{sections}"""

    def command(self, path):
        return [self.program, "-D", "-f", path]


class LighttpdCache(Lighttpd):
    """lighttpd that remembers verdicts."""

    key, label = "lighttpd-cache", "lighttpd, auth.cache"
    settings = 'auth.cache = ( "max-age" => "1200" )'


class Caddy(Server):
    """Caddy with hash_cache. The only scheme of password files that it knows is bcrypt."""

    key, label, programs = "caddy", "Caddy, hash_cache", ("caddy",)
    cases = [case for case in CASES if case.startswith("bcrypt")]

    def configuration(self):
        routes = [{"match": [{"path": [f"/{case}/*"]}], "handle": [self.authentication(case)]} for case in self.cases]
        routes.append({"handle": [{"handler": "file_server", "root": self.site.root}]})
        server = {"listen": [f"127.0.0.1:{self.port}"], "routes": routes, "automatic_https": {"disable": True}}
        return json.dumps({"admin": {"disabled": True, "config": {"persist": False}},
                           "apps": {"http": {"servers": {"bench": server}}}})

    def authentication(self, case):
        """The handler that checks the users of a file."""
        accounts = [{"username": user, "password": base64.b64encode(password_hash.encode()).decode()}
                    for user, password_hash in self.site.password_lines(case)]
        basic = {"accounts": accounts, "hash": {"algorithm": "bcrypt"}, "hash_cache": {}}
        return {"handler": "authentication", "providers": {"http_basic": basic}}

    def command(self, path):
        return [self.program, "run", "--config", path]


EVERY_SERVER = (Httpd, Stock, Socache, Ours, Nginx, NginxOurs, Haproxy, Lighttpd, LighttpdCache, Caddy)
