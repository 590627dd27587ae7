-- Posts, their drafts and history, and link previews.

create table posts (
  id integer primary key autoincrement,   -- never given twice: it stands in permanent addresses
  user_id integer not null references users (id) on delete cascade,
  kind text not null,                     -- text, image, link, script
  title text not null,
  body text not null,                     -- Markdown, as it was typed
  html text not null,                     -- the same, rendered
  url text not null default '',           -- of a link: where it leads
  script text not null default '',        -- of a script: its id
  position integer not null,              -- order on the wall, the largest first, with gaps
  version integer not null default 1,     -- grows with each edit
  created_at integer not null,
  edited_at integer,
  removed_at integer                      -- deleted; kept for a while, so that it can be put back
) strict;
create index posts_by_wall on posts (user_id, position, id) where removed_at is null;
create index posts_by_user on posts (user_id, id) where removed_at is null;
create index posts_standing on posts (id) where removed_at is null;
create index posts_by_url on posts (url) where url <> '';
create index posts_by_script on posts (script) where script <> '';
create index posts_removed on posts (user_id, removed_at) where removed_at is not null;
create index posts_removed_at on posts (removed_at) where removed_at is not null;

-- The pictures of a post, in order.
create table post_pictures (
  post_id integer not null references posts (id) on delete cascade,
  nth integer not null,
  media_id text references media (id) on delete set null,    -- null: it was taken out of the library
  alt text not null,                      -- what it shows, in words
  width integer not null,
  height integer not null,
  primary key (post_id, nth)
) strict, without rowid;
create index post_pictures_by_media on post_pictures (media_id) where media_id is not null;

-- What a post said before.
create table post_edits (
  id integer primary key,
  post_id integer not null references posts (id) on delete cascade,
  title text not null,
  body text not null,
  url text not null,
  pictures text not null,                 -- a JSON array of what the pictures showed, in words
  until integer not null                  -- when it was changed
) strict;
create index post_edits_by_post on post_edits (post_id, id);

-- What somebody is writing: a form's fields as they were typed.
create table post_drafts (
  id integer primary key autoincrement,   -- never given twice: a window may still have one that is gone
  user_id integer not null references users (id) on delete cascade,
  post_id integer references posts (id) on delete cascade,   -- the post that is being edited; else a new one
  fields text not null,                   -- a JSON array of [name, value]
  updated_at integer not null,
  unique (user_id, post_id)
) strict;
create index post_drafts_by_user on post_drafts (user_id, id);
create index post_drafts_by_post on post_drafts (post_id);

-- What a page that posts link to says of itself, as it said it last.
create table link_previews (
  url text primary key,
  site text not null default '',          -- the host that answered
  title text not null default '',         -- empty: there is none, and why says why
  description text not null default '',
  picture blob,                           -- small, re-encoded
  picture_mime text not null default '',
  picture_id text,                        -- random, stands in its address
  width integer not null default 0,
  height integer not null default 0,
  why text not null default '',
  fetched_at integer not null
) strict;
create unique index link_previews_by_picture on link_previews (picture_id) where picture_id is not null;
create index link_previews_by_age on link_previews (fetched_at);
