// Callers with tokens of other issuers: several issuers at once, their rotations and outages, and Cloudflare Access.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asAuthenticator } from "../../gateway/cli/stack/addresses.ts";
import { prepareDatabase } from "../../gateway/cli/stack/database.ts";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../../gateway/cli/stack/postgrest.ts";
import type { Service } from "../../gateway/cli/stack/service.ts";
import { query } from "../../gateway/test/sql/support/query.ts";
import { outcomeOf } from "../support/actors.ts";
import { callerToken, stack } from "../support/client.ts";
import {
	type Claims,
	type Mood,
	makeSigningKey,
	type SigningKey,
	signWith,
	startIssuer,
	type TestIssuer,
} from "../support/issuer.ts";
import { startGateway } from "../support/origin.ts";

const ADA = "0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e2001";

type Gateway = Service & { url: string };

/** A database of these tests only, because they add a function to the exposed schema. */
const DATABASE = `postern_issuers_${randomBytes(4).toString("hex")}`;
let postgrest: Gateway;

const cleanup: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
	const url = new URL(stack.databaseUrl);
	await query(stack.databaseUrl, `create database ${DATABASE}`);
	url.pathname = DATABASE;
	cleanup.push(() =>
		query(stack.databaseUrl, `drop database ${DATABASE} with (force)`),
	);
	const { authenticatorPassword, originJwks } = stack.credentials;
	const log = () => {};
	await prepareDatabase({ url: url.href, authenticatorPassword, log });
	await query(
		url.href,
		`create function api.claims() returns jsonb language sql stable set search_path = '' as $$
			select current_setting('request.jwt.claims')::jsonb || jsonb_build_object('current_user', current_user)
		$$;
		grant execute on function api.claims() to anon, authenticated, service;
		insert into auth.users (id, email, password_hash, fullname)
		values ('${ADA}', 'ada@example.com', '$2a$04$' || repeat('.', 53), 'Ada')`,
	);
	postgrest = await startPostgrest({
		databaseUrl: asAuthenticator(url.href, authenticatorPassword),
		jwks: originJwks,
		port: await freePort(),
		adminPort: await freePort(),
		publicUrl: "http://localhost:8787/rest/v1",
		log,
	});
	cleanup.push(postgrest.stop);
	const { rows } = await query(
		url.href,
		"select postern.create_api_key('app', 'publishable') as value",
	);
	publishableKey = rows[0].value;
});

afterAll(async () => {
	for (const end of cleanup.reverse()) await end();
});

let publishableKey: string;

/** A Worker that knows these issuers besides Postern itself. */
async function gatewayFor(
	issuers: object[],
	variables: Record<string, string> = {},
): Promise<Gateway> {
	const gateway = await startGateway(postgrest.url, {
		...(issuers.length === 0 ? {} : { ISSUERS: JSON.stringify(issuers) }),
		...variables,
	});
	cleanup.push(gateway.stop);
	return gateway;
}

function ask(
	{ url }: { url: string },
	token: string,
	headers: Record<string, string> = {},
): Promise<Response> {
	return fetch(`${url}/rest/v1/rpc/claims`, {
		headers: { authorization: `Bearer ${token}`, ...headers },
	});
}

/** The claims that the database receives. */
async function claimsIn(response: Response) {
	expect(response.status).toBe(200);
	return (await response.json()) as Record<string, unknown>;
}

describe("several issuers at once", () => {
	const CLOUD = "https://cloud.example.com/";
	const PARTNER = "partner";
	const LEGACY = "https://legacy.example.com";
	const secret = randomBytes(32).toString("hex");
	let cloud: TestIssuer;
	let cloudKey: SigningKey;
	let partnerKey: SigningKey;
	let legacyKey: SigningKey;
	let gateway: Gateway;

	beforeAll(async () => {
		cloudKey = await makeSigningKey("RS256");
		partnerKey = await makeSigningKey("EdDSA");
		legacyKey = secretKey(secret);
		cloud = await startIssuer(cloudKey);
		cleanup.push(cloud.stop);
		gateway = await gatewayFor([
			{
				issuer: CLOUD,
				audience: "app",
				jwksUrl: `${cloud.url}/jwks.json`,
				algorithms: ["RS256"],
				roleClaim: ["app_metadata", "role"],
				roles: ["authenticated", "service"],
			},
			{
				issuer: PARTNER,
				audience: ["one", "two"],
				jwks: { keys: [partnerKey.publicJwk] },
				algorithms: ["EdDSA"],
				role: "authenticated",
			},
			{ issuer: LEGACY, audience: "authenticated", secret },
		]);
	});

	const ofCloud = (claims: Claims = {}, key = cloudKey) =>
		signWith(key, {
			iss: CLOUD,
			aud: "app",
			sub: "cloud|1",
			app_metadata: { role: "authenticated" },
			...claims,
		});
	const ofPartner = (claims: Claims = {}, key = partnerKey) =>
		signWith(key, { iss: PARTNER, aud: "two", sub: "7", ...claims });
	const ofLegacy = (claims: Claims = {}, key = legacyKey) =>
		signWith(key, {
			iss: LEGACY,
			aud: "authenticated",
			sub: ADA,
			role: "authenticated",
			...claims,
		});

	it("have their tokens accepted, each with its own keys, and Postern's own as well", async () => {
		for (const [token, iss, sub] of [
			[await ofCloud(), CLOUD, "cloud|1"],
			[await ofPartner(), PARTNER, "7"],
			[await ofLegacy(), LEGACY, ADA],
			[await callerToken(), "postern", "ada"],
		] as const) {
			expect(await claimsIn(await ask(gateway, token))).toMatchObject({
				current_user: "authenticated",
				role: "authenticated",
				aud: "postgrest",
				iss,
				sub,
			});
		}
	});

	it("have tokens signed by each other's keys refused", async () => {
		const tokens = [
			ofCloud({}, partnerKey),
			ofCloud({}, legacyKey),
			ofCloud({}, secretKey(JSON.stringify(cloudKey.publicJwk))),
			ofPartner({}, cloudKey),
			ofPartner({}, legacyKey),
			ofLegacy({}, cloudKey),
			ofLegacy({}, partnerKey),
			ofCloud({ iss: "postern", aud: "authenticated" }),
			ofCloud({ iss: "https://cloud.example.com" }),
			ofCloud({ iss: "https://unknown.example.com" }),
		];
		for (const token of tokens) {
			expect(await outcomeOf(await ask(gateway, await token))).toBe(
				"401 token_rejected",
			);
		}
	});

	it("have tokens refused for another audience, after their expiry, or without one", async () => {
		const past = Math.floor(Date.now() / 1000) - 60;
		for (const [token, outcome] of [
			[ofCloud({ aud: "authenticated" }), "401 token_rejected"],
			[ofPartner({ aud: ["three", "four"] }), "401 token_rejected"],
			[ofPartner({ aud: ["zero", "one"] }), "200"],
			[ofCloud({ exp: past }), "401 token_expired"],
			[ofPartner({ exp: past }), "401 token_expired"],
			[ofLegacy({ exp: past }), "401 token_expired"],
			[ofLegacy({ exp: undefined }), "401 token_rejected"],
			[ofLegacy({ nbf: past + 180 }), "401 token_rejected"],
		] as const) {
			expect(await outcomeOf(await ask(gateway, await token))).toBe(outcome);
		}
	});

	it("name the role in the configured claim, out of the configured roles", async () => {
		const role = (name: unknown) => ofCloud({ app_metadata: { role: name } });
		for (const [token, outcome] of [
			[role("service"), "service"],
			[role("anon"), "403 role_refused"],
			[role("postern"), "403 role_refused"],
			[role(["service"]), "403 role_refused"],
			[role(undefined), "403 role_refused"],
			[
				ofCloud({ app_metadata: undefined, role: "service" }),
				"403 role_refused",
			],
			// Its role is fixed, even if the token names another.
			[ofPartner({ role: "service" }), "authenticated"],
			[ofLegacy({ role: "service" }), "403 role_refused"],
			[ofLegacy({ role: "anon" }), "anon"],
		] as const) {
			const response = await ask(gateway, await token);
			const found = response.ok
				? (await claimsIn(response)).current_user
				: await outcomeOf(response);
			expect(found).toBe(outcome);
		}
	});

	it("pass all claims on to the database, except those about the token itself", async () => {
		const token = await ofCloud({
			jti: "1",
			nbf: 1,
			email: "ada@example.com",
			app_metadata: { role: "authenticated", teams: ["a", "b"] },
			"https://example.com/tenant": 42,
			nested: { deep: { down: [null, true, "żółw"] } },
		});
		const claims = await claimsIn(await ask(gateway, token));
		expect(claims).toEqual({
			current_user: "authenticated",
			role: "authenticated",
			aud: "postgrest",
			iat: expect.any(Number),
			exp: expect.any(Number),
			iss: CLOUD,
			sub: "cloud|1",
			email: "ada@example.com",
			app_metadata: { role: "authenticated", teams: ["a", "b"] },
			"https://example.com/tenant": 42,
			nested: { deep: { down: [null, true, "żółw"] } },
		});
	});

	it("may name a user of the database, whose rows its row level security gives", async () => {
		const todo = await fetch(`${gateway.url}/rest/v1/todos`, {
			method: "POST",
			headers: {
				authorization: `Bearer ${await ofLegacy()}`,
				"content-type": "application/json",
				prefer: "return=representation",
			},
			body: JSON.stringify({ name: "Buy milk" }),
		});
		expect(await todo.json()).toMatchObject([{ creator: ADA }]);
		const todosOf = async (token: string) =>
			outcomeOf(
				await fetch(`${gateway.url}/rest/v1/todos`, {
					headers: { authorization: `Bearer ${token}` },
				}),
			);
		expect(await todosOf(await ofLegacy())).toBe("200 1");
		expect(await todosOf(await ofLegacy({ sub: "ada" }))).toBe("200 0");
		expect(await todosOf(await ofCloud())).toBe("200 0");
		const service = await ofCloud({ app_metadata: { role: "service" } });
		expect(await todosOf(service)).toBe("200 1");
	});

	it("give their callers no session of Postern", async () => {
		const token = await ofLegacy({ session_id: ADA });
		const user = await fetch(`${gateway.url}/auth/v1/user`, {
			headers: { authorization: `Bearer ${token}` },
		});
		expect(await outcomeOf(user)).toBe("401 unauthenticated");
	});
});

describe("keys at a URL", () => {
	const ISSUER = "https://issuer.example.com";

	async function setUp(mood: Mood = "well") {
		const key = await makeSigningKey("ES256");
		const issuer = await startIssuer(key);
		issuer.mood = mood;
		cleanup.push(issuer.stop);
		const gateway = await gatewayFor([
			{
				issuer: ISSUER,
				audience: "app",
				jwksUrl: `${issuer.url}/jwks.json`,
				role: "authenticated",
			},
		]);
		return { key, issuer, gateway };
	}

	const tokenOf = (key: SigningKey, claims: Claims = {}) =>
		signWith(key, { iss: ISSUER, aud: "app", ...claims });

	const outcomeWith = async (gateway: Gateway, key: SigningKey) =>
		outcomeOf(await ask(gateway, await tokenOf(key)));

	it("are fetched once for many requests", async () => {
		const { key, issuer, gateway } = await setUp();
		const statuses = [];
		for (let index = 0; index < 20; index += 1) {
			const token = await tokenOf(key, { sub: `user ${index}` });
			statuses.push((await ask(gateway, token)).status);
		}
		const tokens = await Promise.all(
			Array.from({ length: 20 }, (_, index) =>
				tokenOf(key, { sub: `another ${index}` }),
			),
		);
		const answers = tokens.map((token) => ask(gateway, token));
		statuses.push(...(await Promise.all(answers)).map(({ status }) => status));
		expect(statuses).toEqual(statuses.map(() => 200));
		expect(issuer.asked).toEqual(["/jwks.json"]);
	});

	it("are fetched neither for malformed tokens, nor for each of many tokens with unknown kids", async () => {
		const { key, issuer, gateway } = await setUp();
		expect(await outcomeWith(gateway, key)).toBe("200");
		for (let index = 0; index < 5; index += 1) {
			const stranger = await makeSigningKey("ES256");
			expect(await outcomeWith(gateway, stranger)).toBe("401 token_rejected");
		}
		expect(issuer.asked).toHaveLength(1);
	});

	it("stay in use while their issuer does not answer", async () => {
		const { key, issuer, gateway } = await setUp();
		expect(await outcomeWith(gateway, key)).toBe("200");
		for (const mood of ["failing", "hanging"] as const) {
			issuer.mood = mood;
			expect(await outcomeWith(gateway, key)).toBe("200");
		}
		await issuer.stop();
		expect(await outcomeWith(gateway, key)).toBe("200");
		const stranger = await makeSigningKey("ES256");
		expect(await outcomeWith(gateway, stranger)).toBe("401 token_rejected");
	});

	it.concurrent.each([
		"failing",
		"babbling",
		"redirecting",
		"hanging",
	] as const)(
		"are waited for no longer than 5 seconds where none are known and their issuer is %s, and are found again",
		async (mood) => {
			const { key, issuer, gateway } = await setUp(mood);
			const startedAt = Date.now();
			const response = await ask(gateway, await tokenOf(key));
			expect(Date.now() - startedAt).toBeLessThan(7_000);
			expect(response.headers.get("retry-after")).toBe("1");
			expect(await outcomeOf(response)).toBe("503 issuer_unreachable");
			// Other callers are not refused.
			expect((await ask(gateway, await callerToken())).status).toBe(200);
			expect(issuer.asked).not.toContain("/elsewhere");
			issuer.mood = "well";
			expect(await outcomeWith(gateway, key)).toBe("200");
		},
	);

	it.concurrent("are accepted 30 seconds after the last fetch if they are new, without a restart", async ({
		expect,
	}) => {
		const { key: old, issuer, gateway } = await setUp();
		expect(await outcomeWith(gateway, old)).toBe("200");
		const next = await makeSigningKey("ES256");
		issuer.keys = [next, old];
		expect(await outcomeWith(gateway, next)).toBe("401 token_rejected");
		await expect
			.poll(() => outcomeWith(gateway, next), {
				timeout: 40_000,
				interval: 1_000,
			})
			.toBe("200");
		expect(await outcomeWith(gateway, old)).toBe("200");
		expect(issuer.asked).toHaveLength(2);
	}, 60_000);

	it.concurrent("verify tokens without a wait while unknown ones are fetched", async ({
		expect,
	}) => {
		const { key, issuer, gateway } = await setUp();
		expect(await outcomeWith(gateway, key)).toBe("200");
		issuer.mood = "hanging";
		await new Promise((resolve) => setTimeout(resolve, 30_500));
		const stranger = await makeSigningKey("ES256");
		let isAnswered = false;
		const waiting = outcomeWith(gateway, stranger).finally(() => {
			isAnswered = true;
		});
		await expect.poll(() => issuer.asked.length).toBe(2);
		const startedAt = Date.now();
		expect(await outcomeWith(gateway, key)).toBe("200");
		expect(await outcomeWith(gateway, stranger)).toBe("401 token_rejected");
		expect(Date.now() - startedAt).toBeLessThan(2_000);
		expect(isAnswered).toBe(false);
		expect(await waiting).toBe("401 token_rejected");
		expect(issuer.asked).toHaveLength(2);
	}, 60_000);
});

describe("Cloudflare Access", () => {
	const AUDIENCE =
		"4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
	let team: TestIssuer;
	let key: SigningKey;
	let gateway: Gateway;

	beforeAll(async () => {
		key = await makeSigningKey("RS256");
		team = await startIssuer(key);
		cleanup.push(team.stop);
		gateway = await gatewayFor([], {
			ACCESS_TEAM_URL: team.url,
			ACCESS_AUDIENCE: AUDIENCE,
		});
	});

	const assertion = (claims: Claims = {}, by = key) =>
		signWith(by, {
			iss: team.url,
			aud: [AUDIENCE],
			sub: "access|1",
			email: "ada@example.com",
			type: "app",
			...claims,
		});

	const askWith = (headers: Record<string, string>, at = gateway) =>
		fetch(`${at.url}/rest/v1/rpc/claims`, { headers });

	const HEADER = "cf-access-jwt-assertion";

	it("identifies a caller by its assertion", async () => {
		const response = await askWith({ [HEADER]: await assertion() });
		expect(await claimsIn(response)).toMatchObject({
			current_user: "authenticated",
			iss: team.url,
			sub: "access|1",
			email: "ada@example.com",
		});
		expect(team.asked).toEqual(["/cdn-cgi/access/certs"]);
	});

	it("identifies a caller who also sends an app's key", async () => {
		const headers = { [HEADER]: await assertion(), apikey: publishableKey };
		const { current_user } = await claimsIn(await askWith(headers));
		expect(current_user).toBe("authenticated");
	});

	it("has an assertion refused for another application, after its expiry, or by another key", async () => {
		const stranger = await makeSigningKey("RS256");
		const past = Math.floor(Date.now() / 1000) - 60;
		for (const [forged, outcome] of [
			[assertion({ aud: ["another"] }), "401 token_rejected"],
			[assertion({ iss: "https://another.example.com" }), "401 token_rejected"],
			[assertion({}, stranger), "401 token_rejected"],
			[assertion({}, { ...stranger, kid: key.kid }), "401 token_rejected"],
			[
				assertion({}, secretKey(JSON.stringify(key.publicJwk))),
				"401 token_rejected",
			],
			[assertion({ exp: past }), "401 token_expired"],
			[Promise.resolve("nonsense"), "401 token_rejected"],
		] as const) {
			const response = await askWith({ [HEADER]: await forged });
			expect(await outcomeOf(response)).toBe(outcome);
		}
	});

	it("has an assertion refused together with another caller's bearer token", async () => {
		const headers = {
			[HEADER]: await assertion(),
			authorization: `Bearer ${await callerToken()}`,
		};
		expect(await outcomeOf(await askWith(headers))).toBe(
			"400 credentials_conflict",
		);
	});

	it("does not issue bearer tokens", async () => {
		const headers = { authorization: `Bearer ${await assertion()}` };
		expect(await outcomeOf(await askWith(headers))).toBe("401 token_rejected");
	});

	it("gives the configured role, and no role that the assertion names", async () => {
		const other = await gatewayFor([], {
			ACCESS_TEAM_URL: team.url,
			ACCESS_AUDIENCE: AUDIENCE,
			ACCESS_ROLE: "service",
		});
		const headers = { [HEADER]: await assertion({ role: "postern" }) };
		const { current_user } = await claimsIn(await askWith(headers, other));
		expect(current_user).toBe("service");
	});

	it("has its assertions ignored if it is not configured", async () => {
		const unconfigured = await gatewayFor([]);
		const headers = { [HEADER]: await assertion() };
		const claims = await claimsIn(await askWith(headers, unconfigured));
		expect(claims).toMatchObject({ current_user: "anon" });
		expect(claims).not.toHaveProperty("sub");
	});
});

/** A secret that both sides know. */
function secretKey(secret: string): SigningKey {
	return {
		kid: "secret",
		alg: "HS256",
		publicJwk: {},
		privateKey: new TextEncoder().encode(secret),
	};
}
