//! Runs a plan on a fixed number of workers: ready nodes first, longest remaining path first.
//!
//! A failed node skips its descendants and nothing else. What a node does is the caller's
//! closure; this file knows only order, skipping and stopping.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::plan::Plan;

/// Stops a run: no node starts any more. Set by Ctrl-C and by `--fail-fast`.
#[derive(Debug, Default)]
pub struct Stop {
    is_requested: AtomicBool,
    is_interrupted: AtomicBool,
}

impl Stop {
    pub fn request(&self) {
        self.is_requested.store(true, Ordering::SeqCst);
    }

    pub fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::SeqCst)
    }

    /// Stops what runs already, too.
    pub fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
        self.request();
    }

    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::SeqCst)
    }
}

/// How the scheduler goes on after a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Children may start.
    Done,
    /// Descendants are skipped.
    Failed,
}

/// What a worker is asked to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Execute,
    /// An ancestor failed: `cause` is the index of the failed node nearest above.
    Skip {
        cause: usize,
    },
}

struct State {
    ready: BinaryHeap<(usize, std::cmp::Reverse<usize>)>,
    waiting: Vec<usize>,
    skip_cause: Vec<Option<usize>>,
    unfinished: usize,
    /// Unfinished nodes that the last ones wait for.
    before_last: usize,
    running: usize,
}

impl State {
    fn make_ready(&mut self, plan: &Plan, at: usize) {
        let priority = plan.remaining_path[at];
        self.ready.push((priority, std::cmp::Reverse(at)));
    }

    /// Makes ready what waited for nothing but this node.
    fn finish(&mut self, plan: &Plan, (at, task): (usize, Task), outcome: Outcome) {
        self.running -= 1;
        self.unfinished -= 1;
        for &child in &plan.children[at] {
            if outcome == Outcome::Failed && self.skip_cause[child].is_none() {
                self.skip_cause[child] = Some(match task {
                    Task::Execute => at,
                    Task::Skip { cause } => cause,
                });
            }
            self.waiting[child] -= 1;
            if self.waiting[child] == 0 {
                self.make_ready(plan, child);
            }
        }
        if !plan.comes_last[at] {
            self.before_last -= 1;
            if self.before_last == 0 {
                self.begin(plan, true);
            }
        }
    }

    /// Hands out the first of the ready nodes, and those that may join it.
    fn take(&mut self, joins: &impl Fn(usize) -> bool, threads: usize) -> Vec<(usize, Task)> {
        let limit = (self.ready.len() / threads).clamp(1, GROUP_LIMIT);
        let mut tasks = Vec::new();
        while let Some((_, std::cmp::Reverse(at))) = self.ready.peek() {
            let (at, skip_cause) = (*at, self.skip_cause[*at]);
            let is_joining = skip_cause.is_none() && joins(at);
            if !tasks.is_empty() && (tasks.len() == limit || !is_joining) {
                break;
            }
            self.ready.pop();
            self.running += 1;
            tasks.push(match skip_cause {
                Some(cause) => (at, Task::Skip { cause }),
                None => (at, Task::Execute),
            });
            if !is_joining {
                break;
            }
        }
        tasks
    }

    /// Makes nodes ready that wait for nothing but, in the case of the last, all others.
    fn begin(&mut self, plan: &Plan, comes_last: bool) {
        for at in 0..plan.nodes.len() {
            if plan.parent_count[at] == 0 && plan.comes_last[at] == comes_last {
                self.make_ready(plan, at);
            }
        }
    }
}

/// Most nodes that a worker gets at a time.
const GROUP_LIMIT: usize = 16;

/// Executes every node of the plan once, on up to `threads` workers.
///
/// `make_worker` is called once per thread, before its first node; a thread it makes none for leaves
/// its nodes to the others, the first must get one; `work` receives the nodes' indexes and what to
/// do with them, and tells how each ended; `idle` is called before a worker waits, and after its
/// last node. Ready nodes of which `joins` is true come several at a time where there are more of
/// them than workers.
/// Returns how many nodes were never handed out because a stop was requested.
pub(super) fn run_plan<W>(
    plan: &Plan,
    (threads, stop): (usize, &Stop),
    joins: impl Fn(usize) -> bool + Sync,
    make_worker: impl Fn(usize) -> Option<W> + Sync,
    work: impl Fn(&mut W, &[(usize, Task)]) -> Vec<Outcome> + Sync,
    idle: impl Fn(&mut W) + Sync,
) -> usize {
    let threads = threads.clamp(1, plan.nodes.len().max(1));
    let state = Mutex::new(State {
        ready: BinaryHeap::new(),
        waiting: plan.parent_count.clone(),
        skip_cause: vec![None; plan.nodes.len()],
        unfinished: plan.nodes.len(),
        before_last: plan.comes_last.iter().filter(|is_last| !**is_last).count(),
        running: 0,
    });
    let changed = Condvar::new();
    {
        let mut state = lock(&state);
        let is_only_last = state.before_last == 0;
        state.begin(plan, is_only_last);
    }
    let worker_loop = |thread: usize| {
        let mut worker: Option<W> = None;
        loop {
            let mut rest = || {
                if let Some(worker) = &mut worker {
                    idle(worker);
                }
            };
            let Some(tasks) = next_tasks(&state, &changed, stop, (&joins, threads), &mut rest)
            else {
                rest();
                break;
            };
            let worker = match &mut worker {
                Some(worker) => worker,
                none => match make_worker(thread) {
                    Some(made) => none.insert(made),
                    None => {
                        let mut state = lock(&state);
                        for (at, _) in tasks {
                            state.running -= 1;
                            state.make_ready(plan, at);
                        }
                        changed.notify_all();
                        break;
                    }
                },
            };
            let outcomes = work(worker, &tasks);
            let mut state = lock(&state);
            for ((at, task), outcome) in tasks.into_iter().zip(outcomes) {
                state.finish(plan, (at, task), outcome);
            }
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let worker_loop = &worker_loop;
            std::thread::Builder::new()
                .name(format!("Thread-{}", thread + 1))
                .stack_size(64 << 20)
                .spawn_scoped(scope, move || worker_loop(thread))
                .expect("the operating system grants a thread per connection");
        }
    });
    lock(&state).unfinished
}

fn next_tasks(
    shared: &Mutex<State>,
    changed: &Condvar,
    stop: &Stop,
    (joins, threads): (&impl Fn(usize) -> bool, usize),
    rest: &mut dyn FnMut(),
) -> Option<Vec<(usize, Task)>> {
    let mut state = lock(shared);
    let mut has_rested = false;
    loop {
        if state.unfinished == 0 || stop.is_requested() {
            changed.notify_all();
            return None;
        }
        let tasks = state.take(joins, threads);
        if !tasks.is_empty() {
            return Some(tasks);
        }
        if state.running == 0 {
            // Nothing runs and nothing is ready: only a circle could remain, and linking
            // refuses those.
            return None;
        }
        if !std::mem::replace(&mut has_rested, true) {
            drop(state);
            rest();
            state = lock(shared);
            continue;
        }
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// A worker that panicked must not take the others' bookkeeping with it.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
