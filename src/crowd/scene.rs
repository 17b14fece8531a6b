//! The scenes: who comes, what they do all the time, and what happens once.

use std::time::Duration;

/// A scripted evening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scene {
    /// A few rooms, people come and go, chat, give a little
    QuietEvening,
    /// One room full of people: hearts, chat at the room's limit, notices, slow mode
    Concert,
    /// Everybody gives as fast as the server takes it, several gifts under way at once
    GiftRain,
    /// Every socket is cut at once, twice, while gifts are under way: all must come back and miss nothing
    ReconnectStorm,
    /// A third breaks every rule there is; moderators mute, send out and ban them; nobody else is disturbed
    Trolls,
}

/// What a scene consists of; the numbers are what it has unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The scene's name, as on the command line.
    pub name: &'static str,
    /// Streamers that go live, each in a room of its own.
    pub rooms: usize,
    /// Viewers, spread unevenly over the rooms, as people are.
    pub viewers: usize,
    /// How long it lasts; none: until it is ended.
    pub length: Option<Duration>,
    /// What one viewer does in a minute, on average.
    pub actions_per_minute: u32,
    /// Gift commands that one viewer has under way at once.
    pub gifts_at_once: usize,
    /// Of a hundred viewers, how many are trolls.
    pub trolls_percent: usize,
    /// How often all sockets are cut, at even distances.
    pub storms: u32,
    /// What the viewers do.
    pub habits: Habits,
}

/// How often a viewer chooses what, as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Says something.
    pub chat: u32,
    /// Gives.
    pub gift: u32,
    /// Gives one after the other, as one combo.
    pub combo: u32,
    /// Taps hearts.
    pub hearts: u32,
    /// Follows the streamer.
    pub follow: u32,
    /// Leaves the room and comes back.
    pub stroll: u32,
}

/// What a viewer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Chat,
    Gift,
    Combo,
    Hearts,
    Follow,
    Stroll,
}

impl Habits {
    /// One of the actions, by its weight.
    pub(super) fn choose(&self) -> Action {
        let weights = [
            (Action::Chat, self.chat),
            (Action::Gift, self.gift),
            (Action::Combo, self.combo),
            (Action::Hearts, self.hearts),
            (Action::Follow, self.follow),
            (Action::Stroll, self.stroll),
        ];
        let mut left = fastrand::u32(..weights.iter().map(|(_, weight)| weight).sum::<u32>().max(1));
        for (action, weight) in weights {
            if left < weight {
                return action;
            }
            left -= weight;
        }
        Action::Chat
    }
}

const PEOPLE: Habits = Habits {
    chat: 38,
    gift: 22,
    combo: 8,
    hearts: 26,
    follow: 4,
    stroll: 2,
};

impl Script {
    /// An evening without a script: it goes on until it is ended.
    #[must_use]
    pub fn endless() -> Self {
        Self {
            name: "everyday",
            rooms: 6,
            viewers: 100,
            length: None,
            actions_per_minute: 12,
            gifts_at_once: 1,
            trolls_percent: 0,
            storms: 0,
            habits: PEOPLE,
        }
    }

    /// The script of a scene.
    #[must_use]
    pub fn of(scene: Scene) -> Self {
        let everyday = Self {
            length: Some(Duration::from_secs(60)),
            ..Self::endless()
        };
        match scene {
            Scene::QuietEvening => Self {
                name: "quiet-evening",
                viewers: 60,
                habits: Habits { stroll: 12, ..PEOPLE },
                ..everyday
            },
            Scene::Concert => Self {
                name: "concert",
                rooms: 1,
                viewers: 1_000,
                actions_per_minute: 6,
                habits: Habits {
                    chat: 30,
                    gift: 14,
                    combo: 4,
                    hearts: 48,
                    follow: 3,
                    stroll: 1,
                },
                ..everyday
            },
            Scene::GiftRain => Self {
                name: "gift-rain",
                rooms: 1,
                viewers: 200,
                actions_per_minute: 60,
                gifts_at_once: 4,
                habits: Habits {
                    chat: 2,
                    gift: 78,
                    combo: 20,
                    hearts: 0,
                    follow: 0,
                    stroll: 0,
                },
                ..everyday
            },
            Scene::ReconnectStorm => Self {
                name: "reconnect-storm",
                rooms: 1,
                viewers: 1_000,
                actions_per_minute: 6,
                storms: 2,
                habits: Habits { stroll: 0, ..PEOPLE },
                ..everyday
            },
            Scene::Trolls => Self {
                name: "trolls",
                rooms: 2,
                viewers: 90,
                actions_per_minute: 20,
                trolls_percent: 33,
                ..everyday
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_scene_has_a_script_of_its_own_name_that_ends() {
        for scene in Scene::value_variants() {
            let script = Script::of(*scene);
            let name = scene.to_possible_value().map(|value| value.get_name().to_owned());
            assert_eq!(name.as_deref(), Some(script.name));
            assert!(script.length.is_some() && script.rooms > 0 && script.viewers >= script.rooms);
        }
    }

    #[test]
    fn habits_choose_by_weight_and_never_what_has_none() {
        let habits = Habits {
            chat: 0,
            gift: 3,
            combo: 1,
            hearts: 0,
            follow: 0,
            stroll: 0,
        };
        let mut gifts = 0;
        for _ in 0..4_000 {
            match habits.choose() {
                Action::Gift => gifts += 1,
                Action::Combo => {}
                other => panic!("{other:?} has no weight"),
            }
        }
        assert!(
            (2_700..3_300).contains(&gifts),
            "{gifts} of 4000 at three in four"
        );
    }
}
