//! A pod's own cluster (client-go: `rest.InClusterConfig`), used when there is no kubeconfig.

use super::target::{CredentialSource, Impersonate, Target};
use super::{Environment, KubeconfigError, Overrides, Secret, read_file};

/// Whether this is a pod with a service account.
pub(super) fn possible(environment: &Environment) -> bool {
    environment.text("KUBERNETES_SERVICE_HOST").is_some()
        && environment.text("KUBERNETES_SERVICE_PORT").is_some()
        && environment.service_account.join("token").is_file()
}

/// The pod's own cluster. Of the flags, those for token, CA, namespace and impersonation apply.
pub(super) fn target(environment: &Environment, overrides: &Overrides) -> Result<Target, KubeconfigError> {
    let folder = &environment.service_account;
    let host = environment.text("KUBERNETES_SERVICE_HOST").unwrap_or_default();
    let port = environment.text("KUBERNETES_SERVICE_PORT").unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let server = format!("https://{host}:{port}").parse().map_err(|_| KubeconfigError::BadValue {
        field: "KUBERNETES_SERVICE_HOST",
        owner: "in-cluster".to_owned(),
        why: "it makes no address".to_owned(),
    })?;
    let own = folder.join("ca.crt");
    let (authorities, file) = match &overrides.certificate_authority {
        Some(file) => (Some(read_file(file, "certificate-authority", "in-cluster")?), file),
        // client-go goes on without it (and with the system's authorities).
        None => (std::fs::read(&own).ok(), &own),
    };
    let authority_file = authorities.is_some().then(|| file.clone());
    let proxy = super::proxy::from_environment(&server, environment)?;
    Ok(Target {
        context: "in-cluster".to_owned(),
        cluster: "in-cluster".to_owned(),
        user: "service account".to_owned(),
        namespace: overrides.namespace.clone().unwrap_or_else(|| namespace(environment)),
        server,
        insecure: false,
        request_timeout: overrides.request_timeout,
        compression: true,
        authorities,
        authority_file,
        tls_server_name: None,
        identity: None,
        credential: match &overrides.token {
            Some(token) => CredentialSource::Token(Secret::new(token.as_str())),
            None => CredentialSource::TokenFile { file: folder.join("token"), first: None },
        },
        impersonate: super::resolve::impersonate(Impersonate::default(), overrides),
        proxy,
    })
}

/// `POD_NAMESPACE`, else the service account's, else `default`.
pub(super) fn namespace(environment: &Environment) -> String {
    if let Some(namespace) = environment.text("POD_NAMESPACE") {
        return namespace.to_owned();
    }
    let file = std::fs::read_to_string(environment.service_account.join("namespace")).unwrap_or_default();
    if file.trim().is_empty() { "default".to_owned() } else { file.trim().to_owned() }
}
