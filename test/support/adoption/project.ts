// What people have before they adopt Postern: a Postgres, and a PostgREST that is set up as Supabase's is, behind an API gateway that
// asks for a key.
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { Client } from "pg";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../../gateway/cli/stack/postgres.ts";
import { startPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { startApiGateway } from "../api-gateway.ts";

const PASSWORD = randomBytes(8).toString("hex");

/** `project_owner` is no superuser, and may choose the schemas of PostgREST, as \`postgres\` at Supabase. */
const SCHEMA = `
	create role authenticator login noinherit password '${PASSWORD}';
	create role anon noinherit;
	create role authenticated noinherit;
	create role service_role noinherit bypassrls;
	grant anon, authenticated, service_role to authenticator;
	create role project_owner login createrole bypassrls password '${PASSWORD}';
	grant authenticator, anon, authenticated, service_role to project_owner with admin option;
	grant set on parameter pgrst.db_schemas to project_owner;
	grant create on database postern to project_owner;
	alter schema public owner to project_owner;
	create schema graphql_public authorization project_owner;
	grant usage on schema public, graphql_public to anon, authenticated, service_role;
	set role project_owner;
	create table public.films (id int primary key, title text not null, is_public boolean not null);
	alter table public.films enable row level security;
	create policy shown on public.films for select using (is_public);
	grant select on public.films to anon, authenticated, service_role;
	insert into public.films values (1, 'hidden', false), (2, 'shown', true);
`;

/** All that adopting may add to a database. */
const ADDED = `
	select rolname::text from pg_roles where rolname = 'postern'
	union all select nspname from pg_namespace where nspname = 'postern'
	union all select tgname from pg_trigger where tgname like 'postern%'
	union all select evtname from pg_event_trigger where evtname like 'postern%'
	union all select setconfig::text from pg_db_role_setting where setconfig::text like '%postern%'
`;

export type SupabaseProject = Awaited<ReturnType<typeof makeProject>>;

export async function makeProject() {
	const folder = await mkdtemp(join(tmpdir(), "postern-project-"));
	// If root runs this, Postgres's own user has to be able to enter.
	await chmod(folder, 0o755);
	const log = () => {};
	const postgres = await startPostgres({
		dataDirectory: join(folder, "postgres"),
		port: await freePort(),
		password: PASSWORD,
		log,
	});
	const superuser = new Client({ connectionString: postgres.url });
	await superuser.connect();
	await superuser.query(SCHEMA);
	await superuser.query("reset role");
	const jwtSecret = randomBytes(20).toString("hex");
	const postgrest = await startPostgrest({
		databaseUrl: as("authenticator"),
		jwks: jwtSecret,
		anonRole: "anon",
		settings: {
			PGRST_DB_SCHEMAS: "public, graphql_public",
			PGRST_JWT_AUD: "",
		},
		port: await freePort(),
		adminPort: await freePort(),
		publicUrl: "http://localhost/rest/v1",
		log,
	});
	const anonKey = await new SignJWT({ iss: "supabase", role: "anon" })
		.setProtectedHeader({ alg: "HS256", typ: "JWT" })
		.setExpirationTime("1h")
		.sign(new TextEncoder().encode(jwtSecret));
	const publishableKey = `sb_publishable_${randomBytes(16).toString("hex")}`;
	const mount = "/rest/v1";
	const gateway = await startApiGateway({
		origin: () => postgrest.url,
		mount,
		keys: [anonKey, publishableKey],
	});

	return {
		url: gateway.url.slice(0, -mount.length),
		jwtSecret,
		anonKey,
		publishableKey,
		/** The database's URL as a role. */
		as,
		superuserUrl: postgres.url,
		/** What an anonymous caller reads without Postern. */
		async read(path: string): Promise<string> {
			return (await fetch(`${postgrest.url}${path}`)).text();
		},
		async findAdded(): Promise<string[]> {
			const { rows } = await superuser.query({ text: ADDED, rowMode: "array" });
			return rows.flat();
		},
		async end() {
			await gateway.stop();
			await postgrest.stop();
			await superuser.end();
			await postgres.stop();
			await rm(folder, { recursive: true });
		},
	};

	function as(role: string): string {
		const url = new URL(postgres.url);
		url.username = role;
		return url.href;
	}
}
