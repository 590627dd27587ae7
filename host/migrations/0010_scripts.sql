-- Members' scripts. Times are Unix milliseconds, UTC.

create table scripts (
  id text primary key,                   -- 128 random bits: who has an unlisted script's address may see it
  user_id integer not null references users (id) on delete cascade,
  mode text not null,                    -- p5, three, canvas
  title text not null,
  description text not null default '',
  licence text not null,                 -- an SPDX id, or all-rights-reserved
  visibility text not null default 'private', -- private, unlisted, public
  published integer,                     -- the number of the version that others see
  listed_at integer,                     -- when it was first public; from then on its place among the newest
  draft text not null,
  revision integer not null default 1,   -- of the draft; each save is one more
  saved_at integer not null,
  shuffle integer not null,              -- random, for lists in random order
  parent_id text references scripts (id) on delete set null, -- what it is a fork of
  parent_version integer,
  parent_title text,                     -- the credit outlives what it names
  parent_author text,
  created_at integer not null,
  changed_at integer not null,
  deleted_at integer                     -- kept for a while, so that it can be had back
) strict;
create index scripts_by_user on scripts (user_id, changed_at);
create index scripts_by_parent on scripts (parent_id);
create index scripts_deleted on scripts (deleted_at) where deleted_at is not null;
-- The gallery, in each of its orders, with a mode and without.
create index scripts_newest on scripts (listed_at, id)
  where visibility = 'public' and published is not null and deleted_at is null;
create index scripts_newest_of_mode on scripts (mode, listed_at, id)
  where visibility = 'public' and published is not null and deleted_at is null;
create index scripts_by_title on scripts (title collate nocase, id)
  where visibility = 'public' and published is not null and deleted_at is null;
create index scripts_by_title_of_mode on scripts (mode, title collate nocase, id)
  where visibility = 'public' and published is not null and deleted_at is null;
create index scripts_by_shuffle on scripts (shuffle)
  where visibility = 'public' and published is not null and deleted_at is null;
create index scripts_by_shuffle_of_mode on scripts (mode, shuffle)
  where visibility = 'public' and published is not null and deleted_at is null;

-- Versions are added and never changed, but for when others saw them first.
create table script_versions (
  script_id text not null references scripts (id) on delete cascade,
  number integer not null,               -- 1, 2, 3, … in each script
  source text not null,
  note text not null default '',
  library text not null,                 -- the version of the library that it was made with; empty: it needs none
  made_at integer not null,
  published_at integer,
  primary key (script_id, number)
) strict;

-- Texts that came too late to become the draft: somebody else, mostly oneself in another window, had saved since.
create table script_asides (
  script_id text not null references scripts (id) on delete cascade,
  number integer not null,
  window_name text not null,             -- what the window calls itself; each has one
  source text not null,
  revision integer not null,             -- of the draft on which it was typed
  at integer not null,
  primary key (script_id, number),
  unique (script_id, window_name)
) strict;

-- Scripts that run on walls.
create table script_pins (
  user_id integer not null references users (id) on delete cascade,
  script_id text not null references scripts (id) on delete cascade,
  position integer not null,             -- 1, 2, 3
  seed integer,                          -- null: another one at every start
  params text not null default '{}',     -- a JSON object: numbers by name
  pinned_at integer not null,
  primary key (user_id, script_id)
) strict;
create index script_pins_by_script on script_pins (script_id);
