"""Makes recordings with a C2PA manifest, signed by a certificate made for the test."""

import datetime
import importlib.util
from pathlib import Path
from typing import Any

INSTALLED = importlib.util.find_spec("c2pa") is not None
REASON = "C2PA manifests cannot be made here: pip install 'dfd[c2pa]'"
MACHINE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MICROPHONE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def sign(plain: Path, signed: Path, source: str = MACHINE, program: str = "Example TTS") -> Path:
    """Writes a copy with a signed manifest of how it was made."""
    import c2pa

    actions = {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]}
    manifest = {
        "claim_generator_info": [{"name": program, "version": "1.0"}],
        "title": plain.name,
        "assertions": [{"label": "c2pa.actions.v2", "data": actions}],
    }
    chain, key = _certificates()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))
    c2pa.Builder(manifest).sign_file(plain, signed, signer)
    return signed


def _certificates() -> tuple[bytes, bytes]:
    """Makes a signer's certificate with that of its authority, and the signer's key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _begun("Test Authority", "Test Authority", authority_key)
    authority = authority.add_extension(x509.BasicConstraints(True, None), critical=True)
    authority = authority.add_extension(_usage(signs_certificates=True), critical=True)
    mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    signer = _begun("Test Signer", "Test Authority", key)
    signer = signer.add_extension(x509.BasicConstraints(False, None), critical=True)
    signer = signer.add_extension(_usage(signs_certificates=False), critical=True)
    signer = signer.add_extension(mail, critical=False).add_extension(issuer, critical=False)
    pem = serialization.Encoding.PEM
    chain = b"".join(_signed(one, authority_key).public_bytes(pem) for one in (signer, authority))
    plain = serialization.NoEncryption()
    return chain, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def _begun(subject: str, issuer: str, key: Any) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def name(common: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Voices"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs_certificates: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: Any, key: Any) -> Any:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())
