use super::*;
use crate::model::{Kind, Load, ObjectKey};

fn loaded(text: &str) -> Loaded {
    read(text.as_bytes(), "saved.json").unwrap()
}

fn broken(text: &str) -> String {
    read(text.as_bytes(), "saved.json").unwrap_err().to_string()
}

const SERVICE: &str = r#"{"apiVersion":"v1","kind":"Service",
    "metadata":{"name":"my-app","namespace":"default","creationTimestamp":"2026-01-02T03:04:05Z"},
    "spec":{"clusterIP":"10.96.14.2","ports":[{"port":80}]}}"#;

const SLICE: &str = r#"{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice",
    "metadata":{"name":"my-app-x","namespace":"default","labels":{"kubernetes.io/service-name":"my-app"}},
    "addressType":"IPv4","ports":null,
    "endpoints":[{"addresses":["10.0.0.1"],"targetRef":{"kind":"Pod","namespace":"default","name":"p"}}]}"#;

#[test]
fn a_list_of_mixed_kinds_is_joined() {
    let loaded = loaded(&format!(r#"{{"apiVersion":"v1","items":[{SERVICE},{SLICE}],"kind":"List"}}"#));
    let facts = loaded.snapshot.service(&ObjectKey::new("default", "my-app")).unwrap();
    assert_eq!((facts.ready, facts.total), (1, 1));
    assert_eq!(
        loaded.snapshot.services_of(&ObjectKey::new("default", "p")),
        [crate::model::Text::from("my-app")]
    );
    assert_eq!(loaded.newest, Some("2026-01-02T03:04:05Z".parse().unwrap()));
}

#[test]
fn a_kind_that_is_not_in_the_file_is_unknown_not_empty() {
    let loaded = loaded(SERVICE);
    assert_eq!(loaded.snapshot.load(Kind::Service, "default"), Some(&Load::Live));
    assert_eq!(loaded.snapshot.load(Kind::Pod, "default"), None);
}

#[test]
fn single_objects_lists_and_bare_lists_may_follow_each_other() {
    let loaded = loaded(&format!(
        r#"{SERVICE}
        {{"kind":"ServiceList","apiVersion":"v1","items":[{{"metadata":{{"name":"a"}}}}]}}
        {{"apiVersion":"v1","items":[{{"metadata":{{"name":"b"}}}}],"kind":"ServiceList"}}
        [{{"metadata":{{"name":"c"}},"kind":"Service","apiVersion":"v1"}}]"#
    ));
    let names: Vec<_> = loaded.snapshot.services.iter().map(|f| f.key().to_string()).collect();
    assert_eq!(names, ["a", "b", "c", "default/my-app"]);
}

#[test]
fn yaml_is_read_too_even_several_documents() {
    let loaded = loaded(
        "# saved\napiVersion: v1\nkind: Service\nmetadata:\n  name: my-app\n  namespace: default\nspec:\n  \
         clusterIP: 10.96.14.2\n  ports:\n  - port: 80\n    targetPort: http\n---\napiVersion: v1\nkind: List\n\
         items:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: default\n",
    );
    assert_eq!(loaded.snapshot.services[0].service.ports[0].target.to_string(), "http");
    assert_eq!(loaded.snapshot.namespaces.len(), 1);
}

#[test]
fn other_kinds_are_passed_over_and_nameless_objects_counted() {
    let loaded = loaded(&format!(
        r#"{{"kind":"List","apiVersion":"v1","items":[{SERVICE},
        {{"apiVersion":"serving.knative.dev/v1","kind":"Service","metadata":{{"name":"k"}}}},
        {{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"}}}},
        {{"apiVersion":"v1","kind":"Service","metadata":{{}}}}, null, 7, []]}}"#
    ));
    assert_eq!((loaded.snapshot.services.len(), loaded.others, loaded.skipped), (1, 2, 4));
}

#[test]
fn of_an_object_that_is_there_twice_the_last_one_stays() {
    let loaded = loaded(&format!("{SERVICE}{}", SERVICE.replace("10.96.14.2", "10.96.14.3")));
    assert_eq!(loaded.snapshot.services.len(), 1);
    assert_eq!(&*loaded.snapshot.services[0].service.cluster_ip, "10.96.14.3");
}

#[test]
fn errors_say_file_what_and_where() {
    assert_eq!(
        broken("{\"kind\": \"List\",\n \"items\": [{]}"),
        "saved.json is broken JSON: key must be a string at line 2 column 13"
    );
    assert!(broken("a: [b\nc").starts_with("saved.json is broken YAML: "), "{}", broken("a: [b\nc"));
    assert!(!broken("a: [b\nc").contains('\n'));
    assert!(broken("").contains("no Kubernetes object"));
    assert!(broken("{}").contains("no Kubernetes object"));
    let missing = load(Path::new("no/such/file")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read no/such/file: "), "{missing}");
}
