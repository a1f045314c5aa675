//! Threads. Work is cut into tasks by the problem alone and results come back in task order, so
//! that neither the number of threads nor their timing can change a bit of any result.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Whether a function may spread its work over the rayon pool it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Stay on this thread, because the caller already has one piece of work for each.
    One,
    /// Use the pool.
    Pool,
}

impl Threads {
    /// How many there are.
    pub fn number(self) -> usize {
        match self {
            Self::One => 1,
            Self::Pool => rayon::current_num_threads(),
        }
    }
}

/// Runs tasks `0..n_tasks` and returns their results in order.
pub fn map_tasks<R: Send>(
    threads: Threads,
    n_tasks: usize,
    task: impl Fn(usize) -> R + Sync + Send,
) -> Vec<R> {
    match threads {
        Threads::Pool if n_tasks > 1 => (0..n_tasks).into_par_iter().map(task).collect(),
        _ => (0..n_tasks).map(task).collect(),
    }
}

/// How many members of a batch [`map_batch`] runs side by side, each with a workspace of its own.
pub fn side_by_side(n_members: usize, member_is_small: bool) -> usize {
    let threads = rayon::current_num_threads();
    let worthwhile = member_is_small || n_members >= threads;
    if worthwhile { threads.min(n_members) } else { 1 }
}

/// Runs the members of a batch, each with a workspace: side by side if there are as many members as
/// threads (or each is too small to split), else one after the other on all threads.
pub fn map_batch<W: Send, R: Send>(
    n_members: usize,
    member_is_small: bool,
    workspace: impl Fn() -> W + Sync + Send,
    member: impl Fn(&mut W, usize, Threads) -> R + Sync + Send,
) -> Vec<R> {
    let workers = side_by_side(n_members, member_is_small);
    if workers <= 1 {
        let inner = if member_is_small { Threads::One } else { Threads::Pool };
        let mut w = workspace();
        return (0..n_members).map(|i| member(&mut w, i, inner)).collect();
    }
    let mut workspaces: Vec<W> = (0..workers).map(|_| workspace()).collect();
    map_tasks_with(&mut workspaces, n_members, |w, i| member(w, i, Threads::One))
}

/// Runs tasks `0..n_tasks`, on as many threads as there are workspaces, and returns their results in
/// order. Whoever is free takes the next task: the order of work is a matter of timing, its results
/// are not.
pub fn map_tasks_with<W: Send, R: Send>(
    workspaces: &mut [W],
    n_tasks: usize,
    task: impl Fn(&mut W, usize) -> R + Sync + Send,
) -> Vec<R> {
    if let [workspace] = workspaces {
        return (0..n_tasks).map(|i| task(workspace, i)).collect();
    }
    let next = AtomicUsize::new(0);
    let parts = workspaces.par_iter_mut().map(|w| {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n_tasks {
                return done;
            }
            done.push((i, task(w, i)));
        }
    });
    let mut all: Vec<_> = parts.flatten_iter().collect();
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, result)| result).collect()
}

/// How long the pieces are that long arrays are cut into.
const PIECE: usize = 1 << 14;

/// Runs a function on fixed-size pieces of `0..len`.
pub fn for_pieces(
    threads: Threads,
    len: usize,
    piece: impl Fn(std::ops::Range<usize>) + Sync + Send,
) {
    map_tasks(threads, len.div_ceil(PIECE), |i| piece(i * PIECE..((i + 1) * PIECE).min(len)));
}

/// The sum of a function of fixed-size pieces of `0..len`, added up in order.
pub fn sum_pieces(
    threads: Threads,
    len: usize,
    piece: impl Fn(std::ops::Range<usize>) -> f64 + Sync + Send,
) -> f64 {
    let part = |i: usize| piece(i * PIECE..((i + 1) * PIECE).min(len));
    map_tasks(threads, len.div_ceil(PIECE), part).into_iter().sum()
}
