//! The moving part of a terminal: one line per running node, one for the whole run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::parse::{Node, ResourceType, UniqueId};

use super::console::LogStream;
use super::lines;

/// Status lines below the log that are redrawn while nodes run.
#[derive(Debug)]
pub(super) struct Live {
    screen: MultiProgress,
    overall: ProgressBar,
    running: Mutex<HashMap<UniqueId, ProgressBar>>,
    has_colours: bool,
}

/// Often enough to look alive, seldom enough to cost nothing.
const REDRAW_INTERVAL: Duration = Duration::from_millis(120);

impl Live {
    pub(super) fn new(stream: LogStream, has_colours: bool) -> Live {
        let target = match stream {
            LogStream::Stdout => ProgressDrawTarget::stdout(),
            LogStream::Stderr => ProgressDrawTarget::stderr(),
        };
        let screen = MultiProgress::with_draw_target(target);
        let overall = ProgressBar::hidden();
        Live {
            screen,
            overall,
            running: Mutex::new(HashMap::new()),
            has_colours,
        }
    }

    /// Shows the bar of the whole run.
    pub(super) fn begin(&self, nodes: usize) {
        self.overall.set_length(nodes as u64);
        self.overall.set_style(self.style(
            "          {bar:30.green} {pos} of {len}  {elapsed}",
            "          {bar:30} {pos} of {len}  {elapsed}",
        ));
        self.screen.add(self.overall.clone());
        self.overall.enable_steady_tick(REDRAW_INTERVAL);
    }

    pub(super) fn node_started(&self, node: &Node) {
        let line = self
            .screen
            .insert_before(&self.overall, ProgressBar::new_spinner());
        line.set_style(self.style(
            "        {spinner:.cyan} {msg}  {elapsed:.dim}",
            "        {spinner} {msg}  {elapsed}",
        ));
        line.set_message(format!(
            "{:<11}  {}",
            lines::kind(node),
            lines::display_name(node)
        ));
        line.enable_steady_tick(REDRAW_INTERVAL);
        self.lock().insert(node.unique_id.clone(), line);
    }

    pub(super) fn node_finished(&self, node: &Node) {
        if let Some(line) = self.lock().remove(&node.unique_id) {
            line.finish_and_clear();
            self.screen.remove(&line);
        }
        // Hooks of the project are not among the nodes that were counted.
        if node.resource_type != ResourceType::Operation {
            self.overall.inc(1);
        }
    }

    /// Takes all moving lines off the screen.
    pub(super) fn end(&self) {
        for (_, line) in self.lock().drain() {
            line.finish_and_clear();
        }
        self.overall.finish_and_clear();
    }

    /// Runs `print` while the moving lines are out of the way.
    pub(super) fn suspended(&self, print: impl FnOnce()) {
        self.screen.suspend(print);
    }

    fn style(&self, coloured: &str, plain: &str) -> ProgressStyle {
        let template = if self.has_colours { coloured } else { plain };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UniqueId, ProgressBar>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
