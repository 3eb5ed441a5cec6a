"""JSON web tokens of an issuer whose keys are in a file: verified here, issued elsewhere."""

import json
from pathlib import Path
from typing import Any

from dfd.daemon.endpoint.auth import Right, Token
from dfd.errors import UserError

# asymmetric only: being able to verify a token must not mean being able to issue one
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_LEEWAY_SECONDS = 30


class JwtVerifier:
    """Turns a signed token into what it allows.

    The claims `iss`, `aud`, `exp` and `sub` are required. `scope` names rights, such as
    "dfd:detect dfd:info"; a token that names none allows both. `dfd_streams`, `dfd_minutes` and
    `dfd_models` limit it like the keys of the token file.

    Args:
        keys: a JSON web key set (RFC 7517) with the issuer's public keys.
        issuer, audience: values that a token must contain.

    Raises:
        UserError: if the file cannot be read or contains no keys, or PyJWT is missing.
    """

    def __init__(self, keys: Path, issuer: str, audience: str) -> None:
        try:
            import jwt
        except ModuleNotFoundError:
            raise UserError("--jwt-keys needs the package PyJWT: pip install 'dfd[jwt]'") from None
        self._jwt = jwt
        self._issuer, self._audience = issuer, audience
        try:
            found = jwt.PyJWKSet.from_dict(json.loads(keys.read_text(encoding="utf-8"))).keys
        except OSError as error:
            raise UserError(f"cannot read the key set {keys}: {error.strerror}") from None
        except (ValueError, AttributeError, jwt.PyJWTError):
            raise UserError(
                f"{keys} is not a JSON web key set; export the issuer's public keys as JWKS"
            ) from None
        self._keys = {key.key_id: key for key in found if key.key_type != "oct"}
        if not self._keys:
            raise UserError(f"{keys} contains no public key; export the issuer's keys as JWKS")

    def verify(self, secret: str) -> Token | None:
        """Returns what a token allows; None if it is not valid here and now."""
        jwt = self._jwt
        try:
            header = jwt.get_unverified_header(secret)
            key = self._keys.get(header.get("kid"))
            if key is None and len(self._keys) == 1 and "kid" not in header:
                key = next(iter(self._keys.values()))
            if key is None:
                return None
            claims = jwt.decode(
                secret,
                key.key,
                algorithms=[key.algorithm_name] if key.algorithm_name in _ALGORITHMS else [],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return _token(claims)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None


def looks_like_jwt(secret: str) -> bool:
    """Returns whether a token has three parts separated by dots."""
    return secret.count(".") == 2


def _token(claims: dict[str, Any]) -> Token:
    scopes = str(claims.get("scope", "")).split()
    named = {scope.removeprefix("dfd:") for scope in scopes if scope.startswith("dfd:")}
    rights = frozenset(right for right in Right if right.value in named)
    models = claims.get("dfd_models")
    streams, minutes = claims.get("dfd_streams"), claims.get("dfd_minutes")
    return Token(
        name=f"jwt:{claims['sub']}",
        digest=b"",
        allow=rights if named else frozenset({Right.DETECT, Right.INFO}),
        streams=None if streams is None else int(streams),
        minutes=None if minutes is None else float(minutes),
        models=None if models is None else frozenset(map(str, models)),
    )
