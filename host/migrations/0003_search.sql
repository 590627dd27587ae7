-- What was said, by its words. Nothing is kept twice: the index has words alone, each in front of it the room that it was
-- said in ("17xhello"), so that looking in one room never reads what others hold.

create virtual table message_words using fts5 (
  words,
  content = '',                          -- the text itself is in messages
  contentless_delete = 1,
  detail = none,                         -- which messages; where in them is found by looking
  tokenize = 'ascii'                     -- the words come folded, with spaces between
);

-- Segments are joined by whoever writes them, a few pages at a time, and not whenever FTS5 finds it is time to.
insert into message_words (message_words, rank) values ('automerge', 0);
insert into message_words (message_words, rank) values ('crisismerge', 256);

-- Messages that the index doesn't know yet, or knows as they were.
create table search_queue (
  message_id integer primary key
) strict;
