//! An https server on loopback and clients for it, for the tests of connecting and of signing in.

#![expect(dead_code, unreachable_pub, reason = "shared by programs that use different parts of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use kdisco::cluster::ApiError;
use kdisco::cluster::client::{Client, Terminal};
use kdisco::cluster::kubeconfig::{Environment, Kubeconfig, Overrides};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, ServerConnection, SignatureScheme};

pub const CA: &str = include_str!("../fixtures/tls/ca.crt");
pub const OTHER_CA: &str = include_str!("../fixtures/tls/other-ca.crt");
pub const V1_CERTIFICATE: &str = include_str!("../fixtures/tls/client-v1.crt");
pub const V1_KEY: &str = include_str!("../fixtures/tls/client-v1.key");

/// Takes any client certificate, as the API server would one of its own authority; version 1 ones too.
#[derive(Debug)]
struct Anybody;

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// What a request looked like to the server.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: String,
    pub certificate: Option<Vec<u8>>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub type Log = Arc<Mutex<Vec<Seen>>>;

/// What the server says: status line behind the version, and body.
pub type Answer = (&'static str, String);

/// The body of `/version`.
pub const VERSION: &str = r#"{"major":"1","minor":"34","gitVersion":"v1.34.4"}"#;

/// An https server for one answer a connection; `status` decides by what it saw. Ends with the process.
pub fn serve(status: impl Fn(&Seen) -> &'static str + Send + Sync + 'static) -> (u16, Log) {
    start(false, move |seen| (status(seen), VERSION.to_owned()))
}

/// The same with connections that stay open, and any body.
pub fn serve_kept(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (u16, Log) {
    start(true, answer)
}

fn start(keep: bool, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (u16, Log) {
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("../fixtures/tls/server.crt"));
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/tls/server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_single_cert(certificates, key)
        .unwrap();
    let (config, log, answer) = (Arc::new(config), Log::default(), Arc::new(answer));
    let (listener, seen) = (TcpListener::bind("127.0.0.1:0").unwrap(), log.clone());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
            let (seen, answer) = (seen.clone(), answer.clone());
            thread::spawn(move || {
                while let Some(head) = read_head(&mut tls) {
                    let certificate =
                        tls.conn.peer_certificates().and_then(|c| c.first()).map(|c| c.to_vec());
                    let request = Seen { head, certificate };
                    let (status, body) = answer(&request);
                    seen.lock().unwrap().push(request);
                    let _ = write!(
                        tls,
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n{body}",
                        body.len(),
                        if keep { "" } else { "connection: close\r\n" },
                    );
                    let _ = tls.flush();
                    if !keep {
                        return;
                    }
                }
            });
        }
    });
    (port, log)
}

pub fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

pub fn base64(data: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// A kubeconfig of one cluster and one user, given as YAML flow mappings.
pub fn kubeconfig(folder: &Path, cluster: &str, user: &str) -> Overrides {
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    );
    let file = folder.join("config");
    std::fs::write(&file, text).unwrap();
    Overrides { kubeconfig: Some(file), ..Overrides::default() }
}

pub fn trusted(port: u16) -> String {
    format!("server: 'https://127.0.0.1:{port}', certificate-authority-data: {}", base64(CA))
}

pub fn connect(overrides: &Overrides) -> Result<Client, ApiError> {
    let environment = Environment { variables: BTreeMap::new(), service_account: "/nonexistent".into() };
    Client::new(Kubeconfig::load(overrides, &environment)?.target()?, Terminal::Ours)
}

/// A client for one cluster and one user, in a folder that goes with it.
pub fn client(cluster: &str, user: &str) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (connect(&kubeconfig(folder.path(), cluster, user)).unwrap(), folder)
}

pub async fn failure(cluster: &str, user: &str) -> ApiError {
    let (client, _folder) = client(cluster, user);
    client.server_version().await.unwrap_err()
}

/// A plugin: a shell script in a folder, which notes each run.
pub fn plugin(folder: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("plugin.sh");
    let runs = folder.join("runs");
    std::fs::write(&file, format!("#!/bin/sh\necho run >> '{}'\n{script}\n", runs.display())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, interactiveMode: IfAvailable, \
     installHint: 'brew install plugin', env: [{name: WHO, value: me}]}"
        .to_owned()
}

pub fn runs(folder: &Path) -> usize {
    std::fs::File::open(folder.join("runs")).map_or(0, |file| BufReader::new(file).lines().count())
}

const ISSUE: &str =
    r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{STATUS}}'"#;

pub fn issue(status: &str) -> String {
    ISSUE.replace("STATUS", status)
}
