-- products: the inventory. Every caller may read it; authenticated and service may change it.

-- migrate:up

create table api.products (
  id            bigint generated always as identity primary key,
  serial_number text not null
    constraint serial_number_is_unique unique
    constraint serial_number_has_1_to_100_characters check (length(serial_number) between 1 and 100),
  title         text not null
    constraint title_has_1_to_200_characters check (length(title) between 1 and 200),
  weight_lbs    double precision not null
    -- NaN sorts above infinity, so this refuses both.
    constraint weight_lbs_is_positive_and_finite check (weight_lbs > 0 and weight_lbs < 'infinity'),
  quantity      integer not null default 0
    constraint quantity_is_not_negative check (quantity >= 0),
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);
comment on table api.products is 'A product in the inventory. Its quantity never falls below zero.';

create trigger touch_updated_at
  before update on api.products
  for each row execute function private.touch_updated_at();

alter table api.products enable row level security;
create policy anyone_may_read on api.products
  for select to anon, authenticated
  using (true);
create policy authenticated_may_write on api.products
  to authenticated
  using (true) with check (true);
create policy service_may_do_everything on api.products
  to service
  using (true) with check (true);

-- One statement: concurrent calls wait for each other at the row, and the constraint refuses a quantity below zero.
-- Without such a product, no row is returned.
create function api.add_quantity(product_id bigint, quantity integer)
returns setof api.products
language sql volatile
rows 1
set search_path = pg_catalog, pg_temp
as $$
  update api.products as product
  set quantity = product.quantity + add_quantity.quantity
  where product.id = add_quantity.product_id
  returning product.*
$$;
comment on function api.add_quantity(bigint, integer) is 'Adds to the quantity of a product, or takes from it, and returns the product.';

grant select on api.products to anon, authenticated, service;
-- quantity is not granted on insert: a new product starts with 0.
-- id, created_at and updated_at are not granted: they are always the database's.
grant
  insert (serial_number, title, weight_lbs),
  update (serial_number, title, weight_lbs, quantity),
  delete
  on api.products to authenticated;
-- A trusted program may set every column: it brings rows in with their times and quantities.
grant insert, update, delete on api.products to service;
-- anon is not granted add_quantity: it writes.
grant execute on function api.add_quantity(bigint, integer) to authenticated, service;

-- migrate:down
drop function api.add_quantity(bigint, integer);
drop table api.products;
