//! What leaves HTTP in the demo: port-forward in its three forms, exec, DNS behind a forward, and the proxy.

#[path = "demo/client.rs"]
mod client;

use client::{Socket, Spdy, get, names, request};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use kdisco::demo::{Clock, Demo, Forwarding, Options, start};
use kdisco::wire::spdy::Frame;
use std::time::Duration;

async fn demo() -> Demo {
    start(Options { clock: Clock::Stepped, ..Options::default() }).await.unwrap()
}

const SERVICES: &str = "/api/v1/namespaces/default/services";
const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = "my-app-7c5ddbdf54-x2k9p";

#[tokio::test]
async fn exec_shows_what_a_container_got_when_it_was_started() {
    let demo = demo().await;
    let client = "client-5f6d8c9b7d-q4m2t";
    let (printed, status) = Socket::exec(&demo, client, &["env"]).await;
    assert_eq!(status["status"], "Success");
    assert!(printed.contains("MY_APP_SERVICE_HOST=10.96.14.2\n"));
    assert!(printed.contains("MY_APP_URL=http://10.96.14.2:80/\n"));
    assert!(!printed.contains("MYSQL_"), "the Service is younger than the container");
    request(&demo, "DELETE", &format!("{PODS}/{client}"), &[], "").await;
    demo.step(Duration::from_secs(10));
    let again = names(&get(&demo, &format!("{PODS}?labelSelector=app%3Dclient")).await);
    let (printed, _) = Socket::exec(&demo, &again[0], &["env"]).await;
    assert!(printed.contains("MYSQL_SERVICE_HOST=10.96.80.9\n"));
    let (printed, _) = Socket::exec(&demo, &again[0], &["nslookup", "my-app"]).await;
    assert!(printed.contains("Name:\tmy-app.default.svc.cluster.local\nAddress: 10.96.14.2\n"));
}

#[tokio::test]
async fn an_unknown_program_ends_with_127_and_the_words_of_the_runtime() {
    let demo = demo().await;
    let (_, status) = Socket::exec(&demo, "mysql-0", &["mysqldump"]).await;
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"][0]["message"], "127");
    assert!(status["message"].as_str().unwrap().contains("executable file not found in $PATH"));
}

#[tokio::test]
async fn a_forward_by_channels() {
    let demo = demo().await;
    let mut socket =
        Socket::open(&demo, &format!("{PODS}/{POD}/portforward?ports=7,9999"), "v4.channel.k8s.io").await;
    for first in [[0, 7, 0], [1, 7, 0]] {
        assert_eq!(socket.next().await.unwrap(), first[..]);
    }
    socket.send(b"\0hello").await;
    let (mut echoed, mut refused) = (Vec::new(), Vec::new());
    while echoed.len() < 5 || refused.is_empty() {
        let message = socket.next().await.unwrap();
        match message[0] {
            0 => echoed.extend_from_slice(&message[1..]),
            3 if message.len() > 3 => refused.extend_from_slice(&message[1..]),
            _ => {}
        }
    }
    assert_eq!(echoed, b"hello");
    let words = "dial tcp4 127.0.0.1:9999: connect: connection refused";
    assert!(String::from_utf8(refused).unwrap().contains(words));
}

#[tokio::test]
async fn a_tunnel_carries_many_forwards_and_what_comes_after_the_clients_end() {
    let demo = demo().await;
    let mut spdy = Spdy::tunnel(&demo, "default", POD).await;
    let page = spdy.fetch(1, 80, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", false).await;
    assert!(String::from_utf8(page.data).unwrap().ends_with(&format!("my-app pod {POD}\n")));
    let refused = spdy.fetch(5, 9999, b"", false).await;
    assert!(
        refused.data.is_empty() && refused.error.contains("connect: connection refused"),
        "{}",
        refused.error
    );
    let large = vec![7; 300_000];
    assert!(spdy.fetch(9, 7, &large, true).await.data == large);
    let counted = spdy.fetch(13, 9, &large, true).await;
    assert_eq!(counted.data, b"300000\n");
    spdy.send(&[Frame::Ping { id: 41 }]).await;
    assert_eq!(spdy.pong().await, 41);
}

#[tokio::test]
async fn a_forward_without_a_tunnel() {
    let demo = demo().await;
    let mut spdy = Spdy::bare(&demo, "default", "mysql-0").await;
    let greeting = spdy.fetch(1, 3306, b"hello", true).await;
    assert!(greeting.data.windows(5).any(|part| part == b"8.4.6"));
    let cache = Spdy::bare(&demo, "default", "cache-0").await.fetch(1, 6379, b"PING\r\nQUIT\r\n", true).await;
    assert_eq!(cache.data, b"+PONG\r\n+OK\r\n");
}

#[tokio::test]
async fn pods_that_are_not_there_or_not_yet() {
    let demo = demo().await;
    let forward =
        async |pod: &str| request(&demo, "GET", &format!("{PODS}/{pod}/portforward"), &[], "").await;
    let missing = forward("nope").await;
    assert_eq!((missing.status, missing.json()["message"].as_str()), (404, Some("pods \"nope\" not found")));
    request(&demo, "DELETE", &format!("{PODS}/mysql-0?gracePeriodSeconds=0"), &[], "").await;
    let unscheduled = forward("mysql-0").await;
    assert_eq!(unscheduled.json()["message"], "pod mysql-0 does not have a host assigned");
    demo.step(Duration::from_secs(1));
    let creating = forward("mysql-0").await;
    assert_eq!(creating.status, 500);
}

#[tokio::test]
async fn a_session_outlives_its_pod_and_says_so() {
    let demo = demo().await;
    let mut spdy = Spdy::tunnel(&demo, "default", POD).await;
    request(&demo, "DELETE", &format!("{PODS}/{POD}"), &[], "").await;
    let echoed = spdy.fetch(1, 7, b"still here", true).await;
    assert_eq!(echoed.data, b"still here");
    demo.step(Duration::from_secs(10));
    let gone = spdy.fetch(5, 7, b"", false).await;
    assert!(gone.error.contains("in store: not found"), "{}", gone.error);
}

/// The order of what happens on a real node: data that nobody reads blocks one of five workers for good.
#[tokio::test]
async fn a_measured_forward_wedges() {
    let options = Options { clock: Clock::Stepped, forwarding: Forwarding::Measured, ..Options::default() };
    let demo = start(options).await.unwrap();
    let mut spdy = Spdy::tunnel(&demo, "default", POD).await;
    spdy.send(&Spdy::pair(1, 11, 9999)).await;
    let mut ended = false;
    while !ended {
        ended = matches!(spdy.next().await, Frame::Data { id: 1, fin: true, .. });
    }
    spdy.send(&[Spdy::data(11, b"nobody reads this", false)]).await;
    // The first ping goes to worker 0, the next to worker 1, which has the stream 11.
    let pings: Vec<Frame> = [1, 3, 5, 7, 9].map(|id| Frame::Ping { id }).to_vec();
    spdy.send(&pings).await;
    let mut answered = Vec::new();
    while answered.len() < 4 {
        answered.push(spdy.pong().await);
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 5, 7, 9]);
}

#[tokio::test]
async fn dns_over_a_forward_answers_in_order() {
    let demo = demo().await;
    let mut spdy = Spdy::tunnel(&demo, "kube-system", "coredns-66bc5c9577-5wmjd").await;
    let mut questions = Vec::new();
    for (id, name, kind) in [
        (1, "my-app.default.svc.cluster.local.", RecordType::A),
        (2, "cache.default.svc.cluster.local.", RecordType::SRV),
        (3, "nope.default.svc.cluster.local.", RecordType::A),
    ] {
        let mut message = Message::query();
        message.metadata.id = id;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let bytes = message.to_vec().unwrap();
        questions.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
        questions.extend_from_slice(&bytes);
    }
    let answers = spdy.fetch(1, 53, &questions, true).await.data;
    let (mut rest, mut messages) = (answers.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (message, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        messages.push(Message::from_vec(message).unwrap());
        rest = after;
    }
    let ids: Vec<u16> = messages.iter().map(|message| message.metadata.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(messages[0].answers[0].data.to_string(), "10.96.14.2");
    assert_eq!(
        messages[1].answers[0].data.to_string(),
        "0 100 6379 cache-0.cache.default.svc.cluster.local."
    );
    assert_eq!(messages[1].additionals[0].data.to_string(), "10.244.1.9");
    assert_eq!(messages[2].metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(messages[2].authorities[0].name.to_string(), "cluster.local.");
}

#[tokio::test]
async fn the_proxy_reaches_pods_through_services() {
    let demo = demo().await;
    let page = request(&demo, "GET", &format!("{SERVICES}/my-app:http/proxy/"), &[], "").await;
    assert!(String::from_utf8_lossy(&page.body).starts_with("my-app pod my-app-7c5ddbdf54-"));
    let directory = request(&demo, "GET", &format!("{SERVICES}/my-app:80/proxy?a=b"), &[], "").await;
    let place = format!("{SERVICES}/my-app:80/proxy/?a=b");
    assert_eq!((directory.status, directory.header("location")), (301, Some(place.as_str())));
    for (name, status) in
        [("my-app:81", 503), ("my-app", 503), ("reports:http", 503), ("a:b:c:d", 400), ("nope:http", 404)]
    {
        let answer = request(&demo, "GET", &format!("{SERVICES}/{name}/proxy/"), &[], "").await;
        assert_eq!(answer.status, status, "{name}");
    }
    let echoed = request(&demo, "POST", &format!("{PODS}/{POD}:80/proxy/"), &[], "hello").await;
    assert_eq!(echoed.body, b"hello");
}
