// A Supabase project: a PostgREST that is set up as Supabase's is, with the HS256 secret, no audience and the anonymous role anon,
// and the Worker before it. The project's auth server is not there: the test signs the tokens as it would.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import { analyze } from "../../../gateway/cli/analyze.ts";
import { migrate } from "../../../gateway/cli/migrate.ts";
import { asAuthenticator } from "../../../gateway/cli/stack/addresses.ts";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { workerVariables } from "../../../gateway/cli/stack/wrangler.ts";
import { query } from "../../../gateway/test/sql/support/query.ts";
import { stack } from "../client.ts";
import { startWorkerd } from "../workerd/workerd.ts";

export type SupabaseProject = Awaited<ReturnType<typeof startProject>>;

const PROJECT = "http://127.0.0.1:54321";
export const SECRET = "super-secret-jwt-token-with-at-least-32-characters-long";
export const PUBLISHABLE = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_test";
export const SB_SECRET = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_test";
const SCHEMAS = "public, graphql_public";
const log = () => {};

/** @param sql further objects of schema public */
export async function startProject(sql: string) {
	const cleanup: (() => Promise<unknown>)[] = [];
	const name = `postern_supabase_${randomBytes(4).toString("hex")}`;
	await query(
		stack.databaseUrl,
		"create role service_role noinherit bypassrls",
	);
	cleanup.push(() => query(stack.databaseUrl, "drop role service_role"));
	await query(stack.databaseUrl, "grant service_role to authenticator");
	await query(stack.databaseUrl, `create database ${name}`);
	cleanup.push(() =>
		query(stack.databaseUrl, `drop database ${name} with (force)`),
	);
	const url = new URL(stack.databaseUrl);
	url.pathname = name;
	const run = (text: string) => query(url.href, text);
	await run("create schema auth");
	await run(await textOf("../manners/auth.sql"));
	await run(await textOf("project.sql"));
	await run(sql);
	await migrate({ databaseUrl: url.href, log });
	await run("select postern.track_schema('public')");
	await analyze(url.href);

	const postgrest = await startPostgrest({
		databaseUrl: asAuthenticator(
			url.href,
			stack.credentials.authenticatorPassword,
		),
		schemas: SCHEMAS,
		jwks: SECRET,
		anonRole: "anon",
		settings: { PGRST_JWT_AUD: "" },
		port: await freePort(),
		adminPort: await freePort(),
		publicUrl: "http://localhost:8787/rest/v1",
		log,
	});
	cleanup.push(postgrest.stop);
	const { ORIGIN_SIGNING_KEY: _, ...variables } = workerVariables(
		postgrest.url,
		stack.credentials,
	);
	const worker = await startWorkerd({
		bundle: stack.bundle,
		port: await freePort(),
		variables: {
			...variables,
			DB_SCHEMAS: SCHEMAS,
			// In the place of the example's.
			PROFILE_ALIASES: "public=public",
			ORIGIN_JWT_SECRET: SECRET,
			ORIGIN_AUDIENCE: "",
			ORIGIN_CLAIMS: "caller",
			ISSUERS: JSON.stringify([
				{
					supabase: PROJECT,
					secret: SECRET,
					publishableKeys: [sha256(PUBLISHABLE)],
					secretKeys: [sha256(SB_SECRET)],
				},
			]),
		},
		log,
	});
	cleanup.push(worker.stop);

	return {
		gateway: worker.url,
		/** PostgREST without the gateway. */
		direct: postgrest.url,
		/** Runs SQL as superuser. */
		run,
		/** As the auth server makes one. */
		async signUp(fullname: string): Promise<string> {
			const id = randomUUID();
			await run(
				`insert into auth.users values ('${id}', '${id}@example.com');
				insert into public.profiles values ('${id}', '${fullname}')`,
			);
			return id;
		},
		/** A client as an app makes it; with a token, of a signed-in user. */
		clientOf(key: string, token?: string, fetcher: typeof fetch = fetch) {
			return createClient(worker.url, key, {
				auth: { persistSession: false, autoRefreshToken: false },
				global: { fetch: fetcher },
				...(token === undefined ? {} : { accessToken: async () => token }),
			});
		},
		async stop() {
			for (const end of cleanup.reverse()) await end();
		},
	};
}

function textOf(file: string): Promise<string> {
	return readFile(new URL(file, import.meta.url), "utf8");
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

export function sign(claims: Record<string, unknown>, secret = SECRET) {
	const seconds = Math.floor(Date.now() / 1000);
	return new SignJWT({ iat: seconds - 60, exp: seconds + 3_600, ...claims })
		.setProtectedHeader({ alg: "HS256", typ: "JWT" })
		.sign(new TextEncoder().encode(secret));
}

/** `anon` or `service_role` as a JWT, which has no audience. */
export const legacyKey = (role: string) => sign({ iss: "supabase-demo", role });

export const userToken = (sub: string, changes: Record<string, unknown> = {}) =>
	sign({
		iss: `${PROJECT}/auth/v1`,
		aud: "authenticated",
		sub,
		role: "authenticated",
		app_metadata: { provider: "email" },
		session_id: "7f6a2c1e-0000-4000-8000-000000000000",
		...changes,
	});
