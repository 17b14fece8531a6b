// Every limit of the page, with its unit in its name and what happens at it. The server's own limits are its own.

/** Commands that may wait for an answer; one more is refused on the spot, in words. */
export const OUTBOX_COMMANDS_MAX = 64;
/** First pause before a command that met a busy server is sent again; it doubles up to the maximum. */
export const RETRY_DELAY_MS_MIN = 300;
/** Longest pause between two tries of one command. */
export const RETRY_DELAY_MS_MAX = 5_000;

/** Taps closer together than this belong to one combo; the server ends a combo after 5 s, so this stays below. */
export const COMBO_WINDOW_MS = 4_000;
/** Shortest pause between two sends of one combo: taps in between are joined into the next total. */
export const COMBO_SEND_INTERVAL_MS = 100;
/** Largest step between two totals that the server accepts; more taps wait for the next send. */
export const COMBO_STEP_MAX = 9_999;
/** Highest total of one combo; the next tap starts a new one. */
export const COMBO_TOTAL_MAX = 1_000_000;
/** Combos that may wait for answers at once: the server remembers 16, and older ones must not be sent to again. */
export const COMBOS_OPEN_MAX = 8;

/** Lines the chat keeps; the oldest go first. */
export const FEED_LINES_MAX = 200;
/** Newest publications a snapshot holds: fewer means that nothing came before them. */
export const SNAPSHOT_PUBLICATIONS_MAX = 50;
/** Gift banners on the stage at once; others wait. */
export const BANNERS_SHOWN_MAX = 3;
/** Gift banners that wait for a place; the one worth least goes first. */
export const BANNERS_WAITING_MAX = 20;
/** A banner leaves this long after its last gift. */
export const BANNER_STAY_MS = 4_500;
/** A banner leaves this long after its combo ended. */
export const BANNER_ENDED_STAY_MS = 1_500;
/** Flying gifts on the stage at once; more are not drawn (the banner and the chat still count them). */
export const FLIGHTS_MAX = 24;
/** Hearts that rise at once; more are not drawn (the number of likes still counts them). */
export const HEARTS_RISING_MAX = 36;
/** Hearts of one publication that are drawn. */
export const HEARTS_DRAWN_MAX = 12;
/** Hearts of one publication rise over this time. */
export const HEARTS_SPREAD_MS = 400;
/** Shortest pause between two sends of likes: taps in between are joined. */
export const LIKE_SEND_INTERVAL_MS = 400;
/** Most likes of one send, as the server has it; more wait for the next. */
export const LIKES_SEND_MAX = 100;
/** Likes that may wait; more taps are drawn but not counted. */
export const LIKES_WAITING_MAX = 400;
/** Own hearts that have not come back from the room after this long are no longer taken off what arrives. */
export const HEARTS_ECHO_MS = 3_000;
/** The words about who came in go after this long. */
export const ENTERED_STAY_MS = 4_500;
/** The words about what was missed go after this long. */
export const MISSED_STAY_MS = 8_000;
/** People whose mute or ban the page remembers to offer the way back; the oldest go first. */
export const SANCTIONED_MAX = 200;
/** Longest notice or pinned text in characters, as the server has it. */
export const NOTICE_CHARS_MAX = 200;

/** Notices shown at once; the oldest goes first. */
export const NOTICES_MAX = 3;
/** A notice leaves after this long. */
export const NOTICE_STAY_MS = 6_000;

/** Publications that arrive within this time are shown together. */
export const PAINT_DELAY_MS = 32;
/** How often the lobby asks again what is live. */
export const LOBBY_REFRESH_MS = 5_000;
/** Rooms that the lobby shows. */
export const LOBBY_ROOMS = 50;
/** Longest chat text in characters, as the server has it. */
export const CHAT_TEXT_CHARS_MAX = 200;
/** Longest title of a live session in characters, as the server has it. */
export const TITLE_CHARS_MAX = 100;
/** Pages of followed streamers that are read on connecting, 100 each. */
export const FOLLOW_PAGES_MAX = 50;
/** Entries of a board. */
export const BOARD_ENTRIES = 10;
/** Coins of one press on the demo's purse. */
export const DEMO_GRANT_COINS = 1_000;

/** Entries of a list that one request asks for. */
export const PAGE_ENTRIES = 30;
/** Entries that a list keeps; older ones are no longer offered, and the list says so. */
export const LIST_ENTRIES_MAX = 2_000;
/** Longest private message in characters, as the server has it. */
export const MESSAGE_TEXT_CHARS_MAX = 500;
/** Messages of an open conversation that are kept; the oldest go first, and are not offered again. */
export const THREAD_MESSAGES_MAX = 1_000;
/** Shortest pause between two looks at the history of an open wallet. */
export const HISTORY_PAUSE_MS = 700;
/** While a payment is awaited, its order is asked for this often. */
export const PAYMENT_ASK_MS = 2_500;
/** An order whose payment has not come after this long is asked for no more by itself. */
export const PAYMENT_WAIT_MS_MAX = 15 * 60_000;
/** The words about an order that has an outcome go after this long. */
export const RECEIPT_STAY_MS = 15_000;
/** Longest payout account in characters, as the server has it. */
export const ACCOUNT_CHARS_MAX = 100;
/** A big gift elsewhere is announced for this long. */
export const BIG_GIFT_STAY_MS = 6_000;
/** Big gifts that wait to be announced; the one worth least goes first. */
export const BIG_GIFTS_WAITING_MAX = 5;
/** Shortest pause between two looks at what each gift has brought in the room. */
export const GIFT_STATS_PAUSE_MS = 2_000;
