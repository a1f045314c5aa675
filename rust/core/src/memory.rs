//! Memory is checked before it is taken.

use crate::error::{Error, Result};

/// Bytes that can be taken now: the machine's free memory, or a container's limit if that is less.
/// Where the system does not tell, nothing is refused.
pub fn available() -> u64 {
    let Ok(mut system) = sysinfo::System::new() else { return u64::MAX };
    system.refresh_memory();
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

/// Fails when `needed` bytes are more than what is available.
pub fn check(what: impl Into<String>, needed: u64, hint: &'static str) -> Result<()> {
    // Small requests are not worth a look at the system's counters.
    if needed < 64 << 20 {
        return Ok(());
    }
    let available = available();
    if needed <= available {
        return Ok(());
    }
    Err(Error::Memory { what: what.into(), needed, available, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_machine_has() {
        assert!(check("a state", 1 << 20, "shrink").is_ok());
        let message = check("a state", 1 << 60, "use fewer qubits").unwrap_err().to_string();
        assert!(message.starts_with("a state needs 1024.0 PiB but only"), "{message}");
        assert!(message.ends_with("use fewer qubits"));
    }
}
