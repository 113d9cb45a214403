"""Sign-in at the provider of the product (OpenID Connect): docs/adr/0091-openid-connect.md has the reasons."""
