-- Personal access tokens: how programs come in.

create table tokens (
  id integer primary key,
  token_hash blob not null unique,       -- SHA-256 of the token's 32 bytes
  user_id integer not null references users (id) on delete cascade,
  name text not null,                    -- what it is for, in its member's words
  scopes integer not null,               -- what it may, as bits
  created_at integer not null,
  last_used_at integer,
  expires_at integer                     -- null: until it is revoked
) strict;
create index tokens_by_user on tokens (user_id);
