//! One context, resolved: all that is needed to connect.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Exec, Proxy, Secret};

/// One context, resolved: all that is needed to connect.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the context; `in-cluster` for a pod's own cluster, empty where flags alone name the server.
    pub context: String,
    /// Name of the cluster entry.
    pub cluster: String,
    /// Name of the user entry.
    pub user: String,
    /// Namespace to look at first.
    pub namespace: String,
    /// The API server's address, with the path prefix if it has one.
    pub server: http::Uri,
    /// The server's certificate is not checked: worth a warning on the screen.
    pub insecure: bool,
    /// Bound for lists and single requests.
    pub request_timeout: Option<Duration>,
    /// Answers may be compressed.
    pub(in crate::cluster) compression: bool,
    /// PEM of the authorities to trust; `None` means the system's.
    pub(in crate::cluster) authorities: Option<Vec<u8>>,
    /// The file that they came from, if it was one: it may be replaced.
    pub(in crate::cluster) authority_file: Option<PathBuf>,
    /// The name that the server's certificate must carry, where it is not that of the address.
    pub(in crate::cluster) tls_server_name: Option<String>,
    /// Client certificate.
    pub(in crate::cluster) identity: Option<Identity>,
    /// What goes into the `Authorization` header.
    pub(in crate::cluster) credential: CredentialSource,
    /// Who to act as.
    pub(in crate::cluster) impersonate: Impersonate,
    /// Proxy on the way.
    pub(in crate::cluster) proxy: Option<Proxy>,
}

/// A client certificate with its key. Files are read anew for each connection, as they may be renewed.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Identity {
    pub(in crate::cluster) certificate: Material,
    pub(in crate::cluster) key: Material,
}

/// PEM data, or the file that holds it.
#[derive(Clone)]
pub(in crate::cluster) enum Material {
    Data(Vec<u8>),
    File(PathBuf),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(_) => f.write_str("<data>"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// Where the credential comes from, at most one.
#[derive(Clone, Debug)]
pub(in crate::cluster) enum CredentialSource {
    None,
    Basic {
        username: String,
        password: Secret,
    },
    Token(Secret),
    /// Read again once a minute; the first value is what the kubeconfig has beside it.
    TokenFile {
        file: PathBuf,
        first: Option<Secret>,
    },
    /// A program is run; `cluster` is what it is told about the cluster, if it wants that.
    Exec {
        exec: Exec,
        cluster: Option<serde_json::Value>,
    },
    /// An id-token that is renewed at its issuer.
    Oidc(Box<Oidc>),
}

/// `auth-provider: oidc`, the only one that kubectl still has.
#[derive(Clone, Debug)]
pub(in crate::cluster) struct Oidc {
    pub(in crate::cluster) issuer: http::Uri,
    pub(in crate::cluster) client_id: String,
    pub(in crate::cluster) client_secret: Option<Secret>,
    pub(in crate::cluster) id_token: Option<Secret>,
    pub(in crate::cluster) refresh_token: Option<Secret>,
    /// PEM of the authorities to trust for the issuer; `None` means the system's.
    pub(in crate::cluster) authorities: Option<Vec<u8>>,
    /// Proxy on the way to the issuer.
    pub(in crate::cluster) proxy: Option<Proxy>,
}

/// Who to act as.
#[derive(Clone, Debug, Default)]
pub(in crate::cluster) struct Impersonate {
    pub(in crate::cluster) user: Option<String>,
    pub(in crate::cluster) uid: Option<String>,
    pub(in crate::cluster) groups: Vec<String>,
    pub(in crate::cluster) extra: BTreeMap<String, Vec<String>>,
}

impl Target {
    /// Whether compressed lists are worth the work: not on this very machine, where the way costs nothing.
    pub(in crate::cluster) fn compressed(&self) -> bool {
        let host = self.server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.compression && (!here || self.proxy.is_some())
    }

    /// The files of client certificate and authorities: a connection made before they changed is of the past.
    pub(in crate::cluster) fn certificate_files(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|i| [&i.certificate, &i.key]);
        let files = identity.filter_map(|material| match material {
            Material::File(path) => Some(path.clone()),
            Material::Data(_) => None,
        });
        files.chain(self.authority_file.clone()).collect()
    }

    /// Whether a program is run to obtain the credential.
    pub fn uses_plugin(&self) -> bool {
        matches!(self.credential, CredentialSource::Exec { .. })
    }
}
