//! `cargo xtask test`: runs the steps of the plan and counts them.
//!
//! A step is never skipped in silence: what cannot run has failed, and says what it lacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Places;
use crate::failure::Failure;
use crate::plan::{Lane, STEPS, Step};
use crate::process::Line;
use crate::tools;

/// Lines of a failed step's output that are shown; the rest stands in its log.
const SHOWN_LINES_MAX: usize = 200;

/// How a step ended.
#[derive(Debug)]
struct Outcome {
    name: &'static str,
    passed: bool,
}

/// `test [--quick] [--list] [STEP..]`.
pub(crate) fn run(places: &Places, args: &[String]) -> Result<ExitCode, Failure> {
    let steps = chosen(args)?;
    if args.iter().any(|a| a == "--list") {
        list(places, &steps);
        return Ok(ExitCode::SUCCESS);
    }
    let logs = places.target.join("xtask");
    fs::create_dir_all(&logs)
        .map_err(|e| Failure::io(format!("the logs' directory {}", logs.display()), e))?;
    let started = Instant::now();
    let runner = Runner {
        places,
        logs,
        outcomes: Mutex::new(Vec::new()),
    };
    thread::scope(|scope| {
        scope.spawn(|| runner.lane(&steps, Lane::Page));
        runner.lane(&steps, Lane::Rust);
    });
    runner.lane(&steps, Lane::Alone);
    Ok(runner.conclude(started.elapsed()))
}

fn chosen(args: &[String]) -> Result<Vec<&'static Step>, Failure> {
    let (flags, names): (Vec<&String>, Vec<&String>) = args.iter().partition(|a| a.starts_with('-'));
    if let Some(flag) = flags
        .iter()
        .find(|f| !["--quick", "--list"].contains(&f.as_str()))
    {
        return Err(Failure::Usage(format!(
            "test has no `{flag}`: it has --quick, --list and the steps' names"
        )));
    }
    if let Some(name) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != name.as_str()))
    {
        return Err(Failure::Usage(format!(
            "there is no step `{name}`: see `cargo xtask test --list`"
        )));
    }
    let quick = flags.iter().any(|f| *f == "--quick");
    let wanted =
        |step: &&Step| (!quick || step.quick) && (names.is_empty() || names.iter().any(|n| *n == step.name));
    Ok(STEPS.iter().filter(wanted).collect())
}

fn list(places: &Places, steps: &[&Step]) {
    for step in steps {
        println!("{:<22} {}", step.name, line_of(places, step).to_repeat());
    }
}

fn line_of(places: &Places, step: &Step) -> Line {
    let target = places.target.to_string_lossy();
    let mut line = Line::new(&step.command.replace("{target}", &target)).in_dir(step.dir);
    for (name, value) in step.env {
        line = line.env(name, value.replace("{target}", &target));
    }
    line
}

struct Runner<'a> {
    places: &'a Places,
    logs: PathBuf,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Runner<'_> {
    fn lane(&self, steps: &[&Step], lane: Lane) {
        for step in steps.iter().filter(|step| step.lane == lane) {
            let started = Instant::now();
            println!(
                "  ..   {:<22} {}",
                step.name,
                line_of(self.places, step).to_repeat()
            );
            let result = self.step(step);
            self.report(step, result, started.elapsed());
        }
    }

    fn step(&self, step: &Step) -> Result<(), Failure> {
        if let Some(name) = self.broken(step) {
            return Err(Failure::Missing(format!("not run, because {name} failed")));
        }
        if !self.places.root.join(step.dir).is_dir() {
            return Err(Failure::Missing(format!(
                "not run: there is no directory {}",
                step.dir
            )));
        }
        if let Some(tool) = step.tool {
            tools::ensure(self.places, tool)?;
        }
        line_of(self.places, step).run_logged(&self.places.root, &self.log(step), step.limit)
    }

    /// The first of the steps it needs that failed. One that was not chosen for this run is taken as done.
    fn broken(&self, step: &Step) -> Option<&'static str> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = outcomes
            .iter()
            .find(|o| !o.passed && step.after.contains(&o.name));
        failed.map(|outcome| outcome.name)
    }

    fn log(&self, step: &Step) -> PathBuf {
        self.logs.join(format!("{}.log", step.name))
    }

    fn report(&self, step: &Step, result: Result<(), Failure>, took: Duration) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(Outcome {
            name: step.name,
            passed: result.is_ok(),
        });
        let word = if result.is_ok() { "ok  " } else { "FAIL" };
        println!("  {word} {:<22} {:.1} s", step.name, took.as_secs_f64());
        let Err(failure) = result else { return };
        if matches!(failure, Failure::Command { .. }) {
            show_failure(&self.log(step));
        }
        println!("  FAIL {}: {failure}", step.name);
        println!("  or with: cargo xtask test {}", step.name);
    }

    fn conclude(&self, took: Duration) -> ExitCode {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let failed: Vec<&str> = outcomes.iter().filter(|o| !o.passed).map(|o| o.name).collect();
        println!("all steps took {:.0} s", took.as_secs_f64());
        if !failed.is_empty() {
            println!("failed: {}", failed.join(", "));
        }
        println!(
            "{} passed, {} failed",
            outcomes.len() - failed.len(),
            failed.len()
        );
        if failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Prints what a failed step's log says of the failure: what failing tests printed, wherever it stands, and the end.
fn show_failure(log: &Path) {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.len().saturating_sub(SHOWN_LINES_MAX);
    println!("----- {} ({end} lines before the end)", log.display());
    for line in told_of_failures(&lines[..end]).take(SHOWN_LINES_MAX) {
        println!("{line}");
    }
    for line in &lines[end..] {
        println!("{line}");
    }
    println!("-----");
}

/// The lines that the test harness prints of tests that failed: from `failures:` to the result of that program.
fn told_of_failures<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    lines.iter().copied().filter(move |line| {
        inside = (inside || *line == "failures:") && !line.starts_with("test result:");
        inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn quick_chooses_fewer_steps_and_a_name_chooses_one() {
        let all = chosen(&[]).map_or(0, |steps| steps.len());
        let quick = chosen(&args("--quick")).map_or(0, |steps| steps.len());
        assert!(quick > 0 && quick < all && all == STEPS.len());
        assert_eq!(chosen(&args("fmt")).map_or(0, |steps| steps.len()), 1);
    }

    #[test]
    fn an_unknown_step_or_flag_is_refused_with_the_way_on() {
        assert!(chosen(&args("fnt")).is_err_and(|f| f.to_string().contains("--list")));
        assert!(chosen(&args("--quik")).is_err_and(|f| f.to_string().contains("--quick")));
    }

    #[test]
    fn what_a_failing_test_printed_is_found_before_the_end_of_the_log() {
        let log = [
            "test a ... ok",
            "failures:",
            "---- b stdout ----",
            "b panicked",
            "failures:",
            "    b",
            "test result: FAILED. 1 passed; 1 failed",
            "test c ... ok",
        ];
        assert!(told_of_failures(&log).eq(log[1..6].iter().copied()));
    }

    #[test]
    fn a_step_whose_forerunner_failed_is_not_run_and_counts_as_failed() {
        let places = Places {
            root: ".".into(),
            target: ".".into(),
        };
        let failed = Outcome {
            name: "build",
            passed: false,
        };
        let runner = Runner {
            places: &places,
            logs: ".".into(),
            outcomes: Mutex::new(vec![failed]),
        };
        let step = STEPS
            .iter()
            .find(|step| step.after.contains(&"build"))
            .expect("some step needs the build");
        assert!(
            runner
                .step(step)
                .is_err_and(|f| f.to_string().contains("because build failed"))
        );
    }
}
