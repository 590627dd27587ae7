-- Pictures and sounds of members, and what uses them. Times are Unix milliseconds, UTC. The bytes are in the folder `media`
-- of the data, one file for each row of media_files, on disk before the row is.

create table media (
  id text primary key,                   -- 128 random bits
  user_id integer not null references users (id) on delete cascade,
  kind text not null check (kind in ('image', 'audio')),
  name text not null,                    -- what the file was called, for its owner
  bytes integer not null,                -- of all its files
  width integer not null default 0,      -- of a picture, in pixels, upright
  height integer not null default 0,
  animated integer not null default 0,
  duration_ms integer not null default 0, -- of a sound
  peaks blob not null default x'',       -- of a sound: how loud it is, in equal parts, 0 to 255
  alt text not null default '',          -- what a picture shows, for who can't see it
  transcript text not null default '',   -- what a sound says, for who can't hear it
  passing integer not null default 0,    -- sent for one thing; when nothing uses it any more, it goes
  created_at integer not null
) strict;
create index media_by_user on media (user_id, created_at);

create table media_files (
  media_id text not null references media (id) on delete cascade,
  variant text not null check (variant in ('full', 'medium', 'small', 'sound')),
  mime text not null,
  bytes integer not null,
  width integer not null default 0,
  height integer not null default 0,
  primary key (media_id, variant)
) strict, without rowid;

-- What shows a picture or plays a sound: whoever may see that may have the file.
create table media_uses (
  id integer primary key,                -- in the order of being used
  media_id text not null references media (id) on delete cascade,
  what text not null,                    -- sticker, post, avatar, banner, anthem, voice, message
  thing_id integer not null,             -- which one
  topic text not null,                   -- what it stands on: wall:ana, room:lobby
  href text not null,                    -- where it is to be seen
  unique (what, thing_id, media_id)
) strict;
create index media_uses_by_media on media_uses (media_id);

-- What is being sent. How much has come is the length of its file in the folder `uploads`.
create table uploads (
  id text primary key,                   -- 128 random bits
  user_id integer not null references users (id) on delete cascade,
  bytes integer not null,                -- what is to come in all
  name text not null,
  alt text not null default '',
  passing integer not null,
  media_id text references media (id) on delete set null, -- what became of it
  refused text,                          -- or why nothing did
  created_at integer not null
) strict;
create index uploads_by_user on uploads (user_id);
create index uploads_by_media on uploads (media_id);
create index uploads_by_time on uploads (created_at);

-- What is to be heard on a member's wall.
create table sounds (
  user_id integer primary key references users (id) on delete cascade,
  anthem text references media (id) on delete set null,
  anthem_title text not null default '',
  voice text references media (id) on delete set null
) strict;
create index sounds_by_anthem on sounds (anthem);
create index sounds_by_voice on sounds (voice);

-- Pictures that were sent with a message, so that it is known of those that have any.
alter table messages add column pictures integer not null default 0;
