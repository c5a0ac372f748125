-- A database of Postern 0.1.0 has versions 0001 to 0017, so dbmate skips the files above. This brings such a database to the same
-- schema. It changes nothing in a new one.

-- migrate:up

do $migration$
declare
  next_id bigint;
begin
  if to_regnamespace('private') is not null then
    return;
  end if;

  create schema private;
  comment on schema private is 'Private: what the tables in api need. Never exposed.';
  alter function postern.touch_updated_at() set schema private;
  alter function postern.reload_after_ddl() set schema private;
  alter function postern.reload_after_drop() set schema private;
  alter function auth.keep_profile() set schema private;
  alter event trigger postern_reload_after_ddl rename to reload_after_ddl;
  alter event trigger postern_reload_after_drop rename to reload_after_drop;

  comment on table api.profiles is 'What every caller may know of a user.';

  -- UUIDs become numbers, in the order in which the rescues were made.
  create sequence private.rescue_ids;
  alter table api.rescues add column number bigint;
  update api.rescues as rescue
  set number = numbered.number
  from (select id, row_number() over (order by created_at, name, id) as number from api.rescues) as numbered
  where numbered.id = rescue.id;
  alter table api.rescues drop column id;
  alter table api.rescues rename column number to id;
  alter table api.rescues
    add constraint id_is_unique primary key (id),
    add constraint id_is_positive_with_15_digits_at_most check (id between 1 and 999999999999999);
  select coalesce(max(id), 0) + 1 into next_id from api.rescues;
  perform setval('private.rescue_ids', next_id, false);
  grant insert (id) on api.rescues to authenticated;

  create table private.rescue_id_choices ();
  comment on table private.rescue_id_choices is
  'Has no rows. A transaction that inserts a chosen id locks it against those in which the database chooses one, and the reverse.';

  create function private.choose_rescue_id()
  returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  as $$
begin
  if new.id is not null then
    lock table private.rescue_id_choices in row exclusive mode;
    return new;
  end if;
  lock table private.rescue_id_choices in share mode;
  loop
    new.id := nextval('private.rescue_ids');
    exit when not exists (select from api.rescues as rescue where rescue.id = new.id);
  end loop;
  return new;
end
$$;
  comment on function private.choose_rescue_id() is 'Trigger: gives a new rescue an id that is free, unless the client chose one.';
  create trigger choose_rescue_id
    before insert on api.rescues
    for each row execute function private.choose_rescue_id();

  -- The triggers of tracking name the columns of the primary key.
  perform postern.track('api.rescues');
end
$migration$;

-- migrate:down
