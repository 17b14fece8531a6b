//! Who the people are and what they say: names, titles, lines.

const NAMES: [&str; 24] = [
    "mika", "joan", "tariq", "lena", "bo", "yuki", "ines", "omar", "nora", "kai", "ada", "felix", "sora",
    "luca", "zoe", "remy", "anya", "theo", "maya", "finn", "ruth", "ivo", "lin", "carla",
];
const STREAMERS: [&str; 8] = [
    "aurora",
    "dj-milo",
    "chef-ana",
    "pixelpaul",
    "nightowl",
    "coach-vee",
    "strings",
    "luna",
];
const TITLES: [&str; 8] = [
    "Late night piano requests",
    "Vinyl only, all night",
    "Noodles from scratch",
    "Speedrun practice",
    "Stargazing chat",
    "Morning stretch",
    "Cello by the window",
    "Painting your ideas",
];
const LINES: [&str; 24] = [
    "hello from Lisbon!",
    "this one is my favourite",
    "first time here, hi",
    "can you play it again?",
    "so good",
    "greetings from Osaka",
    "what a voice",
    "haha",
    "the lighting is perfect today",
    "encore!",
    "who else is at work",
    "how long have you practised?",
    "wow",
    "that was smooth",
    "good evening everyone",
    "here after dinner",
    "my cat is watching too",
    "sound is great",
    "10/10",
    "please say hi to Nora",
    "I missed the start",
    "love this room",
    "see you tomorrow!",
    "one more, one more",
];
/// How often a gift is chosen, by its place in the price list, cheapest first: cheap ones often.
const GIFT_WEIGHTS: [u32; 5] = [60, 26, 10, 3, 1];

/// The nth streamer.
pub(super) fn streamer(n: usize) -> String {
    match n / STREAMERS.len() {
        0 => STREAMERS[n].to_owned(),
        round => format!("{}{}", STREAMERS[n % STREAMERS.len()], round + 1),
    }
}

/// The title of the nth streamer's show.
pub(super) fn title(n: usize) -> &'static str {
    TITLES[n % TITLES.len()]
}

/// The nth viewer.
pub(super) fn viewer(n: usize) -> String {
    format!("{}{}", NAMES[n % NAMES.len()], n / NAMES.len() + 1)
}

/// The nth troll.
pub(super) fn troll(n: usize) -> String {
    format!("troll{}", n + 1)
}

/// Something to say.
pub(super) fn line() -> &'static str {
    LINES[fastrand::usize(..LINES.len())]
}

/// One of `n` rooms, the first ones more often.
pub(super) fn popular(n: usize) -> usize {
    fastrand::usize(..n).min(fastrand::usize(..n))
}

/// The place of a gift in a price list of this length, cheapest first.
pub(super) fn some_gift(gifts: usize) -> usize {
    let mut left = fastrand::u32(..GIFT_WEIGHTS.iter().sum::<u32>());
    for (place, weight) in GIFT_WEIGHTS.into_iter().enumerate() {
        if left < weight {
            return place.min(gifts.saturating_sub(1));
        }
        left -= weight;
    }
    0
}
