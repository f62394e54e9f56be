//! Who listens on a port of this computer, where the system tells (Linux, one's own processes; root sees all).
//!
//! What it is: a reader of `/proc`. What it is not: certain; a process may have gone by the time it is named.

/// `name, process 4711`.
pub(super) async fn of(port: u16) -> Option<String> {
    tokio::task::spawn_blocking(move || find(port)).await.ok().flatten()
}

fn find(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    for process in processes {
        let number = process.file_name().to_string_lossy().into_owned();
        if inodes.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        if links.into_iter().any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str())) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{}, process {number}", name.trim()));
        }
    }
    None
}

/// The inodes of sockets that listen on the port (state 0A), as the kernel's table has them.
fn listening(table: &str, port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, ..] = columns[..] else { return None };
        let inode = columns.get(9)?;
        (local.ends_with(&end) && state == "0A").then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::listening;

    #[test]
    fn only_listeners_on_that_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0\n\
             1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0\n\
             2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4244 1 0\n";
        assert_eq!(listening(table, 8080), ["4242"]);
    }
}
