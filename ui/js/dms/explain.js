// What each alarm means, in plain words: what happened, what it may mean, what to do. NAME stands for the other one.
// The codes and when they are raised: docs/direct-messages.md.

const WORDS = {
  missing: {
    title: "Messages are missing",
    place: "A message is missing here.",
    what: "Every message has a number and names the one before it. Here numbers are skipped, or a message speaks of another one that the server does not hand out.",
    means: "Somebody at the server, or on the way to it, keeps messages back. It also happens when the server was restored from an older backup.",
    todo: "Ask NAME in some other way what was written, and tell whoever runs this node.",
  },
  repeated: {
    title: "A message came twice",
    place: "This message came a second time.",
    what: "The server handed out a message that you already had. It is shown once.",
    means: "A fault of the server; or somebody plays old messages again, hoping that you take them for news.",
    todo: "Look at the time of what you read before you act on it.",
  },
  reordered: {
    title: "Messages came in another order",
    place: "This message came out of its order.",
    what: "The order in which the server handed messages out is not the one they were written in. They are shown as they were written.",
    means: "A fault of the server; or somebody shuffled them, so that answers seem to belong to other questions.",
    todo: "Read again what was an answer to what. If it matters, ask NAME in some other way.",
  },
  broken: {
    title: "A message can't be opened",
    place: "This message can't be opened.",
    what: "It was sealed for other keys, or it is no longer what its author sealed.",
    means: "It was damaged or altered on its way. Nobody can have changed what it says without this being noticed.",
    todo: "Ask NAME to send it again.",
  },
  removed: {
    title: "The server dropped a message",
    place: "The server no longer has this message, and nobody took it back.",
    what: "A message is gone from the server, but its author never removed it.",
    means: "Whoever runs the server removed it, or lost it.",
    todo: "Ask NAME whether they took it back, and whoever runs this node what became of it.",
  },
  forged: {
    title: "A change that its author did not make",
    place: "Somebody else tried to change this. It was ignored.",
    what: "An edit or a removal came that is not sealed by who wrote the message. It was ignored.",
    means: "Somebody at the server tried to change what was said.",
    todo: "What you read is what was written. Tell whoever runs this node.",
  },
  version: {
    title: "A message in a form that this page doesn't know",
    place: "This message is in a form that this page doesn't know.",
    what: "It says that it was sealed in a way other than the one that this page speaks.",
    means: "NAME has a newer client than you; or somebody tries to talk you into a weaker seal, which this page does not accept.",
    todo: "Load the page again. If that does not help, ask NAME which client they use.",
  },
  key_changed: {
    title: "NAME has new keys",
    place: "Sealed with keys of NAME that you have not accepted.",
    what: "Something is sealed with keys of NAME, or for keys of yours, that are not those which were trusted when it was written.",
    means: "NAME made new keys that you have not accepted; or somebody tries to put themselves between the two of you.",
    todo: "Nothing is sent from here any more, and what was sealed so is not shown. Ask NAME in some other way, and compare the safety numbers.",
  },
  own_key: {
    title: "Keys were made in your name that are not yours",
    what: "The public key log holds an entry for your name that this account did not make.",
    means: "Somebody at the server may have put keys of their own in the place of yours, to read what others write to you.",
    todo: "Nothing is sent from here any more. Log out and in again; if this stays, tell those you write with in some other way, and don't trust this node.",
  },
  log_fork: {
    title: "You are shown another key log than others are",
    what: "The log of everybody's public keys that the server shows you does not fit the one it showed before, or the one that NAME was shown.",
    means: "Somebody at the server shows different keys to different people; or the server was restored from an older backup.",
    todo: "Nothing is sent from here any more. Ask whoever runs this node, and compare the safety numbers with NAME.",
  },
  log_broken: {
    title: "The key log is damaged",
    what: "The log of everybody's public keys holds an entry that can't be right.",
    means: "A fault of the server, or keys that somebody meddled with.",
    todo: "Nothing is sent from here any more. Tell whoever runs this node.",
  },
  wrapped: {
    title: "Your locked keys are not yours",
    what: "What the server sent as your locked keys opens, but holds other keys than those that the key log shows for you, or it does not open at all.",
    means: "A fault of the server; or somebody exchanged your keys for theirs.",
    todo: "Nothing of it was used. Try again later; if it stays, tell whoever runs this node in some other way.",
  },
  notebook: {
    title: "The server sent an old notebook",
    what: "Your devices keep a sealed notebook with the keys you trust. The server handed out an older one than this device has seen.",
    means: "Somebody would like this device to forget what it knew; or the server was restored from an older backup.",
    todo: "Nothing is sent from here any more. Ask whoever runs this node whether they restored a backup.",
  },
  kdf: {
    title: "The server asked for a weaker lock",
    what: "It asked to turn your password into a key with less work than is safe, or with another salt than yours.",
    means: "Somebody would like to guess your password.",
    todo: "Your password was not used. Don't type it here until you know from whoever runs this node what happened.",
  },
}

const UNKNOWN = {
  title: "Something is wrong with this conversation",
  place: "Something is wrong with this message.",
  what: "A check failed that this page has no words for.",
  means: "A fault, or somebody meddling.",
  todo: "Load the page again; if it stays, tell whoever runs this node.",
}

/** The words for an alarm: { title, place, what, means, todo }. */
export function explain(code, name) {
  const words = WORDS[code] ?? UNKNOWN
  return Object.fromEntries(Object.entries({ place: words.title, ...words }).map(([key, text]) => [key, text.replaceAll("NAME", name)]))
}
