//! `auth-provider: oidc` in a kubeconfig (client-go: `plugin/pkg/client/auth/oidc`, `newOIDCAuthProvider`).

use std::path::Path;

use super::resolve::decode;
use super::target::Oidc;
use super::{AuthProvider, Environment, KubeconfigError, Secret, proxy, read_file};

/// Reads the provider's settings. Other providers than OIDC were taken out of Kubernetes with 1.26.
pub(super) fn resolve(
    provider: AuthProvider,
    owner: &str,
    environment: &Environment,
) -> Result<Oidc, KubeconfigError> {
    let bad =
        |why: String| KubeconfigError::BadValue { field: "auth-provider", owner: owner.to_owned(), why };
    if provider.name != "oidc" {
        let why =
            format!("\"{}\" was taken out of Kubernetes; its successor is an exec plugin", provider.name);
        return Err(bad(why));
    }
    let mut config = provider.config;
    let mut take = |key: &str| config.remove(key).filter(|value| !value.is_empty());
    let issuer = take("idp-issuer-url").ok_or_else(|| bad("it has no idp-issuer-url".to_owned()))?;
    let issuer: http::Uri = issuer.parse().map_err(|_| bad("its idp-issuer-url is no address".to_owned()))?;
    if !matches!(issuer.scheme_str(), Some("http" | "https")) {
        return Err(bad("its idp-issuer-url is neither http nor https".to_owned()));
    }
    let client_id = take("client-id").ok_or_else(|| bad("it has no client-id".to_owned()))?;
    let authorities = match (take("idp-certificate-authority-data"), take("idp-certificate-authority")) {
        (Some(data), _) => Some(decode(&data, "idp-certificate-authority-data", owner)?),
        (None, Some(file)) => Some(read_file(Path::new(&file), "idp-certificate-authority", owner)?),
        (None, None) => None,
    };
    Ok(Oidc {
        proxy: proxy::from_environment(&issuer, environment)?,
        issuer,
        client_id,
        client_secret: take("client-secret").map(Secret::new),
        id_token: take("id-token").map(Secret::new),
        refresh_token: take("refresh-token").map(Secret::new),
        authorities,
    })
}
