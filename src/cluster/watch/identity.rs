//! Whether the server is still the same cluster.
//!
//! A server that comes back may be another one at the same address: made anew, or restored. If its versions are
//! larger than ours it lets a watch go on from our version, and the picture would become a mixture of two clusters.
//! The uid of the namespace `kube-system` is what names a cluster (Kubernetes SIG Architecture: "cluster id" by
//! convention). Who may not read it goes without.

use std::sync::{Mutex, PoisonError};

use crate::cluster::client::{Asked, Client};
use crate::cluster::{ApiError, ApiErrorKind};
use crate::model::{Kind, Text};

const PATH: &str = "/api/v1/namespaces/kube-system";

/// What is known of the cluster's name. One for all watches of a connection.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Identity(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    first: Option<Text>,
    latest: Option<Text>,
    /// It may not be asked for, or there is no such thing.
    hidden: bool,
}

impl Identity {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first cluster of this connection.
    pub(super) fn first(&self) -> Option<Text> {
        self.known().first.clone()
    }

    /// The cluster that answered last.
    pub(super) fn latest(&self) -> Option<Text> {
        self.known().latest.clone()
    }

    /// Asks which cluster this is; nothing where that can't be told.
    pub(in crate::cluster) async fn ask(&self, client: &Client) -> Result<Option<Text>, ApiError> {
        if self.known().hidden {
            return Ok(None);
        }
        let asked = Asked::of("get", Kind::Namespace, None);
        let uid = match client.get_whole(PATH, "application/json", &asked).await {
            Ok((body, _)) => uid(&body),
            Err(error) => match error.kind {
                ApiErrorKind::Forbidden(_)
                | ApiErrorKind::NotFound
                | ApiErrorKind::Rejected(_)
                | ApiErrorKind::Protocol => None,
                _ => return Err(error),
            },
        };
        let mut known = self.known();
        known.hidden = uid.is_none();
        if let Some(uid) = &uid {
            known.first.get_or_insert_with(|| uid.clone());
            known.latest = Some(uid.clone());
        }
        Ok(uid)
    }
}

fn uid(body: &[u8]) -> Option<Text> {
    let namespace: serde_json::Value = serde_json::from_slice(body).ok()?;
    namespace.pointer("/metadata/uid")?.as_str().filter(|uid| !uid.is_empty()).map(Into::into)
}
