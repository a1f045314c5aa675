//! Memory is checked before it is taken, and what was given back is kept for the next who asks: the
//! system clears every page it hands out, which takes as long as some sweeps over a state.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::sync::Mutex;

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
pub fn check(what: impl std::fmt::Display, needed: u64, hint: &'static str) -> Result<()> {
    // Small requests are not worth a look at the system's counters.
    if needed < 64 << 20 {
        return Ok(());
    }
    if needed <= available() {
        return Ok(());
    }
    kept(KEPT / LINE, |all, _| all.clear());
    let available = available();
    if needed <= available {
        return Ok(());
    }
    Err(Error::Memory { what: what.to_string(), needed, available, hint })
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

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// A cache line with anything in it.
#[repr(align(64))]
pub struct Line(#[allow(dead_code)] [MaybeUninit<u8>; LINE]);

/// Cache lines with anything in them.
pub type Lines = Box<[MaybeUninit<Line>]>;

/// Bytes that are kept at most, for all threads.
const KEPT: usize = 256 << 20;
/// What a thread keeps for itself: pieces of no more bytes, and no more of them in all. Threads that
/// work on small states take and give too often to share.
const SMALL: usize = 128 << 10;
const KEPT_SMALL: usize = 4 << 20;

/// What was given back. Nobody waits for the lock: after a fork, its owner may not exist.
static LINES: Mutex<Vec<Lines>> = Mutex::new(Vec::new());

thread_local! {
    static SMALL_LINES: RefCell<Vec<Lines>> = const { RefCell::new(Vec::new()) };
}

/// Works on what is kept of so many lines, and on how many bytes may be.
fn kept<R>(n_lines: usize, f: impl FnOnce(&mut Vec<Lines>, usize) -> R) -> Option<R> {
    if n_lines * LINE > SMALL {
        return LINES.try_lock().ok().map(|mut lines| f(&mut lines, KEPT));
    }
    // There is none when a thread ends.
    SMALL_LINES.try_with(|lines| f(&mut lines.borrow_mut(), KEPT_SMALL)).ok()
}

/// Takes so many cache lines, with anything in them.
pub fn take(n_lines: usize) -> Lines {
    let found = kept(n_lines, |all, _| {
        let same = all.iter().rposition(|lines| lines.len() == n_lines)?;
        Some(all.remove(same))
    });
    found.flatten().unwrap_or_else(|| {
        let lines = Box::new_uninit_slice(n_lines);
        prefer_large_pages(lines.as_ptr(), lines.len());
        lines
    })
}

/// Gives them back. The oldest make room for the newest.
pub fn give(lines: Lines) {
    let n_bytes = |lines: &Lines| lines.len() * LINE;
    if lines.is_empty() || n_bytes(&lines) > KEPT {
        return;
    }
    kept(lines.len(), |all, most| {
        all.push(lines);
        let mut total: usize = all.iter().map(n_bytes).sum();
        let excess = all.iter().take_while(|lines| {
            let is_excess = total > most;
            total -= n_bytes(lines);
            is_excess
        });
        let excess = excess.count();
        all.drain(..excess);
    });
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

    #[test]
    fn keeps_no_more_than_it_may() {
        for (n_lines, most) in [(KEPT / LINE / 8, KEPT), (SMALL / LINE, KEPT_SMALL)] {
            let taken: Vec<Lines> = (0..40).map(|i| take(n_lines - i % 3)).collect();
            taken.into_iter().for_each(give);
            let total = |all: &mut Vec<Lines>, _| all.iter().map(|l| l.len() * LINE).sum::<usize>();
            let total = kept(n_lines, total).unwrap_or(most);
            // Others use what is shared, too.
            assert!(total <= most && (most == KEPT || total > most / 2));
        }
        give(take(KEPT / LINE + 1));
    }
}
