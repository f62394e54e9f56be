//! From a context and the flags to a [`Target`] (client-go: `DirectClientConfig`, `validation.go`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::file::{Cluster, Context, User};
use super::target::{CredentialSource, Identity, Impersonate, Material, Target};
use super::{
    Environment, Exec, Kubeconfig, KubeconfigError, Overrides, Secret, in_cluster, near, oidc, proxy,
    read_file,
};

/// The extension of a cluster entry that is handed to exec plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

impl Kubeconfig {
    pub(super) fn resolve(&self, flags: &Overrides) -> Result<Target, KubeconfigError> {
        let context_name = flags.context.as_deref().or(self.merged.current_context.as_deref());
        let context = self.context(context_name)?;
        let cluster_name = flags.cluster.as_deref().or(context.cluster.as_deref());
        let Some(cluster) = self.cluster(cluster_name, context_name, flags)? else {
            if in_cluster::possible(&self.environment) {
                return in_cluster::target(&self.environment, flags);
            }
            return Err(self.nothing_to_connect_to(context_name));
        };
        let user_name = flags.user.as_deref().or(context.user.as_deref());
        let user = self.user(user_name, flags)?;

        let owner = cluster_name.unwrap_or("--server").to_owned();
        let (server, login) = server_address(&cluster, &owner)?;
        let secure = server.scheme_str() == Some("https");
        let user_owner = user_name.unwrap_or_default();
        let impersonate = impersonate(
            Impersonate {
                user: user.impersonate.clone(),
                uid: user.as_uid.clone(),
                groups: user.as_groups.clone(),
                extra: user.as_user_extra.clone(),
            },
            flags,
        );
        if impersonate.user.is_none()
            && (impersonate.uid.is_some() || !impersonate.groups.is_empty() || !impersonate.extra.is_empty())
        {
            let fields = "a uid, groups or extra fields to act as, but no user to act as";
            return Err(KubeconfigError::Conflict { owner: user_owner.to_owned(), fields });
        }
        let authorities = authorities(&cluster, &owner)?;
        Ok(Target {
            context: context_name.unwrap_or_default().to_owned(),
            namespace: self.namespace(flags, &context),
            proxy: match &cluster.proxy_url {
                Some(url) => Some(proxy::parse(url, &owner)?),
                None => proxy::from_environment(&server, &self.environment)?,
            },
            server,
            insecure: secure && cluster.insecure_skip_tls_verify,
            request_timeout: flags.request_timeout,
            // Credentials never travel in the clear: over plain HTTP kubectl sends none.
            identity: if secure { identity(&user, user_owner)? } else { None },
            credential: if secure {
                let own = credential(user, user_owner, &cluster, authorities.as_deref(), &self.environment)?;
                match (own, login) {
                    // Go: `net/http`, `send`: a name in the address counts where nothing else is sent.
                    (CredentialSource::None, Some((username, password))) => {
                        CredentialSource::Basic { username, password }
                    }
                    (own, _) => own,
                }
            } else {
                CredentialSource::None
            },
            authorities,
            authority_file: cluster.certificate_authority.as_ref().map(Into::into),
            compression: !cluster.disable_compression,
            tls_server_name: cluster.tls_server_name,
            impersonate,
            cluster: cluster_name.unwrap_or_default().to_owned(),
            user: user_owner.to_owned(),
        })
    }

    fn context(&self, name: Option<&str>) -> Result<Context, KubeconfigError> {
        let Some(name) = name else { return Ok(Context::default()) };
        match self.merged.contexts.iter().find(|c| c.name == name) {
            Some(found) => Ok(found.context.clone()),
            None if self.sources.is_empty() && self.overrides.context.is_none() => Ok(Context::default()),
            None => Err(unknown("context", name, None, self.merged.contexts.iter().map(|c| c.name.as_str()))),
        }
    }

    /// The cluster entry with the flags laid over it; `None` when nothing names a server.
    fn cluster(
        &self,
        name: Option<&str>,
        context: Option<&str>,
        flags: &Overrides,
    ) -> Result<Option<Cluster>, KubeconfigError> {
        let entry = name.and_then(|name| self.merged.clusters.iter().find(|c| c.name == name));
        if let (Some(name), None) = (name, entry)
            && (flags.cluster.is_some() || flags.server.is_none())
        {
            let by = if flags.cluster.is_some() { None } else { context };
            return Err(unknown("cluster", name, by, self.merged.clusters.iter().map(|c| c.name.as_str())));
        }
        let found = entry.is_some();
        let mut cluster = entry.map(|c| c.cluster.clone()).unwrap_or_default();
        if let Some(server) = &flags.server {
            // Another server has another name: the entry's no longer fits.
            cluster.server = Some(server.clone());
            cluster.tls_server_name = None;
        }
        if flags.tls_server_name.is_some() {
            cluster.tls_server_name.clone_from(&flags.tls_server_name);
        }
        if flags.insecure_skip_tls_verify || flags.certificate_authority.is_some() {
            cluster.insecure_skip_tls_verify = flags.insecure_skip_tls_verify;
            cluster.certificate_authority_data = None;
            cluster.certificate_authority =
                flags.certificate_authority.as_ref().map(|p| p.to_string_lossy().into_owned());
        }
        if flags.proxy_url.is_some() {
            cluster.proxy_url.clone_from(&flags.proxy_url);
        }
        if cluster.server.is_none() {
            cluster.server = self.environment.text("KUBERNETES_MASTER").map(str::to_owned);
        }
        match (&cluster.server, found, name) {
            (None, true, Some(name)) => Err(KubeconfigError::NoServer { cluster: name.to_owned() }),
            (None, ..) => Ok(None),
            (Some(_), ..) => Ok(Some(cluster)),
        }
    }

    /// The user entry with the flags laid over it. A context that names no user, or one that does not exist,
    /// means an anonymous one, as with kubectl; a flag that does is an error.
    fn user(&self, name: Option<&str>, flags: &Overrides) -> Result<User, KubeconfigError> {
        let entry = name.and_then(|name| self.merged.users.iter().find(|u| u.name == name));
        if let (Some(wanted), None) = (&flags.user, entry) {
            return Err(unknown("user", wanted, None, self.merged.users.iter().map(|u| u.name.as_str())));
        }
        let mut user = entry.map(|u| u.user.clone()).unwrap_or_default();
        if let Some(token) = &flags.token {
            user.token = Some(Secret::new(token.as_str()));
            user.token_file = None;
        }
        if flags.username.is_some() {
            user.username.clone_from(&flags.username);
        }
        if let Some(password) = &flags.password {
            user.password = Some(Secret::new(password.as_str()));
        }
        if let Some(file) = &flags.client_certificate {
            user.client_certificate = Some(file.to_string_lossy().into_owned());
            user.client_certificate_data = None;
        }
        if let Some(file) = &flags.client_key {
            user.client_key = Some(file.to_string_lossy().into_owned());
            user.client_key_data = None;
        }
        Ok(user)
    }

    fn namespace(&self, flags: &Overrides, context: &Context) -> String {
        let named = flags.namespace.as_ref().or(context.namespace.as_ref()).filter(|n| !n.is_empty());
        match named {
            Some(namespace) => namespace.clone(),
            None if in_cluster::possible(&self.environment) => in_cluster::namespace(&self.environment),
            None => "default".to_owned(),
        }
    }

    fn nothing_to_connect_to(&self, context: Option<&str>) -> KubeconfigError {
        match context {
            _ if self.sources.is_empty() => KubeconfigError::NoConfiguration { looked: self.looked.clone() },
            Some(context) => KubeconfigError::ContextWithoutCluster { context: context.to_owned() },
            None => KubeconfigError::NoCurrentContext {
                known: self.merged.contexts.iter().map(|c| c.name.clone()).collect(),
            },
        }
    }
}

/// The flags laid over whom the kubeconfig's user acts as.
pub(super) fn impersonate(mut entry: Impersonate, flags: &Overrides) -> Impersonate {
    if flags.as_user.is_some() {
        entry.user.clone_from(&flags.as_user);
    }
    if flags.as_uid.is_some() {
        entry.uid.clone_from(&flags.as_uid);
    }
    if !flags.as_group.is_empty() {
        entry.groups.clone_from(&flags.as_group);
    }
    entry
}

fn unknown<'a>(
    kind: &'static str,
    name: &str,
    by: Option<&str>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> KubeconfigError {
    let mut like = near(name, names.clone());
    if like.is_empty() {
        like = names.map(str::to_owned).collect();
        like.sort();
    }
    KubeconfigError::Unknown { kind, name: name.to_owned(), by: by.map(str::to_owned), near: like }
}

/// The server's address; without a scheme it is plain HTTP (client-go: `DefaultServerURL`). Query and fragment go, and
/// name and password go beside it: an address is shown and logged.
fn server_address(
    cluster: &Cluster,
    owner: &str,
) -> Result<(http::Uri, Option<(String, Secret)>), KubeconfigError> {
    let text = cluster.server.as_deref().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, host) = proxy::login(authority);
    let full = format!("{scheme}://{host}{path}");
    let bad = |why: &str| KubeconfigError::BadValue {
        field: "server",
        owner: owner.to_owned(),
        why: format!("{why} ({full})"),
    };
    let uri: http::Uri = full.parse().map_err(|_| bad("it is no address"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(bad("only http and https can be spoken")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(bad("it names no host"));
    }
    Ok((uri, login))
}

pub(super) fn decode(data: &str, field: &'static str, owner: &str) -> Result<Vec<u8>, KubeconfigError> {
    // Go's decoder, like YAML's folding, lets line breaks pass.
    let compact: String = data.split_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| KubeconfigError::BadValue {
        field,
        owner: owner.to_owned(),
        why: "it is not base64".to_owned(),
    })
}

fn authorities(cluster: &Cluster, owner: &str) -> Result<Option<Vec<u8>>, KubeconfigError> {
    let conflict = |fields| Err(KubeconfigError::Conflict { owner: owner.to_owned(), fields });
    match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(_), Some(_)) => conflict("certificate-authority and certificate-authority-data"),
        (Some(_), None) | (None, Some(_)) if cluster.insecure_skip_tls_verify => {
            conflict("certificate-authority and insecure-skip-tls-verify")
        }
        (Some(data), None) => decode(data, "certificate-authority-data", owner).map(Some),
        (None, Some(file)) => read_file(file.as_ref(), "certificate-authority", owner).map(Some),
        (None, None) => Ok(None),
    }
}

fn identity(user: &User, owner: &str) -> Result<Option<Identity>, KubeconfigError> {
    let conflict = |fields| Err(KubeconfigError::Conflict { owner: owner.to_owned(), fields });
    let certificate = match (&user.client_certificate_data, &user.client_certificate) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return conflict("client-certificate and client-certificate-data"),
        (Some(data), None) => Material::Data(decode(data, "client-certificate-data", owner)?),
        (None, Some(file)) => {
            read_file(file.as_ref(), "client-certificate", owner)?;
            Material::File(file.into())
        }
    };
    let key = match (&user.client_key_data, &user.client_key) {
        (None, None) => {
            return Err(KubeconfigError::BadValue {
                field: "client-certificate",
                owner: owner.to_owned(),
                why: "there is no client-key or client-key-data with it".to_owned(),
            });
        }
        (Some(_), Some(_)) => return conflict("client-key and client-key-data"),
        (Some(data), None) => Material::Data(decode(data.expose(), "client-key-data", owner)?),
        (None, Some(file)) => {
            read_file(file.as_ref(), "client-key", owner)?;
            Material::File(file.into())
        }
    };
    Ok(Some(Identity { certificate, key }))
}

/// Picks the one credential. What is written down beats what a plugin would have to fetch (client-go: exec
/// plugins are left alone where a token, a password or a certificate is given).
fn credential(
    user: User,
    owner: &str,
    cluster: &Cluster,
    authorities: Option<&[u8]>,
    environment: &Environment,
) -> Result<CredentialSource, KubeconfigError> {
    let conflict = |fields| Err(KubeconfigError::Conflict { owner: owner.to_owned(), fields });
    let has_token = user.token.is_some() || user.token_file.is_some();
    if has_token && user.username.is_some() {
        return conflict("a token and a user name with password");
    }
    if user.exec.is_some() && user.auth_provider.is_some() {
        return conflict("exec and auth-provider");
    }
    let has_certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    if let Some(file) = user.token_file {
        if user.token.is_none() {
            read_file(file.as_ref(), "tokenFile", owner)?;
        }
        return Ok(CredentialSource::TokenFile { file: file.into(), first: user.token });
    }
    if let Some(token) = user.token {
        return Ok(CredentialSource::Token(token));
    }
    if let Some(username) = user.username {
        let password = user.password.unwrap_or_else(|| Secret::new(""));
        return Ok(CredentialSource::Basic { username, password });
    }
    if let Some(provider) = user.auth_provider {
        return Ok(CredentialSource::Oidc(Box::new(oidc::resolve(provider, owner, environment)?)));
    }
    let Some(exec) = user.exec.filter(|_| !has_certificate) else { return Ok(CredentialSource::None) };
    check_exec(&exec, owner)?;
    let cluster = exec.provide_cluster_info.then(|| cluster_info(cluster, authorities));
    Ok(CredentialSource::Exec { exec, cluster })
}

fn check_exec(exec: &Exec, owner: &str) -> Result<(), KubeconfigError> {
    let bad = |why: String| Err(KubeconfigError::BadValue { field: "exec", owner: owner.to_owned(), why });
    if exec.command.is_empty() {
        return bad("it names no command".to_owned());
    }
    let version = match exec.api_version.as_deref() {
        Some("client.authentication.k8s.io/v1") => 1,
        Some("client.authentication.k8s.io/v1beta1") => 0,
        Some(other) => return bad(format!("apiVersion {other} is not supported (v1 and v1beta1 are)")),
        None => return bad("it has no apiVersion".to_owned()),
    };
    match exec.interactive_mode.as_deref() {
        Some("Never" | "IfAvailable" | "Always") => Ok(()),
        Some(other) => bad(format!("interactiveMode {other} is unknown")),
        None if version == 1 => bad("apiVersion v1 needs an interactiveMode".to_owned()),
        None => Ok(()),
    }
}

/// The cluster as exec plugins are told of it (`ExecCredential.spec.cluster`).
fn cluster_info(cluster: &Cluster, authorities: Option<&[u8]>) -> serde_json::Value {
    let mut info = serde_json::Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            info.insert(key.to_owned(), value.into());
        }
    };
    put("server", cluster.server.clone());
    put("tls-server-name", cluster.tls_server_name.clone());
    put("certificate-authority-data", authorities.map(|pem| STANDARD.encode(pem)));
    put("proxy-url", cluster.proxy_url.clone());
    if cluster.insecure_skip_tls_verify {
        info.insert("insecure-skip-tls-verify".to_owned(), true.into());
    }
    if let Some(extension) = cluster.extensions.iter().find(|e| e.name == EXEC_EXTENSION) {
        info.insert("config".to_owned(), extension.extension.clone());
    }
    info.into()
}
