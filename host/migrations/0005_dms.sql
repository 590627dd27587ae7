-- Direct messages: ciphertext, public keys and wrapped keys. Nothing that is kept here opens a message;
-- docs/direct-messages.md says what each byte is. Times are Unix milliseconds, UTC.

-- The public log of everybody's keys. Rows are added and never changed, but that they forget whose account it was.
create table key_log (
  id integer primary key,                -- 1, 2, 3, …: the index that the entry carries
  user_id integer references users (id) on delete set null,
  name text not null,
  generation integer not null,           -- 1, 2, 3, … for each name
  at integer not null,                   -- as the entry says: never before the entry before it
  entry blob not null,                   -- the entry, byte for byte
  hash blob not null,                    -- its SHA-256, which the next entry names
  unique (name, generation)
) strict;
create index key_log_by_user on key_log (user_id);

-- The keys that an account has now.
create table dm_keys (
  user_id integer primary key references users (id) on delete cascade,
  generation integer not null,
  log_index integer not null,            -- of these keys in the log
  identity blob not null,                -- X25519, public: what messages are sealed to
  wrapped blob not null,                 -- the roots, under the password's wrap key
  recovery_wrapped blob,                 -- the roots, under the recovery code's key
  recovery_hash text                     -- argon2id of the recovery auth key, PHC string
) strict;

-- What a member's devices tell one another, sealed.
create table dm_notebooks (
  user_id integer primary key references users (id) on delete cascade,
  version integer not null,
  notebook blob not null
) strict;

create table dm_conversations (
  id integer primary key,
  lower_id integer not null references users (id) on delete cascade, -- whose name comes first, bytewise
  higher_id integer not null references users (id) on delete cascade,
  last_seq integer not null default 0,   -- of the newest message
  at integer not null,                   -- when the newest message came, or else the conversation
  unique (lower_id, higher_id)
) strict;
create index dm_conversations_by_higher on dm_conversations (higher_id);

-- A conversation as one of the two stands to it: there are always both.
create table dm_sides (
  user_id integer not null references users (id) on delete cascade,
  peer_id integer not null references users (id) on delete cascade,
  conversation_id integer not null references dm_conversations (id) on delete cascade,
  counter integer not null default 0,    -- of the newest message in this member's stream
  hash blob,                             -- and its hash, which the next one names
  seen integer not null default 0,       -- the other's counter that it names
  log_size integer not null default 0,   -- and how far its sender knew the key log
  read_seq integer not null default 0,   -- everything up to here was read, on whichever device
  accepted integer not null,             -- has written, or said yes to who has
  declined_at integer,
  blocked_at integer,                    -- this member blocked the other
  muted_at integer,
  primary key (user_id, peer_id)
) strict, without rowid;
create index dm_sides_by_peer on dm_sides (peer_id);
create index dm_sides_by_conversation on dm_sides (conversation_id);

create table dm_messages (
  id integer primary key,                -- ascends within a conversation as seq does
  conversation_id integer not null references dm_conversations (id) on delete cascade,
  seq integer not null,                  -- 1, 2, 3, … in each conversation, given by the writer
  sender integer not null,               -- 0 the lower name, 1 the higher
  counter integer not null,              -- in the sender's stream
  at integer not null,
  header blob not null,
  to_recipient blob,                     -- sealed to the recipient; null once they deleted it, or the sender did for both
  to_sender blob,                        -- the same for the sender
  recipient_sha256 blob not null,        -- of the copies as they were sent
  sender_sha256 blob not null,
  recipient_tag blob,                    -- of who hid their copy from themselves, for their own devices to check
  sender_tag blob,
  removed_at integer,                    -- the sender deleted it for both
  unique (conversation_id, seq),
  unique (conversation_id, sender, counter)
) strict;

-- Sealed files; their bytes are in the data folder.
create table dm_files (
  id text primary key,                   -- 128 random bits as base64url, and the file's name
  conversation_id integer not null references dm_conversations (id) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  message_id integer references dm_messages (id) on delete cascade, -- null until a message names it, for a day at most
  size integer not null,                 -- bytes, sealed
  created_at integer not null
) strict, without rowid;
create index dm_files_by_conversation on dm_files (conversation_id);
create index dm_files_by_user on dm_files (user_id);
create index dm_files_by_message on dm_files (message_id);
create index dm_files_unnamed on dm_files (created_at) where message_id is null;

-- Messages that their recipients showed to the operator, with the proof that the sender wrote them. Kept by name: who is
-- spoken of may be gone by the time that somebody looks.
create table dm_reports (
  id integer primary key,
  message_id integer references dm_messages (id) on delete set null,
  reporter text not null,
  sender text not null,
  counter integer not null,
  sent_at integer not null,
  header blob not null,
  body text not null,                    -- what the message says, as it was sealed
  franking_key blob not null,            -- with which anybody can check body against the header's commitment
  reason text not null,
  at integer not null,
  closed_at integer,
  note text not null default '',         -- the operator's
  unique (message_id, reporter)
) strict;
create index dm_reports_open on dm_reports (id) where closed_at is null;
