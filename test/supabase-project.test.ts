// An unmodified supabase-js with the keys of a Supabase project, before a PostgREST that is set up as Supabase's is: an HS256
// secret, no audience, the anonymous role anon. What the database sees and answers is compared with the same PostgREST directly.
import { createHash, randomBytes } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asAuthenticator } from "../gateway/cli/stack/addresses.ts";
import { prepareDatabase } from "../gateway/cli/stack/database.ts";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../gateway/cli/stack/postgrest.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { query } from "../gateway/test/sql/support/query.ts";
import { outcomeOf } from "./support/actors.ts";
import { stack } from "./support/client.ts";
import { startWorkerd } from "./support/workerd/workerd.ts";

const PROJECT = "http://127.0.0.1:54321";
const SECRET = "super-secret-jwt-token-with-at-least-32-characters-long";
const PUBLISHABLE = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_test";
const SB_SECRET = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_test";
const DATABASE = `postern_supabase_${randomBytes(4).toString("hex")}`;

const cleanup: (() => Promise<unknown>)[] = [];
let direct: string;
let gateway: string;

beforeAll(async () => {
	await query(stack.databaseUrl, "create role service_role nologin bypassrls");
	cleanup.push(() => query(stack.databaseUrl, "drop role service_role"));
	await query(stack.databaseUrl, `create database ${DATABASE}`);
	cleanup.push(() =>
		query(stack.databaseUrl, `drop database ${DATABASE} with (force)`),
	);
	const url = new URL(stack.databaseUrl);
	url.pathname = DATABASE;
	const { authenticatorPassword } = stack.credentials;
	const log = () => {};
	await prepareDatabase({ url: url.href, authenticatorPassword, log });
	await query(
		url.href,
		`grant anon, authenticated, service_role to authenticator;
		grant usage on schema api to service_role;
		create table api.letters (id int primary key, owner text, audience text);
		alter table api.letters enable row level security;
		create policy own on api.letters to authenticated using (
			owner = (current_setting('request.jwt.claims')::jsonb ->> 'sub')
			and (audience is null or audience = (current_setting('request.jwt.claims')::jsonb ->> 'aud'))
		);
		grant select on api.letters to anon, authenticated, service_role;
		insert into api.letters values (1, 'ada', null), (2, 'bob', null), (3, 'ada', 'authenticated');
		create function api.claims() returns jsonb language sql stable set search_path = '' as $$
			select current_setting('request.jwt.claims')::jsonb || jsonb_build_object('current_user', current_user)
		$$;
		grant execute on function api.claims() to anon, authenticated, service_role;
		select postern.track('api.letters');`,
	);
	const postgrest = await startPostgrest({
		databaseUrl: asAuthenticator(url.href, authenticatorPassword),
		jwks: SECRET,
		anonRole: "anon",
		settings: { PGRST_JWT_AUD: "" },
		port: await freePort(),
		adminPort: await freePort(),
		publicUrl: "http://localhost:8787/rest/v1",
		log,
	});
	cleanup.push(postgrest.stop);
	direct = postgrest.url;
	const { ORIGIN_SIGNING_KEY: _, ...variables } = workerVariables(
		postgrest.url,
		stack.credentials,
	);
	const worker = await startWorkerd({
		bundle: stack.bundle,
		port: await freePort(),
		variables: {
			...variables,
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
	gateway = worker.url;
});

afterAll(async () => {
	for (const end of cleanup.reverse()) await end();
});

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

function sign(claims: Record<string, unknown>, secret = SECRET) {
	const seconds = Math.floor(Date.now() / 1000);
	return new SignJWT({ iat: seconds - 60, exp: seconds + 3_600, ...claims })
		.setProtectedHeader({ alg: "HS256", typ: "JWT" })
		.sign(new TextEncoder().encode(secret));
}

const legacyKey = (role: string) => sign({ iss: "supabase-demo", role });

const userToken = (sub: string, changes: Record<string, unknown> = {}) =>
	sign({
		iss: `${PROJECT}/auth/v1`,
		aud: "authenticated",
		sub,
		role: "authenticated",
		app_metadata: { provider: "email" },
		session_id: "7f6a2c1e-0000-4000-8000-000000000000",
		...changes,
	});

/** A client as an app makes it; with a token, of a signed-in user. */
function clientOf(key: string, token?: string) {
	return createClient(gateway, key, {
		db: { schema: "api" },
		auth: { persistSession: false, autoRefreshToken: false },
		...(token === undefined ? {} : { accessToken: async () => token }),
	});
}

async function lettersOf(key: string, token?: string) {
	const { data, error } = await clientOf(key, token)
		.from("letters")
		.select("id")
		.order("id");
	return error?.code ?? data?.map(({ id }) => id);
}

const KEYS: [string, () => Promise<string>, number[]][] = [
	["anon", () => legacyKey("anon"), []],
	["sb_publishable", async () => PUBLISHABLE, []],
	["service_role", () => legacyKey("service_role"), [1, 2, 3]],
	["sb_secret", async () => SB_SECRET, [1, 2, 3]],
];

describe.each(KEYS)("supabase-js with the key %s", (_, keyOf, own) => {
	it("reads as the key's role without a user", async () => {
		const key = await keyOf();
		expect([await lettersOf(key), await lettersOf(key)]).toEqual([own, own]);
	});

	it("reads as its user, and each user the own rows", async () => {
		const key = await keyOf();
		for (const [user, letters] of [
			["ada", [1, 3]],
			["bob", [2]],
			["ada", [1, 3]],
			["eve", []],
		] as const)
			expect(await lettersOf(key, await userToken(user))).toEqual(letters);
	});

	it("is refused with a token that the project did not sign", async () => {
		const forged = await sign(
			{
				iss: `${PROJECT}/auth/v1`,
				aud: "authenticated",
				role: "authenticated",
			},
			`${SECRET}!`,
		);
		expect(await lettersOf(await keyOf(), forged)).toBe("token_rejected");
	});
});

it("refuses supabase-js with a key that the project does not have", async () => {
	expect([
		await lettersOf(`${SB_SECRET}x`),
		await lettersOf(
			await sign({ iss: "supabase", role: "anon" }, `${SECRET}!`),
		),
		await lettersOf(await legacyKey("postgres")),
	]).toEqual(["key_rejected", "token_rejected", "role_refused"]);
});

describe("the claims that the database sees", () => {
	it.each([
		["a user's", () => userToken("ada")],
		["a user's with jti", () => userToken("ada", { jti: "1", aal: "aal1" })],
		["those of anon", () => legacyKey("anon")],
		["those of service_role", () => legacyKey("service_role")],
	])("are those that it sees without the gateway: %s", async (_, tokenOf) => {
		const headers = { authorization: `Bearer ${await tokenOf()}` };
		const [through, without] = await Promise.all(
			[`${gateway}/rest/v1`, direct].map(async (base) =>
				(await fetch(`${base}/rpc/claims`, { headers })).json(),
			),
		);
		expect(through).toEqual(without);
	});
});

it("keeps its own schema to itself, with any of the keys", async () => {
	for (const [, keyOf] of KEYS) {
		const response = await fetch(`${gateway}/rest/v1/api_keys`, {
			headers: { apikey: await keyOf(), "accept-profile": "postern" },
		});
		expect(await outcomeOf(response)).toBe("406 schema_refused");
	}
});
