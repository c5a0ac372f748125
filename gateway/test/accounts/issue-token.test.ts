// The access tokens that Postern gives its users: their contents, and who can verify them.
import {
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
