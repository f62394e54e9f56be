//! The program as a person sees it: from the start to the Services on the screen, from a key to the frame, memory
//! and idle CPU, on a real pseudo terminal.
//!
//! ```text
//! cargo bench --bench terminal                                  # demo with 2,014 Services and 10,000 pods
//! cargo bench --bench terminal -- --runs 9 -- --kubeconfig F -A # any cluster; what follows the second -- goes to kdisco
//! ```
//!
//! Prints a line a figure with median and range. Linux only: memory and CPU are read from /proc.

#[path = "../tests/common/pty.rs"]
mod pty;

use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use pty::Terminal;

fn main() {
    let mut own: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let program: Vec<String> = match own.iter().position(|a| a == "--") {
        Some(at) => own.split_off(at)[1..].to_vec(),
        None => ["--demo-scale", "2014,10000", "-A"].map(String::from).into(),
    };
    let runs = own.windows(2).find(|w| w[0] == "--runs").and_then(|w| w[1].parse().ok()).unwrap_or(5);
    let mut figures: [(&str, Vec<f64>); 7] = [
        ("start to Services with counts, s", vec![]),
        ("filter key to frame, ms", vec![]),
        ("memory with Services, MiB", vec![]),
        ("idle CPU over 5 s, %", vec![]),
        ("key to all pods on the screen, s", vec![]),
        ("start to all pods (start + key), s", vec![]),
        ("memory with pods, MiB", vec![]),
    ];
    for _ in 0..runs {
        for (figure, value) in figures.iter_mut().zip(run(&program)) {
            figure.1.push(value);
        }
    }
    for (name, mut values) in figures {
        values.sort_by(f64::total_cmp);
        println!(
            "{name:36} median {:8.3}   {:.3} to {:.3}",
            values[values.len() / 2],
            values[0],
            values[values.len() - 1]
        );
    }
}

fn run(arguments: &[String]) -> [f64; 7] {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_kdisco"));
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(command, 160, 48);
    // A row of the table with its count, and the watches standing.
    let counted =
        |text: &str| text.lines().any(|l| l.contains("/TCP") && l.contains("/5") || l.contains("5/5"));
    terminal.expect("Services with counts", |text| counted(text) && text.contains("live"));
    let start = terminal.started.elapsed();
    settle(&mut terminal, Duration::from_secs(1));
    let mut keys = Vec::new();
    for (key, wanted) in [("/", "/"), ("9", "/9"), ("9", "/99")] {
        let begin = Instant::now();
        terminal.send(key);
        terminal.expect(wanted, |text| text.contains(wanted));
        keys.push(begin.elapsed().as_secs_f64() * 1e3);
        settle(&mut terminal, Duration::from_millis(200));
    }
    let memory = resident(terminal.pid());
    terminal.send("\x1b");
    settle(&mut terminal, Duration::from_millis(300));
    let (cpu, began) = (cpu_seconds(terminal.pid()), Instant::now());
    settle(&mut terminal, Duration::from_secs(5));
    let idle = 100.0 * (cpu_seconds(terminal.pid()) - cpu) / began.elapsed().as_secs_f64();
    let begin = Instant::now();
    terminal.send(":pods\r");
    terminal.expect("all pods, joined", |text| text.contains("Pods 10000") && text.contains("live"));
    let pods = begin.elapsed();
    settle(&mut terminal, Duration::from_secs(1));
    [
        start.as_secs_f64(),
        keys[1].max(keys[2]),
        memory,
        idle,
        pods.as_secs_f64(),
        start.as_secs_f64() + pods.as_secs_f64(),
        resident(terminal.pid()),
    ]
}

fn settle(terminal: &mut Terminal, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        terminal.pump(Duration::from_millis(20));
    }
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
