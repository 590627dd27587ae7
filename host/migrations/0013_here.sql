-- Whether it is said on a wall who is there just now: of those who let it be seen. Without a row: it is.
alter table canvases add column presence integer not null default 1;
