//! Recharges: each user's orders, newest first, and the payments that fitted none and wait for staff.
//!
//! Orders are read rarely and are many: they lie in the store only. Payments are kept from when they are told until their
//! order takes them or they are given back, which for nearly all of them is a moment: these are in memory, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, ControlFlow};

use compact_str::CompactString;
use domain::event::{OrderCreated, PaymentReceived};
use domain::{Currency, Event, OrderId, PackId, PaymentId, ProviderName, Rejection, UserId, ids};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::fact::{Fact, Place, Projection, damaged};
use crate::limits::PAGE_ENTRIES_MAX;
use crate::names::{Names, Number};
use crate::store::{Put, Stored};
use crate::views::{Page, Views, read_cursor, write_cursor};
use crate::{BadCursor, Error};

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// It waits for its payment.
    Created,
    /// The user did not want it any more; a payment that comes all the same is honoured.
    Cancelled,
    /// Its coins are credited, or about to be.
    Paid,
    /// The payment was given back; its coins are taken back, or about to be.
    Refunded,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEntry {
    /// Its id.
    pub order: OrderId,
    /// Which pack.
    pub pack: PackId,
    /// What it gives, in coins.
    pub coins: u64,
    /// What it costs, in minor units.
    pub price: u64,
    /// In which currency.
    pub currency: Currency,
    /// How far it has come.
    pub state: OrderState,
    /// When it was made, unix ms.
    pub since_ms: i64,
}

/// A payment that staff have to look at: nothing was credited for it, and it was not given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedPayment {
    /// Who took it.
    pub provider: ProviderName,
    /// The provider's name for it.
    pub payment: PaymentId,
    /// What it was said to be for.
    pub order: OrderId,
    /// How much, in minor units.
    pub amount: u64,
    /// In which currency.
    pub currency: Currency,
    /// Why it does not fit.
    pub rejection: Rejection,
    /// When it was told, unix ms.
    pub since_ms: i64,
}

/// What became of an order since the last flush.
#[derive(Debug, Default)]
struct Change {
    created: Option<(Number, Place, OrderEntry)>,
    state: Option<OrderState>,
}

/// A payment that no order has taken yet.
#[derive(Debug, Serialize, Deserialize)]
struct Open {
    received: PaymentReceived,
    since_ms: i64,
    refunded: bool,
    /// Where it was set aside, and why.
    unmatched: Option<(Place, Rejection)>,
}

/// The view `orders`.
#[derive(Debug, Default)]
pub struct OrdersView {
    /// By order.
    changed: BTreeMap<CompactString, Change>,
    /// By the key of the payment's stream.
    open: HashMap<CompactString, Open, foldhash::fast::RandomState>,
    unmatched: BTreeMap<Place, CompactString>,
    /// Payments that are not stored as they are; may name one that is gone.
    unstored: BTreeSet<CompactString>,
}

/// Key spaces within the view: where an order lies; a user's orders, newest first; payments that no order has taken.
const PLACE: u8 = b'o';
const ORDER: u8 = b'u';
const PAYMENT: u8 = b'z';

impl OrdersView {
    /// Its name.
    pub const NAME: &'static str = "orders";

    fn create(&mut self, fact: &Fact<'_>, created: &OrderCreated) {
        // The key of an order's stream is its id.
        let Ok(order) = fact.key.parse::<OrderId>() else {
            return;
        };
        let entry = OrderEntry {
            order,
            pack: created.pack.clone(),
            coins: created.coins,
            price: created.price,
            currency: created.currency.clone(),
            state: OrderState::Created,
            since_ms: fact.at_ms,
        };
        self.change(fact.key).created = Some((fact.who, fact.place, entry));
    }

    fn change(&mut self, order: &str) -> &mut Change {
        self.changed.entry(CompactString::new(order)).or_default()
    }

    fn receive(&mut self, fact: &Fact<'_>, received: &PaymentReceived) {
        let key = CompactString::new(fact.key);
        let open = Open {
            received: received.clone(),
            since_ms: fact.at_ms,
            refunded: false,
            unmatched: None,
        };
        self.unstored.insert(key.clone());
        self.open.insert(key, open);
    }

    fn set_aside(&mut self, fact: &Fact<'_>, rejection: Rejection) {
        let key = CompactString::new(fact.key);
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        if open.refunded {
            return self.close(&key);
        }
        open.unmatched = Some((fact.place, rejection));
        self.unmatched.insert(fact.place, key.clone());
        self.unstored.insert(key);
    }

    fn refund(&mut self, key: &str) {
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        if open.unmatched.is_some() {
            return self.close(key);
        }
        open.refunded = true;
        self.unstored.insert(CompactString::new(key));
    }

    /// Nobody has to look at this payment any more.
    fn close(&mut self, key: &str) {
        if let Some((key, open)) = self.open.remove_entry(key) {
            if let Some((place, _)) = open.unmatched {
                self.unmatched.remove(&place);
            }
            self.unstored.insert(key);
        }
    }

    fn page(
        user: Number,
        behind: Option<Place>,
        limit: usize,
        stored: &Stored<'_>,
    ) -> Result<Vec<(Place, OrderEntry)>> {
        let from = order_key(user, behind.unwrap_or(Place::MAX));
        let to = order_key(user, 0);
        let from = match behind {
            Some(_) => Bound::Excluded(&from[..]),
            None => Bound::Included(&from[..]),
        };
        let mut page = Vec::new();
        stored.scan(from, Bound::Included(&to), &mut |key, value| {
            if page.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            let place = key.last_chunk::<8>().map(|b| !u64::from_be_bytes(*b));
            page.push((place.ok_or_else(bad)?, read_entry(value)?));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    fn find(order: &str, stored: &Stored<'_>) -> Result<Option<(Number, Place, OrderEntry)>> {
        let Some(value) = stored.get(&key(PLACE, order))? else {
            return Ok(None);
        };
        let (user, place) = value.split_first_chunk::<4>().ok_or_else(bad)?;
        let user = Number::from_be_bytes(*user);
        let place = Place::from_be_bytes(place.try_into().map_err(|_| bad())?);
        let entry = stored.get(&order_key(user, place))?.ok_or_else(bad)?;
        Ok(Some((user, place, read_entry(&entry)?)))
    }

    fn flush_order(order: &str, change: Change, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        let is_new = change.created.is_some();
        let found = match change.created {
            Some(created) => Some(created),
            None => Self::find(order, stored)?,
        };
        let (user, place, mut entry) =
            found.ok_or_else(|| damaged(Self::NAME, &format!("order {order} is missing")))?;
        entry.state = change.state.unwrap_or(entry.state);
        out.set(&order_key(user, place), &encode(&entry)?);
        if is_new {
            let mut value = [0; 12];
            value[..4].copy_from_slice(&user.to_be_bytes());
            value[4..].copy_from_slice(&place.to_be_bytes());
            out.set(&key(PLACE, order), &value);
        }
        Ok(())
    }
}

impl Projection for OrdersView {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, fact: &Fact<'_>) {
        match fact.event {
            Event::OrderCreated(e) => self.create(fact, e),
            Event::OrderCancelled(_) => self.change(fact.key).state = Some(OrderState::Cancelled),
            Event::OrderPaid(e) => {
                self.change(fact.key).state = Some(OrderState::Paid);
                self.close(ids::payment_key(&e.provider, &e.payment).as_str());
            }
            Event::OrderRefunded(_) => self.change(fact.key).state = Some(OrderState::Refunded),
            Event::PaymentReceived(e) => self.receive(fact, e),
            Event::PaymentUnmatched(e) => self.set_aside(fact, e.rejection),
            Event::PaymentRefunded(_) => self.refund(fact.key),
            _ => {}
        }
    }

    fn load_from(&self, _: &Stored<'_>) -> Result<Vec<u8>> {
        Ok(vec![PAYMENT])
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let key = key.strip_prefix(&[PAYMENT]).ok_or_else(bad)?;
        let key = std::str::from_utf8(key).map_err(|_| bad())?;
        let open: Open = postcard::from_bytes(value).map_err(|_| bad())?;
        if let Some((place, _)) = open.unmatched {
            self.unmatched.insert(place, key.into());
        }
        self.open.insert(key.into(), open);
        Ok(())
    }

    fn flush(&mut self, stored: &Stored<'_>, out: &mut Put<'_>) -> Result<()> {
        for (order, change) in std::mem::take(&mut self.changed) {
            Self::flush_order(&order, change, stored, out)?;
        }
        for payment in std::mem::take(&mut self.unstored) {
            let stored_key = key(PAYMENT, &payment);
            match self.open.get(&payment) {
                Some(open) => out.set(&stored_key, &encode(open)?),
                None if stored.get(&stored_key)?.is_some() => out.remove(&stored_key),
                None => {}
            }
        }
        Ok(())
    }

    fn explain(&self, key: &[u8], names: &Names) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match key.split_first() {
            Some((&PLACE, order)) => format!("the place of order {}", text(order)),
            Some((&PAYMENT, payment)) => format!("payment {}", text(payment)),
            _ => {
                let user = key.get(1..5).and_then(|b| b.try_into().ok());
                let user = user.map_or("?", |b| names.text(Number::from_be_bytes(b)));
                format!("an order of {user}")
            }
        }
    }
}

impl Views {
    /// The orders of a user, newest first, as of the last commit. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn orders(
        &self,
        user: &UserId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<std::result::Result<Page<OrderEntry>, BadCursor>> {
        let Ok(behind) = cursor.map(read_cursor::<1>).transpose() else {
            return Ok(Err(BadCursor));
        };
        let Some(user) = self.number(user.as_str()) else {
            return Ok(Ok(Page::empty()));
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let stored = self.stored(OrdersView::NAME);
        let found = OrdersView::page(user, behind.map(|[place]| place), limit + 1, &stored)?;
        Ok(Ok(cut(found, limit)))
    }

    /// One order and whose it is, as of the last commit.
    pub fn order(&self, order: &OrderId) -> Result<Option<(UserId, OrderEntry)>> {
        let found = OrdersView::find(order.as_str(), &self.stored(OrdersView::NAME))?;
        found
            .map(|(user, _, entry)| Ok((self.user(user)?, entry)))
            .transpose()
    }

    /// The payments that staff have to look at, latest set aside first. `limit` is cut to [`PAGE_ENTRIES_MAX`].
    pub fn unmatched_payments(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> std::result::Result<Page<UnmatchedPayment>, BadCursor> {
        let behind = cursor.map(read_cursor::<1>).transpose()?;
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let to = behind.map_or(Bound::Unbounded, |[place]| Bound::Excluded(place));
        let found = self.orders.unmatched.range((Bound::Unbounded, to)).rev();
        let told = found.filter_map(|(place, key)| {
            let open = self.orders.open.get(key)?;
            let (_, rejection) = open.unmatched?;
            let PaymentReceived {
                provider,
                payment,
                order,
                amount,
                currency,
            } = open.received.clone();
            let since_ms = open.since_ms;
            let told = UnmatchedPayment {
                provider,
                payment,
                order,
                amount,
                currency,
                rejection,
                since_ms,
            };
            Some((*place, told))
        });
        Ok(cut(told.take(limit + 1).collect(), limit))
    }

    /// How many payments staff have to look at.
    pub fn unmatched_count(&self) -> usize {
        self.orders.unmatched.len()
    }
}

/// A page of what was found by place, one more than the limit if there is more.
fn cut<T>(mut found: Vec<(Place, T)>, limit: usize) -> Page<T> {
    let more = found.len() > limit;
    found.truncate(limit);
    let cursor = found
        .last()
        .filter(|_| more)
        .map(|(place, _)| write_cursor([*place]));
    Page {
        entries: found.into_iter().map(|(_, entry)| entry).collect(),
        cursor,
    }
}

fn order_key(user: Number, place: Place) -> [u8; 13] {
    let mut key = [ORDER; 13];
    key[1..5].copy_from_slice(&user.to_be_bytes());
    key[5..].copy_from_slice(&(!place).to_be_bytes());
    key
}

fn key(space: u8, text: &str) -> Vec<u8> {
    let mut key = vec![space];
    key.extend_from_slice(text.as_bytes());
    key
}

fn encode(entry: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(entry).map_err(|error| Error::Store(error.to_string()))
}

fn read_entry(value: &[u8]) -> Result<OrderEntry> {
    postcard::from_bytes(value).map_err(|_| bad())
}

fn bad() -> Error {
    damaged(OrdersView::NAME, "an entry cannot be read")
}
