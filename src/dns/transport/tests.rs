use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::model::dns::Rcode;

const SOON: Duration = Duration::from_secs(5);

fn asked(name: &str) -> Asked {
    Asked::new(name, RecordType::A).unwrap()
}

fn pair() -> (Connection, DuplexStream) {
    let (near, far) = duplex(64 * 1024);
    (Connection::new(near), far)
}

async fn question(far: &mut DuplexStream) -> Message {
    let length = far.read_u16().await.unwrap();
    let mut bytes = vec![0; usize::from(length)];
    far.read_exact(&mut bytes).await.unwrap();
    Message::from_vec(&bytes).unwrap()
}

fn answer(query: &Message, last: u8) -> Vec<u8> {
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.add_queries(query.queries.clone());
    let data = RData::A(std::net::Ipv4Addr::new(10, 0, 0, last).into());
    reply.add_answer(Record::from_rdata(query.queries[0].name.clone(), 30, data));
    reply.to_vec().unwrap()
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn data(reply: Result<LiveReply, Trouble>) -> String {
    reply.unwrap().answers[0].data.clone()
}

#[tokio::test]
async fn replies_find_their_questions_in_any_order() {
    let (connection, mut far) = pair();
    let names = ["a.", "b.", "c."];
    let server = async {
        let mut queries = Vec::new();
        for _ in names {
            queries.push(question(&mut far).await);
        }
        for (i, query) in queries.iter().enumerate().rev() {
            far.write_all(&framed(&answer(query, u8::try_from(i).unwrap()))).await.unwrap();
        }
        far
    };
    let ask = connection.ask_all(names.map(asked), SOON).map(|(reply, _)| data(reply)).collect::<Vec<_>>();
    let (got, _far) = tokio::join!(ask, server);
    assert_eq!(got, ["10.0.0.0", "10.0.0.1", "10.0.0.2"]);
}

#[tokio::test]
async fn a_batch_is_one_write() {
    let (connection, mut far) = pair();
    let all = tokio::spawn(async move {
        connection.ask_all((0..100).map(|i| asked(&format!("n{i}."))), SOON).count().await
    });
    let mut bytes = vec![0; 64 * 1024];
    // The duplex hands over what one write brought: had there been several, this would be the first of them.
    let count = far.read(&mut bytes).await.unwrap();
    let (mut rest, mut messages) = (&bytes[..count], 0);
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        rest = &after[usize::from(u16::from_be_bytes(*length))..];
        messages += 1;
    }
    assert_eq!(messages, 100);
    drop(far);
    assert_eq!(all.await.unwrap(), 100);
}

#[tokio::test]
async fn each_question_has_its_own_deadline_and_the_late_reply_harms_nobody() {
    let (connection, mut far) = pair();
    let limit = Duration::from_millis(5);
    let late = connection.ask(asked("late."), limit).await;
    assert_eq!(late, Err(Trouble::Timeout(limit)));
    let first = question(&mut far).await;
    let server = async {
        let second = question(&mut far).await;
        assert_ne!(first.metadata.id, second.metadata.id, "an id that is awaited is not used again");
        far.write_all(&framed(&answer(&first, 1))).await.unwrap();
        far.write_all(&framed(&answer(&second, 2))).await.unwrap();
    };
    let (reply, ()) = tokio::join!(connection.ask(asked("b."), SOON), server);
    assert_eq!(data(reply), "10.0.0.2");
    assert_eq!(connection.ended(), None);
}

#[tokio::test]
async fn a_question_that_is_given_up_does_not_disturb_the_others() {
    let (connection, mut far) = pair();
    let given_up = connection.clone();
    let task = tokio::spawn(async move { given_up.ask(asked("a."), SOON).await });
    let first = question(&mut far).await;
    task.abort();
    let server = async {
        let second = question(&mut far).await;
        for (query, last) in [(&first, 1), (&second, 2)] {
            far.write_all(&framed(&answer(query, last))).await.unwrap();
        }
    };
    let (reply, ()) = tokio::join!(connection.ask(asked("b."), SOON), server);
    assert_eq!(data(reply), "10.0.0.2");
}

/// What a server does with the first question; what comes of it.
async fn after(
    spoil: impl AsyncFnOnce(Message, &mut DuplexStream),
) -> (Result<LiveReply, Trouble>, Connection) {
    let (connection, mut far) = pair();
    let server = async {
        let query = question(&mut far).await;
        spoil(query, &mut far).await;
        far
    };
    let (reply, _far) = tokio::join!(connection.ask(asked("a.b."), SOON), server);
    (reply, connection)
}

fn nonsense(reply: &Result<LiveReply, Trouble>, word: &str) -> bool {
    matches!(reply, Err(Trouble::Nonsense(why)) if why.contains(word))
}

#[tokio::test]
async fn bad_replies_are_told_and_do_not_end_the_connection() {
    let (reply, connection) = after(async |query, far| {
        let mut bytes = answer(&query, 1);
        bytes.truncate(bytes.len() - 3);
        far.write_all(&framed(&bytes)).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "can't be read"), "truncated: {reply:?}");
    assert_eq!(connection.ended(), None);

    let (reply, _) = after(async |query, far| {
        let mut bytes = answer(&query, 1);
        // The answer's owner points at itself: a loop of compression.
        let at = u8::try_from(12 + 5 + 4).unwrap();
        let owner = usize::from(at);
        bytes.splice(owner..owner + 2, [0xc0, at]);
        far.write_all(&framed(&bytes)).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "can't be read"), "loop: {reply:?}");

    let (reply, _) = after(async |query, far| {
        let mut other = query.clone();
        other.queries[0].name = hickory_proto::rr::Name::from_ascii("c.d.").unwrap();
        far.write_all(&framed(&answer(&other, 1))).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "another question"), "{reply:?}");

    let (reply, _) = after(async |query, far| {
        let mut message = Message::from_vec(&answer(&query, 1)).unwrap();
        message.metadata.truncation = true;
        far.write_all(&framed(&message.to_vec().unwrap())).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "cut"), "{reply:?}");

    let (reply, _) = after(async |query, far| {
        let bytes = framed(&query.to_vec().unwrap());
        far.write_all(&bytes).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "a question where a reply"), "echoed: {reply:?}");
}

#[tokio::test]
async fn what_can_not_be_matched_ends_the_connection() {
    let (reply, connection) = after(async |mut query, far| {
        query.metadata.id = query.metadata.id.wrapping_add(1);
        far.write_all(&framed(&answer(&query, 1))).await.unwrap();
    })
    .await;
    assert!(nonsense(&reply, "not asked"), "{reply:?}");
    assert!(connection.ended().is_some());
    let (reply, _) = after(async |_, far| far.write_all(&framed(b"short")).await.unwrap()).await;
    assert!(nonsense(&reply, "too short"), "{reply:?}");
}

fn lost(reply: &Result<LiveReply, Trouble>, word: &str) -> bool {
    matches!(reply, Err(Trouble::Lost(why)) if why.contains(word))
}

#[tokio::test]
async fn a_closed_stream_is_noticed_at_once() {
    let (reply, connection) = after(async |_, far| far.shutdown().await.unwrap()).await;
    assert!(lost(&reply, "closed the connection"), "half closed: {reply:?}");
    let again = connection.ask(asked("b."), SOON).await;
    assert!(lost(&again, "closed"), "{again:?}");
    let (reply, _) = after(async |query, far| {
        let bytes = framed(&answer(&query, 1));
        far.write_all(&bytes[..20]).await.unwrap();
        far.shutdown().await.unwrap();
    })
    .await;
    assert!(lost(&reply, "middle of a reply"), "{reply:?}");
    // And while nobody asks anything.
    let (connection, far) = pair();
    drop(far);
    connection.closed().await;
}

#[tokio::test]
async fn slow_bytes_add_up_to_a_reply() {
    let trickle = async |query: Message, far: &mut DuplexStream| {
        for byte in framed(&answer(&query, 9)) {
            far.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (reply, _) = after(trickle).await;
    assert_eq!(data(reply), "10.0.0.9");
}

#[tokio::test]
async fn the_largest_reply_arrives_whole() {
    let (reply, _) = after(async |query, far| {
        let mut message = Message::from_vec(&answer(&query, 1)).unwrap();
        let record = message.answers[0].clone();
        message.answers = vec![record; 3400];
        let bytes = message.to_vec().unwrap();
        assert!(bytes.len() > 60_000 && bytes.len() <= 65_535, "{}", bytes.len());
        far.write_all(&framed(&bytes)).await.unwrap();
    })
    .await;
    assert_eq!(reply.unwrap().answers.len(), 3400);
}

#[tokio::test]
async fn an_idle_connection_is_ended_before_the_server_does() {
    let (near, mut far) = duplex(1024);
    let connection = Connection::with_idle(near, Duration::from_millis(20));
    let server = async {
        let query = question(&mut far).await;
        far.write_all(&framed(&answer(&query, 1))).await.unwrap();
        // We end it: the server sees the end of the stream.
        assert_eq!(far.read(&mut [0; 16]).await.unwrap(), 0);
    };
    let (reply, ()) = tokio::join!(connection.ask(asked("a."), SOON), server);
    assert_eq!(data(reply), "10.0.0.1");
    connection.closed().await;
    assert!(IDLE < Duration::from_secs(9), "CoreDNS closes after 10 s, and that is seen a second late");
    // A question that is waited for keeps it open beyond that time.
    let (near, mut far) = duplex(1024);
    let connection = Connection::with_idle(near, Duration::from_millis(5));
    let limit = Duration::from_millis(40);
    let (reply, _) = tokio::join!(connection.ask(asked("a."), limit), question(&mut far));
    assert_eq!(reply, Err(Trouble::Timeout(limit)));
}

#[tokio::test]
async fn refusals_are_replies() {
    let (reply, _) = after(async |query, far| {
        let refusal = Message::error_msg(query.metadata.id, query.metadata.op_code, ResponseCode::Refused);
        far.write_all(&framed(&refusal.to_vec().unwrap())).await.unwrap();
    })
    .await;
    assert_eq!(reply.unwrap().rcode, Rcode::Refused.into());
}

/// Many more than are under way at once, to a server that answers as fast as it is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_questions_are_all_answered() {
    const COUNT: u32 = 5_000;
    let (connection, far) = pair();
    let server = tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(far);
        let mut buffer = bytes::BytesMut::new();
        let mut out = Vec::new();
        while from.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
            while let Some(length) = buffer.first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length));
                if buffer.len() < 2 + length {
                    break;
                }
                // The question sent back as a reply with one record: no message is parsed here.
                let query = buffer.split_to(2 + length);
                let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1];
                let size = u16::try_from(length + record.len()).unwrap();
                out.extend_from_slice(&size.to_be_bytes());
                out.extend_from_slice(&query[2..4]);
                out.extend_from_slice(&[0x85, 0x80, 0, 1, 0, 1]);
                out.extend_from_slice(&query[10..]);
                out.extend_from_slice(&record);
            }
            to.write_all(&out).await.unwrap();
            out.clear();
        }
    });
    let names = (0..COUNT).map(|i| asked(&format!("svc-{i}.namespace.svc.cluster.local.")));
    let good = connection.ask_all(names, SOON).filter(|(r, _)| std::future::ready(r.is_ok())).count().await;
    assert_eq!(good, COUNT as usize);
    drop(connection);
    server.await.unwrap();
}

#[tokio::test]
async fn bytes_behind_a_message_do_not_reach_the_next_one() {
    let (connection, mut far) = pair();
    let server = async {
        for last in [1, 2] {
            let message = answer(&question(&mut far).await, last);
            // The length says more than the message has.
            far.write_all(&framed(&[&message[..], &[0xff; 5]].concat())).await.unwrap();
        }
    };
    let ask = async {
        let first = connection.ask(asked("a."), SOON).await;
        (first, connection.ask(asked("b."), SOON).await)
    };
    let ((first, second), ()) = tokio::join!(ask, server);
    assert_eq!((data(first), data(second)), ("10.0.0.1".to_owned(), "10.0.0.2".to_owned()));
    assert_eq!(connection.ended(), None);
}
