-- An app's schema as Supabase's users write it: everything is granted to the API's roles, and policies decide by auth.uid().

create schema graphql_public;
grant usage on schema public, auth, graphql_public to anon, authenticated, service_role;
grant execute on all functions in schema auth to service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;

create table auth.users (id uuid primary key, email text not null unique);

create table public.profiles (
  id       uuid primary key references auth.users on delete cascade,
  fullname text not null
);
alter table public.profiles enable row level security;
create policy "Profiles are visible to everyone." on public.profiles for select using (true);

create table public.todos (
  id           bigint generated always as identity primary key,
  name         text not null,
  is_completed boolean not null default false,
  creator      uuid not null default auth.uid() references auth.users on delete cascade
);
alter table public.todos enable row level security;
create policy "Individuals can manage their todos." on public.todos
  using ((select auth.uid()) = creator) with check ((select auth.uid()) = creator);

create table public.follows (
  follower uuid not null default auth.uid() references public.profiles on delete cascade,
  followed uuid not null references public.profiles on delete cascade,
  primary key (follower, followed)
);
alter table public.follows enable row level security;
create policy "Follows are visible to everyone." on public.follows for select using (true);
create policy "Users can follow." on public.follows for insert to authenticated with check (auth.uid() = follower);
create policy "Users can unfollow." on public.follows for delete to authenticated using (auth.uid() = follower);

create view public.users with (security_invoker = on) as
select profile.id, profile.fullname, count(follow.follower) as followers
from public.profiles as profile
left join public.follows as follow on follow.followed = profile.id
group by profile.id, profile.fullname;

create table public.products (
  id            bigint generated always as identity primary key,
  serial_number text not null unique,
  title         text not null,
  weight_lbs    double precision not null,
  quantity      integer not null default 0
);
alter table public.products enable row level security;
create policy "Products are visible to everyone." on public.products for select using (true);
create policy "Users can change products." on public.products to authenticated
  using (auth.role() = 'authenticated') with check (auth.role() = 'authenticated');

create function public.add_quantity(product_id bigint, quantity integer)
returns setof public.products
language sql
as $$
  update public.products as product
  set quantity = product.quantity + add_quantity.quantity
  where product.id = add_quantity.product_id
  returning product.*;
$$;
revoke execute on function public.add_quantity from public, anon;
