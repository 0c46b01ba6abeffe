"""Who calls, and what they may do: tokens by OpenID Connect, their issuers and keys, scopes and owners."""
