//! TLS towards the API server: whom we trust, and which certificate we show.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kube::client::ConfigExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme};

use crate::cluster::kubeconfig::{Identity, Material, Target};
use crate::cluster::{ApiError, ApiErrorKind};

/// A certificate that a plugin hands out and may replace.
pub(super) type PluginCertificate = Arc<Mutex<Option<Arc<CertifiedKey>>>>;

/// The configuration for one target. Certificates of `target` are read once here, so that broken ones are told
/// before anything is sent.
pub(super) fn config(target: &Target, plugin: &PluginCertificate) -> Result<ClientConfig, ApiError> {
    let mut config = match &target.authorities {
        Some(pem) if !target.insecure => {
            let builder = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .map_err(|error| broken("TLS cannot be set up", &error))?;
            match &target.authority_file {
                None => builder.with_root_certificates(authorities(pem)?).with_no_client_auth(),
                Some(file) => builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(FileAuthorities::new(file.clone(), pem)?))
                    .with_no_client_auth(),
            }
        }
        // The system's authorities, or none at all: as kube does it.
        _ => {
            let mut config = kube::Config::new(target.server.clone());
            config.accept_invalid_certs = target.insecure;
            config
                .rustls_client_config()
                .map_err(|error| broken("the system's certificates cannot be used", &error))?
        }
    };
    let source = match &target.identity {
        Some(identity) => {
            certified_key(identity)?;
            Some(identity.clone())
        }
        None => None,
    };
    // A resumed session keeps the identity it was made with; where that may change, each connection is made anew.
    let may_change = match &source {
        Some(Identity { certificate: Material::Data(_), key: Material::Data(_) }) => false,
        Some(_) => true,
        None => target.uses_plugin(),
    };
    if may_change || target.authority_file.is_some() {
        config.resumption = Resumption::disabled();
    }
    let cached = Mutex::new(None);
    config.client_auth_cert_resolver = Arc::new(ClientCertificate { source, plugin: plugin.clone(), cached });
    Ok(config)
}

/// The configuration towards another server than the API server's, without a certificate of ours.
pub(super) fn plain(server: &http::Uri, authorities: Option<&[u8]>) -> Result<ClientConfig, ApiError> {
    match authorities {
        Some(pem) => Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| broken("TLS cannot be set up", &error))?
            .with_root_certificates(self::authorities(pem)?)
            .with_no_client_auth()),
        None => kube::Config::new(server.clone())
            .rustls_client_config()
            .map_err(|error| broken("the system's certificates cannot be used", &error)),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn broken(why: &str, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ApiErrorKind::Config, "the kubeconfig cannot be used", format!("{why}: {error}"))
}

/// The authorities of a PEM bundle. As with Go, those that cannot be used are passed over as long as one can.
fn authorities(pem: &[u8]) -> Result<RootCertStore, ApiError> {
    let mut roots = RootCertStore::empty();
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(broken("certificate-authority", &"it holds no usable certificate"));
    }
    Ok(roots)
}

/// The authorities of a file that may be replaced while we run: read again with each connection. While it is being
/// replaced, or when nothing in it can be used, the last ones stay.
#[derive(Debug)]
struct FileAuthorities {
    file: PathBuf,
    current: Mutex<(Vec<u8>, Arc<WebPkiServerVerifier>)>,
}

impl FileAuthorities {
    fn new(file: PathBuf, pem: &[u8]) -> Result<Self, ApiError> {
        Ok(Self { file, current: Mutex::new((pem.to_vec(), verifier(pem)?)) })
    }

    fn current(&self) -> Arc<WebPkiServerVerifier> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(pem) = std::fs::read(&self.file)
            && pem != current.0
            && let Ok(verifier) = verifier(&pem)
        {
            *current = (pem, verifier);
        }
        current.1.clone()
    }
}

fn verifier(pem: &[u8]) -> Result<Arc<WebPkiServerVerifier>, ApiError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(authorities(pem)?), provider())
        .build()
        .map_err(|error| broken("certificate-authority", &error))
}

impl ServerCertVerifier for FileAuthorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.current().verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Certificate and key, read now. The certificate is not parsed: what is in it is the server's to judge. That is
/// how X.509 version 1 certificates work here as they do with kubectl.
fn certified_key(identity: &Identity) -> Result<CertifiedKey, ApiError> {
    let read = |material: &Material, field: &str| match material {
        Material::Data(data) => Ok(data.clone()),
        Material::File(path) => std::fs::read(path)
            .map_err(|error| broken(&format!("cannot read {field} {}", path.display()), &error)),
    };
    key_pair(&read(&identity.certificate, "client-certificate")?, &read(&identity.key, "client-key")?)
}

/// Certificate chain and key from PEM.
pub(super) fn key_pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, ApiError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| broken("client-certificate", &error))?;
    if chain.is_empty() {
        return Err(broken("client-certificate", &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
        broken("client-key", &"it holds no private key that can be read (encrypted ones cannot)")
    })?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|_| broken("client-key", &"this sort of key is not supported"))?;
    Ok(CertifiedKey::new(chain, key))
}

/// Shows the kubeconfig's certificate, or the plugin's.
#[derive(Debug)]
struct ClientCertificate {
    source: Option<Identity>,
    plugin: PluginCertificate,
    /// What was last read, for the case that the files are just being replaced.
    cached: Mutex<Option<Arc<CertifiedKey>>>,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let Some(identity) = &self.source else {
            return self.plugin.lock().unwrap_or_else(PoisonError::into_inner).clone();
        };
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        // Between the two files being replaced they do not belong together; what is too old to be parsed (version 1)
        // cannot be compared and is taken as it is.
        let fits = |key: &CertifiedKey| {
            !matches!(key.keys_match(), Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)))
        };
        if let Ok(key) = certified_key(identity)
            && (cached.is_none() || fits(&key))
        {
            *cached = Some(Arc::new(key));
        }
        cached.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
