// Attempts to pass as another caller: each is refused by its own code, and the database never hears of it.
import fc from "fast-check";
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { SESSION_CLAIMS } from "../support/accounts.ts";
import {
	answeringKeys,
	keyOf,
	knownKeys,
	OTHER_SECRET_KEY,
	PUBLISHABLE,
	SECRET_KEY,
} from "../support/api-keys.ts";
import { attemptsOn } from "../support/attempts.ts";
import {
	base64url,
	fromBase64url,
	headerOf,
	mirrored,
	seal,
	withSignature,
} from "../support/forging.ts";
import {
	type RequestOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";
import {
	ACCESS,
	claimsOf,
	ISSUERS,
	KNOWING_ALL,
	POSTERN,
	REMOTE,
	RS256,
	sending,
	tokenOf,
} from "../support/issuers.ts";
import { NOW_SECONDS, ORIGIN_KEY, tokenFor } from "../support/tokens.ts";

const MAX_TOKEN_CHARACTERS = 8_192;

/** The URLs from which the gateway fetched keys. */
const fetched: string[] = [];

const gateway = startGateway({
	...KNOWING_ALL,
	answer: answeringKeys(knownKeys()),
	async fetchKeys(request) {
		fetched.push(request.url);
		return KNOWING_ALL.fetchKeys?.(request) ?? new Response();
	},
});

/** The refusal of a request, and the targets that the origin was asked for. */
async function outcome(
	headers: HeadersInit,
	path = "/rest/v1/notes",
	init: RequestOptions = {},
) {
	gateway.origin.received.length = 0;
	const response = await gateway.request(path, { ...init, headers });
	return {
		...(await refusal(response)),
		asked: gateway.origin.received.map(({ target }) => target),
	};
}

/** The claims in the origin token of an accepted caller. */
async function claimsAtOrigin(
	headers: HeadersInit,
	path = "/rest/v1/notes",
	init: RequestOptions = {},
	{ request, origin } = gateway,
) {
	origin.received.length = 0;
	const response = await request(path, { ...init, headers });
	const last = origin.received.at(-1);
	if (last === undefined) throw new Error(`refused: ${await response.text()}`);
	const token = last.headers.get("authorization") ?? "";
	const { aud: _, iat: __, exp: ___, ...claims } = decodeJwt(token.slice(7));
	return claims;
}

async function roleOf(headers: HeadersInit) {
	return (await claimsAtOrigin(headers)).role;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const refused = (status: number, code: string) => ({
	status,
	code,
	asked: [] as string[],
});
const MALFORMED = refused(401, "token_malformed");
const REJECTED = refused(401, "token_rejected");
const KEY_REJECTED = refused(401, "key_rejected");
const CONFLICT = refused(400, "credentials_conflict");
const LOOKED_UP = "/rpc/find_api_key";

describe.each(ISSUERS)("a token of $name", (issuer) => {
	const { key } = issuer;

	it(`is accepted: ${key.algorithm}`, async () => {
		expect(
			await claimsAtOrigin(sending(issuer, await tokenOf(issuer))),
		).toMatchObject({ iss: issuer.iss, sub: "ada", role: "authenticated" });
	});

	it("is accepted for several audiences", async () => {
		const token = await tokenOf(issuer, { aud: ["other", issuer.aud] });
		expect(await roleOf(sending(issuer, token))).toBe("authenticated");
	});

	it("is accepted however late it expires", async () => {
		const token = await tokenOf(issuer, { exp: 1e300 });
		expect(await roleOf(sending(issuer, token))).toBe("authenticated");
	});

	it("does not pass on its jti and nbf", async () => {
		const claims = await claimsAtOrigin(
			sending(
				issuer,
				await tokenOf(issuer, { jti: "1", nbf: 0, role: "authenticated" }),
			),
		);
		expect([claims.jti, claims.nbf]).toEqual([undefined, undefined]);
	});

	it.each(attemptsOn(issuer))(
		"is refused with $name",
		async ({ token, code = "token_rejected" }) => {
			const status = code === "role_refused" ? 403 : 401;
			expect(await outcome(sending(issuer, await token()))).toEqual(
				refused(status, code),
			);
		},
	);

	it("is refused with any one bit flipped", async () => {
		const parts = (await tokenOf(issuer)).split(".").map(fromBase64url);
		const bits = parts.map(({ length }) => length * 8);
		await fc.assert(
			fc.asyncProperty(
				fc
					.nat(2)
					.chain((part) =>
						fc.tuple(fc.constant(part), fc.nat((bits[part] ?? 1) - 1)),
					),
				async ([part, bit]) => {
					const token = parts
						.map((content, index) =>
							base64url(
								Uint8Array.from(content, (byte, at) =>
									index === part && at === bit >> 3
										? byte ^ (1 << (bit & 7))
										: byte,
								),
							),
						)
						.join(".");
					expect(await outcome(sending(issuer, token))).toEqual(REJECTED);
				},
			),
			{ numRuns: 150 },
		);
	});
});

/** A valid token with a change that a lenient base64url decoder would ignore. */
describe.each(ISSUERS)("a token of $name, encoded otherwise,", (issuer) => {
	/** Signs until a signature has the characters in which the two base64 alphabets differ. */
	async function tokenWith(characters: RegExp): Promise<string> {
		for (let sub = 0; ; sub++) {
			const token = await tokenOf(issuer, { sub: `ada-${sub}` });
			if (characters.test(token.split(".")[2] ?? "")) return token;
		}
	}

	/** Neither as a bearer nor as an assertion; the header's own grammar may be the first to refuse it. */
	async function refusal401(token: string) {
		const { status, code, asked } = await outcome(sending(issuer, token));
		return [status, /^token_(rejected|malformed)$/.test(code), asked];
	}

	it.each([
		[
			"+ and /",
			(part: string) => part.replaceAll("-", "+").replaceAll("_", "/"),
		],
		["padding", (part: string) => `${part}${"=".repeat(-part.length & 3)}`],
		["too much padding", (part: string) => `${part}====`],
		["a space", (part: string) => `${part.slice(0, 9)} ${part.slice(9)}`],
		["a tab", (part: string) => `${part.slice(0, 9)}\t${part.slice(9)}`],
		["a percent sign", (part: string) => part.replace(/[-_]/, "%2D")],
		["a tilde", (part: string) => `~${part}`],
	])("is refused with %s", async (_, change) => {
		const parts = (await tokenWith(/-.*_|_.*-/)).split(".");
		const answers = [];
		for (const index of parts.keys()) {
			const changed = parts.map((part, at) =>
				at === index ? change(part) : part,
			);
			if (changed.join() === parts.join()) continue;
			answers.push(await refusal401(changed.join(".")));
		}
		expect(answers).toEqual(answers.map(() => [401, true, []]));
		expect(answers).not.toEqual([]);
	});
});

const BEARERS = ISSUERS.filter(({ header }) => header === "authorization");

describe("a valid token", () => {
	it("may have MAX_TOKEN_CHARACTERS", async () => {
		const padded = (length: number) =>
			tokenOf(POSTERN, { padding: "x".repeat(length) });
		let padding = 5_000;
		while ((await padded(padding + 1)).length <= MAX_TOKEN_CHARACTERS)
			padding++;
		const longest = await padded(padding);
		expect([
			longest.length > MAX_TOKEN_CHARACTERS - 2,
			await roleOf(bearer(longest)),
			await outcome(bearer(await padded(padding + 1))),
		]).toEqual([true, "authenticated", REJECTED]);
	});

	it.each(["[", '{"a":'])(
		"may nest its claims as deeply as its length allows: %s",
		async (opening) => {
			const depth = Math.floor(5_400 / (opening.length + 1));
			const closing = opening === "[" ? "]" : "}";
			const deep = `${opening.repeat(depth)}1${closing.repeat(depth)}`;
			const claims = JSON.stringify(claimsOf(POSTERN)).slice(0, -1);
			const token = await seal(
				headerOf(POSTERN.key),
				`${claims},"deep":${deep}}`,
				POSTERN.key,
			);
			expect(await roleOf(bearer(token))).toBe("authenticated");
		},
	);

	// Anyone who sees an ECDSA signature can compute the other valid one, so a token's text must never identify it.
	it("is accepted with either of its two ECDSA signatures", async () => {
		const token = await tokenOf(POSTERN);
		const other = withSignature(token, mirrored);
		const [claims, otherClaims] = [
			await claimsAtOrigin(bearer(token)),
			await claimsAtOrigin(bearer(other)),
		];
		expect([other === token, otherClaims]).toEqual([false, claims]);
	});

	it.each(BEARERS)(
		"need not name a key if its issuer has one only: $name",
		async (issuer) => {
			const token = await tokenOf(issuer, {}, { kid: undefined });
			expect(await roleOf(bearer(token))).toBe("authenticated");
		},
	);

	it("may name a role that only its issuer may give", async () => {
		const token = await tokenOf(REMOTE, { role: "service" });
		expect(await roleOf(bearer(token))).toBe("service");
	});

	it("cannot set a role that is fixed for its issuer", async () => {
		const token = await tokenOf(ACCESS, {
			role: "service",
			app_metadata: { role: "postgres" },
		});
		expect(await claimsAtOrigin(sending(ACCESS, token))).toMatchObject({
			role: "authenticated",
		});
	});

	it("cannot change the prototype of the claims", async () => {
		const claims = JSON.stringify(claimsOf(POSTERN)).slice(0, -1);
		const token = await seal(
			headerOf(POSTERN.key),
			`${claims},"__proto__":{"role":"service","polluted":true}}`,
			POSTERN.key,
		);
		const { role, polluted } = await claimsAtOrigin(bearer(token));
		expect([role, polluted, "polluted" in {}]).toEqual([
			"authenticated",
			undefined,
			false,
		]);
	});
});

describe("a token that was not made for the gateway", () => {
	it("is refused if it is an origin token", async () => {
		const { origin, request } = startGateway();
		await request("/rest/v1/notes", { token: await tokenFor() });
		const { headers } = origin.only();
		expect(
			await outcome({ authorization: headers.get("authorization") ?? "" }),
		).toEqual(REJECTED);
	});

	it("is refused if the origin key signed it", async () => {
		const token = await tokenFor({}, { key: ORIGIN_KEY });
		expect(await outcome(bearer(token))).toEqual(REJECTED);
	});

	it("is refused if its audience is the origin's", async () => {
		const token = await tokenFor({ aud: "postgrest", role: "authenticated" });
		expect(await outcome(bearer(token))).toEqual(REJECTED);
	});

	it("never makes the gateway fetch keys from an address in the token", () => {
		const known = [
			"https://remote.example/keys",
			`${ACCESS.iss}/cdn-cgi/access/certs`,
		];
		expect(fetched.filter((url) => !known.includes(url))).toEqual([]);
	});
});

/** Characters that no token has and Headers accept: Headers refuse U+0000, line feed and carriage return. */
const CONTROLS = [...Array(32).keys(), 0x7f]
	.filter((code) => ![0, 10, 13].includes(code))
	.map((code) => ({
		code: `U+${code.toString(16).padStart(4, "0")}`,
		character: String.fromCharCode(code),
	}));

describe.each(CONTROLS)("the character $code", ({ character }) => {
	it.each([
		[
			"inside the token",
			(token: string) => token.replace(".", `${character}.`),
		],
		["inside the scheme", (_: string) => `Bea${character}rer`],
		["before the token", (token: string) => `${character}${token}`],
	])("is refused %s", async (_, change) => {
		const changed = change(await tokenFor());
		// RFC 9110 allows several spaces between the scheme and the token, so a second space is accepted there.
		const authorization = changed.startsWith("Bea")
			? `${changed} ${await tokenFor()}`
			: `Bearer ${changed}`;
		expect(await outcome({ authorization })).toEqual(MALFORMED);
	});

	it("is refused inside an assertion", async () => {
		const token = await tokenOf(ACCESS);
		expect(
			await outcome(sending(ACCESS, token.replace(".", `${character}.`))),
		).toEqual(REJECTED);
	});

	it("is refused inside an API key", async () => {
		expect(
			await outcome({ apikey: SECRET_KEY.replace("_s", `_${character}s`) }),
		).toEqual(KEY_REJECTED);
	});
});

describe("an Authorization header", () => {
	it.each([
		["a tab", "Bearer\t%"],
		["a comma", "Bearer,%"],
		["no space", "Bearer%"],
		["a colon", "Bearer: %"],
		["quotes", 'Bearer "%"'],
		["a name", "Bearer token=%"],
		["brackets", "Bearer <%>"],
		["another scheme", "Basic %"],
		["another scheme", "Token %"],
		["another scheme", "JWT %"],
		["another scheme", "DPoP %"],
		["two schemes", "Bearer Bearer %"],
		["no scheme", "%"],
		["a comma at the end", "Bearer %,"],
		["itself twice", "Bearer %, Bearer %"],
		["itself twice, without a space", "Bearer %,Bearer %"],
		["two tokens", "Bearer % %"],
		["another scheme before", "Basic YTpi, Bearer %"],
		["another scheme after", "Bearer %, Basic YTpi"],
	])("with %s is refused: %s", async (_, shape) => {
		const authorization = shape.replaceAll("%", await tokenFor());
		expect(await outcome({ authorization })).toEqual(MALFORMED);
	});

	it.each(["bearer", "BEARER", "bEARER"])(
		"with an API key is accepted, in any case of its scheme: %s",
		async (scheme) => {
			expect(await roleOf({ authorization: `${scheme} ${SECRET_KEY}` })).toBe(
				"service",
			);
		},
	);

	it.each([
		["two of the same user", () => tokenFor()],
		["one of another user", () => tokenFor({ sub: "eve" })],
		["an API key", async () => SECRET_KEY],
	])("sent twice, with %s, is refused", async (_, second) => {
		expect(
			await outcome([
				["Authorization", `Bearer ${await tokenFor()}`],
				["Authorization", `Bearer ${await second()}`],
			]),
		).toEqual(MALFORMED);
	});
});

describe("a credential in the wrong place", () => {
	const anonymous = { role: "anon" };

	it.each(["access_token", "token", "apikey", "jwt", "Authorization"])(
		"leaves the caller anonymous: the query's %s",
		async (name) => {
			const query = `?${name}=${await tokenFor()}`;
			expect(await claimsAtOrigin({}, `/rest/v1/notes${query}`)).toEqual(
				anonymous,
			);
		},
	);

	it.each(["access_token", "sb-access-token", "CF_Authorization", "session"])(
		"leaves the caller anonymous: the cookie %s",
		async (name) => {
			const cookies = [
				`${name}=${await tokenFor()}`,
				`${name}=${await tokenOf(ACCESS)}`,
			];
			for (const cookie of cookies) {
				expect(await claimsAtOrigin({ cookie })).toEqual(anonymous);
			}
		},
	);

	it.each(["access_token", "token", "apikey", "Authorization", "role"])(
		"leaves the caller anonymous: the body's %s",
		async (name) => {
			const body = { [name]: await tokenFor() };
			expect(
				await claimsAtOrigin({}, "/rest/v1/notes", {
					method: "POST",
					json: body,
				}),
			).toEqual(anonymous);
		},
	);

	it.each([
		"X-Authorization",
		"X-Forwarded-Authorization",
		"X-Original-Authorization",
		"Proxy-Authorization",
		"Authentication",
		"X-Access-Token",
		"X-Api-Key",
		"Api-Key",
		"Postern-Token",
		"Cf-Access-Token",
		"Cf-Authorization",
	])("leaves the caller anonymous: the header %s", async (name) => {
		const sent = [await tokenFor(), SECRET_KEY, await tokenOf(ACCESS)];
		for (const value of sent.flatMap((text) => [text, `Bearer ${text}`])) {
			expect(await claimsAtOrigin({ [name]: value })).toEqual(anonymous);
		}
	});

	it.each([
		["Postern-Role", "service"],
		["Postern-Identity", '{"role":"service","claims":{}}'],
		["Postern-Internal", "1"],
		["Role", "service"],
		["X-Role", "service"],
		["X-Postgrest-Role", "service"],
		["X-Hasura-Role", "admin"],
		["X-Supabase-Role", "service"],
		["X-User", "ada"],
		["X-User-Id", "ada"],
		["X-Remote-User", "ada"],
		["X-Forwarded-User", "ada"],
		["X-Forwarded-Email", "ada@example.com"],
		["X-Forwarded-For", "127.0.0.1"],
		["X-Forwarded-Host", "localhost"],
		["X-Real-Ip", "127.0.0.1"],
		["Forwarded", "for=127.0.0.1;host=localhost"],
		["X-Original-Url", "/health"],
		["X-Rewrite-Url", "/health"],
		["X-Http-Method-Override", "DELETE"],
		["Request.Jwt.Claims", '{"role":"service"}'],
		["Cf-Access-Authenticated-User-Email", "ada@example.com"],
		["Cf-Access-Client-Id", "0123.access"],
		["Cf-Access-Client-Secret", "0123"],
		["Cf-Connecting-Ip", "127.0.0.1"],
		["Cf-Worker", "gateway.example"],
	])("leaves the caller anonymous: %s: %s", async (name, value) => {
		expect(await claimsAtOrigin({ [name]: value })).toEqual(anonymous);
	});
});

describe("an Access assertion", () => {
	const ASSERTION = "cf-access-jwt-assertion";
	const withoutAccess = startGateway();

	it("is ignored if Access is not configured", async () => {
		const tokens = [
			await tokenOf(ACCESS),
			await tokenFor(),
			"abc.def.ghi",
			"",
			SECRET_KEY,
		];
		for (const token of tokens) {
			const headers = { [ASSERTION]: token };
			expect(
				await claimsAtOrigin(headers, "/rest/v1/notes", {}, withoutAccess),
			).toEqual({ role: "anon" });
		}
	});

	it("does not reach the origin if Access is not configured", async () => {
		withoutAccess.origin.received.length = 0;
		await withoutAccess.request("/rest/v1/notes", {
			headers: { [ASSERTION]: await tokenOf(ACCESS) },
		});
		expect(withoutAccess.origin.only().headers.has(ASSERTION)).toBe(false);
	});

	it("cannot be sent as a bearer token", async () => {
		expect(await outcome(bearer(await tokenOf(ACCESS)))).toEqual(REJECTED);
	});

	it("cannot be sent as an API key", async () => {
		expect(await outcome({ apikey: await tokenOf(ACCESS) })).toEqual(REJECTED);
	});

	it.each(BEARERS)("cannot be a bearer token of $name", async (issuer) => {
		expect(await outcome({ [ASSERTION]: await tokenOf(issuer) })).toEqual(
			REJECTED,
		);
	});

	it("cannot be an API key", async () => {
		expect(await outcome({ [ASSERTION]: SECRET_KEY })).toEqual(REJECTED);
	});

	it.each([
		["nothing", async () => ""],
		["a word", async () => "ada@example.com"],
		["a bearer's scheme", async () => `Bearer ${await tokenOf(ACCESS)}`],
		["another team's", () => tokenOf(ACCESS, { iss: "https://evil.example" })],
		["another application's", () => tokenOf(ACCESS, { aud: "other" })],
	])("is refused with %s in it", async (_, value) => {
		expect(await outcome({ [ASSERTION]: await value() })).toEqual(REJECTED);
	});

	it("that is sent twice is refused", async () => {
		const token = await tokenOf(ACCESS);
		expect(
			await outcome([
				[ASSERTION, token],
				[ASSERTION, token],
			]),
		).toEqual(REJECTED);
	});

	it("is refused together with a wrong bearer token", async () => {
		const headers = {
			...sending(ACCESS, await tokenOf(ACCESS)),
			...bearer("abc.def.ghi"),
		};
		expect(await outcome(headers)).toEqual(REJECTED);
	});

	it("that is wrong is refused together with a valid bearer token", async () => {
		const headers = {
			...sending(ACCESS, "abc.def.ghi"),
			...bearer(await tokenFor()),
		};
		expect(await outcome(headers)).toEqual(REJECTED);
	});
});

describe("an API key", () => {
	const whole = "a".repeat(43);

	describe.each([
		["apikey", (key: string) => ({ apikey: key })],
		["Authorization", (key: string) => ({ authorization: `Bearer ${key}` })],
		[
			"both headers",
			(key: string) => ({ apikey: key, authorization: `Bearer ${key}` }),
		],
	])("in %s", (_, headersWith) => {
		it.each([
			"postern_",
			"postern_secret",
			"postern_secret_",
			`postern_secret_${whole.slice(1)}`,
			`postern_secret_${whole}a`,
			`postern_secret_${whole.slice(1)}=`,
			`postern_secret_${whole.slice(1)}.`,
			`postern_secret_${whole.slice(1)}+`,
			`postern_secret${whole}`,
			`postern_Secret_${whole}`,
			`postern_admin_${whole}`,
			`postern__${whole}`,
			`postern_service_${whole}`,
			`postern_secret_${whole}.${whole}`,
			`postern_secret_${whole}.${whole}.${whole}`,
			`postern_secret_${"a".repeat(10_000)}`,
			"postern_secret_../../auth/v1/user",
			`postern_publishable_${whole.slice(2)}`,
		])("of another form is refused without a look-up: %s", async (key) => {
			expect(await outcome(headersWith(key))).toEqual(KEY_REJECTED);
		});

		it.each(["sb_publishable_", "sb_secret_", `sb_secret_${whole}`])(
			"of a Supabase project that the settings do not name is refused without a look-up: %s",
			async (key) => {
				expect(await outcome(headersWith(key))).toEqual(KEY_REJECTED);
			},
		);

		it.each([
			keyOf("secret", "x"),
			keyOf("publishable", "x"),
			SECRET_KEY.replace("secret", "publishable"),
			PUBLISHABLE.replace("publishable", "secret"),
			`${SECRET_KEY.slice(0, -1)}S`,
		])("that does not exist is refused: %s", async (key) => {
			expect(await outcome(headersWith(key))).toMatchObject({
				status: 401,
				code: "key_rejected",
			});
		});

		it.each([
			`POSTERN_SECRET_${whole}`,
			`Postern_secret_${whole}`,
			`xpostern_secret_${whole}`,
			"service_role",
			"anon",
		])(
			"that does not begin as Postern's keys do is refused: %s",
			async (key) => {
				const headers = headersWith(key);
				expect(await outcome(headers)).toEqual(
					"apikey" in headers ? KEY_REJECTED : REJECTED,
				);
			},
		);
	});

	it("is looked up by its hash only", async () => {
		gateway.origin.received.length = 0;
		const key = keyOf("secret", "h");
		await gateway.request("/rest/v1/notes", { headers: { apikey: key } });
		const { headers, body, target } = gateway.origin.only();
		const sent = [...headers].flat().join() + body + target;
		expect([target, sent.includes(key)]).toEqual([LOOKED_UP, false]);
	});

	it.each(["", " "])("that is empty is refused: %j", async (apikey) => {
		expect(await outcome({ apikey })).toEqual(KEY_REJECTED);
	});

	it("that is sent twice is refused", async () => {
		expect(
			await outcome([
				["apikey", SECRET_KEY],
				["apikey", SECRET_KEY],
			]),
		).toEqual(KEY_REJECTED);
	});
});

describe("several credentials", () => {
	const adaToken = tokenFor();
	const ada = () => adaToken;
	const eve = () => tokenFor({ sub: "eve" });
	const anonKey = () => tokenFor({ sub: undefined, role: "anon" });
	const otherAnonKey = () => tokenFor({ sub: "x", role: "anon" });
	const elsewhere = () => tokenOf(RS256);
	const access = () => tokenOf(ACCESS);
	const key = (text: string) => async () => text;

	type Sent = Partial<
		Record<"bearer" | "apikey" | "access", () => Promise<string>>
	>;

	async function headersOf(sent: Sent): Promise<Record<string, string>> {
		const headers: Record<string, string> = {};
		if (sent.bearer) headers.authorization = `Bearer ${await sent.bearer()}`;
		if (sent.apikey) headers.apikey = await sent.apikey();
		if (sent.access)
			Object.assign(headers, sending(ACCESS, await sent.access()));
		return headers;
	}

	it.each<[string, Sent]>([
		["two users", { bearer: ada, apikey: eve }],
		[
			"two tokens of one user",
			{ bearer: ada, apikey: () => tokenFor({ exp: NOW_SECONDS + 60 }) },
		],
		["users of two issuers", { bearer: ada, apikey: elsewhere }],
		["a user and a secret key", { bearer: ada, apikey: key(SECRET_KEY) }],
		["a secret key and a user", { bearer: key(SECRET_KEY), apikey: ada }],
		[
			"two secret keys",
			{ bearer: key(SECRET_KEY), apikey: key(OTHER_SECRET_KEY) },
		],
		["two anonymous tokens", { bearer: anonKey, apikey: otherAnonKey }],
		["a user and an assertion", { bearer: ada, access }],
		["a secret key and an assertion", { apikey: key(SECRET_KEY), access }],
		["all three", { bearer: ada, apikey: key(SECRET_KEY), access }],
		[
			"a user, an anonymous token and an assertion",
			{ bearer: ada, apikey: anonKey, access },
		],
	])("of %s are refused", async (_, sent) => {
		expect({ ...(await outcome(await headersOf(sent))), asked: [] }).toEqual(
			CONFLICT,
		);
		expect(
			gateway.origin.received.filter(({ target }) => target !== LOOKED_UP),
		).toEqual([]);
	});

	it.each<[string, Sent, string, string | undefined]>([
		[
			"a user's app and the user",
			{ bearer: ada, apikey: key(PUBLISHABLE) },
			"authenticated",
			"ada",
		],
		[
			"a user and the user's app",
			{ bearer: key(PUBLISHABLE), apikey: ada },
			"authenticated",
			"ada",
		],
		[
			"an anonymous token and a user",
			{ bearer: ada, apikey: anonKey },
			"authenticated",
			"ada",
		],
		["a user, twice", { bearer: ada, apikey: ada }, "authenticated", "ada"],
		[
			"a secret key, twice",
			{ bearer: key(SECRET_KEY), apikey: key(SECRET_KEY) },
			"service",
			undefined,
		],
		[
			"a publishable key, twice",
			{ bearer: key(PUBLISHABLE), apikey: key(PUBLISHABLE) },
			"anon",
			undefined,
		],
		[
			"a publishable key and an anonymous token",
			{ bearer: anonKey, apikey: key(PUBLISHABLE) },
			"anon",
			undefined,
		],
		[
			"a publishable key and a secret one",
			{ bearer: key(SECRET_KEY), apikey: key(PUBLISHABLE) },
			"service",
			undefined,
		],
		[
			"a publishable key and an assertion",
			{ apikey: key(PUBLISHABLE), access },
			"authenticated",
			"ada",
		],
		[
			"an anonymous token and an assertion",
			{ bearer: anonKey, access },
			"authenticated",
			"ada",
		],
	])("that agree are accepted: %s", async (_, sent, role, sub) => {
		const claims = await claimsAtOrigin(await headersOf(sent));
		expect([claims.role, claims.sub]).toEqual([role, sub]);
	});

	it.each<[string, Sent, string]>([
		[
			"a key that does not exist",
			{ bearer: ada, apikey: key(keyOf("publishable", "n")) },
			"key_rejected",
		],
		[
			"a key of another form",
			{ bearer: ada, apikey: key("postern_publishable_x") },
			"key_rejected",
		],
		[
			"a token that has expired",
			{ bearer: () => tokenFor({ exp: 1 }), apikey: key(PUBLISHABLE) },
			"token_expired",
		],
		[
			"an old app's token that has expired",
			{ bearer: ada, apikey: () => tokenFor({ exp: 1, role: "anon" }) },
			"token_expired",
		],
		[
			"a malformed token",
			{ bearer: async () => "abc.def.ghi", apikey: key(SECRET_KEY) },
			"token_rejected",
		],
		[
			"a malformed apikey",
			{ bearer: ada, apikey: async () => "abc" },
			"key_rejected",
		],
		[
			"a token with another role",
			{
				bearer: () => tokenFor({ role: "postgres" }),
				apikey: key(PUBLISHABLE),
			},
			"role_refused",
		],
		[
			"a malformed assertion",
			{ bearer: ada, access: async () => "abc" },
			"token_rejected",
		],
	])("of which one is wrong are refused: %s", async (_, sent, code) => {
		const { code: given, asked } = await outcome(await headersOf(sent));
		expect([given, asked.filter((target) => target !== LOOKED_UP)]).toEqual([
			code,
			[],
		]);
	});
});

const ROUTES = [
	["GET", "/rest/v1/"],
	["GET", "/rest/v1/notes"],
	["POST", "/rest/v1/rpc/add"],
	["OPTIONS", "/rest/v1/notes"],
	["GET", "/rest%2fv1/notes"],
	["POST", "/notes"],
	["GET", "/notes/1"],
	["PATCH", "/notes/1/add-stars"],
	["GET", "/me"],
	["POST", "/auth/v1/signup"],
	["POST", "/auth/v1/token?grant_type=password"],
	["GET", "/auth/v1/user"],
	["PUT", "/auth/v1/user"],
	["POST", "/auth/v1/logout"],
	["GET", "/auth/v1/settings"],
	["GET", "/nowhere"],
] as const;

describe.each(ROUTES)("%s %s", (method, path) => {
	it.each([
		["a malformed token", async () => bearer("abc.def.ghi"), REJECTED],
		[
			"a token that has expired",
			async () => bearer(await tokenFor({ exp: NOW_SECONDS - 60 })),
			refused(401, "token_expired"),
		],
		[
			"a role that no token may name",
			async () => bearer(await tokenFor({ role: "postern" })),
			refused(403, "role_refused"),
		],
		[
			"another scheme",
			async () => ({ authorization: "Basic YTpi" }),
			MALFORMED,
		],
		[
			"a key of another form",
			async () => ({ apikey: "postern_secret_x" }),
			KEY_REJECTED,
		],
		[
			"a forged assertion",
			async () => sending(ACCESS, "abc.def.ghi"),
			REJECTED,
		],
		[
			"two users",
			async () => ({
				...bearer(await tokenFor()),
				apikey: await tokenFor({ sub: "eve" }),
			}),
			CONFLICT,
		],
	])("refuses %s, before anything else", async (_, headers, expected) => {
		expect(await outcome(await headers(), path, { method })).toEqual(expected);
	});
});

describe("a session", () => {
	const paths = [
		["GET", "/auth/v1/user"],
		["POST", "/auth/v1/logout"],
		["GET", "/me"],
	] as const;
	const others = ISSUERS.filter((issuer) => issuer !== POSTERN);

	it.each(others)("cannot be claimed by $name", async (issuer) => {
		const token = await tokenOf(issuer, SESSION_CLAIMS);
		for (const [method, path] of paths) {
			expect(await outcome(sending(issuer, token), path, { method })).toEqual(
				refused(401, "unauthenticated"),
			);
		}
	});

	it.each([
		["no session_id", { session_id: undefined }],
		["a session_id that is no text", { session_id: ["x"] }],
		["a session_id that is no uuid", { session_id: "1" }],
		["no sub", { sub: undefined }],
		["a sub that is no uuid", { sub: "ada" }],
	])("is refused to a token with %s", async (_, changes) => {
		const token = await tokenFor({ ...SESSION_CLAIMS, ...changes });
		for (const [method, path] of paths) {
			expect(await outcome(bearer(token), path, { method })).toEqual(
				refused(401, "unauthenticated"),
			);
		}
	});

	it.each([
		["a caller without credentials", async () => ({})],
		["a publishable key", async () => ({ apikey: PUBLISHABLE })],
		["a secret key", async () => ({ apikey: SECRET_KEY })],
	])("is refused to %s", async (_, headers) => {
		for (const [method, path] of paths) {
			const { asked, ...refusal } = await outcome(await headers(), path, {
				method,
			});
			expect([refusal, asked.filter((target) => target !== LOOKED_UP)]).toEqual(
				[{ status: 401, code: "unauthenticated" }, []],
			);
		}
	});
});
