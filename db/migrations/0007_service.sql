-- service: trusted programs, by secret API key. It passes no policy by itself: each table says that service may.

-- migrate:up

grant usage on schema api to service;

create policy service_may_do_everything on api.products
  to service
  using (true) with check (true);
create policy service_may_do_everything on api.rescues
  to service
  using (true) with check (true);

-- Every column: bringing in rows with their times and quantities is what such programs do.
grant select, insert, update, delete on api.products, api.rescues to service;
grant select on api.rescue_counts to service;
grant execute on function api.add_quantity(bigint, integer) to service;

-- migrate:down
revoke execute on function api.add_quantity(bigint, integer) from service;
revoke select on api.rescue_counts from service;
revoke select, insert, update, delete on api.products, api.rescues from service;
drop policy service_may_do_everything on api.rescues;
drop policy service_may_do_everything on api.products;
revoke usage on schema api from service;
