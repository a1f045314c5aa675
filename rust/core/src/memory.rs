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

/// Asks the system for large pages under a large array that has not been written to yet: a sweep
/// over a state jumps from page to page, and the processor can only remember where so many are.
pub fn prefer_large_pages<T>(start: *const T, len: usize) {
    const PAGE: usize = 2 << 20;
    let first = start.addr().next_multiple_of(PAGE);
    let end = (start.addr() + len * size_of::<T>()) / PAGE * PAGE;
    if first < end {
        #[cfg(target_os = "linux")]
        // SAFETY: the range lies inside the array. The call changes how the memory is backed, not
        // what is in it, and it may fail.
        unsafe {
            libc::madvise(
                start.with_addr(first).cast_mut().cast(),
                end - first,
                libc::MADV_HUGEPAGE,
            );
        }
    }
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
