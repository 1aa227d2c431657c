"""A certificate authority of the tests' own, and what it issues. Made with openssl, in a folder of its own."""
import pathlib
import ssl
import subprocess
import tempfile


class Authority:
    def __init__(self, name="test authority"):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="authority-"))
        self.file = self.directory / "ca.pem"
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                  "-days", "2", "-subj", f"/CN={name}")
        self._run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "server.key")

    def _run(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.directory)

    @property
    def pem(self):
        return self.file.read_text()

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", days=2):
        """A server's certificate and key as two paths. Negative days: expired."""
        (self.directory / f"{name}.cnf").write_text(f"subjectAltName={names}\n")
        self._run("req", "-new", "-key", "server.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        validity = ["-days", str(days)]
        if days < 0:
            # openssl x509 knows no dates in the past: openssl ca does.
            return self._issue_expired(name)
        self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", *validity, "-extfile",
                  f"{name}.cnf", "-out", f"{name}.pem")
        return str(self.directory / f"{name}.pem"), str(self.directory / "server.key")

    def _issue_expired(self, name):
        (self.directory / "index").write_text("")
        (self.directory / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\n"
                                               "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        self._run("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-cert", "ca.pem", "-keyfile", "ca.key", "-startdate",
                  "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", f"{name}.cnf", "-notext", "-out", f"{name}.pem")
        return str(self.directory / f"{name}.pem"), str(self.directory / "server.key")

    def self_signed(self):
        self._run("req", "-x509", "-key", "server.key", "-out", "self.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                  "subjectAltName=DNS:localhost,IP:127.0.0.1")
        return str(self.directory / "self.pem"), str(self.directory / "server.key")

    def remove(self):
        subprocess.run(["rm", "-rf", str(self.directory)])


def server_context(certificate, key, clients=None):
    """`clients`: the authority of those who may connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
