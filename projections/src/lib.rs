//! Folds over the journal into views that answer questions: balances, followers, boards, room feeds, live rooms.
//!
//! [`Runner`] keeps the views up with the journal, [`ViewsHandle`] reads them, [`Sink`] is told what changed, and
//! [`rebuild`] and [`check`] prove that a view is nothing but a fold. No view is ever read in order to decide, and this
//! crate holds no power to append.

pub mod audit;
mod day;
mod deltas;
mod error;
mod fact;
mod fold;
pub mod ledger;
pub mod limits;
mod names;
mod period;
mod progress;
pub mod publication;
mod pump;
mod rebuild;
mod runner;
pub mod store;
pub mod views;
mod wait;
mod zone;

pub use day::{BadDay, Day};
pub use deltas::{BalanceChange, Deltas, Shown, ShutOut, Sink, Told, WithdrawalChange};
pub use error::{BadCursor, Error, Result};
pub use fact::{Fact, Place, Projection, place, position};
pub use names::{NOBODY, Names, Number};
pub use period::{BadPeriod, Period, Span};
pub use progress::Progress;
pub use publication::Moment;
pub use rebuild::{Difference, Rebuild, Report, Stopper, check, rebuild, roll_back};
pub use runner::{Options, Runner, RunnerThread, ViewsHandle, open_as_they_are};
pub use store::{FjallStore, MemoryStore, ViewStore};
pub use zone::{UnknownZone, Zone};
