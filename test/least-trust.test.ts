// Promise 6, least trust: the origin accepts only tokens that Postern signed for it, so that an attacker who learns the address of
// the tunnel gains nothing. And no caller reaches Postern's own schemas.
import {
	createHash,
	createPublicKey,
	generateKeyPairSync,
	type KeyObject,
} from "node:crypto";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createLocalJWKSet, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asAuthenticator } from "../gateway/cli/stack/addresses.ts";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../gateway/cli/stack/postgrest.ts";
import { issueToken } from "../gateway/cli/stack/tokens.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { ACTORS, type Actor, outcomeOf } from "./support/actors.ts";
import { call, callerToken, originToken, stack } from "./support/client.ts";
import {
	startGateway,
	startOrigin,
	type TestOrigin,
} from "./support/origin.ts";
import {
	newPerson,
	newUser,
	publishableKey,
	secretKey,
	type User,
} from "./support/people.ts";
import { startWorkerd } from "./support/workerd/workerd.ts";

const { originJwks, originSigningKey } = stack.credentials;
const originKey: { kid: string; x: string } = JSON.parse(originSigningKey);

let user: User;
let keys: { publishable: string; secret: string };
beforeAll(async () => {
	user = await newUser();
	keys = { publishable: await publishableKey(), secret: await secretKey() };
});

describe("the origin, asked directly through its tunnel", () => {
	/** What an attacker would try with a leaked address. */
	const PATHS = [
		["GET", "/products", {}],
		["GET", "/todos", {}],
		["GET", "/", {}],
		["POST", "/rpc/add_quantity", {}],
		["POST", "/rpc/find_api_key", { "content-profile": "postern" }],
	] as const;

	it("accepts a token that Postern signed for it", async () => {
		const token = await originToken({ role: "anon" });
		expect(await statusesWith({ authorization: `Bearer ${token}` })).toContain(
			200,
		);
	});

	const publicKey = createPublicKey({
		key: JSON.parse(originJwks).keys[0],
		format: "jwk",
	});
	const cases: [name: string, token: () => string | Promise<string>][] = [
		["a token that the gateway accepts", () => callerToken()],
		["the access token of a user", () => user.accessToken],
		["the refresh token of a user", () => user.refreshToken],
		["a publishable API key", () => keys.publishable],
		["a secret API key", () => keys.secret],
		[
			"a token of Supabase's kind, of its well-known demo secret",
			() =>
				signed(
					"HS256",
					"super-secret-jwt-token-with-at-least-32-characters-long",
					{ iss: "supabase-demo", role: "service_role" },
				),
		],
		["its own token, expired", () => ownToken({}, -60)],
		["its own token, for another audience", () => ownToken({ aud: "gateway" })],
		[
			"its own token, not valid yet",
			() => ownToken({ nbf: Math.floor(Date.now() / 1000) + 120 }),
		],
		["its own token, with another role written into it", altered],
		["a token of no algorithm", () => unsigned("none")],
		["a token of no algorithm, spelled otherwise", () => unsigned("None")],
		[
			"HS256 with its public key as the secret (JWKS)",
			() => signed("HS256", originJwks),
		],
		[
			"HS256 with its public key as the secret (PEM)",
			() =>
				signed(
					"HS256",
					publicKey.export({ type: "spki", format: "pem" }).toString(),
				),
		],
		[
			"HS256 with its public key as the secret (coordinates)",
			() => signed("HS256", Buffer.from(originKey.x, "base64url")),
		],
		[
			"another key with the same kid",
			() => signed("ES256", newKey(), { aud: "postgrest" }),
		],
		[
			"another key, brought in the header",
			() => {
				const { privateKey, publicKey } = newKeyPair();
				return signed(
					"ES256",
					privateKey,
					{},
					{ jwk: publicKey.export({ format: "jwk" }) },
				);
			},
		],
	];

	it.each(cases)("refuses %s", async (_, token) => {
		expect(
			await statusesWith({ authorization: `Bearer ${await token()}` }),
		).toEqual(PATHS.map(() => 401));
	});

	it("refuses a request without a token", async () => {
		expect(await statusesWith({})).toEqual(PATHS.map(() => 401));
	});

	it("accepts a token nowhere but in Authorization", async () => {
		const token = await originToken({ role: "anon" });
		for (const headers of [
			{ apikey: token },
			{ cookie: `token=${token}` },
			{ authorization: `Basic ${btoa(`token:${token}`)}` },
		]) {
			expect(await statusesWith(headers)).toEqual(PATHS.map(() => 401));
		}
	});

	async function statusesWith(
		headers: Record<string, string>,
	): Promise<number[]> {
		const answers = PATHS.map(([method, path, more]) =>
			fetch(stack.postgrestUrl + path, {
				method,
				headers: { ...more, ...headers },
			}),
		);
		return (await Promise.all(answers)).map(({ status }) => status);
	}
});

describe("the gateway", () => {
	it.each(["postern", "postgres", "authenticator", "service", "PUBLIC"])(
		"lets no token name the role %s",
		async (role) => {
			const token = await callerToken({ role });
			const answer = await call("/rest/v1/products", { token });
			expect(await outcomeOf(answer)).toBe("403 role_refused");
		},
	);

	it("accepts none of the tokens that it signs for the origin", async () => {
		const token = await originToken({ role: "authenticated" });
		const answer = await call("/rest/v1/products", { token });
		expect(await outcomeOf(answer)).toBe("401 token_rejected");
	});
});

describe.each(ACTORS)("what Postern knows for itself, asked by %s", (actor) => {
	const PROFILES = {
		"accept-profile": "postern",
		"content-profile": "postern",
	};

	it.each([
		["GET", "/api_keys", undefined],
		["GET", "/rpc/find_api_key?key_hash=00", undefined],
		["GET", `/rpc/get_user?user_id=${NIL}&session_id=${NIL}`, undefined],
		["POST", "/rpc/find_api_key", { key_hash: "00" }],
		["POST", "/rpc/refresh_session", { refresh_token: "x", address: "::1" }],
		[
			"POST",
			"/rpc/sign_in",
			{ email: "e", password: "p", bcrypt_cost: 4, address: "::1" },
		],
		[
			"POST",
			"/rpc/create_api_key",
			{ name: "mine", kind: "secret", role: "service" },
		],
		["POST", "/rpc/revoke_api_key", { id: 1 }],
	] as const)("is not told: %s %s", async (method, path, json) => {
		const answer = await ask(method, path, PROFILES, json);
		expect(await outcomeOf(answer)).toBe("406 schema_refused");
		const direct = await fetch(stack.postgrestUrl + path, {
			method,
			headers: {
				...PROFILES,
				authorization: `Bearer ${await originToken({ role: actor === "service" ? actor : "authenticated" })}`,
				"content-type": "application/json",
			},
			...(json === undefined ? {} : { body: JSON.stringify(json) }),
		});
		expect(await outcomeOf(direct)).toBe("403 42501");
	});

	it("is not described", async () => {
		const answer = await ask("GET", "/", PROFILES);
		expect(await answer.text()).not.toMatch(/sign_in|api_key/);
	});

	it.each(["auth", "extensions", "pg_catalog", "information_schema"])(
		"is not reached by the schema %s",
		async (schema) => {
			const answer = await ask("GET", "/users", { "accept-profile": schema });
			expect(await outcomeOf(answer)).toBe("406 PGRST106");
		},
	);

	it.each([
		["/auth.users", "404"],
		["/sessions", "404"],
		["/refresh_tokens", "404"],
		["/users?select=id,sessions(id)", "400 PGRST200"],
		[
			"/profiles?select=id,users!profiles_id_fkey(password_hash)",
			"400 PGRST200",
		],
		["/users?select=email", "400 42703"],
		["/users?select=password_hash", "400 42703"],
		["/schema_migrations", "404"],
		["/rpc/user_id", "404 PGRST202"],
		["/rpc/hash_password?password=a&bcrypt_cost=4", "404 PGRST202"],
	])("is not reached by %s", async (path, outcome) => {
		expect(await outcomeOf(await ask("GET", path, {}))).toMatch(
			new RegExp(`^${outcome}`),
		);
	});

	async function ask(
		method: string,
		path: string,
		headers: Record<string, string>,
		json?: unknown,
	): Promise<Response> {
		return call(`/rest/v1${path}`, {
			method,
			headers: { ...headers, ...(await credentialsOf(actor)) },
			json,
		});
	}
});

async function credentialsOf(actor: Actor): Promise<Record<string, string>> {
	switch (actor) {
		case "owner":
			return { authorization: `Bearer ${user.accessToken}` };
		case "other":
			return { authorization: `Bearer ${await callerToken()}` };
		case "anonymous":
			return { apikey: keys.publishable };
		case "service":
			return { apikey: keys.secret };
	}
}

interface Arrived {
	readonly request: IncomingMessage;
	readonly body: string;
}

describe("a request that arrives at the origin", () => {
	let origin: TestOrigin;
	let gateway: Awaited<ReturnType<typeof startGateway>>;
	let arrived: Arrived[] = [];

	beforeAll(async () => {
		origin = await startOrigin(async (request, answering) => {
			const one = { request, body: await text(request) };
			arrived.push(one);
			answering.setHeader("content-type", "application/json");
			answering.end(JSON.stringify(answerTo(one)));
		});
		gateway = await startGateway(origin.url);
	});
	afterAll(async () => {
		await gateway.stop();
		await origin.stop();
	});

	it.each([
		["GET", "/rest/v1/todos?select=name", undefined],
		["POST", "/rest/v1/todos", { name: "Buy milk" }],
		["GET", "/products/1", undefined],
		["GET", "/users/todos", undefined],
		["GET", "/auth/v1/user", undefined],
		["POST", "/auth/v1/logout", {}],
	])(
		"contains none of the caller's credentials: %s %s",
		async (method, path, json) => {
			const { accessToken } = user;
			await send(method, path, json, {
				authorization: `Bearer ${accessToken}`,
				apikey: keys.publishable,
				cookie: `CF_Authorization=${accessToken}`,
				"cf-access-jwt-assertion": accessToken,
			});
			expectNothingOf([
				accessToken,
				signatureOf(accessToken),
				keys.publishable,
			]);
		},
	);

	it("contains an API key only as its hash", async () => {
		await send("GET", "/rest/v1/todos", undefined, { apikey: keys.secret });
		expectNothingOf([keys.secret]);
		expect(arrived.map(({ request }) => request.url)).toEqual([
			"/rpc/find_api_key",
			"/todos",
		]);
	});

	it("contains passwords and refresh tokens only in bodies for Postern's own functions", async () => {
		const { email, password, refreshToken } = user;
		const json = { email, password, refresh_token: refreshToken };
		for (const [path, name] of [
			["/auth/v1/token?grant_type=password", "sign_in"],
			["/auth/v1/token?grant_type=refresh_token", "refresh_session"],
			["/auth/v1/signup", "sign_up"],
		]) {
			await send("POST", path ?? "", json, {});
			expect(arrived).toHaveLength(1);
			const [{ request } = {}] = arrived;
			expect(request?.url).toBe(`/rpc/${name}`);
			expect(request?.headers["content-profile"]).toBe("postern");
			const head = JSON.stringify(request?.rawHeaders);
			for (const secret of [email, password, refreshToken]) {
				expect(head).not.toContain(secret);
			}
		}
	});

	it("has a token that Postern signed for 90 seconds, with the caller's claims", async () => {
		const { accessToken: token } = user;
		await send("GET", "/rest/v1/todos", undefined, {
			authorization: `Bearer ${token}`,
		});
		const { payload, protectedHeader } = await verifiedTokenOf(arrived[0]);
		expect(protectedHeader).toMatchObject({ alg: "ES256", kid: originKey.kid });
		expect(payload).toMatchObject({
			aud: "postgrest",
			role: "authenticated",
			sub: user.id,
			session_id: user.sessionId,
		});
		expect(Number(payload.exp) - Date.now() / 1_000).toBeLessThanOrEqual(90);
	});

	it("has the role postern for Postern's own questions only", async () => {
		const headers = { authorization: `Bearer ${user.accessToken}` };
		await send("GET", "/users/todos", undefined, headers);
		const roles = [];
		for (const one of arrived) {
			const { payload } = await verifiedTokenOf(one);
			roles.push([one.request.url?.split("?")[0], payload.role]);
		}
		expect(roles).toEqual([
			["/rpc/get_user", "postern"],
			["/todos", "authenticated"],
		]);
	});

	async function send(
		method: string,
		path: string,
		json: unknown,
		headers: Record<string, string>,
	) {
		arrived = [];
		const response = await fetch(gateway.url + path, {
			method,
			headers: { ...headers, "content-type": "application/json" },
			...(json === undefined ? {} : { body: JSON.stringify(json) }),
		});
		await response.body?.cancel();
	}

	function expectNothingOf(secrets: string[]) {
		const urls = arrived.map(({ request }) => request.url);
		expect(urls.some((url) => url !== "/rpc/find_api_key")).toBe(true);
		for (const { request, body } of arrived) {
			const all = JSON.stringify([request.url, request.rawHeaders, body]);
			for (const secret of secrets) expect(all).not.toContain(secret);
		}
	}

	/** The parts of PostgREST's answer that a route needs to send its next request. */
	function answerTo({ request: { url = "" }, body }: Arrived): unknown {
		if (url.startsWith("/rpc/find_api_key")) {
			const isSecret = body.includes(sha256(keys.secret));
			return isSecret
				? { outcome: "ok", kind: "secret", role: "service" }
				: { outcome: "ok", kind: "publishable", role: "anon" };
		}
		return url.startsWith("/rpc/") ? { outcome: "ok", user: ANYBODY } : [];
	}
});

describe("the log", () => {
	it("never contains a password, a token or a key", async () => {
		const lines: string[] = [];
		const log = (line: string) => lines.push(line);
		const postgrest = await startPostgrest({
			databaseUrl: asAuthenticator(
				stack.databaseUrl,
				stack.credentials.authenticatorPassword,
			),
			jwks: originJwks,
			port: await freePort(),
			adminPort: await freePort(),
			publicUrl: "http://localhost:8787/rest/v1",
			log,
		});
		const broken = await startOrigin((_, answering) => {
			answering.writeHead(500, { "content-type": "text/html" });
			answering.end("<h1>Something went wrong</h1>");
		});
		const nowhere = `http://127.0.0.1:${await freePort()}`;
		const people = [];
		try {
			for (const url of [postgrest.url, broken.url, nowhere]) {
				const gateway = await startWorkerd({
					bundle: stack.bundle,
					port: await freePort(),
					variables: workerVariables(url, stack.credentials),
					log,
				});
				people.push(await liveAt(gateway.url));
				await gateway.stop();
			}
		} finally {
			await postgrest.stop();
			await broken.stop();
		}
		const logged = lines.join("\n");
		expect(logged).toMatch(/Network connection lost/);
		const secrets = [
			...people.flat(),
			keys.secret,
			keys.publishable,
			user.accessToken,
			signatureOf(user.accessToken),
			user.refreshToken,
			...["originSigningKey", "tokenSigningKey"].map(
				(name) => JSON.parse(stack.credentials[name as "tokenSigningKey"]).d,
			),
		];
		for (const secret of secrets) expect(logged).not.toContain(secret);
	});

	/** Signs up, in and out, also with failures. @returns the secrets that this used */
	async function liveAt(gatewayUrl: string): Promise<string[]> {
		const { email, password, address } = newPerson();
		const send = async (
			path: string,
			json: unknown,
			headers: Record<string, string> = {},
		) => {
			const response = await fetch(gatewayUrl + path, {
				method: "POST",
				headers: {
					"content-type": "application/json",
					"cf-connecting-ip": address,
					...headers,
				},
				body: JSON.stringify(json),
			});
			return (await response.json().catch(() => ({}))) as {
				access_token?: string;
				refresh_token?: string;
			};
		};
		const signedUp = await send("/auth/v1/signup", { email, password });
		await send("/auth/v1/signup", { email, password });
		await send("/auth/v1/token?grant_type=password", { email, password });
		await send("/users/token", { email, password: `${password} not` });
		const { refresh_token = user.refreshToken } = signedUp;
		const grant = "/auth/v1/token?grant_type=refresh_token";
		for (const token of [refresh_token, refresh_token, `${password}-no`]) {
			await send(grant, { refresh_token: token });
		}
		for (const credential of [
			signedUp.access_token ?? user.accessToken,
			keys.secret,
			keys.publishable,
			`${keys.secret.slice(0, -1)}_`,
		]) {
			const headers = { authorization: `Bearer ${credential}` };
			await send("/rest/v1/todos?select=nothing", { name: "n" }, headers);
			await send("/users/todos", { name: "n" }, headers);
		}
		await send("/auth/v1/signup", { email: `${email}\u0000`, password });
		return [password, refresh_token, signedUp.access_token].filter(
			(secret) => secret !== undefined,
		);
	}
});

const NIL = "00000000-0000-0000-0000-000000000000";

/** A user as the functions of accounts describe one. */
const ANYBODY = {
	id: NIL,
	email: "ada@example.com",
	fullname: "Ada",
	user_metadata: {},
	created_at: "2026-01-01T00:00:00Z",
	updated_at: "2026-01-01T00:00:00Z",
	last_sign_in_at: null,
};

/** An origin token like Postern's, with these claims changed. */
function ownToken(
	claims: Record<string, unknown>,
	lifetimeSeconds = 300,
): Promise<string> {
	return issueToken(
		originSigningKey,
		{ aud: "postgrest", role: "authenticated", ...claims },
		lifetimeSeconds,
	);
}

const FORGED = { aud: "postgrest", role: "authenticated", sub: "ada" };

async function signed(
	alg: string,
	secret: string | Uint8Array | KeyObject,
	claims: Record<string, unknown> = {},
	header: Record<string, unknown> = {},
): Promise<string> {
	const key = typeof secret === "string" ? Buffer.from(secret) : secret;
	return new SignJWT({ ...FORGED, ...claims })
		.setProtectedHeader({ alg, kid: originKey.kid, ...header })
		.setIssuedAt()
		.setExpirationTime("5 minutes")
		.sign(key);
}

function unsigned(alg: string): string {
	const exp = Math.floor(Date.now() / 1000) + 300;
	return `${encoded({ alg })}.${encoded({ ...FORGED, exp })}.`;
}

async function altered(): Promise<string> {
	const token = await ownToken({ role: "anon" });
	const [header, , signature] = token.split(".");
	const exp = Math.floor(Date.now() / 1000) + 300;
	return `${header}.${encoded({ ...FORGED, role: "service", exp })}.${signature}`;
}

function encoded(json: object): string {
	return Buffer.from(JSON.stringify(json)).toString("base64url");
}

function newKeyPair() {
	return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function newKey(): KeyObject {
	return newKeyPair().privateKey;
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

function signatureOf(token: string): string {
	return token.split(".")[2] ?? "";
}

function verifiedTokenOf(one: Arrived | undefined) {
	const token = one?.request.headers.authorization?.replace(/^Bearer /, "");
	return jwtVerify(token ?? "", createLocalJWKSet(JSON.parse(originJwks)), {
		audience: "postgrest",
	});
}
