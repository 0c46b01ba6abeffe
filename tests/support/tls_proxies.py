"""Real proxies in front of an edge: nginx and haproxy, configured as ingress-nginx and haproxy-ingress configure them
for a host whose clients may prove themselves by certificates."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.certificates import Certificate
from support.ports import free_port
from support.processes import wait_until

STARTED_S, ENDED_S = 30.0, 20.0
CUT_AFTER_S = 1
"""After a reload, connections of before are cut then; by default ingress-nginx gives them 240 s."""
NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
worker_processes 1;
worker_shutdown_timeout {cut_after_s}s;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    underscores_in_headers off;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream upstream_balancer {{
        server 127.0.0.1:{edge_port};
        keepalive 320;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {authorities};
        ssl_verify_client optional;
        ssl_verify_depth 1;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:SSL:1m;
        ssl_session_tickets off;
        location / {{
            proxy_set_header ssl-client-verify $ssl_client_verify;
            proxy_set_header ssl-client-subject-dn $ssl_client_s_dn;
            proxy_set_header ssl-client-issuer-dn $ssl_client_i_dn;
            proxy_set_header ssl-client-cert $ssl_client_escaped_cert;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Scheme $scheme;
            proxy_set_header X-Scheme $scheme;
            proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
            proxy_set_header Proxy "";
            proxy_connect_timeout 5s;
            proxy_send_timeout {idle_s}s;
            proxy_read_timeout {idle_s}s;
            proxy_buffering off;
            proxy_buffer_size 4k;
            proxy_buffers 4 4k;
            proxy_request_buffering on;
            proxy_http_version 1.1;
            proxy_next_upstream error timeout;
            proxy_pass http://upstream_balancer;
        }}
    }}
}}
"""
HAPROXY = """
global
    hard-stop-after {cut_after_s}s
    maxconn 512
defaults
    mode http
    timeout connect 5s
    timeout client {idle_s}s
    timeout server {idle_s}s
    timeout http-request 5s
    timeout http-keep-alive 60s
frontend chargers
    bind 127.0.0.1:{port}
    bind 127.0.0.1:{tls_port} ssl crt {folder}/server.pem alpn h2,http/1.1 {clients}
    http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request del-header X-SSL-Client-CN
    http-request del-header X-SSL-Client-DN
    http-request del-header X-SSL-Client-Cert
    http-request del-header X-SSL-Client-Subject
    http-request deny deny_status 403 if {{ ssl_c_used }} {{ ssl_c_ca_err gt 0 }}
    http-request deny deny_status 403 if {{ ssl_c_used }} {{ ssl_c_err gt 0 }}
    option forwardfor
    default_backend edge
backend edge
    http-request set-header X-SSL-Client-CN   %{{+Q}}[ssl_c_s_dn(cn)] if {{ ssl_fc }}
    http-request set-header X-SSL-Client-DN   %{{+Q}}[ssl_c_s_dn] if {{ ssl_fc }}
    http-request set-header X-SSL-Client-Cert %{{+Q}}[ssl_c_der,base64] if {{ ssl_fc }}
    http-request set-header X-SSL-Client-Subject %[ssl_c_s_dn(,0,rfc2253)] if {{ ssl_fc }}
    server edge 127.0.0.1:{edge_port}
"""
HAPROXY_CLIENTS = "ca-file {authorities} verify optional ca-ignore-err all crt-ignore-err all"
HEADERS = {"nginx": "ssl-client-subject-dn", "haproxy-ingress": "x-ssl-client-cn", "haproxy": "x-ssl-client-subject"}
"""In which each says whose certificate it is: of haproxy, that of the ingress controller, and one to be preferred."""


def program(kind: str) -> str:
    """Where it is. Skips the test where it is not: administrators' programs are in no user's path."""
    name = kind.removesuffix("-ingress")
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is None:
        package = {"nginx": "nginx-light"}.get(name, name)
        pytest.skip(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


@dataclass
class TlsProxy:
    """One of them. Chargers connect at `tls_port`, and without TLS at `port`."""

    kind: str
    folder: Path
    edge_port: int
    server: Certificate
    authorities: Path
    idle_s: int = 3600
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)

    def __enter__(self) -> TlsProxy:
        path = program(self.kind)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.pem").write_bytes(self.server.cert.read_bytes() + self.server.key.read_bytes())
        config = self.folder / "config"
        template = NGINX if self.kind == "nginx" else HAPROXY
        config.write_text(
            template.format(
                folder=self.folder,
                edge_port=self.edge_port,
                port=self.port,
                tls_port=self.tls_port,
                certificate=self.server.cert,
                key=self.server.key,
                authorities=self.authorities,
                clients=HAPROXY_CLIENTS.format(authorities=self.authorities),
                idle_s=self.idle_s,
                cut_after_s=CUT_AFTER_S,
            )
        )
        options = ("-p", self.folder, "-c", config) if self.kind == "nginx" else ("-W", "-f", config)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen([path, *map(str, options)], stdout=log, stderr=log, process_group=0)
        try:
            wait_until(self._answers, STARTED_S, f"{self.kind} answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Its workers too: they are one group."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(ENDED_S)

    def reload(self) -> None:
        """As a controller does where an Ingress has changed: new workers, and the old ones end in a second."""
        if self.kind == "nginx":
            self._process.send_signal(signal.SIGHUP)
            return
        workers = self.log().count("New worker")

        def has_another() -> bool:
            self._process.send_signal(signal.SIGUSR2)  # which haproxy does not hear as it starts
            time.sleep(0.5)
            return self.log().count("New worker") > workers

        wait_until(has_another, STARTED_S, "haproxy reloads")

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _answers(self) -> bool:
        """Whether a worker does; the edge's own answer is not needed for that."""
        assert self._process.poll() is None, self.log()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                client.sendall(b"BAD\r\n\r\n")
                return bool(client.recv(1))
        except OSError:
            return False
