-- Members who go, and what they bring from elsewhere. Times are Unix milliseconds, UTC.

-- When an account is deleted, if its member asked for that. Until then they can keep it, and others don't find it.
alter table users add column leaving_at integer;
-- When it was deleted. What is left is the name alone, without a profile: nobody gets it again, and copies of direct messages
-- that others have are from somebody.
alter table users add column left_at integer;
create index users_leaving on users (leaving_at) where leaving_at is not null;

-- Profiles with the picture that stands for each member, if there is one and they aren't leaving: what everything reads that shows
-- somebody.
create view faces as
select p.*,
       (select f.media_id
          from media_uses f
         where f.what = 'avatar' and f.thing_id = p.user_id
           and (select u.leaving_at is null from users u where u.id = p.user_id)) as avatar
  from profiles p;

-- What is known of a deletion: refers to nobody, because it outlives them.
create table departures (
  id integer primary key,
  user_id integer not null unique,
  ticket_hash blob not null unique,      -- SHA-256 of the code with which its receipt is had
  asked_at integer not null,
  counts text not null default '{}',     -- what was deleted so far: a JSON object of numbers
  gone_at integer,                       -- when the last row was deleted
  receipt text,                          -- once the last file is gone, too
  shown_at integer                       -- when the receipt was shown; it goes an hour later
) strict;

-- Files of accounts that are gone, which may still be on disk.
create table leftovers (
  path text primary key,                 -- in the data folder
  departure_id integer not null references departures (id) on delete cascade
) strict, without rowid;
create index leftovers_by_departure on leftovers (departure_id);

-- Archives that wait for their member to say what of them to bring; their bytes are in the folder `arrivals` of the data.
create table arrivals (
  user_id integer primary key references users (id) on delete cascade,
  file text not null,                    -- 128 random bits
  name text not null,                    -- what the file was called
  bytes integer not null,
  found text not null,                   -- what is in it: a JSON object
  refused text,                          -- why it didn't come along when that was tried last
  created_at integer not null
) strict;

-- What was brought, so that nobody brings the same twice without knowing.
create table brought (
  id integer primary key,
  user_id integer not null references users (id) on delete cascade,
  archive text not null,                 -- the archive's own id
  report text not null,                  -- what came along and what didn't: a JSON object
  at integer not null
) strict;
create index brought_by_user on brought (user_id, id);

-- Posts that were written elsewhere: they stand on their wall and in its feed, and aren't news for everybody.
alter table posts add column brought integer not null default 0;

-- What became here of what was brought, so that what refers to it finds it, and it isn't brought twice.
create table brought_things (
  user_id integer not null references users (id) on delete cascade,
  kind text not null check (kind in ('media', 'script')),
  there text not null,                   -- its id in the archive
  here text not null,                    -- its id here; it may be gone
  primary key (user_id, kind, there)
) strict, without rowid;

-- What members said in rooms elsewhere: kept for themselves alone.
create table brought_messages (
  id integer primary key,
  user_id integer not null references users (id) on delete cascade,
  node text not null,                    -- what the other place calls itself
  room text not null,
  message integer not null,              -- its number there
  at integer not null,
  said text not null,                    -- as it stands in an archive: a JSON object
  unique (user_id, node, message)
) strict;
create index brought_messages_by_time on brought_messages (user_id, at, id);
