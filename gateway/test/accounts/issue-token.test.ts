// The access tokens that Postern gives its users: their contents, and who can verify them.
import {
	base64url,
	createLocalJWKSet,
	decodeJwt,
	decodeProtectedHeader,
	jwtVerify,
} from "jose";
import { describe, expect, it } from "vitest";
import {
	answering,
	ISSUING,
	SESSION_ID,
	SIGNED_IN,
	USER,
	USER_ID,
} from "../support/accounts.ts";
import {
	type GatewayOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";
import { ISSUER_KEY, makeKey, NOW, NOW_SECONDS } from "../support/tokens.ts";

const ANSWERS = {
	sign_in: SIGNED_IN,
	get_user: { outcome: "ok", user: USER },
};

function start({ env, ...options }: GatewayOptions = {}) {
	const gateway = startGateway({
		answer: answering(ANSWERS),
		env: { ...ISSUING, ...env },
		...options,
	});
	return { ...gateway, signIn };

	/** The access token of a user who signs in. */
	async function signIn(): Promise<string> {
		const response = await gateway.request(
			"/auth/v1/token?grant_type=password",
			{
				method: "POST",
				json: { email: USER.email, password: "correct horse" },
			},
		);
		return (await response.json<{ access_token: string }>()).access_token;
	}
}

describe("an access token", () => {
	it("contains the claims that supabase-js and policies for Supabase expect", async () => {
		expect(decodeJwt(await start().signIn())).toEqual({
			iss: "postern",
			aud: "authenticated",
			sub: USER_ID,
			role: "authenticated",
			session_id: SESSION_ID,
			email: USER.email,
			phone: "",
			aal: "aal1",
			amr: [{ method: "password", timestamp: NOW_SECONDS }],
			app_metadata: { provider: "email", providers: ["email"] },
			user_metadata: USER.user_metadata,
			is_anonymous: false,
			iat: NOW_SECONDS,
			exp: NOW_SECONDS + 600,
		});
	});

	it("names its key", async () => {
		expect(decodeProtectedHeader(await start().signIn())).toEqual({
			alg: "ES256",
			kid: ISSUER_KEY.kid,
			typ: "JWT",
		});
	});

	it("has TOKEN_ISSUER and TOKEN_AUDIENCE as its issuer and audience", async () => {
		const { signIn } = start({
			env: { TOKEN_ISSUER: "https://notes.example", TOKEN_AUDIENCE: "notes" },
		});
		const { iss, aud } = decodeJwt(await signIn());
		expect([iss, aud]).toEqual(["https://notes.example", "notes"]);
	});

	it("lasts TOKEN_LIFETIME_SECONDS", async () => {
		const { signIn } = start({ env: { TOKEN_LIFETIME_SECONDS: "60" } });
		expect(decodeJwt(await signIn()).exp).toBe(NOW_SECONDS + 60);
	});

	it("has times in whole seconds", async () => {
		const { signIn } = start({ now: () => NOW + 999 });
		const { iat, exp } = decodeJwt(await signIn());
		expect([iat, exp]).toEqual([NOW_SECONDS, NOW_SECONDS + 600]);
	});

	it.each(["/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"])(
		"is verified by the keys at %s",
		async (path) => {
			const { request, signIn } = start();
			const jwks = await (await request(path)).json<{ keys: [] }>();
			const { payload } = await jwtVerify(
				await signIn(),
				createLocalJWKSet(jwks),
				{ currentDate: new Date(NOW), issuer: "postern" },
			);
			expect(payload.sub).toBe(USER_ID);
		},
	);

	it("is verified by the gateway", async () => {
		const { request, signIn } = start();
		const token = await signIn();
		expect((await request("/auth/v1/user", { token })).status).toBe(200);
	});

	it("is verified until its expiry plus the tolerance", async () => {
		let time = NOW;
		const { request, signIn } = start({ now: () => time });
		const token = await signIn();
		time += 604_999;
		const before = await request("/rest/v1/notes", { token });
		time += 1;
		const after = await request("/rest/v1/notes", { token });
		expect([before.status, await refusal(after)]).toEqual([
			200,
			{ status: 401, code: "token_expired" },
		]);
	});

	it("is accepted with the largest metadata that a user may have", async () => {
		const user = {
			...USER,
			email: `${"a".repeat(288)}@example.com`,
			// 4096 bytes of JSON are the most that the database keeps.
			user_metadata: { a: "x".repeat(4_096 - '{"a": ""}'.length) },
		};
		const { request, signIn } = start({
			answer: answering({ sign_in: { ...SIGNED_IN, user } }),
		});
		const token = await signIn();
		expect((await request("/rest/v1/notes", { token })).status).toBe(200);
	});
});

/** Metadata as a client writes it, and as the database may answer with it. */
const METADATA: [string, string][] = [
	["2^53", '{"id":9007199254740992}'],
	["beyond 2^53", '{"id":9007199254740993,"ids":[-1152921504606846977]}'],
	["a number of 40 digits", `{"id":${"1234567890".repeat(4)}}`],
	["1e400", '{"a":{"b":[1e400,-1E-400]}}'],
	["trailing zeros", '{"price":1.0,"of":2.50}'],
	["minus zero", '{"zero":-0}'],
	["names that are special to JavaScript", '{"__proto__":{"a":1},"":1}'],
	["any text", '{"text":"\\"1.0 {[,:]}\\\\ 9007199254740993 ü 🔑"}'],
	["any value", '{"a":null,"b":true,"c":[],"d":{},"e":[[[{}]]]}'],
	["the deepest that fits", `{"a":${"[".repeat(2_045)}${"]".repeat(2_045)}}`],
];

describe.each(METADATA)("metadata with %s", (_, metadata) => {
	function startWith(outcome: object) {
		const answer = JSON.stringify({ ...SIGNED_IN, ...outcome }).replace(
			JSON.stringify(USER.user_metadata),
			metadata,
		);
		return startGateway({
			env: ISSUING,
			answer: () =>
				new Response(answer, {
					headers: { "Content-Type": "application/json; charset=utf-8" },
				}),
		});
	}

	const signUp = (gateway: ReturnType<typeof startGateway>) =>
		gateway.request("/auth/v1/signup", {
			method: "POST",
			body: `{"email":"${USER.email}","password":"correct horse","data":${metadata}}`,
			headers: { "Content-Type": "application/json" },
		});

	it("reaches the database as it was written", async () => {
		const gateway = startWith({});
		await signUp(gateway);
		expect(gateway.origin.only().body).toContain(`"user_metadata":${metadata}`);
	});

	it("is in the answer and in the token as the database has it", async () => {
		const response = await signUp(startWith({}));
		const text = await response.text();
		expect(text).toContain(`"user_metadata":${metadata}`);
		const [, payload = ""] = JSON.parse(text).access_token.split(".");
		const claims = new TextDecoder().decode(base64url.decode(payload));
		expect(claims).toContain(`"user_metadata":${metadata}`);
	});

	it("lets its owner in, and is handed on to the origin", async () => {
		const gateway = startWith({});
		const { access_token } = await (await signUp(gateway)).json<{
			access_token: string;
		}>();
		const { length } = gateway.origin.received;
		const token = access_token;
		const user = await gateway.request("/auth/v1/user", { token });
		const rows = await gateway.request("/rest/v1/todos", { token });
		expect([user.status, rows.status]).toEqual([200, 200]);
		const sent = gateway.origin.received.slice(length)[1];
		const [, payload = ""] =
			sent?.headers.get("authorization")?.split(".") ?? [];
		expect(new TextDecoder().decode(base64url.decode(payload))).toContain(
			`"user_metadata":${metadata}`,
		);
	});
});

describe("the keys of a gateway", () => {
	it.each(["/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"])(
		"are published from TOKEN_JWKS without their private halves: %s",
		async (path) => {
			const next = await makeKey("next");
			const keys = [ISSUER_KEY.publicJwk, next.publicJwk];
			const { request } = start({
				env: { TOKEN_JWKS: JSON.stringify({ keys }) },
			});
			expect(await (await request(path)).json()).toEqual({ keys });
		},
	);

	it("are published even if it issues no tokens", async () => {
		const response = await startGateway().request("/.well-known/jwks.json");
		expect(await response.json()).toEqual({ keys: [ISSUER_KEY.publicJwk] });
	});

	it("are published to a request with any token, valid or not", async () => {
		const { request, origin } = startGateway();
		const response = await request("/.well-known/jwks.json", { token: "a.b" });
		expect([response.status, origin.received]).toEqual([200, []]);
	});

	it("may overlap: tokens signed by the previous key are valid until they expire", async () => {
		const next = await makeKey("next");
		const old = await start().signIn();
		const env = {
			TOKEN_JWKS: JSON.stringify({
				keys: [next.publicJwk, ISSUER_KEY.publicJwk],
			}),
			TOKEN_SIGNING_KEY: JSON.stringify(next.privateJwk),
		};
		const { request, signIn } = start({ env });
		const token = await signIn();
		expect([
			decodeProtectedHeader(token).kid,
			(await request("/rest/v1/notes", { token: old })).status,
			(await request("/rest/v1/notes", { token })).status,
		]).toEqual(["next", 200, 200]);
	});

	it("no longer verify tokens of a key that was removed", async () => {
		const next = await makeKey("next");
		const old = await start().signIn();
		const { request } = start({
			env: {
				TOKEN_JWKS: JSON.stringify({ keys: [next.publicJwk] }),
				TOKEN_SIGNING_KEY: JSON.stringify(next.privateJwk),
			},
		});
		expect(
			await refusal(await request("/rest/v1/notes", { token: old })),
		).toEqual({ status: 401, code: "token_rejected" });
	});
});
