-- How walls look: themes, custom CSS; the plain view. Times are Unix milliseconds, UTC.

-- Each look that a wall's owner kept. Undo and redo move `profiles.look` along them; what lies after it goes when another
-- one is kept.
create table looks (
  id integer primary key,
  user_id integer not null references users (id) on delete cascade,
  theme text not null,                   -- a JSON object: colours, sizes and choices, as the form names them
  css text not null default '',          -- the owner's own, as it was typed
  remixed_from integer references users (id) on delete set null, -- whose wall it was taken from
  created_at integer not null
) strict;
create index looks_by_user on looks (user_id, id);
create index looks_by_source on looks (remixed_from) where remixed_from is not null;

alter table profiles add column look integer references looks (id) on delete set null; -- null: the house's
alter table profiles add column remixable integer not null default 1; -- 0: nobody may take this wall's look
alter table profiles add column plain integer not null default 0;     -- 1: shows this member every wall plainly
create index profiles_by_look on profiles (look) where look is not null;
