-- Accounts, walls, modules, and what plugins keep. Times are Unix milliseconds, UTC.

create table users (
  id integer primary key,
  name text not null unique,             -- 3 to 24 of a-z 0-9 _ -, folded to lower case
  auth_salt blob not null,               -- 16 bytes, made in the browser: PBKDF2's salt
  auth_rounds integer not null,          -- PBKDF2's rounds
  auth_hash text not null,               -- argon2id of the auth key, PHC string
  shuffle integer not null,              -- random, for lists in random order
  created_at integer not null
) strict;
create index users_by_shuffle on users (shuffle);

create table sessions (
  id integer primary key,
  token_hash blob not null unique,       -- SHA-256 of the cookie's 32 bytes
  user_id integer not null references users (id) on delete cascade,
  device text not null,                  -- "Firefox on Linux"
  created_at integer not null,
  last_seen_at integer not null
) strict;
create index sessions_by_user on sessions (user_id);

create table profiles (
  user_id integer primary key references users (id) on delete cascade,
  bio text not null default '',
  status text not null default '',
  mood text not null default '',
  colour text not null default 'green',
  time_zone text not null default 'UTC', -- an IANA name
  locale text not null default 'en'
) strict;

create table modules (
  id integer primary key,
  user_id integer not null references users (id) on delete cascade,
  plugin text not null,
  position integer not null,             -- order on the wall, with gaps
  width integer not null,                -- cells, 1 to 4
  height integer not null,               -- cells, 1 to 12
  settings text not null,                -- a JSON object by the plugin's schema
  refused integer not null default 0,    -- capabilities that the owner refused, as bits
  seed integer not null,
  created_at integer not null,
  removed_at integer                     -- taken off the wall; kept for a while, so that it can be put back
) strict;
create index modules_by_user on modules (user_id, position) where removed_at is null;
create index modules_by_plugin on modules (plugin);
create index modules_removed on modules (removed_at) where removed_at is not null;

create table plugin_storage (
  module_id integer not null references modules (id) on delete cascade,
  key text not null,
  value blob not null,
  expires_at integer,
  primary key (module_id, key)
) strict, without rowid;
create index plugin_storage_expiring on plugin_storage (expires_at) where expires_at is not null;

create table plugin_shared_storage (
  plugin text not null,
  key text not null,
  value blob not null,
  expires_at integer,
  primary key (plugin, key)
) strict, without rowid;
create index plugin_shared_storage_expiring on plugin_shared_storage (expires_at) where expires_at is not null;

create table plugin_versions (
  plugin text not null,
  sha256 blob not null,
  version text not null,
  first_loaded_at integer not null,
  primary key (plugin, sha256)
) strict, without rowid;

create table plugin_faults (
  id integer primary key,
  plugin text not null,
  version text not null,
  sha256 blob not null,
  export text not null,
  kind text not null,
  detail text not null,
  fuel integer not null,
  at integer not null
) strict;
create index plugin_faults_by_plugin on plugin_faults (plugin, at);

create table notices (
  id integer primary key,
  user_id integer not null references users (id) on delete cascade,
  module_id integer references modules (id) on delete set null,
  plugin text not null,
  text text not null,
  created_at integer not null,
  read_at integer
) strict;
create index notices_by_user on notices (user_id, id);
create index notices_unread on notices (user_id, module_id) where read_at is null;
