-- What the requests of requests.ts ask about. Runs as superuser, as often as one likes; drop.sql takes all of it away.
-- Tables to read from are filled once and analyzed once, so that planned and estimated counts do not move.

-- Read: films and who made them ------------------------------------------------------------------------------------

create table api.studios (
  id      integer primary key,
  name    text not null,
  country text
);

create table api.directors (
  id   integer primary key,
  name text not null,
  born date
);

create table api.films (
  id          integer primary key,
  title       text not null,
  year        integer,
  rating      numeric(3, 1),
  is_color    boolean,
  studio_id   integer constraint films_studio references api.studios,
  -- Two ways from a film to a director: an embed has to say which.
  director_id integer constraint films_director references api.directors,
  producer_id integer constraint films_producer references api.directors,
  sequel_to   integer constraint films_sequel references api.films,
  tags        text[] not null default '{}',
  details     jsonb not null default '{}',
  in_cinemas  daterange,
  plot        tsvector,
  poster      bytea
);

-- to-one from both sides: the foreign key is unique
create table api.premieres (
  film_id    integer primary key constraint premieres_film references api.films,
  city       text not null,
  attendance bigint
);

create table api.actors (
  id          integer primary key,
  "full name" text not null
);

-- many-to-many
create table api.appearances (
  film_id   integer constraint appearances_film references api.films,
  actor_id  integer constraint appearances_actor references api.actors,
  character text,
  primary key (film_id, actor_id)
);

-- values and names with all that a URL has to escape
create table api.phrases (
  id     integer primary key,
  phrase text
);
create table api."odd, (names) & more" (
  "a.b"    integer primary key,
  "ü, =+?" text
);

create view api.color_films with (security_invoker = true) as
select id, title, year, studio_id
from api.films
where is_color;

-- more rows than a page
create table api.numbers (
  n      integer primary key,
  square bigint not null,
  parity text not null
);

-- what callers may not see: all of it, or all but their own
create table api.vault (
  id     integer primary key,
  secret text not null
);
create table api.diaries (
  id    integer primary key,
  owner text not null,
  entry text not null
);

insert into api.studios values (1, 'Mosfilm', 'SU'), (2, 'Toho', 'JP'), (3, 'Ealing', 'UK'), (4, 'Nobody''s', null);
insert into api.directors values
  (1, 'Andrei Tarkovsky', '1932-04-04'), (2, 'Akira Kurosawa', '1910-03-23'), (3, 'Alexander Mackendrick', null);
insert into api.films values
  (1, 'Stalker', 1979, 8.1, true, 1, 1, 1, null, '{zone,room}', '{"minutes": 162, "awards": ["Cannes"], "crew": {"camera": "Knyazhinsky"}}', '[1979-05-25,1980-01-01)', to_tsvector('english', 'A guide leads two men through the Zone to a room'), '\x00ff0a0d'),
  (2, 'Solaris', 1972, 8.0, true, 1, 1, null, null, '{space,ocean}', '{"minutes": 167, "awards": []}', '[1972-03-20,1973-01-01)', to_tsvector('english', 'A psychologist is sent to a station in orbit around an ocean planet'), null),
  (3, 'Ran', 1985, 8.2, true, 2, 2, 3, null, '{war}', '{"minutes": 162, "awards": ["Oscar", "BAFTA"]}', '[1985-06-01,)', to_tsvector('english', 'An old warlord divides his kingdom among three sons'), null),
  (4, 'Yojimbo', 1961, 8.2, false, 2, 2, 2, null, '{war,samurai}', '{"minutes": 110}', '[1961-04-25,1962-01-01)', to_tsvector('english', 'A ronin plays two gangs against each other'), null),
  (5, 'Sanjuro', 1962, 8.0, false, 2, 2, 2, 4, '{samurai}', '{}', null, null, null),
  (6, 'The "Ladykillers", or (100%) 5_star & co', 1955, null, true, 3, 3, null, null, '{}', '{"quote": "it''s"}', 'empty', to_tsvector('english', 'Five gangsters rent rooms'), null),
  (7, 'Zażółć gęślą jaźń 映画 🎬', null, null, null, null, null, null, null, '{"with, comma","with \"quote\""}', '{"ключ": "значение"}', null, null, null),
  (8, '', 2001, 0.0, null, 4, null, null, null, '{}', '{"a b": null}', null, null, null);
insert into api.premieres values (1, 'Tallinn', 400), (3, 'Tokyo', null), (6, 'London', 9007199254740993);
insert into api.actors values (1, 'Alexander Kaidanovsky'), (2, 'Toshirō Mifune'), (3, 'Tatsuya Nakadai'), (4, 'Alec Guinness');
insert into api.appearances values (1, 1, 'Stalker'), (4, 2, 'Sanjuro'), (5, 2, 'Sanjuro'), (3, 3, 'Hidetora'), (4, 3, null), (6, 4, 'Professor');
insert into api."odd, (names) & more" values (1, 'one'), (2, 'two');
insert into api.phrases values
  (1, 'plain'), (2, 'a,b'), (3, '"quoted"'), (4, 'back\slash'), (5, '(parens)'), (6, 'a+b c%20d'), (7, '?&=#/'), (8, ''), (9, null), (10, 'ßЖ漢🎬'), (11, 'null'), (12, ' spaced '), (13, 'dot.dot:colon*');
insert into api.numbers select n, n * n, case n % 2 when 0 then 'even' else 'odd' end from generate_series(1, 250) as n;
insert into api.vault values (1, 'gold');
insert into api.diaries values (1, 'ada', 'analytical'), (2, 'grace', 'nanoseconds'), (3, 'ada', 'engine');
analyze api.studios, api.directors, api.films, api.premieres, api.actors, api.appearances, api.numbers, api.diaries, api.vault, api.phrases, api."odd, (names) & more";

-- a computed field, a computed to-many and a computed to-one
create function api.headline(film api.films) returns text
language sql stable set search_path = ''
return upper(film.title) || coalesce(' (' || film.year || ')', '');
create function api.sequels(film api.films) returns setof api.films
language sql stable set search_path = ''
as $$ select * from api.films as sequel where sequel.sequel_to = film.id $$;
create function api.prequel(film api.films) returns setof api.films
language sql stable rows 1 set search_path = ''
as $$ select * from api.films as prequel where prequel.id = film.sequel_to $$;

-- Write: a library ---------------------------------------------------------------------------------------------------

create table api.shelves (
  id   integer primary key,
  room text not null unique
);
create table api.books (
  id       integer generated by default as identity primary key,
  isbn     text not null constraint isbn_is_unique unique,
  title    text not null default 'Untitled',
  pages    integer default 100 constraint pages_are_positive check (pages > 0),
  shelf_id integer constraint books_shelf references api.shelves,
  details  jsonb,
  -- not granted to anybody
  price    numeric
);
create table api.tallies (
  code  text primary key,
  count integer not null default 0
);
create table api.letters (
  id    integer generated by default as identity primary key,
  owner text not null default current_setting('request.jwt.claims', true)::json ->> 'sub',
  body  text not null
);

alter table api.letters enable row level security;
create policy owner_only on api.letters to authenticated
  using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');

alter table api.diaries enable row level security;
create policy owner_only on api.diaries to authenticated
  using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');

-- The same rows and sequences again. Never granted: the tests call it as superuser.
create function postern.reset_library() returns void
language sql volatile set search_path = ''
as $$
  truncate api.shelves, api.books, api.tallies, api.letters restart identity;
  insert into api.shelves values (1, 'attic'), (2, 'cellar');
  insert into api.books (isbn, title, pages, shelf_id, details, price) values
    ('1', 'Moby Dick', 635, 1, '{"n": 1}', 9.5), ('2', 'Emma', 474, 1, null, 7), ('3', 'Ulysses', 730, 2, null, null), ('4', 'Persuasion', 249, null, '[]', 3);
  insert into api.tallies values ('a', 1), ('b', 2);
  insert into api.letters (owner, body) values ('ada', 'to Babbage'), ('grace', 'to the Navy');
$$;
select postern.reset_library();

-- Call: functions ------------------------------------------------------------------------------------------------------

create function api.add(a integer, b integer default 1) returns integer
language sql immutable set search_path = ''
return a + b;
create function api.films_of(from_year integer) returns setof api.films
language sql stable set search_path = ''
as $$ select * from api.films where year >= from_year order by id $$;
create function api.film_of(from_year integer) returns api.films
language sql stable set search_path = ''
as $$ select * from api.films where year >= from_year order by id limit 1 $$;
create function api.pairs() returns table (left_ integer, right_ text)
language sql stable set search_path = ''
as $$ values (1, 'one'), (2, null) $$;
create function api.nothing() returns void
language sql stable set search_path = ''
as $$ select $$;
create function api.null_text() returns text
language sql stable set search_path = ''
return null;
create function api.total(numbers integer[]) returns bigint
language sql immutable set search_path = ''
as $$ select sum(number) from unnest(numbers) as number $$;
create function api.joined(variadic words text[]) returns text
language sql immutable set search_path = ''
return array_to_string(words, '|');
create function api.echo_json(json) returns json
language sql immutable set search_path = ''
return $1;
create function api.echo_text(text) returns text
language sql immutable set search_path = ''
return $1;

-- media types of the database's own
create domain api."application/octet-stream" as bytea;
create domain api."text/html" as text;
create function api.echo_bytes(bytea) returns api."application/octet-stream"
language sql immutable set search_path = ''
return $1;
create function api.poster_of(film_id integer) returns api."application/octet-stream"
language sql stable set search_path = ''
as $$ select poster from api.films where id = film_id $$;
create function api.page() returns api."text/html"
language sql stable set search_path = ''
return '<h1>Zażółć</h1>';

-- PostgREST cannot tell which one a request means.
create function api.twofold(value integer) returns text
language sql immutable set search_path = ''
return 'integer';
create function api.twofold(value text) returns text
language sql immutable set search_path = ''
return 'text';

create function api.shelve(isbn text, room text default 'attic') returns api.books
language sql volatile set search_path = ''
as $$
  insert into api.books (isbn, shelf_id)
  select shelve.isbn, id from api.shelves where shelves.room = shelve.room
  -- all but the price, which callers may not read
  returning id, isbn, title, pages, shelf_id, details, null::numeric
$$;

-- what reached the database of a request
create function api.request_header(name text) returns text
language sql stable set search_path = ''
return current_setting('request.headers', true)::json ->> name;
-- all but the token
create function api.request_headers() returns jsonb
language sql stable set search_path = ''
return current_setting('request.headers', true)::jsonb - 'authorization';
create function api.request_cookies() returns json
language sql stable set search_path = ''
return nullif(current_setting('request.cookies', true), '')::json;
create function api.request_line() returns text
language sql stable set search_path = ''
return current_setting('request.method', true) || ' ' || current_setting('request.path', true);
create function api.claims_seen() returns json
language sql stable set search_path = ''
return nullif(current_setting('request.jwt.claims', true), '')::json;
create function api.caller() returns json
language sql stable set search_path = ''
return json_build_object('role', current_user, 'sub', current_setting('request.jwt.claims', true)::json ->> 'sub');

create function api.fail(state text, message text default 'failed', detail text default '', hint text default '')
returns void
language plpgsql stable set search_path = ''
as $$
begin
  raise exception using errcode = state, message = message, detail = detail, hint = hint;
end
$$;
create function api.answer_with(status text default null, headers text default null, body text default 'body')
returns text
language plpgsql stable set search_path = ''
as $$
begin
  perform set_config('response.status', status, true) where status is not null;
  perform set_config('response.headers', headers, true) where headers is not null;
  return body;
end
$$;

grant select on
  api.studios, api.directors, api.films, api.premieres, api.actors, api.appearances, api.color_films, api.numbers,
  api.phrases, api."odd, (names) & more", api.shelves, api.tallies
  to anon, authenticated;
grant select on api.diaries to authenticated;
grant select (id, isbn, title, pages, shelf_id, details) on api.books to anon, authenticated;
grant insert (id, isbn, title, pages, shelf_id, details), update (isbn, title, pages, shelf_id, details), delete
  on api.books to authenticated;
grant insert, update, delete on api.shelves, api.tallies to authenticated;
grant select, insert (id, owner, body), update (owner, body), delete on api.letters to authenticated;
grant execute on function
  api.headline, api.sequels, api.prequel, api.add, api.films_of, api.film_of, api.pairs, api.nothing, api.null_text, api.total,
  api.joined, api.echo_json, api.echo_text, api.echo_bytes, api.twofold(integer), api.twofold(text), api.page,
  api.request_header, api.request_headers, api.request_cookies, api.request_line, api.caller, api.claims_seen, api.fail, api.answer_with
  to anon, authenticated;
-- anon is granted neither.
grant execute on function api.shelve, api.poster_of to authenticated;
