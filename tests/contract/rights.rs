//! What a credential may do: the reviews, the requests themselves, and kdisco's judgement.

use kdisco::cluster::access::{Question, may};
use serde_json::Value;

use super::world::{World, ask};

pub(crate) async fn reviews_and_refusals_agree(world: &World) {
    let namespace = world.namespace.as_str();
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    let cases = [
        (Question::new("list", "services").namespace(namespace), world.core("services"), true),
        (
            Question::new("get", "services").namespace(namespace).name("my-app"),
            world.core("services/my-app"),
            true,
        ),
        (
            Question::new("list", "endpointslices").group("discovery.k8s.io").namespace(namespace),
            slices,
            true,
        ),
        (Question::new("list", "pods").namespace(namespace), world.core("pods"), false),
        (Question::new("list", "services"), "/api/v1/services".to_owned(), false),
        (Question::new("list", "namespaces"), "/api/v1/namespaces".to_owned(), false),
        (
            Question::new("get", "secrets").namespace(namespace).name("mysql-credentials"),
            world.core("secrets/mysql-credentials"),
            false,
        ),
        (
            Question::new("get", "services").subresource("proxy").namespace(namespace).name("my-app"),
            world.core("services/my-app/proxy/"),
            false,
        ),
    ];
    for (question, path, allowed) in cases {
        let answer = may(&world.viewer, &question).await.unwrap();
        assert_eq!(answer.allowed, allowed, "{question}: {answer:?}");
        let status = ask(&world.viewer, "GET", &path, &[], "").await.status;
        assert_eq!(status == 403, !allowed, "{question}: {status}");
        assert!(may(&world.admin, &question).await.unwrap().allowed, "{question}");
    }
}

pub(crate) async fn access_is_judged(world: &World) {
    let (code, text) = world.kdisco_as_viewer(&["access", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let verdicts: Vec<(String, String)> = document["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["feature"].as_str().unwrap().to_owned(), one["verdict"].as_str().unwrap().to_owned()))
        .collect();
    for (feature, verdict) in &verdicts {
        let expected = match feature.as_str() {
            "services" => "works",
            "forward" => "partly",
            // The Service `kubernetes` is in the demo's own namespace, which the viewer may read.
            "pods" if world.demo.is_some() => "partly",
            _ => "missing",
        };
        assert_eq!(verdict, expected, "{feature}");
    }
    assert!(verdicts.len() > 8 && code != 0, "{code}: {text}");
    let role = document["role"].as_str().unwrap();
    assert!(role.contains("pods/portforward") && !role.contains("endpointslices"), "{role}");
    let (code, text) = world.kdisco(&["access", "-o", "json"]).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["items"].as_array().unwrap().iter().all(|one| one["verdict"] == "works"), "{text}");
    assert_eq!((code, &document["role"]), (0, &Value::Null));
}
