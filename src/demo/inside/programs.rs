//! Programs that speak a little of their protocol, and the small services of RFC 862 to 864.

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, copy, sink, split,
};

/// Sends back what comes, also what is still on its way when the other side has finished sending.
pub(super) async fn echo(stream: DuplexStream) {
    let (mut from, mut to) = split(stream);
    let _ = copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

/// Reads and forgets; says how much it was when the other side has finished sending.
pub(super) async fn discard(stream: DuplexStream) {
    let (mut from, mut to) = split(stream);
    let count = copy(&mut from, &mut sink()).await.unwrap_or_default();
    let _ = to.write_all(format!("{count}\n").as_bytes()).await;
    let _ = to.shutdown().await;
}

/// Sends lines without end.
pub(super) async fn generate(mut stream: DuplexStream) {
    let line: Vec<u8> = (b'!'..=b'~').cycle().take(72).chain(*b"\r\n").collect();
    let many = line.repeat(400);
    while stream.write_all(&many).await.is_ok() {}
}

/// Greets as a `MySQL` server does (protocol 10), and refuses whoever answers.
pub(super) async fn mysql(mut stream: DuplexStream) {
    let mut greeting = vec![10];
    greeting.extend_from_slice(b"8.4.6\0");
    greeting.extend_from_slice(&11_u32.to_le_bytes());
    greeting.extend_from_slice(b"k8s-demo\0");
    // Capabilities (low), character set, status, capabilities (high), length of the rest, ten reserved bytes.
    greeting.extend_from_slice(&[0xff, 0xff, 0xff, 2, 0, 0xff, 0xdf, 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(b"demo-demo-12\0caching_sha2_password\0");
    let denied = b"\xff\x15\x04#28000Access denied: this is the demo's database";
    if stream.write_all(&packet(0, &greeting)).await.is_ok() {
        let mut answer = [0; 1024];
        if stream.read(&mut answer).await.is_ok_and(|count| count > 0) {
            let _ = stream.write_all(&packet(2, denied)).await;
        }
    }
    let _ = stream.shutdown().await;
}

/// A packet of `MySQL`: length in three bytes, sequence number, payload.
fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
    [&[low, middle, high, sequence], payload].concat()
}

/// Answers PING, ECHO and QUIT as Redis does, inline or as arrays; while it is not ready it says that it loads.
pub(super) async fn redis(stream: DuplexStream, ready: bool) {
    /// The longest line that is read.
    const LONGEST: u64 = 4096;
    let (from, mut to) = split(stream);
    let mut from = BufReader::new(from);
    loop {
        let mut words = Vec::new();
        let mut line = String::new();
        if !matches!((&mut from).take(LONGEST).read_line(&mut line).await, Ok(1..)) {
            return;
        }
        if let Some(count) = line.trim().strip_prefix('*').and_then(|count| count.parse::<usize>().ok()) {
            for _ in 0..count.min(16) {
                let (mut size, mut word) = (String::new(), String::new());
                let size_read = (&mut from).take(LONGEST).read_line(&mut size).await;
                let word_read = (&mut from).take(LONGEST).read_line(&mut word).await;
                if !matches!((size_read, word_read), (Ok(1..), Ok(1..))) {
                    return;
                }
                words.push(word.trim().to_owned());
            }
        } else {
            words.extend(line.split_whitespace().map(str::to_owned));
        }
        let answer = match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            None => continue,
            Some("QUIT") => "+OK\r\n".to_owned(),
            Some(_) if !ready => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
            Some("PING") => "+PONG\r\n".to_owned(),
            Some("ECHO") => {
                let word = words.get(1).map_or("", String::as_str);
                format!("${}\r\n{word}\r\n", word.len())
            }
            Some(other) => format!("-ERR unknown command '{other}'\r\n"),
        };
        let ends = answer == "+OK\r\n";
        if to.write_all(answer.as_bytes()).await.is_err() || ends {
            return;
        }
    }
}
