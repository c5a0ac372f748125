// A schema with functions in the manner of Supabase, and what the catalog knows of the function api.f.

import { rolledBack } from "./tracked.ts";

interface Entry {
	readonly name: string;
	readonly reads: readonly string[];
	readonly claims: readonly string[];
	readonly headers: readonly string[];
	readonly cookies: readonly string[];
	readonly readsClock: boolean;
	readonly reasons: readonly string[];
}

const PATH = `"postern", "public"`;

/** auth.uid() and auth.jwt() as Supabase has them, and tables that helpers read. Bodies are made for other search paths than this session's. */
const MAKE = `
	set local check_function_bodies = off;
	create schema auth;
	create function auth.uid() returns uuid language sql stable as $$
		select
		coalesce(
			nullif(current_setting('request.jwt.claim.sub', true), ''),
			(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
		)::uuid
	$$;
	create function auth.jwt() returns jsonb language sql stable as $$
		select
		coalesce(
			nullif(current_setting('request.jwt.claim', true), ''),
			nullif(current_setting('request.jwt.claims', true), '')
		)::jsonb
	$$;
	create table api.members (org integer, member uuid, primary key (org, member));
	create table api.docs (id integer primary key, org integer, body text);
	select postern.track_schema('api');`;

export const it = rolledBack
	.extend("entry", ({ owner }) => {
		/** The catalog's entry for the function of this name, as PostgREST with this search path sees it. */
		return async (
			name = "f",
			path = PATH,
			schemas = "{api}",
		): Promise<Entry> => {
			await owner.query(
				"savepoint asked; set local transaction_read_only = on",
			);
			await owner.query("select set_config('search_path', $1, true)", [path]);
			const { rows } = await owner.query(
				"select postern.catalog($1) as catalog",
				[schemas],
			);
			await owner.query("rollback to savepoint asked");
			const entries: Entry[] = rows[0].catalog.functions;
			const found = entries.find((entry) => entry.name === name);
			if (!found) throw new Error(`${name} is not in the catalog`);
			return found;
		};
	})
	.extend("made", ({ owner, entry }) => {
		/** The entry for api.f, made by these statements. */
		return async (statements: string) => {
			await owner.query(`${MAKE}; ${statements}`);
			return entry();
		};
	});
