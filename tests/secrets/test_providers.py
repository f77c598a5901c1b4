"""Each provider against a server that speaks its protocol."""

from __future__ import annotations

import http.server
import importlib
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from duckherd.api import Api
from duckherd.errors import SecretError
from duckherd.secrets import redact, resolve, resolve_url
from duckherd.secrets.reference import references

VALUE = "s3cr3t/@:żółw"


class TestPrefect:
    @pytest.fixture
    def block(self, prefect_api: str) -> Iterator[str]:
        """Name of a Secret block on the real server."""
        with Api.from_environment() as api:
            kind = api.get("block_types/slug/secret")
            found = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
            (schema, *_) = api.post("block_schemas/filter", found)
            made = [
                api.post(
                    "block_documents/",
                    {
                        "name": name,
                        "data": {"value": value},
                        "block_type_id": kind["id"],
                        "block_schema_id": schema["id"],
                    },
                )
                for name, value in (("dh-text", VALUE), ("dh-fields", {"password": VALUE}))
            ]
            yield "dh-text"
            for document in made:
                api.delete(f"block_documents/{document['id']}")

    def test_a_secret_block_is_resolved(self, block: str) -> None:
        """The value comes from the server in force, percent-encoded in a URL."""
        assert resolve(f"${{prefect:{block}}}") == VALUE
        assert resolve("${prefect:dh-fields#password}") == VALUE
        assert resolve_url(f"mysql://me:${{prefect:{block}}}@db/x") == (
            "mysql://me:s3cr3t%2F%40%3A%C5%BC%C3%B3%C5%82w@db/x"
        )

    def test_a_missing_block_is_named(self, block: str) -> None:
        """What is not there is told with the way to make it; the fields, without values."""
        with pytest.raises(SecretError, match="no Secret block named 'nothing'"):
            resolve("${prefect:nothing}")
        with pytest.raises(SecretError, match="no field 'pw'; the secret has password") as caught:
            resolve("${prefect:dh-fields#pw}")
        assert VALUE not in str(caught.value)


class TestVault:
    @pytest.fixture
    def vault(self, openbao: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
        """An OpenBao with secrets in both versions of the key-value engine."""
        address, token = openbao
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", token)
        monkeypatch.setenv("HOME", "/nonexistent")
        client = httpx.Client(base_url=f"{address}/v1/", headers={"X-Vault-Token": token})
        mounts = client.get("sys/mounts").json()
        if "old/" not in mounts:
            options = {"type": "kv", "options": {"version": "1"}}
            client.post("sys/mounts/old", json=options).raise_for_status()
        two = {"password": VALUE, "user": "me"}
        client.post("secret/data/erp/db", json={"data": two}).raise_for_status()
        client.post("secret/data/one", json={"data": {"only": VALUE}}).raise_for_status()
        client.post("old/erp", json={"password": VALUE}).raise_for_status()
        return client

    @pytest.mark.parametrize(
        "reference",
        ["secret/erp/db#password", "secret/data/erp/db#password", "secret/one", "old/erp#password"],
    )
    def test_both_engines_are_read(self, vault: httpx.Client, reference: str) -> None:
        """Version 1 and 2, with the path as the command line writes it."""
        assert resolve(f"${{vault:{reference}}}") == VALUE

    def test_an_approle_logs_in(self, vault: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A role and secret id are exchanged for a token."""
        if "approle/" not in vault.get("sys/auth").json():
            vault.post("sys/auth/approle", json={"type": "approle"}).raise_for_status()
        policy = 'path "secret/*" { capabilities = ["read"] }'
        vault.put("sys/policies/acl/dh", json={"policy": policy}).raise_for_status()
        role = "auth/approle/role/dh"
        vault.post(role, json={"token_policies": ["dh"]}).raise_for_status()
        identity = vault.get(f"{role}/role-id").json()["data"]["role_id"]
        secret = vault.post(f"{role}/secret-id").json()["data"]["secret_id"]
        monkeypatch.delenv("VAULT_TOKEN")
        monkeypatch.setenv("VAULT_ROLE_ID", identity)
        monkeypatch.setenv("VAULT_SECRET_ID", secret)
        assert resolve("${vault:secret/one}") == VALUE

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("secret/nothing#x", "Vault answered 404"),
            ("nowhere/x", "Vault answered 403"),
            ("secret/erp/db", "several fields: password, user"),
            ("secret/erp/db#pw", "no field 'pw'; the secret has password, user"),
        ],
    )
    def test_what_is_not_there_is_named(
        self, vault: httpx.Client, reference: str, message: str
    ) -> None:
        """A wrong path, mount or field is told without any value."""
        with pytest.raises(SecretError, match=message) as caught:
            resolve(f"${{vault:{reference}}}")
        assert VALUE not in str(caught.value)

    def test_without_address_or_token_the_way_is_told(
        self, vault: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The variables to export are named."""
        monkeypatch.delenv("VAULT_TOKEN")
        with pytest.raises(SecretError, match="export VAULT_TOKEN"):
            resolve("${vault:secret/one}")
        monkeypatch.delenv("VAULT_ADDR")
        with pytest.raises(SecretError, match="export VAULT_ADDR"):
            resolve("${vault:secret/one}")


class TestAws:
    @pytest.fixture
    def aws(self, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A Secrets Manager with a text, a JSON object and bytes."""
        import boto3

        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", s3_endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        importlib.import_module("duckherd.secrets.providers.aws")._client.cache_clear()
        client = boto3.client("secretsmanager")
        for name, value in (("prod/text", VALUE), ("prod/json", json.dumps({"password": VALUE}))):
            client.create_secret(Name=name, SecretString=value)
        client.create_secret(Name="prod/bytes", SecretBinary=VALUE.encode())
        yield client
        for name in ("prod/text", "prod/json", "prod/bytes"):
            client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def test_texts_json_and_bytes_are_read(self, aws: Any) -> None:
        """By name or ARN; RDS keeps its passwords as JSON, so a field can be named."""
        assert resolve("${aws:prod/text}") == VALUE
        assert resolve("${aws:prod/json#password}") == VALUE
        assert resolve("${aws:prod/bytes}") == VALUE
        arn = aws.describe_secret(SecretId="prod/text")["ARN"]
        assert resolve(f"${{aws:{arn}}}") == VALUE

    def test_what_is_not_there_is_named(self, aws: Any) -> None:
        """A missing secret is told with AWS's own code; a missing field without values."""
        with pytest.raises(SecretError, match="ResourceNotFoundException"):
            resolve("${aws:nothing}")
        with pytest.raises(SecretError, match="is not a JSON object"):
            resolve("${aws:prod/text#password}")


class TestGcp:
    @pytest.fixture
    def gcp(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Google's client against a local server that speaks its gRPC protocol."""
        import grpc
        from google.cloud import secretmanager
        from google.cloud.secretmanager_v1.services.secret_manager_service import transports
        from google.cloud.secretmanager_v1.types import service

        held = {
            "projects/acme/secrets/pw/versions/latest": VALUE.encode(),
            "projects/acme/secrets/pw/versions/1": b"older",
            "projects/acme/secrets/odd/versions/latest": b"\xff\xfe",
        }

        def access(request: Any, context: grpc.ServicerContext) -> Any:
            if request.name not in held:
                context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found")
            payload = {"data": held[request.name]}
            return service.AccessSecretVersionResponse(name=request.name, payload=payload)

        method = grpc.unary_unary_rpc_method_handler(
            access,
            request_deserializer=service.AccessSecretVersionRequest.deserialize,
            response_serializer=service.AccessSecretVersionResponse.serialize,
        )
        name = "google.cloud.secretmanager.v1.SecretManagerService"
        handler = grpc.method_handlers_generic_handler(name, {"AccessSecretVersion": method})
        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        transport = transports.SecretManagerServiceGrpcTransport(channel=channel)
        client = secretmanager.SecretManagerServiceClient(transport=transport)
        module = importlib.import_module("duckherd.secrets.providers.gcp")
        monkeypatch.setattr(module, "client", lambda: client)
        monkeypatch.setattr(module, "default_project", lambda _: "acme")
        yield
        channel.close()
        server.stop(None).wait()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("pw", VALUE),
            ("projects/acme/secrets/pw", VALUE),
            ("projects/acme/secrets/pw/versions/1", "older"),
        ],
    )
    def test_short_and_full_names_are_read(self, gcp: None, name: str, value: str) -> None:
        """A short name is one of the default project; the latest version unless said."""
        assert resolve(f"${{gcp:{name}}}") == value

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none", "says 404: Secret .* not found"),
            ("odd", "not UTF-8"),
            ("acme/pw", "is no name of Google Secret Manager"),
        ],
    )
    def test_what_is_not_there_is_named(self, gcp: None, name: str, message: str) -> None:
        """A missing or unreadable secret is told with Google's own words."""
        with pytest.raises(SecretError, match=message):
            resolve(f"${{gcp:{name}}}")

    def test_without_credentials_the_way_is_told(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """No application default credentials: the message says how to get them."""
        importlib.import_module("duckherd.secrets.providers.gcp").client.cache_clear()
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        with pytest.raises(SecretError, match="no Google credentials"):
            resolve("${gcp:projects/acme/secrets/pw}")


class TestAzure:
    """No Key Vault runs locally, so a local HTTPS server answers as its REST API does."""

    @pytest.fixture
    def azure(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
        """Microsoft's client against the local server, authentication challenge included."""
        from azure.core.credentials import AccessToken
        from azure.keyvault.secrets import SecretClient

        certificate = _self_signed(tmp_path)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _KeyVault)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        class Credential:
            def get_token(self, *scopes: str, **options: Any) -> AccessToken:
                return AccessToken("token", 2**31)

        url = f"https://127.0.0.1:{server.server_address[1]}"
        client = SecretClient(
            url,
            Credential(),
            verify_challenge_resource=False,
            connection_verify=str(certificate),
            retry_total=0,
        )
        module = importlib.import_module("duckherd.secrets.providers.azure")
        monkeypatch.setattr(module, "_client", lambda _: client)
        yield url
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_secret_is_read(self, azure: str) -> None:
        """By vault and name, with a version, or by its whole identifier."""
        assert resolve("${azure:myvault/pw}") == VALUE
        assert resolve("${azure:myvault/pw/0123}") == "older"
        assert resolve("${azure:https://myvault.vault.azure.net/secrets/pw}") == VALUE

    def test_what_is_not_there_is_named(self, azure: str) -> None:
        """A missing secret is told with Azure's own code."""
        with pytest.raises(SecretError, match="says SecretNotFound"):
            resolve("${azure:myvault/none}")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("v/s", ("https://v.vault.azure.net", "s", None)),
            ("v/s/1", ("https://v.vault.azure.net", "s", "1")),
            ("https://v.vault.azure.cn/secrets/s/1", ("https://v.vault.azure.cn", "s", "1")),
        ],
    )
    def test_names_become_addresses(self, name: str, expected: tuple[str, str, str | None]) -> None:
        """Other clouds than the public one are reached by whole identifiers."""
        module = importlib.import_module("duckherd.secrets.providers.azure")
        (reference,) = references(f"${{azure:{name}}}")
        assert module.address(reference) == expected


class _KeyVault(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held = {"/secrets/pw/": VALUE, "/secrets/pw/0123": "older"}  # noqa: RUF012

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != "Bearer token":
            challenge = 'Bearer authorization="https://login/acme", resource="https://vault"'
            self._answer(401, {}, {"WWW-Authenticate": challenge})
        elif path in self.held:
            here = f"https://{self.headers['Host']}{path}"
            self._answer(200, {"value": self.held[path], "id": here, "attributes": {}})
        else:
            self._answer(404, {"error": {"code": "SecretNotFound", "message": "none"}})

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _self_signed(folder: Path) -> Path:
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_secret_manager_is_asked_once_a_minute(
    openbao: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that runs many tables does not ask for each of them, and hides what it got."""
    address, token = openbao
    monkeypatch.setenv("VAULT_ADDR", address)
    monkeypatch.setenv("VAULT_TOKEN", token)
    with httpx.Client(headers={"X-Vault-Token": token}) as client:
        url = f"{address}/v1/secret/data/cached"
        client.post(url, json={"data": {"a": "first-value"}}).raise_for_status()
        assert resolve("${vault:secret/cached}") == "first-value"
        client.post(url, json={"data": {"a": "second-value"}}).raise_for_status()
    assert resolve("${vault:secret/cached}") == "first-value"
    module = importlib.import_module("duckherd.secrets.resolve")
    monkeypatch.setattr(module, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_cache", {})
    assert resolve("${vault:secret/cached}") == "second-value"
    assert redact("not first-value nor second-value") == "not **** nor ****"
