//! The cluster's DNS asked live, against what is predicted from the API's objects.

use futures_util::StreamExt as _;
use kdisco::cluster::session::list_once;
use kdisco::dns::resolver::Limits;
use kdisco::model::dns::{Cluster, Comparison, DnsHealth, RecordType, Verdict};
use kdisco::model::{ClusterSnapshot, Kind, NamespaceScope};
use kdisco::runtime::live::{LiveDns, Which, surroundings};

use super::world::World;

async fn open(world: &World) -> (LiveDns, Cluster, ClusterSnapshot) {
    world.settled().await;
    let kinds = [Kind::Namespace, Kind::Service, Kind::EndpointSlice, Kind::Pod];
    let all = list_once(&world.admin, &NamespaceScope::All, &kinds).await.unwrap();
    let around = surroundings(&world.admin, &[]).await.unwrap();
    let snapshot = ClusterSnapshot { config_maps: around.config_maps.clone(), ..all };
    let cluster = Cluster::new(&snapshot);
    let health = DnsHealth::of(&around, &cluster);
    let dns = LiveDns::open(&world.admin, &health, &Which::Best, Limits::default()).await.unwrap();
    (dns, cluster, snapshot)
}

pub(crate) async fn every_record_is_predicted(world: &World) {
    let (dns, cluster, snapshot) = open(world).await;
    let services =
        snapshot.services.iter().filter(|one| *one.key().namespace == *world.namespace).map(|one| &**one);
    let pods = snapshot.pods_in(&world.namespace).iter().map(|pod| &**pod);
    let questions = cluster.check_questions(services, pods);
    assert!(questions.len() > 30, "{questions:?}");
    let kinds: std::collections::BTreeSet<String> =
        questions.iter().map(|(_, kind)| format!("{kind:?}")).collect();
    for kind in ["A", "AAAA", "SRV", "PTR"] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    let steps: Vec<_> = dns.ask_all(questions).collect().await;
    let all: Vec<Comparison> = steps.into_iter().flatten().map(|step| cluster.compare(step)).collect();
    let odd: Vec<_> = all.iter().filter(|one| one.verdict == Verdict::Different).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(all.iter().filter(|one| one.verdict == Verdict::Equal).count() > 20, "{all:#?}");
}

pub(crate) async fn names_that_do_not_exist(world: &World) {
    let (dns, cluster, _) = open(world).await;
    let zone = &cluster.zone().domain;
    let ask = async |name: String, kind: RecordType| {
        let step = dns.ask(&name, kind).await.remove(0);
        step.reply.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let below = |name: &str| format!("{name}.{}.svc.{zone}", world.namespace);
    let nothing = ask(below("nope"), RecordType::A).await;
    assert_eq!(nothing.rcode.to_string(), "NXDOMAIN");
    let authority = nothing.authority.expect("who says so");
    assert_eq!(authority.name.trim_end_matches('.'), zone.to_string().trim_end_matches('.'));
    // The name has addresses and no text.
    assert!(ask(below("my-app"), RecordType::TXT).await.is_nodata());
    // A headless Service without addresses that count, and a Service of one family.
    assert!(ask(below("my-app"), RecordType::AAAA).await.is_nodata());
    let host = ask(below("cache-0.cache"), RecordType::A).await;
    assert_eq!(host.answers.len(), 1, "{host:?}");
    assert_eq!(ask(below("cache-1.cache"), RecordType::A).await.rcode.to_string(), "NXDOMAIN");
    let other = ask(format!("my-app.no-such.svc.{zone}"), RecordType::A).await;
    assert_eq!(other.rcode.to_string(), "NXDOMAIN");
}
