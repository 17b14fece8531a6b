//! An explanation on one screen: plain, aligned text; headings are bold where the caller wants it.

use std::fmt::Write as _;
use std::io::{self, Write};

use domain::ledger::Asset;

use super::{Combo, Explanation, OnBoard, Outcome, Recharge, Settlement, SettlementState, Told, Withdrawal};

/// Steps of a combo that are shown, the newest; the others are counted.
const COMBO_STEPS_SHOWN: usize = 5;

/// Writes it for people; `bold` with the codes of a terminal.
pub fn write(explanation: &Explanation, bold: bool, out: &mut impl Write) -> io::Result<()> {
    let mut screen = Screen {
        text: String::new(),
        bold,
    };
    screen.command(explanation);
    screen.told("Events", &explanation.events);
    screen.postings(explanation);
    if let Some(combo) = &explanation.combo {
        screen.combo(combo);
    }
    if let Some(settlement) = &explanation.settlement {
        screen.settlement(settlement);
    }
    screen.boards(&explanation.boards);
    if let Some(recharge) = &explanation.recharge {
        screen.recharge(recharge);
    }
    if let Some(withdrawal) = &explanation.withdrawal {
        screen.withdrawal(withdrawal);
    }
    out.write_all(screen.text.as_bytes())
}

struct Screen {
    text: String,
    bold: bool,
}

impl Screen {
    fn line(&mut self, text: &str) {
        // Ids and reasons are people's own text: nothing of it may steer a terminal.
        self.text
            .extend(text.chars().map(|c| if c.is_control() { '?' } else { c }));
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        if self.bold {
            let _ = write!(self.text, "\u{1b}[1m");
        }
        self.text
            .extend(text.chars().map(|c| if c.is_control() { '?' } else { c }));
        if self.bold {
            let _ = write!(self.text, "\u{1b}[0m");
        }
        self.text.push('\n');
    }

    fn command(&mut self, explanation: &Explanation) {
        let command = &explanation.command;
        let id = if command.id.is_empty() {
            "(none)"
        } else {
            &command.id
        };
        self.heading(&format!("Command {id}"));
        self.line(&format!("  by       {}", command.by));
        self.line(&format!("  at       {}", command.at));
        self.line(&format!("  stream   {}", command.stream));
        self.line(&format!("  request  {}", command.request_hash));
        let outcome = match &explanation.outcome {
            Outcome::Accepted { position } => format!("accepted, position {position}"),
            Outcome::Refused {
                position,
                code,
                name,
                means,
            } => {
                format!("refused at position {position}, {code} {name}: {means}. The id stays refused.")
            }
        };
        self.line(&format!("  outcome  {outcome}"));
    }

    fn told(&mut self, heading: &str, steps: &[Told]) {
        self.heading(heading);
        let widest = |width: fn(&Told) -> usize| steps.iter().map(width).max().unwrap_or(0);
        let kinds = widest(|told| told.event.event_type().name().len());
        let people = widest(|told| told.by.chars().count());
        for told in steps {
            let kind = told.event.event_type().name();
            self.line(&format!(
                "  {:>10}  {}  {kind:kinds$}  {:people$}  {}",
                told.position, told.at, told.by, told.says
            ));
        }
    }

    fn postings(&mut self, explanation: &Explanation) {
        self.heading("Postings");
        if explanation.postings.is_empty() {
            self.line("  none: no coin and no ticket moved");
            return;
        }
        for line in &explanation.postings {
            let owner = line.owner.as_deref().unwrap_or("the platform");
            let asset = match line.asset {
                Asset::Coin => "coin",
                Asset::Ticket => "ticket",
            };
            self.line(&format!(
                "  {:>10}  {:<11}  {:>16}  {asset:<6}  {owner}",
                line.position,
                line.account,
                format!("{:+}", line.amount)
            ));
        }
        let sums = explanation.sums;
        self.line(&format!(
            "  {:>10}  coins {}, tickets {}",
            "sum", sums.coin, sums.ticket
        ));
    }

    fn combo(&mut self, combo: &Combo) {
        self.heading(&format!(
            "Combo {}: {} in room {}",
            combo.id, combo.gift, combo.room
        ));
        let hidden = combo.steps.len().saturating_sub(COMBO_STEPS_SHOWN);
        if hidden > 0 || !combo.complete {
            let more = if combo.complete {
                ""
            } else {
                " and more before them"
            };
            self.line(&format!("  {hidden} steps not shown{more}"));
        }
        for step in &combo.steps[hidden..] {
            self.line(&format!(
                "  {:>10}  +{} to {}, {} coins",
                step.position, step.count, step.total, step.coins
            ));
        }
        match &combo.end {
            Some(end) => self.line(&format!(
                "  {:>10}  ended at {} by {}, {}",
                end.position, end.total, end.by, end.at
            )),
            None => self.line(&format!("  at {}, its end is not recorded yet", combo.total)),
        }
    }

    fn settlement(&mut self, settlement: &Settlement) {
        self.heading(&format!(
            "Settlement: {} tickets to {}",
            settlement.tickets, settlement.streamer
        ));
        match (&settlement.credit, settlement.state) {
            (Some(credit), _) => self.line(&format!(
                "  {:>10}  {}  after {} ms, with {} gifts in ({}, {}]: {} tickets, {} in all",
                credit.position,
                credit.at,
                credit.after_ms,
                credit.gifts,
                credit.after,
                credit.upto,
                credit.tickets,
                credit.tickets_total
            )),
            (None, SettlementState::NotFound) => {
                self.line("  not found among the streamer's next records: run `livehouse audit`");
            }
            (None, _) => self.line("  in flight: not credited yet, the server does so within a second"),
        }
    }

    fn boards(&mut self, boards: &[OnBoard]) {
        if boards.is_empty() {
            return;
        }
        self.heading(&format!("Boards of {}", boards[0].day));
        for board in boards {
            let stands = match (board.rank, board.score) {
                (Some(rank), Some(score)) => format!(", now rank {rank} with {score}"),
                _ => String::new(),
            };
            self.line(&format!(
                "  {:<24}  {} +{}{stands}",
                board.board, board.user, board.adds
            ));
        }
    }

    fn recharge(&mut self, recharge: &Recharge) {
        self.told(
            &format!("Recharge {}: {}", recharge.order, recharge.state),
            &recharge.steps,
        );
    }

    fn withdrawal(&mut self, withdrawal: &Withdrawal) {
        let heading = format!("Withdrawal {}: {}", withdrawal.withdrawal, withdrawal.state);
        self.told(&heading, &withdrawal.steps);
        if !withdrawal.complete {
            self.line("  its request lies farther back than was looked");
        }
    }
}
