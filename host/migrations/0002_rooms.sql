-- Rooms: who belongs to them, what was said, what was done. Times are Unix milliseconds, UTC.

create table rooms (
  id integer primary key,
  name text not null unique,             -- 2 to 32 of a-z 0-9 -, beginning with a letter
  topic text not null default '',        -- at most 200 characters
  open integer not null,                 -- 1: every member may join; 0: by invitation
  owner_id integer references users (id) on delete set null, -- nobody's, once the owner has left; the lobby always
  last_seq integer not null default 0,   -- of the newest message
  last_change integer not null default 0, -- edits and removals, counted, so that who was away can ask for them
  created_at integer not null
) strict;
create index rooms_by_owner on rooms (owner_id);

create table room_members (
  room_id integer not null references rooms (id) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  joined_at integer not null,
  read_seq integer not null default 0,   -- everything up to here was read, on whichever device
  muted_at integer,                      -- may read and not talk
  primary key (room_id, user_id)
) strict, without rowid;
create index room_members_by_user on room_members (user_id, room_id);

create table room_bans (
  room_id integer not null references rooms (id) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  by_id integer references users (id) on delete set null,
  at integer not null,
  primary key (room_id, user_id)
) strict, without rowid;
create index room_bans_by_user on room_bans (user_id);
create index room_bans_by_whom on room_bans (by_id);

create table room_invitations (
  room_id integer not null references rooms (id) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  by_id integer references users (id) on delete set null,
  at integer not null,
  primary key (room_id, user_id)
) strict, without rowid;
create index room_invitations_by_user on room_invitations (user_id);
create index room_invitations_by_whom on room_invitations (by_id);

-- What was done in a room, for everyone in it to see. Kept by name: it is history.
create table room_log (
  id integer primary key,
  room_id integer not null references rooms (id) on delete cascade,
  actor text not null,
  action text not null,                  -- create, topic, invite, mute, unmute, kick, ban, unban, remove, leave, join
  subject text not null default '',      -- whom or what it was done to
  detail text not null default '',
  at integer not null
) strict;
create index room_log_by_room on room_log (room_id, id);

create table messages (
  id integer primary key,                -- ascends within a room as seq does
  room_id integer not null references rooms (id) on delete cascade,
  seq integer not null,                  -- 1, 2, 3, … in each room, given by the writer
  user_id integer references users (id) on delete set null,
  author text not null,                  -- who said it, or asked the plugin to
  plugin text,                           -- in whose voice, when a command answered
  command text,                          -- what it was asked: "/roll 2d6"
  reply_to integer references messages (id),
  thread_id integer references messages (id), -- where the thread of replies begins
  content text not null,                 -- as it was typed; empty once it was removed
  html text not null,                    -- rendered by markdown.rs
  mentions text not null default '',     -- names in it, with a space between
  nonce text,                            -- chosen by the client: a repeated send is one message
  created_at integer not null,
  edited_at integer,
  deleted_at integer,
  deleted_by text,                       -- author or owner
  change integer,                        -- the room's last_change at the last edit or removal
  unique (room_id, seq),
  unique (user_id, nonce)
) strict;
create index messages_changed on messages (room_id, change) where change is not null;
create index messages_by_thread on messages (thread_id, id) where thread_id is not null;
create index messages_by_reply on messages (reply_to) where reply_to is not null;

-- What a message said before it was edited, for its room to see.
create table message_edits (
  id integer primary key,
  message_id integer not null references messages (id) on delete cascade,
  content text not null,
  at integer not null                    -- when it stopped saying so
) strict;
create index message_edits_by_message on message_edits (message_id, id);

create table mentions (
  user_id integer not null references users (id) on delete cascade,
  room_id integer not null references rooms (id) on delete cascade,
  seq integer not null,
  message_id integer not null references messages (id) on delete cascade,
  primary key (user_id, room_id, seq)
) strict, without rowid;
create index mentions_by_message on mentions (message_id);
create index mentions_by_room on mentions (room_id);

-- Whether others may see that this member is here.
alter table profiles add column present integer not null default 1;

insert into rooms (name, topic, open, created_at)
values ('lobby', 'Everyone comes through here.', 1, unixepoch() * 1000);
