-- An inventory: staff by a claim, regions by another, sums in a view and in functions, a computed field.

create table api.m_warehouses (id integer primary key, name text not null, region text not null, is_open boolean not null);
create table api.m_items (id integer primary key, sku text not null unique, name text not null, tags text[] not null, price numeric(10, 2) not null, details jsonb not null);
create table api.m_stock (
  warehouse_id integer not null references api.m_warehouses,
  item_id integer not null references api.m_items,
  quantity integer not null check (quantity >= 0),
  primary key (warehouse_id, item_id)
);
create table api.m_movements (id bigint primary key, item_id integer not null references api.m_items, change integer not null, moved_by uuid not null, moved_at timestamptz not null);
create view api.m_totals with (security_invoker) as
  select i.id, i.sku, coalesce(sum(s.quantity), 0) as quantity from api.m_items i left join api.m_stock s on s.item_id = i.id group by i.id;
create function api.m_label(api.m_items) returns text language sql immutable as $$ select $1.sku || ': ' || $1.name $$;
create function api.m_region() returns text language sql stable as $$ select auth.jwt() #>> '{app_metadata,region}' $$;
create function api.m_is_staff() returns boolean language sql stable as $$ select coalesce((auth.jwt() -> 'app_metadata' ->> 'staff')::boolean, false) $$;
create function api.m_on_hand(wanted integer) returns bigint language sql stable as $$
  select coalesce(sum(quantity), 0) from api.m_stock where item_id = wanted
$$;
-- Volatile, because nothing was said.
create function api.m_low(below integer default 5) returns setof api.m_stock language sql as $$
  select * from api.m_stock where quantity < below order by warehouse_id, item_id
$$;
create function api.m_take(item integer, warehouse integer, amount integer) returns integer language sql security definer set search_path = '' as $$
  update api.m_stock set quantity = quantity - amount where item_id = item and warehouse_id = warehouse returning quantity
$$;

alter table api.m_warehouses enable row level security;
alter table api.m_items enable row level security;
alter table api.m_stock enable row level security;
alter table api.m_movements enable row level security;
create policy near on api.m_warehouses for select using (is_open or region = (select api.m_region()) or (select api.m_is_staff()));
create policy all_of_them on api.m_items for select using (true);
create policy near on api.m_stock for select using (exists (select from api.m_warehouses w where w.id = warehouse_id));
create policy staff on api.m_movements for select to authenticated using (moved_by = auth.uid() or api.m_is_staff());

insert into api.m_warehouses values (1, 'harbour', 'north', false), (2, 'station', 'south', true), (3, 'airport', 'south', false);
insert into api.m_items select n, 'SKU-' || n, 'item ' || n, array['tag' || n % 3], n * 1.5, jsonb_build_object('colour', case n % 2 when 0 then 'red' else 'blue' end)
  from generate_series(1, 9) as n;
insert into api.m_stock select w, i, (w * i) % 11 from generate_series(1, 3) as w, generate_series(1, 9) as i;
insert into api.m_movements select n, 1 + n % 9, n % 5 - 2, ('00000000-0000-4000-8000-00000000000' || chr(97 + n % 2))::uuid, timestamptz '2026-01-01' + n * interval '1 hour'
  from generate_series(1, 30) as n;
