-- Objects that make answers hard to plan, besides the tables of ../transparency/fixture.sql: policies of every kind, views over views,
-- junctions that are views, partitions, computed columns and relationships, functions. All of it is tracked.

create schema other;
grant usage on schema other to anon, authenticated, service;
create role editor nologin;
grant authenticated to editor;
grant editor to authenticator;

create type api.mood as enum ('calm', 'wild');
create domain api.title as text check (value <> '');

-- policies: by a claim, by another table, by a role, by nothing

create table api.teams (
  id   integer primary key,
  name text not null
);
create table api.members (
  team_id integer constraint members_team references api.teams,
  person  text,
  rank    integer,
  primary key (team_id, person)
);
create table api.notes (
  id      bigint primary key,
  owner   text not null,
  team_id integer constraint notes_team references api.teams,
  film_id integer constraint notes_film references api.films,
  title   api.title,
  mood    api.mood,
  at      timestamptz,
  body    text
);
create table api.labels (
  code  text primary key,
  color text
);
create table api.note_labels (
  note_id bigint constraint note_labels_note references api.notes,
  code    text constraint note_labels_label references api.labels,
  weight  integer,
  primary key (note_id, code)
);
-- a second way between the two
create table api.pins (
  note_id bigint constraint pins_note references api.notes,
  code    text constraint pins_label references api.labels,
  primary key (note_id, code)
);
create table api.codes (
  id    uuid primary key,
  label text constraint codes_label references api.labels,
  n     smallint
);
create table api.secrets (
  id     integer primary key constraint secrets_team references api.teams,
  secret text
);

alter table api.members enable row level security;
create policy everybody on api.members for select using (true);
alter table api.notes enable row level security;
create policy own on api.notes to authenticated
  using (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
create policy of_team on api.notes for select to authenticated
  using (exists (
    select from api.members
    where members.team_id = notes.team_id
      and members.person = current_setting('request.jwt.claims', true)::json ->> 'person'
  ));
create policy all_to_editors on api.notes for select to editor using (true);
create policy calm_to_anybody on api.notes for select to anon using (mood = 'calm');
alter table api.note_labels enable row level security;
create policy by_level on api.note_labels for select to anon, authenticated
  using (weight <= coalesce((current_setting('request.jwt.claims', true)::json ->> 'level')::integer, 1));
create policy all_to_service on api.note_labels for select to service using (true);
alter table api.pins enable row level security;
create policy by_role on api.pins for select
  using (current_setting('request.jwt.claims', true)::json ->> 'role' <> 'anon');

-- partitions; a key of two columns
create table api.readings (
  region text,
  n      integer,
  value  numeric,
  primary key (region, n)
) partition by list (region);
create table api.readings_north partition of api.readings for values in ('north', 'far north');
create table api.readings_rest partition of api.readings default;

-- children: those of the parent's rows that have more columns
create table api.vehicles (id integer primary key, wheels integer);
create table api.trucks (load integer) inherits (api.vehicles);

-- another schema, with keys into this one
create table other.reviews (
  id      integer primary key,
  film_id integer constraint reviews_film references api.films,
  stars   integer
);
create table other.critics (
  id   integer primary key,
  name text
);
create table other.reviewers (
  review_id integer constraint reviewers_review references other.reviews,
  critic_id integer constraint reviewers_critic references other.critics,
  primary key (review_id, critic_id)
);
-- not exposed at all
create schema hidden;
create table hidden.ledger (
  id    integer primary key,
  team  integer constraint ledger_team references api.teams,
  label text constraint ledger_label references api.labels,
  sum   integer
);

-- views: with the caller's rights and the owner's, joined, of views, renamed columns, a junction

create view api.own_notes with (security_invoker) as select id, owner, team_id, film_id as film, body from api.notes;
create view api.all_notes as select id, owner, team_id, at from api.notes;
create view api.note_colors with (security_invoker) as
select notes.id, notes.title, labels.code, labels.color
from api.notes
join api.note_labels on note_labels.note_id = notes.id
join api.labels on labels.code = note_labels.code;
create view api.team_sizes with (security_invoker) as
select teams.id, teams.name, (select count(*) from api.members where members.team_id = teams.id) as size
from api.teams;
create view api.big_teams with (security_invoker) as select id, name from api.team_sizes where size > 1;
create view api.labelings with (security_invoker) as select note_id, code from api.note_labels;
create view api.ledger as select id, team, sum from hidden.ledger;
create view api.clock as select id, now() as now from api.teams;
create view api.casts with (security_invoker) as select film_id as film, actor_id as actor from api.appearances;
create materialized view api.studio_counts as
select studio_id, count(*) as films from api.films group by studio_id;

-- of a row

create function api.studio_name(film api.films) returns text
language sql stable set search_path = ''
return (select name from api.studios where id = film.studio_id);
create function api.is_mine(note api.notes) returns boolean
language sql stable set search_path = ''
return note.owner = current_setting('request.jwt.claims', true)::json ->> 'nick';
create function api.noise(note api.notes) returns double precision
language sql volatile set search_path = ''
return random();
create function api.age(note api.notes) returns interval
language sql stable set search_path = ''
return now() - note.at;
create function api.same_year(film api.films) returns setof api.films
language sql stable set search_path = ''
begin atomic
  select * from api.films where films.year = film.year;
end;
create function api.team(note api.notes) returns setof api.teams
language sql stable rows 1 set search_path = ''
begin atomic
  select * from api.teams where teams.id = note.team_id;
end;
-- the same name as a relation's: PostgREST prefers the function
create function api.labels(team api.teams) returns setof api.labels
language sql stable set search_path = ''
begin atomic
  select labels.*
  from api.labels
  join api.note_labels on note_labels.code = labels.code
  join api.notes on notes.id = note_labels.note_id
  where notes.team_id = team.id;
end;

-- to call

create function api.notes_of(who text, since timestamptz default null) returns setof api.notes
language sql stable set search_path = ''
begin atomic
  select * from api.notes where owner = who and (since is null or at > since);
end;
create function api.hot_films(minimum numeric default 8) returns setof api.films
language sql stable set search_path = ''
begin atomic
  select * from api.films where rating >= minimum;
end;
create function api.films_of_studio(named text) returns setof api.films
language sql stable set search_path = ''
begin atomic
  select films.* from api.films join api.studios on studios.id = films.studio_id where studios.name = named order by films.id;
end;
-- told apart by the names of their arguments
create function api.films_by(studio text default 'Toho') returns setof api.films
language sql stable set search_path = ''
begin atomic
  select films.* from api.films join api.studios on studios.id = films.studio_id where studios.name = studio;
end;
create function api.films_by(studio text, since integer, until integer default 2000) returns setof api.films
language sql stable set search_path = ''
begin atomic
  select films.* from api.films join api.studios on studios.id = films.studio_id
  where studios.name = studio and year between since and until;
end;
create function api.films_by(city character varying) returns bigint
language sql stable set search_path = ''
begin atomic
  select count(*) from api.premieres where premieres.city = films_by.city;
end;
-- shows its arguments as they arrive
create function api.shown(a text default 'none', b jsonb default null, c json default null, n numeric default 0) returns text
language sql immutable set search_path = ''
return concat_ws(' | ', coalesce(a, 'null'), coalesce(b::text, 'null'), coalesce(c::text, 'null'), coalesce(n::text, 'null'));
create function api.team_count() returns bigint
language sql stable set search_path = ''
begin atomic
  select count(*) from api.teams;
end;
create function api.my_level() returns text
language sql stable set search_path = ''
return current_setting('request.jwt.claims', true)::json ->> 'level';
create function api.everything() returns setof api.notes
language sql stable security definer set search_path = ''
begin atomic
  select * from api.notes;
end;
create function api.palette() returns table (code text, color text)
language sql stable set search_path = ''
begin atomic
  select code, color from api.labels;
end;

grant select on all tables in schema api, other to anon, authenticated, service;
revoke select on api.vault, api.diaries, api.letters, api.secrets from anon;
grant execute on all functions in schema api, other to anon, authenticated, service;

insert into api.teams values (1, 'red'), (2, 'blue'), (3, 'green');
insert into api.members values (1, 'ada', 1), (1, 'grace', 2), (2, 'ada', 3), (3, 'joan', 1);
insert into api.notes values
  (1, 'ada', 1, 1, 'first', 'calm', '2026-01-01', 'one'),
  (2, 'ada', 2, 3, 'second', 'wild', '2026-02-01', null),
  (3, 'grace', 1, null, null, null, null, 'three'),
  (4, 'grace', 2, 4, 'fourth', 'calm', '2026-03-01', 'four'),
  (5, 'joan', 3, 1, 'fifth', 'wild', '2026-04-01', 'five'),
  (6, 'joan', null, 5, 'sixth', 'calm', '2026-05-01', '');
insert into api.labels values ('a', 'red'), ('b', 'blue'), ('with, "comma"', null), ('ü', 'green');
insert into api.note_labels values (1, 'a', 1), (1, 'b', 2), (2, 'a', 3), (3, 'ü', 1), (4, 'with, "comma"', 1), (5, 'b', 2), (6, 'a', 1);
insert into api.pins values (1, 'b'), (2, 'ü'), (4, 'a');
insert into api.codes values
  ('00000000-0000-4000-8000-000000000001', 'a', 1), ('00000000-0000-4000-8000-000000000002', 'b', -2), ('00000000-0000-4000-8000-000000000003', null, null);
insert into api.secrets values (1, 'x'), (2, 'y');
insert into api.readings values ('north', 1, 1.5), ('north', 2, null), ('far north', 1, 3), ('south', 1, 4), ('south', 2, 5), ('', 3, 6);
insert into api.vehicles values (1, 2), (2, 4);
insert into api.trucks values (3, 6, 100), (4, 8, 200);
insert into other.reviews values (1, 1, 5), (2, 1, 4), (3, 3, 5);
insert into other.critics values (1, 'Pauline'), (2, 'Roger');
insert into other.reviewers values (1, 1), (2, 2), (3, 1);
insert into hidden.ledger values (1, 1, 'a', 10), (2, 2, 'b', 20);
refresh materialized view api.studio_counts;

select postern.track_schema('api'), postern.track_schema('other'), postern.track_schema('hidden');
select postern.track('api.labels', '2 seconds'), postern.track('api.studios', '60 seconds');
select postern.declare_cacheable('api.sequels(api.films)', '{api.films}', '{}'),
  postern.declare_cacheable('api.prequel(api.films)', '{api.films}', '{}'),
  postern.declare_cacheable('api.films_of(integer)', '{api.films}', '{}'),
  postern.declare_cacheable('api.total(integer[])', '{}', '{}'),
  postern.declare_cacheable('api.pairs()', '{}', '{}');
