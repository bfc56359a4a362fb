"""Certificates for localhost, made anew for each test: one that signs itself, and those of an authority."""

import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.dataplane.certificates import Tls
from mcpdeck.devissuer.certificates import begun

_SIGNS = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
type Issue = Callable[[str], Tls]


def localhost_certificate(folder: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        begun(name, name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Tls(folder / "localhost.pem", folder / "localhost.key")
    _write(files, certificate, key)
    return files


def _write(files: Tls, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    files.certfile.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    files.keyfile.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))


def trusting(tls: Tls, *protocols: str) -> ssl.SSLContext:
    """A client's context that trusts this certificate. protocols: for ALPN."""
    context = ssl.create_default_context(cafile=str(tls.certfile))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def authority(folder: Path, name: str = "authority") -> tuple[Path, Issue]:
    """A CA's certificate, and what has it sign others' for localhost and 127.0.0.1, as servers or clients."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    own = begun(subject, subject, key.public_key())
    for extension in (x509.BasicConstraints(ca=True, path_length=0), _SIGNS):
        own = own.add_extension(extension, critical=True)
    file = folder / f"{name}.pem"
    file.write_bytes(own.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(whose: str) -> Tls:
        its = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        wanted = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, whose)])
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        signed = begun(wanted, subject, its.public_key())
        signed = signed.add_extension(names, critical=False).add_extension(signer, critical=False)
        files = Tls(folder / f"{whose}.pem", folder / f"{whose}.key")
        _write(files, signed.sign(key, hashes.SHA256()), its)
        return files

    return file, issue
