"""Who may use the service: tokens of a project, hashed in the store, shown once."""

from service.tokens.sessions import Sessions
from service.tokens.token import SCOPES, BadToken, Token, allows
from service.tokens.vault import Vault

__all__ = ["SCOPES", "BadToken", "Sessions", "Token", "Vault", "allows"]
