"""Who calls with no certificate, a foreign, expired or revoked one, or another's, gets no answer; who has one, does."""

import socket
import ssl
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import pytest

from actors.robots.client import RobotClient
from actors.robots.server import RobotServer
from deploy.cli import main
from deploy.page_server import PageHandler, PageServer
from s3k_dist.access import authority as authorities
from s3k_dist.access.authority import Authority
from s3k_dist.access.certificate import identity_of
from s3k_dist.access.credentials import Credentials
from s3k_dist.access.identity import Identity
from s3k_dist.errors import AccessError, S3KError, ServiceUnavailableError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from tests.attacks.targets import PATIENCE_S, Installation, code_of, dial, make_frame
from tests.s3k_dist.features.conftest import FakeModels

REFUSED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)


def ask(address: str, credentials: Credentials | None, **files: bytes) -> grpc.StatusCode:
    with dial(address, credentials, "service.s3k", **files) as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)
        return code_of(lambda: stub.GetModel(service_pb2.GetModelRequest(), timeout=PATIENCE_S))


def test_a_cell_of_the_installation_is_answered(features: str, installation: Installation) -> None:
    with FeatureClient(features, credentials=installation.credentials("cell/bench1")) as client:
        client.wait_ready(PATIENCE_S)
        assert client.extract(make_frame("bench1", 3)).sequence == 3


def test_plaintext_to_a_tls_port_is_not_answered(features: str) -> None:
    assert ask(features, None) in REFUSED
    host, port = features.split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(10_000))
        connection.settimeout(PATIENCE_S)
        try:
            said = connection.recv(100)
        except ConnectionResetError:
            said = b""
    assert not said.startswith(b"HTTP")


def test_tls_without_a_certificate_is_not_answered(features: str, installation: Installation) -> None:
    material = installation.credentials("cell/bench1").current()
    shown = grpc.ssl_channel_credentials(material.ca)
    options = [("grpc.ssl_target_name_override", "service.s3k")]
    with grpc.secure_channel(features, shown, options) as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)
        assert code_of(lambda: stub.GetModel(service_pb2.GetModelRequest(), timeout=PATIENCE_S)) in REFUSED


def test_a_certificate_of_a_foreign_authority_is_refused(
    features: str, installation: Installation, tmp_path: Path
) -> None:
    foreign = Installation(tmp_path)
    theirs = foreign.credentials("operator/eve").current()
    ours = installation.credentials("cell/bench1")
    assert ask(features, ours, key=theirs.key, certificate=theirs.certificate) in REFUSED
    (foreign.folder("operator/eve") / "ca.pem").write_bytes(ours.current().ca)
    with pytest.raises(AccessError, match=r"cert\.pem in .* is not of the authority in ca\.pem"):
        foreign.credentials("operator/eve")


def test_an_expired_certificate_is_refused(
    features: str, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorities, "SKEW", timedelta(days=2))

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(days=1)

    with monkeypatch.context() as then:
        then.setattr(authorities, "datetime", Yesterday)
        installation.authority.issue(Identity.of("cell/late"), tmp_path / "late", days=0.5)
    files = {name: (tmp_path / "late" / f"{file}.pem").read_bytes() for name, file in
             (("key", "key"), ("certificate", "cert"))}  # fmt: skip
    assert ask(features, installation.credentials("cell/bench1"), **files) in REFUSED
    with pytest.raises(AccessError, match=r"of cell/late, expired at .*; `s3k certs renew` makes a new one"):
        Credentials(tmp_path / "late")


def test_a_certificate_that_is_revoked_counts_no_more_at_once(
    features: str, installation: Installation, tmp_path: Path
) -> None:
    lost = installation.credentials("cell/lost")
    with dial(features, lost, "service.s3k") as channel:
        stub = service_pb2_grpc.FeatureServiceStub(channel)
        stub.GetModel(service_pb2.GetModelRequest(), timeout=PATIENCE_S)
        assert installation.authority.revoke("cell/lost") == (Identity.of("cell/lost"),)
        crl = installation.authority.folder / "crl.pem"
        (installation.folder("service/gpu1") / "crl.pem").write_bytes(crl.read_bytes())
        with pytest.raises(grpc.RpcError, match="the certificate of cell/lost is revoked"):
            stub.GetModel(service_pb2.GetModelRequest(), timeout=PATIENCE_S)
    with pytest.raises(AccessError, match="is revoked; issue one with a new key"):
        installation.authority.renew(installation.folder("cell/lost"))


def test_a_cell_is_no_service_however_it_listens(installation: Installation) -> None:
    models = FakeModels()
    server = FeatureServer(models.current, models.load, credentials=installation.credentials("cell/bench2"))
    with (
        FeatureServerThread(server) as service,
        FeatureClient(service.address, 2.0, 0, credentials=installation.credentials("cell/bench1")) as client,
        pytest.raises(ServiceUnavailableError, match="it may want credentials, or other ones than these"),
    ):
        client.extract(make_frame("bench1"))


def test_a_cell_finds_its_own_robot_and_no_other(robot: str, installation: Installation) -> None:
    with RobotClient(robot, PATIENCE_S, PATIENCE_S, installation.credentials("cell/bench1")) as own:
        own.wait_ready(PATIENCE_S)
        own.command(np.zeros(6))
    with (
        RobotClient(robot, 2.0, PATIENCE_S, installation.credentials("cell/bench2")) as other,
        pytest.raises(S3KError),
    ):
        other.command(np.zeros(6))
    with RobotClient(robot, PATIENCE_S, PATIENCE_S, installation.credentials("operator/anna")) as operator:
        operator.wait_ready(PATIENCE_S)


def test_new_certificates_are_taken_up_without_a_restart(tmp_path: Path) -> None:
    old, new = Installation(tmp_path / "old"), Installation(tmp_path / "new")
    models = FakeModels()
    served = old.credentials("service/gpu1")
    with (
        FeatureServerThread(FeatureServer(models.current, models.load, credentials=served)) as service,
        FeatureClient(service.address, PATIENCE_S, credentials=old.credentials("cell/a")) as client,
    ):
        client.wait_ready(PATIENCE_S)
        # All of it, the authority too; a copy is seen in its middle and changes nothing yet.
        for identity in ("service/gpu1", "cell/a"):
            for name in ("ca.pem", "crl.pem", "key.pem", "cert.pem"):
                (old.folder(identity) / name).write_bytes((new.folder(identity) / name).read_bytes())
                if identity == "service/gpu1":
                    client.extract(make_frame("a"))
        assert client.extract(make_frame("a", 7)).sequence == 7
        assert ask(service.address, new.credentials("cell/b")) is grpc.StatusCode.OK
        assert ask(service.address, old.credentials("cell/b")) in REFUSED


def test_a_renewed_certificate_is_of_the_same_key_and_names(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    out = tmp_path / "web"
    authority.issue(Identity.of("service/web"), out, days=1, hosts=("web.lab", "10.0.0.7"))
    key, before = (out / "key.pem").read_bytes(), Credentials(out).current()
    assert authority.renew(out, days=30) == Identity.of("service/web")
    after = Credentials(out).current()
    assert (out / "key.pem").read_bytes() == key
    assert after.until - before.until > timedelta(days=28)
    first, second = authority.issued()
    assert identity_of(first) == identity_of(second) == Identity.of("service/web")
    names = [each.extensions.get_extension_for_oid(authorities.x509.SubjectAlternativeName.oid).value
             for each in (first, second)]  # fmt: skip
    assert names[0] == names[1]


def test_keys_are_their_owners_and_never_written_over(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    authority.issue(Identity.of("cell/a"), tmp_path / "a")
    for key in (tmp_path / "a" / "key.pem", tmp_path / "authority" / "ca.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AccessError, match="holds a key already"):
        authority.issue(Identity.of("cell/a"), tmp_path / "a")
    with pytest.raises(AccessError, match="holds an authority already"):
        Authority.make(tmp_path / "authority")
    with pytest.raises(AccessError, match="there is a certificate of cell/a; cell/A would be taken for it"):
        authority.issue(Identity.of("cell/A"), tmp_path / "A")
    (tmp_path / "a" / "key.pem").chmod(0o644)
    with pytest.raises(AccessError, match=r"others may read the key .*: run chmod 600"):
        Credentials(tmp_path / "a")


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "some-host:0", "192.0.2.1:0"])
def test_nothing_listens_beyond_the_machine_without_credentials(address: str, tmp_path: Path) -> None:
    models = FakeModels()
    with pytest.raises(AccessError, match="is beyond this machine: name a folder of credentials"):
        FeatureServer(models.current, models.load, address)
    with pytest.raises(AccessError, match="is beyond this machine"):
        RobotServer(None, address)  # type: ignore[arg-type]  # refused before it looks at its robot
    with pytest.raises(AccessError, match="is beyond this machine"):
        PageServer("test", PageHandler, {}, address.rpartition(":")[0])
    with pytest.raises(AccessError, match="is beyond this machine"):
        FeatureClient(address)


@pytest.mark.parametrize("damage", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem", "crl.pem"])
def test_damaged_credentials_are_told(name: str, damage: bytes, installation: Installation, tmp_path: Path) -> None:
    for each in installation.folder("cell/bench1").iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / name).write_bytes(damage)
    with pytest.raises(AccessError, match=r"are damaged|is not of the authority|key of"):
        Credentials(tmp_path)


def test_a_page_beyond_the_machine_is_https_and_renews(installation: Installation, tmp_path: Path) -> None:
    out = tmp_path / "page"
    installation.authority.issue(Identity.of("service/page"), out, hosts=("page.lab",))
    context = ssl.create_default_context(cafile=str(out / "ca.pem"))

    def serial(port: int) -> object:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname="page.lab") as secure,
        ):
            return (secure.getpeercert() or {})["serialNumber"]

    with PageServer("test", PageHandler, {}, "0.0.0.0", credentials=out) as page:
        assert page.url.startswith("https://")
        # One who connects and says nothing holds up nobody.
        with socket.create_connection(("127.0.0.1", page.port), PATIENCE_S):
            first = serial(page.port)
        installation.authority.renew(out)
        assert serial(page.port) != first


def test_metrics_beyond_the_machine_are_for_certificates(installation: Installation) -> None:
    models = FakeModels()
    served = installation.credentials("service/gpu1")
    ca = installation.folder("service/gpu1") / "ca.pem"

    def scrape(port: int, identity: str | None) -> bytes:
        context = ssl.create_default_context(cafile=str(ca))
        if identity is not None:
            folder = installation.folder(identity)
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        with urllib.request.urlopen(f"https://localhost:{port}/metrics", timeout=PATIENCE_S, context=context) as answer:
            data: bytes = answer.read()
            return data

    with FeatureServerThread(
        FeatureServer(models.current, models.load, "0.0.0.0:0", metrics_port=0, credentials=served)
    ) as service:
        port = service.server.metrics_port
        assert port is not None
        assert b"s3k_features_requests_total" in scrape(port, "monitor/prometheus")
        with pytest.raises(OSError, match=r"ssl|SSL|reset"):
            scrape(port, None)
        with pytest.raises(OSError, match=r"."), urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=5):
            pass
        installation.authority.revoke("monitor/prometheus")
        (installation.folder("service/gpu1") / "crl.pem").write_bytes(
            (installation.authority.folder / "crl.pem").read_bytes()
        )
        with pytest.raises(OSError, match=r"ssl|SSL|reset"):
            scrape(port, "monitor/prometheus")


def test_the_commands_make_an_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = ["--authority", str(tmp_path / "authority")]

    def certs(*arguments: str) -> str:
        assert main(["certs", *arguments, *authority]) == 0
        return capsys.readouterr().out

    assert "keep it off the cluster" in certs("init")
    assert "cell/bench3, for 30 days" in certs("issue", "cell/bench3", "--out", str(tmp_path / "b"), "--days", "30")
    assert "for 90 days more" in certs("renew", str(tmp_path / "b"))
    assert certs("list").count("cell/bench3") == 2
    assert "copy" in certs("revoke", "cell/bench3")
    assert certs("list").count("revoked") == 2
    assert main(["certs", "issue", "cell/../x", "--out", str(tmp_path / "x"), *authority]) == 1
    assert main(["certs", "issue", "cable/x", "--out", str(tmp_path / "x"), *authority]) == 1
    assert "expected PART/NAME, such as cell/bench3" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
