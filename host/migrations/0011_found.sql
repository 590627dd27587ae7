-- Tags, neighbourhoods, and which walls link where.

create table tags (
  tag text not null,
  name text not null references users (name) on delete cascade,      -- repeated here, so that a tag's people lie in every order
  user_id integer not null references users (id) on delete cascade,
  shuffle integer not null,
  primary key (tag, name)
) strict, without rowid;
create index tags_newest on tags (tag, user_id);
create index tags_shuffled on tags (tag, shuffle);
create index tags_by_user on tags (user_id, tag);
create index tags_by_name on tags (name);

create table neighbourhoods (
  id integer primary key,
  slug text not null unique,              -- stands in its address
  title text not null,
  about text not null,
  founder_id integer references users (id) on delete set null,
  created_at integer not null
) strict;
create index neighbourhoods_by_founder on neighbourhoods (founder_id);

create table neighbours (
  neighbourhood_id integer not null references neighbourhoods (id) on delete cascade,
  name text not null references users (name) on delete cascade,
  user_id integer not null references users (id) on delete cascade,
  shuffle integer not null,
  came_at integer not null,
  put_out integer not null default 0,     -- 1: its founder took the wall out, and alone lets it in again
  primary key (neighbourhood_id, name)
) strict, without rowid;
create index neighbours_newest on neighbours (neighbourhood_id, put_out, came_at, user_id);
create index neighbours_shuffled on neighbours (neighbourhood_id, put_out, shuffle);
create index neighbours_by_user on neighbours (user_id);
create index neighbours_by_name on neighbours (name);

-- What names a wall or leads to it.
create table wall_links (
  to_name text not null,                  -- has a name's shape; perhaps nobody has it
  what text not null,                     -- post, bio, module
  thing_id integer not null,              -- of a post or a module its id, of a bio its owner's
  from_user_id integer not null references users (id) on delete cascade,
  at integer not null,
  gone_at integer,                        -- what leads there was deleted, and may come back
  primary key (to_name, what, thing_id)
) strict, without rowid;
create index wall_links_by_time on wall_links (to_name, at, thing_id) where gone_at is null;
create index wall_links_gone on wall_links (gone_at) where gone_at is not null;
create index wall_links_by_thing on wall_links (what, thing_id);
create index wall_links_by_user on wall_links (from_user_id);
