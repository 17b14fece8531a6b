// Every refusal in words: what happened and what to do. The codes are the public contract's; an unknown one still gets the
// server's own sentence.

import { Refusal } from "./outbox";

const WORDS: Record<number, string> = {
  0: "Too much is waiting to be sent. Give the connection a moment.",
  102: "That room does not exist. Check the name.",
  103: "You may not do that here.",
  104: "This server does not know that yet. Reload the page.",
  107: "The server did not understand that. Reload the page.",
  108: "That is not available here.",
  401: "That was sent twice with different contents, so it was not repeated. Try again.",
  402: "The page and the server disagree. Reload the page.",
  403: "A name is 1 to 64 letters, digits or . _ - @",
  404: "The server did not understand that. Reload the page.",
  405: "Write something first.",
  406: "That is too long. Shorten it and send again.",
  407: "The list has changed. Open it again.",
  408: "The list cannot be read. Reload the page.",
  410: "That gift is gone. Reload the page for the new ones.",
  411: "That is too many at once. Send fewer.",
  412: "A gift to yourself does not count. Visit another room.",
  413: "The stage is dark, so no gift was charged. Try again when they are live.",
  414: "Not enough coins. Nothing was charged for the last taps.",
  415: "That combo belongs to another gift. Tap again.",
  416: "An account cannot hold more coins than that.",
  417: "That amount cannot be booked.",
  418: "That combo is over. Tap again to start a new one.",
  420: "That is too many hearts at once. Tap again.",
  421: "So many hearts! Give it a second.",
  430: "You cannot follow yourself.",
  431: "You follow 5,000 streamers already. Unfollow one first.",
  432: "You cannot block yourself.",
  433: "You block 1,000 people already. Unblock one first.",
  434: "They have blocked you.",
  435: "You block them. Unblock them first.",
  436: "The page asked about too many people at once. Reload the page.",
  440: "You are live already.",
  441: "You are not live.",
  450: "Only the streamer may do that, or a moderator for most of it.",
  451: "Nobody moderates the streamer, and only the streamer moderates moderators.",
  452: "A mute lasts from a second to 30 days.",
  453: "Slow mode is at most an hour.",
  454: "This room has 50 moderators already. Remove one first.",
  455: "10,000 people are banned here already. Lift a ban first.",
  456: "1,000 people are muted here already. Try slow mode.",
  457: "They are banned. Lift the ban first.",
  458: "That was fast. Two orders a second.",
  460: "You are banned from this room.",
  461: "You were asked to leave. Come back in a minute.",
  462: "You are muted here for now. You can still watch and send gifts.",
  463: "The house does not want that word. Change it and send again.",
  464: "Only followers may speak here. Follow first.",
  465: "Slow mode is on. Wait a moment, then send it again.",
  466: "You have said that already. Say something new.",
  467: "That was fast. One message a second.",
  468: "Everybody is talking at once. Send it again in a moment.",
  470: "You cannot write to yourself.",
  471: "Three messages wait for an answer. Write again when they answer, or when you follow each other.",
  472: "That was fast. One message a second.",
  473: "The conversation has changed. Open it again.",
  474: "You have blocked them. Unblock them before you write.",
  500: "That pack is no longer for sale. Open the list again.",
  501: "There is no such order of yours.",
  502: "The payment did not fit the order. Ask support to look at it.",
  503: "That order is paid already.",
  504: "That order is closed: paid, refunded or cancelled.",
  505: "No payment of that name has come.",
  506: "That payment came before with another amount. Ask support to look at it.",
  507: "Only a whole payment can be given back.",
  508: "There is no debt of that size.",
  510: "So many tickets cannot be withdrawn at once. Look at the least and the most.",
  511: "There are not so many tickets. Those in withdrawals under way do not count.",
  512: "You owe coins of a refunded recharge. Recharge to pay them, then withdraw.",
  513: "16 withdrawals are under way. Wait for one to end.",
  514: "There is no such withdrawal of yours.",
  515: "That withdrawal has moved on. Look at its new state.",
  516: "You have approved this already. Somebody else has to.",
  517: "Withdrawals are stopped for a check of the books. Your tickets are safe; try again later.",
  520: "That price is out of range.",
  521: "The catalogue is full.",
};

/** A refusal as one sentence for people. */
export function inWords(refusal: Refusal): string {
  const known = WORDS[refusal.code];
  if (known) return known;
  const message = refusal.message.charAt(0).toUpperCase() + refusal.message.slice(1);
  return `${message} (${refusal.code}).`;
}

/** Whether coins would help. */
export function wantsCoins(refusal: Refusal): boolean {
  return refusal.code === 414;
}
