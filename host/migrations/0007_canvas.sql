-- Stickers on walls, and who may leave one. Times are Unix milliseconds, UTC.

create table stickers (
  id integer primary key,
  wall_id integer not null references users (id) on delete cascade,  -- on whose wall
  user_id integer not null references users (id) on delete cascade,  -- who put it there
  kind text not null check (kind in ('emoji', 'image', 'drawn')),
  emoji text,                            -- of an emoji: one, as Unicode lists it
  media_id text references media (id) on delete cascade, -- of an image
  plugin text,                           -- of a drawn one
  settings text,                         -- a JSON object by the plugin's schema
  seed integer,
  x integer not null,                    -- of its left edge, in hundredths of a percent of the wall's width
  y integer not null,                    -- of its upper edge, in sixteenths of a rem from the top
  width integer not null,                -- in sixteenths of a rem
  rotation integer not null,             -- clockwise, in degrees
  z integer not null,                    -- who lies on whom: never two alike on one wall
  alt text not null,
  rev integer not null,                  -- how often it was changed
  created_at integer not null,
  removed_at integer,                    -- taken off; kept for a while, so that it can be put back
  removed_by integer                     -- by whom
) strict;
create index stickers_by_wall on stickers (wall_id, z) where removed_at is null;
create index stickers_by_media on stickers (media_id) where media_id is not null;
create index stickers_by_user on stickers (user_id);
create index stickers_removed on stickers (wall_id, removed_at) where removed_at is not null;

-- What an owner lets visitors do on their wall. Without a row: nothing.
create table canvases (
  user_id integer primary key references users (id) on delete cascade,
  visitors integer not null default 0,   -- members may leave stickers
  cursors integer not null default 0     -- the cursors of members who like it are shown
) strict;

-- Whether a member shows their cursor on walls where that is wanted.
alter table profiles add column cursor integer not null default 0;
