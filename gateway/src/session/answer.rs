//! What the backend's answers lead to: replies, and the opening of subscriptions at an exact place of their stream.

use std::sync::Arc;

use super::{Answer, Effect, Entered, Now, Opened, Phase, Session, Sub};
use crate::backend::{ExpireAt, History, RecoveryPage};
use crate::error::{Disconnect, Error, Refusal, Unsubscribe};
use crate::limits;
use crate::protocol::{ConnectResult, Reply, SubscribeResult, Ttl};
use crate::publication::Publication;

/// What follows a subscribe reply.
struct Behind {
    channel: Arc<str>,
    opened: Opened,
    /// Recovered, but beyond what the reply may hold.
    rest: Vec<Publication>,
}

impl Session {
    pub(super) fn handle_answer(&mut self, answer: Answer, now: Now) {
        self.in_flight -= 1;
        match answer {
            Answer::Rpc { id, result: Ok(data) } => self.reply(id, &Reply::Rpc(&data)),
            Answer::Publish { id, result: Ok(()) } => self.reply(id, &Reply::Publish),
            Answer::Presence {
                id,
                result: Ok(clients),
            } if clients.len() > limits::PRESENCE_CLIENTS_MAX => {
                self.reply(id, &Reply::Error(&Error::LIMIT_EXCEEDED));
            }
            Answer::Presence {
                id,
                result: Ok(clients),
            } => self.reply(id, &Reply::Presence(&clients)),
            Answer::PresenceStats {
                id,
                result: Ok(stats),
            } => self.reply(id, &Reply::PresenceStats(stats)),
            Answer::History {
                id,
                result: Ok(history),
            } => self.history_reply(id, history),
            Answer::Connect(result) => self.connect_answer(result, now),
            Answer::Subscribe { id, channel, result } => self.subscribe_answer(id, channel, result, now),
            Answer::Recover {
                channel,
                serial,
                result,
            } => self.recover_answer(channel, serial, result),
            Answer::Refresh { id, result } => self.refresh_answer(id, result, now),
            Answer::SubRefresh { id, channel, result } => self.sub_refresh_answer(id, &channel, result, now),
            Answer::Rpc {
                id,
                result: Err(refusal),
            }
            | Answer::Publish {
                id,
                result: Err(refusal),
            }
            | Answer::Presence {
                id,
                result: Err(refusal),
            }
            | Answer::PresenceStats {
                id,
                result: Err(refusal),
            }
            | Answer::History {
                id,
                result: Err(refusal),
            } => self.refuse(id, refusal),
        }
    }

    fn connect_answer(&mut self, result: Result<Entered, Refusal>, now: Now) {
        let Phase::Connecting { id } = self.phase else {
            return;
        };
        let entered = match result {
            Ok(entered) => entered,
            Err(Refusal::Disconnect(why)) => return self.close(why),
            Err(Refusal::Error(error)) => return self.reject(id, &error),
        };
        let Entered {
            caller,
            connected,
            subs,
        } = entered;
        let ttl = match self.ends(connected.expire_at, now) {
            Ok((ttl, expires_at)) => {
                self.timers.expires_at = expires_at;
                ttl
            }
            Err(_) => return self.reject(id, &Error::TOKEN_EXPIRED),
        };
        let interval_ms = super::millis(self.config.ping_interval);
        self.timers.stale_at = None;
        self.timers.ping_at = Some(now.monotonic_ms + interval_ms * self.timers.first_ping_permille / 1_000);
        self.phase = Phase::Connected;
        self.effects.push_back(Effect::Entered(caller));

        let (session, node) = self.emulated.take().map(|names| *names).unwrap_or_default();
        let mut reply = ConnectResult {
            client: (*self.client).into(),
            version: self.config.version.clone(),
            ttl,
            data: connected.data,
            subs: Vec::with_capacity(subs.len()),
            session,
            node,
            ping_s: u32::try_from(self.config.ping_interval.as_secs().max(1)).unwrap_or(u32::MAX),
        };
        let mut budget = limits::RECOVERY_REPLY_BYTES_MAX;
        let mut behind = Vec::with_capacity(subs.len());
        for (channel, mut opened) in subs {
            let Ok(result) = self.open(&channel, &mut opened, true, now) else {
                self.forget_opening(&channel, Vec::new());
                continue;
            };
            let (result, rest) = within_budget(result, &mut budget);
            reply.subs.push(((*channel).into(), result));
            behind.push(Behind {
                channel,
                opened,
                rest,
            });
        }
        if !self.try_reply(id, &Reply::Connect(&reply)) {
            // Its client was told that it is not connected.
            self.subs.clear();
            return self.close(Disconnect::INTERNAL);
        }
        self.flush();
        behind.into_iter().for_each(|behind| self.follow(behind));
    }

    fn reject(&mut self, id: u32, error: &Error) {
        self.phase = Phase::Rejected;
        self.reply(id, &Reply::Error(error));
        // The rest of that frame was sent in the hope of success.
        self.frame = None;
    }

    fn subscribe_answer(&mut self, id: u32, channel: Arc<str>, result: Result<Opened, Refusal>, now: Now) {
        let Some(Sub::Opening { unsubscribe, revoked }) = self.subs.remove(&channel) else {
            return;
        };
        let result = match revoked {
            // The SDK is to try again, as it would have done with an open one.
            Some(why) if why.code >= Unsubscribe::RESUBSCRIBE_FROM => Err(Error::INTERNAL.into()),
            Some(_) => Err(Error::PERMISSION_DENIED.into()),
            None => result,
        };
        let opened = result.and_then(|mut opened| {
            let reply = self.open(&channel, &mut opened, false, now)?;
            Ok((opened, reply))
        });
        let (opened, reply) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                self.refuse(id, refusal);
                return self.forget_opening(&channel, unsubscribe);
            }
        };
        let (reply, rest) = within_budget(reply, &mut limits::RECOVERY_REPLY_BYTES_MAX.clone());
        if !self.try_reply(id, &Reply::Subscribe(&reply)) {
            // Its client was told that it is not subscribed.
            return self.forget_opening(&channel, unsubscribe);
        }
        self.flush();
        self.follow(Behind {
            channel: channel.clone(),
            opened,
            rest,
        });
        if !unsubscribe.is_empty() {
            self.remove_open(&channel, None);
            self.answer_waiting(unsubscribe);
        }
    }

    /// Notes a subscription as open and makes its reply. Refuses one that has expired already.
    fn open(
        &mut self,
        channel: &Arc<str>,
        opened: &mut Opened,
        server_side: bool,
        now: Now,
    ) -> Result<SubscribeResult, Refusal> {
        let (ttl, expires_at_ms) = self
            .ends(opened.grant.expire_at, now)
            .map_err(|_| Error::TOKEN_EXPIRED)?;
        self.note_sub_expiry(expires_at_ms);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.subs.insert(
            channel.clone(),
            Sub::Open {
                serial,
                server_side,
                expires_at_ms,
            },
        );
        let from = opened.recovered.as_ref().map(|(from, _)| *from);
        let publications = opened
            .recovered
            .as_mut()
            .map(|(_, page)| std::mem::take(&mut page.publications));
        Ok(SubscribeResult {
            ttl,
            // A recovering client advances from where it was: were it told the top and cut off midway, it would never
            // ask for the rest.
            position: opened
                .grant
                .stream
                .as_ref()
                .map(|top| (top.epoch.clone(), from.unwrap_or(top.offset))),
            was_recovering: opened.was_recovering,
            recovered: from.is_some(),
            publications: publications.unwrap_or_default(),
            data: opened.data.take(),
            push_id: opened.push_id,
        })
    }

    /// What goes behind a subscribe reply: presence, the rest of the page, more pages or what was held back.
    fn follow(&mut self, behind: Behind) {
        let Behind {
            channel,
            opened,
            rest,
        } = behind;
        self.effects.push_back(Effect::Joined {
            channel: channel.clone(),
            info: opened.grant.info,
            announce: opened.grant.join_leave,
        });
        let top = opened.grant.stream.map_or(0, |top| top.offset);
        match opened.recovered {
            Some((_, page)) => self.continue_recovery(channel, rest, page.scanned_to, page.done),
            None => self.effects.push_back(Effect::GoLive { channel, floor: top }),
        }
    }

    fn continue_recovery(
        &mut self,
        channel: Arc<str>,
        publications: Vec<Publication>,
        scanned_to: u64,
        done: bool,
    ) {
        if !publications.is_empty() {
            self.effects.push_back(Effect::PushRecovered {
                channel: channel.clone(),
                publications,
            });
        }
        if done {
            self.effects.push_back(Effect::GoLive {
                channel,
                floor: scanned_to,
            });
        } else {
            self.gap(&channel, scanned_to);
        }
    }

    fn recover_answer(&mut self, channel: Arc<str>, serial: u64, result: Result<RecoveryPage, Error>) {
        let server_side = match self.subs.get(&channel) {
            Some(Sub::Open {
                serial: current,
                server_side,
                ..
            }) if *current == serial => *server_side,
            // Ended, or ended and begun anew, while the page was being read.
            _ => return,
        };
        match result {
            Ok(page) => self.continue_recovery(channel, page.publications, page.scanned_to, page.done),
            Err(_) if server_side => self.close(Disconnect::INSUFFICIENT_STATE),
            Err(_) => {
                let why = Unsubscribe::INSUFFICIENT_STATE;
                self.effects.push_back(Effect::Expel { channel, why });
            }
        }
    }

    fn refresh_answer(&mut self, id: u32, result: Result<ExpireAt, Refusal>, now: Now) {
        match result.and_then(|expire_at| self.ends(expire_at, now)) {
            Ok((ttl, expires_at)) => {
                self.timers.expires_at = expires_at;
                self.reply(id, &Reply::Refresh(ttl));
            }
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    fn sub_refresh_answer(&mut self, id: u32, channel: &str, result: Result<ExpireAt, Refusal>, now: Now) {
        let ends = result.and_then(|expire_at| self.ends(expire_at, now));
        let (ttl, ends_ms) = match ends {
            Ok(ends) => ends,
            Err(refusal) => return self.refuse(id, refusal),
        };
        match self.subs.get_mut(channel) {
            Some(Sub::Open { expires_at_ms, .. }) => {
                *expires_at_ms = ends_ms;
                self.note_sub_expiry(ends_ms);
                self.reply(id, &Reply::SubRefresh(ttl));
            }
            _ => self.reply(id, &Reply::Error(&Error::PERMISSION_DENIED)),
        }
    }

    fn history_reply(&mut self, id: u32, history: History) {
        let mut bytes = 0;
        let fits = history.publications.iter().take_while(|publication| {
            bytes += publication.data.len();
            bytes <= limits::HISTORY_BYTES_MAX
        });
        let count = fits.count();
        self.reply(
            id,
            &Reply::History {
                publications: &history.publications[..count],
                epoch: &history.top.epoch,
                offset: history.top.offset,
            },
        );
    }

    fn note_sub_expiry(&mut self, at_ms: Option<u64>) {
        if let Some(at_ms) = at_ms {
            let earliest = self.timers.sub_expires_at.map_or(at_ms, |known| known.min(at_ms));
            self.timers.sub_expires_at = Some(earliest);
        }
    }

    /// An end of validity as the client hears it and as the timer needs it.
    fn ends(&self, expire_at: ExpireAt, now: Now) -> Result<(Ttl, Option<u64>), Refusal> {
        match expire_at {
            None => Ok((None, None)),
            Some(expire_at) => {
                let (ttl_s, at_ms) = self.validity(expire_at, now).ok_or(Error::EXPIRED)?;
                Ok((Some(ttl_s), Some(at_ms)))
            }
        }
    }
}

/// Cuts a reply's publications at a number of bytes; the rest follows as pushes.
fn within_budget(mut reply: SubscribeResult, budget: &mut usize) -> (SubscribeResult, Vec<Publication>) {
    let mut count = 0;
    for publication in &reply.publications {
        if publication.data.len() > *budget {
            break;
        }
        *budget -= publication.data.len();
        count += 1;
    }
    let rest = reply.publications.split_off(count);
    (reply, rest)
}
