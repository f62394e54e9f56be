//! The API server's proxy to Services and pods.
//!
//! Sources: Kubernetes `pkg/registry/core/{service,pod}`, apimachinery `pkg/util/net/port_split.go`.

use super::place;
use crate::demo::api::body::{Answer, Body, whole};
use crate::demo::api::request::Target;
use crate::demo::api::server::Shared;
use crate::demo::api::status::Refusal;
use crate::demo::inside;
use crate::demo::resource::Resource;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue, LOCATION};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;

/// The parts of `[SCHEME:]NAME[:PORT]`.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    scheme: String,
    name: String,
    port: String,
}

impl Named {
    /// Reads the forms `name`, `name:port` and `scheme:name:port`; nothing else is one.
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme @ ("" | "http" | "https"), name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let named = Self { scheme: scheme.to_owned(), name: name.to_owned(), port: port.to_owned() };
        (!name.is_empty()).then_some(named)
    }
}

/// Passes a request on.
pub(super) async fn pass(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    target: &Target,
) -> Result<Answer, Refusal> {
    let (namespace, text) = place(target);
    let named = Named::parse(text).ok_or_else(|| {
        Refusal::bad_request(format!("invalid {} request \"{text}\"", target.resource.info().singular))
    })?;
    if target.rest.is_none() && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(to_directory(&request));
    }
    let (pod, port) = match target.resource {
        Resource::Services => behind_service(shared, namespace, &named)?,
        _ => in_pod(shared, namespace, &named)?,
    };
    if named.scheme == "https" {
        let why = "tls: first record does not look like a TLS handshake";
        return Err(Refusal::unavailable(format!("error trying to reach service: {why}")));
    }
    let refused = |_| unreachable(shared, namespace, &pod, port, "connect: connection refused");
    let stream = inside::connect(shared, namespace, &pod, port).map_err(refused)?;
    let failed =
        |error: hyper::Error| Refusal::unavailable(format!("error trying to reach service: {error}"));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    shared.spawn(async move {
        let _ = connection.await;
    });
    let answer = sender.send_request(onward(request, target)?).await.map_err(failed)?;
    Ok(answer.map(|body| -> Body { body.map_err(std::io::Error::other).boxed_unsync() }))
}

/// The redirect to the same path with a slash behind it.
fn to_directory(request: &Request<Incoming>) -> Answer {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let place = format!("{}/{query}", request.uri().path());
    let mut answer = hyper::Response::new(whole(""));
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = HeaderValue::from_str(&place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

/// The request as the program in the pod gets it.
fn onward(request: Request<Incoming>, target: &Target) -> Result<Request<Incoming>, Refusal> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", target.rest.as_deref().unwrap_or("/"));
    let forwarded = parts.uri.path().to_owned();
    parts.uri = path.parse().map_err(|_| Refusal::bad_request("the path behind proxy can't be read"))?;
    let host = parts.headers.get(HOST).cloned();
    for name in [AUTHORIZATION, CONNECTION] {
        parts.headers.remove(name);
    }
    if let Ok(value) = HeaderValue::from_str(&forwarded) {
        parts.headers.insert("x-forwarded-uri", value);
    }
    if let Some(host) = host {
        parts.headers.insert("x-forwarded-host", host);
    }
    parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    Ok(Request::from_parts(parts, body))
}

fn unreachable(shared: &Shared, namespace: &str, pod: &str, port: u16, why: &str) -> Refusal {
    let stored = shared.world().store.get(Resource::Pods, namespace, pod).map(|pod| pod.value());
    let ip = stored.as_ref().and_then(|pod| pod["status"]["podIP"].as_str()).unwrap_or_default();
    Refusal::unavailable(format!("error trying to reach service: dial tcp {ip}:{port}: {why}"))
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok())
}

/// A ready endpoint of a Service that is a pod, and the port there.
fn behind_service(shared: &Shared, namespace: &str, named: &Named) -> Result<(String, u16), Refusal> {
    let world = shared.world();
    let service = world.store.get(Resource::Services, namespace, &named.name);
    let service = service.ok_or_else(|| Refusal::not_found(Resource::Services, &named.name))?.value();
    let none = |of: &str| Refusal::unavailable(format!("no endpoints available for service \"{of}\""));
    let mut any = false;
    // A number is a port of the Service, and from then on its name counts.
    let port = if let Ok(asked) = named.port.parse::<u16>() {
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let found = ports.into_iter().find(|port| number(&port["port"]) == Some(asked));
        let found = found.ok_or_else(|| {
            Refusal::unavailable(format!(
                "no service port {} found for service \"{}\"",
                named.port, named.name
            ))
        })?;
        found["name"].as_str().unwrap_or_default().to_owned()
    } else {
        named.port.clone()
    };
    let label = ("kubernetes.io/service-name".to_owned(), named.name.clone());
    let slices = world.store.list(Resource::EndpointSlices, Some(namespace));
    for slice in slices.filter(|slice| slice.labels.contains(&label)) {
        let slice = slice.value();
        let ports = slice["ports"].as_array().into_iter().flatten();
        any |= slice["endpoints"].as_array().is_some_and(|all| !all.is_empty());
        let Some(target) = ports
            .into_iter()
            .find(|one| one["name"].as_str().unwrap_or_default() == port)
            .and_then(|one| number(&one["port"]))
        else {
            continue;
        };
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        let ready = endpoints.into_iter().filter(|one| one["conditions"]["ready"].as_bool().unwrap_or(true));
        let pods: Vec<&str> = ready.filter_map(|one| one["targetRef"]["name"].as_str()).collect();
        if !pods.is_empty() {
            // Any of them; a different one from time to time.
            let at = usize::try_from(world.store.revision()).unwrap_or_default() % pods.len();
            return Ok((pods[at].to_owned(), target));
        }
    }
    // Where there are endpoints and no such port, the server names all that it was asked for.
    let asked = [&named.scheme, &named.name, &named.port];
    let parts: Vec<&str> = asked.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    Err(if any { none(&parts.join(":")) } else { none(&named.name) })
}

/// The port of a pod: a number, or the first that it declares.
fn in_pod(shared: &Shared, namespace: &str, named: &Named) -> Result<(String, u16), Refusal> {
    let pod = shared.world().store.get(Resource::Pods, namespace, &named.name);
    let pod = pod.ok_or_else(|| Refusal::not_found(Resource::Pods, &named.name))?.value();
    if pod["status"]["podIP"].is_null() {
        return Err(Refusal::bad_request("address not allowed"));
    }
    let port = if named.port.is_empty() {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        containers
            .flat_map(|one| one["ports"].as_array().into_iter().flatten())
            .find_map(|port| number(&port["containerPort"]))
    } else {
        named.port.parse().ok()
    };
    let port = port.ok_or_else(|| Refusal::bad_request(format!("invalid port \"{}\"", named.port)))?;
    Ok((named.name.clone(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let parts = |text: &str| Named::parse(text).map(|named| (named.scheme, named.name, named.port));
        let of = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(parts("web"), of("", "web", ""));
        assert_eq!(parts("web:http"), of("", "web", "http"));
        assert_eq!(parts("https:web:"), of("https", "web", ""));
        assert_eq!(parts("ftp:web:1"), None);
        assert_eq!(parts("a:b:c:d"), None);
        assert_eq!(parts(":80"), None);
    }
}
