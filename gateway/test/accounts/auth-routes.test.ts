// The GoTrue subset below /auth/v1: the questions to the database, and the answers to supabase-js.
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import {
	answering,
	callsAmong,
	ISSUING,
	REFRESH_TOKEN,
	SESSION_CLAIMS,
	SESSION_ID,
	SIGNED_IN,
	USER,
	USER_ID,
} from "../support/accounts.ts";
import {
	type GatewayOptions,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import type { Answer } from "../support/origin.ts";
import {
	ISSUER_KEY,
	NOW,
	NOW_SECONDS,
	ORIGIN_KEY,
	tokenFor,
} from "../support/tokens.ts";

const PASSWORD = "correct horse battery staple";
const API_VERSION = "2024-01-01";

/** ADA's access token, which belongs to a session. */
const SESSION_TOKEN = await tokenFor(SESSION_CLAIMS);

/** An issuer that may give the role of a program. */
const SERVICES = {
	issuer: "https://services.example",
	audience: "notes",
	jwks: { keys: [ISSUER_KEY.publicJwk] },
	roles: ["service"],
};
const SERVICE_TOKEN = await tokenFor({
	iss: SERVICES.issuer,
	aud: "notes",
	role: "service",
	sub: undefined,
});

const ANSWERS = {
	sign_up: SIGNED_IN,
	sign_in: SIGNED_IN,
	refresh_session: SIGNED_IN,
	sign_out: { outcome: "ok" },
	get_user: { outcome: "ok", user: USER },
	update_user: { outcome: "ok", user: USER },
};

function start({ env, ...options }: GatewayOptions = {}) {
	const gateway = startGateway({
		answer: answering(ANSWERS),
		env: { ...ISSUING, ...env },
		...options,
	});
	return {
		...gateway,
		request: (path: string, options?: RequestOptions) =>
			gateway.request(`/auth/v1${path}`, options),
		calls: () => callsAmong(gateway.origin.received),
	};
}

/** A database that gives this answer to every function. */
const always =
	(answer: unknown): Answer =>
	() =>
		Response.json(answer);

/** The calls of the database that this request makes. */
async function asked(path: string, options: RequestOptions) {
	const { request, calls } = start();
	await request(path, options);
	return calls();
}

/** A user as GoTrue shows one. */
const GOTRUE_USER = {
	id: USER_ID,
	aud: "authenticated",
	role: "authenticated",
	email: USER.email,
	email_confirmed_at: USER.created_at,
	confirmed_at: USER.created_at,
	phone: "",
	last_sign_in_at: USER.last_sign_in_at,
	app_metadata: { provider: "email", providers: ["email"] },
	user_metadata: USER.user_metadata,
	identities: [],
	created_at: USER.created_at,
	updated_at: USER.updated_at,
	is_anonymous: false,
};

const signUp = (changes: Record<string, unknown> = {}): RequestOptions => ({
	method: "POST",
	json: { email: USER.email, password: PASSWORD, ...changes },
});
const refresh = (refresh_token: unknown = "r".repeat(43)): RequestOptions => ({
	method: "POST",
	json: { refresh_token },
});
const update = (changes: Record<string, unknown>): RequestOptions => ({
	method: "PUT",
	json: changes,
	token: SESSION_TOKEN,
});

const SIGN_UP = "/signup";
const BY_PASSWORD = "/token?grant_type=password";
const BY_REFRESH = "/token?grant_type=refresh_token";

describe.each([
	["signing up", SIGN_UP, signUp()],
	["signing in", BY_PASSWORD, signUp()],
	["refreshing", BY_REFRESH, refresh()],
])("%s", (_, path, options) => {
	it("answers with a session", async () => {
		const response = await start().request(path, options);
		expect([response.status, await response.json()]).toEqual([
			200,
			{
				access_token: expect.any(String),
				token_type: "bearer",
				expires_in: 600,
				expires_at: NOW_SECONDS + 600,
				refresh_token: REFRESH_TOKEN,
				user: GOTRUE_USER,
			},
		]);
	});

	it("gives an access token of that session", async () => {
		const response = await start().request(path, options);
		const { access_token } = await response.json<{ access_token: string }>();
		expect(decodeJwt(access_token)).toMatchObject({
			sub: USER_ID,
			session_id: SESSION_ID,
			exp: NOW_SECONDS + 600,
		});
	});

	it("answers with the expiry of that access token", async () => {
		const { request } = start({ env: { TOKEN_LIFETIME_SECONDS: "90" } });
		const response = await request(path, options);
		expect(await response.json()).toMatchObject({
			expires_in: 90,
			expires_at: NOW_SECONDS + 90,
		});
	});

	it("asks the origin once", async () => {
		const { request, origin } = start();
		await request(path, options);
		expect(origin.received).toHaveLength(1);
	});

	it("passes on the caller's network address from Cloudflare's header", async () => {
		const headers = { "CF-Connecting-IP": "2001:db8::7" };
		const [call] = await asked(path, { ...options, headers });
		expect(call?.parameters.address).toBe("2001:db8::7");
	});

	it.each(["X-Forwarded-For", "X-Real-IP", "True-Client-IP", "Forwarded"])(
		"takes the address from no other header: %s",
		async (name) => {
			const headers = { [name]: "192.0.2.1" };
			const [call] = await asked(path, { ...options, headers });
			expect(call?.parameters.address).toBe("unknown");
		},
	);

	describe("with an address that it hands on", () => {
		const forwarded = {
			"CF-Connecting-IP": "198.51.100.1",
			"Sb-Forwarded-For": "2001:db8::7",
		};
		const apikey = `postern_secret_${"k".repeat(43)}`;

		async function addressFrom(
			headers: Record<string, string>,
			key: object = { kind: "secret", role: "service" },
		) {
			const { request, calls } = start({
				env: { ISSUERS: JSON.stringify([SERVICES]) },
				answer: answering({
					...ANSWERS,
					find_api_key: { outcome: "ok", ...key },
				}),
			});
			await request(path, {
				...options,
				headers: { ...forwarded, ...headers },
			});
			return calls().find(({ name }) => name !== "find_api_key")?.parameters
				.address;
		}

		it.each([
			["apikey", { apikey }],
			["Authorization", { Authorization: `Bearer ${apikey}` }],
			["both", { apikey, Authorization: `Bearer ${apikey}` }],
		])("is believed to a program with a secret key in %s", async (_, given) => {
			expect(await addressFrom(given)).toBe("2001:db8::7");
		});

		it("is the first of a list", async () => {
			const list = { "Sb-Forwarded-For": "192.0.2.7, 198.51.100.2" };
			expect(await addressFrom({ apikey, ...list })).toBe("192.0.2.7");
		});

		it.each(["", "unknown", "192.0.2", "ada", "192.0.2.1:80", ", 192.0.2.1"])(
			"gives way to the connection's where it is none: %j",
			async (address) => {
				const given = { apikey, "Sb-Forwarded-For": address };
				expect(await addressFrom(given)).toBe("198.51.100.1");
			},
		);

		it.each<[string, Record<string, string>, object?]>([
			["without a key", {}],
			[
				"with a publishable key",
				{ apikey },
				{ kind: "publishable", role: "anon" },
			],
			[
				"with a secret key of the anonymous role",
				{ apikey },
				{ kind: "secret", role: "anon" },
			],
			["with a user's token", { Authorization: `Bearer ${SESSION_TOKEN}` }],
			[
				"with a token of the role service",
				{ Authorization: `Bearer ${SERVICE_TOKEN}` },
			],
		])("is not believed to a caller %s", async (_, given, key) => {
			expect(await addressFrom(given, key)).toBe("198.51.100.1");
		});
	});

	it("accepts an app's publishable key", async () => {
		const { request } = start({
			answer: answering({
				...ANSWERS,
				find_api_key: { outcome: "ok", kind: "publishable", role: "anon" },
			}),
		});
		const key = `postern_publishable_${"k".repeat(43)}`;
		const response = await request(path, {
			...options,
			headers: { apikey: key, Authorization: `Bearer ${key}` },
		});
		expect(response.status).toBe(200);
	});

	it.each([
		["text/plain", 415, "media_type_unsupported"],
		["application/x-www-form-urlencoded", 415, "media_type_unsupported"],
	])("refuses a body of the type %s", async (type, status, code) => {
		const { request, origin } = start();
		const response = await request(path, {
			method: "POST",
			body: JSON.stringify(options.json),
			headers: { "Content-Type": type },
		});
		expect([await refusal(response), origin.received]).toEqual([
			{ status, code },
			[],
		]);
	});

	it.each([
		["{", 400, "body_malformed"],
		["", 400, "body_malformed"],
		[JSON.stringify("x".repeat(70_000)), 413, "body_too_large"],
	])(
		"refuses a body that is not JSON, or too large, row %#",
		async (body, status, code) => {
			const { request, origin } = start();
			const response = await request(path, {
				method: "POST",
				body,
				headers: { "Content-Type": "application/json" },
			});
			expect([await refusal(response), origin.received]).toEqual([
				{ status, code },
				[],
			]);
		},
	);

	it.each([[[]], ["text"], [1], [null], [true]])(
		"refuses %j as a body",
		async (json) => {
			const { request, origin } = start();
			const response = await request(path, { method: "POST", json });
			expect([await refusalInWords(response), origin.received]).toEqual([
				{
					status: 400,
					code: "body_invalid",
					message: "The request body is not valid: it has to be an object",
				},
				[],
			]);
		},
	);
});

const FIELD_FAULTS: [unknown, string][] = [
	[undefined, "is missing"],
	[1, "has to be a string"],
	[null, "has to be a string"],
	[["a"], "has to be a string"],
	["", "is empty"],
	["   ", "is blank"],
	["x".repeat(301), "has more than 300 characters"],
	["abcdef\0", "has a null character"],
	["abcdef\ud83d", "is not well-formed Unicode"],
];

const NO_EMAILS = [
	"ada",
	"ada@",
	"@example.com",
	"a b@example.com",
	"a@b@c.example",
];

/** Each wrong field of each body, with its fault. */
const INVALID: [string, string, RequestOptions, string][] = [
	...FIELD_FAULTS.flatMap(
		([value, fault]): [string, string, RequestOptions, string][] => [
			["email", SIGN_UP, signUp({ email: value }), fault],
			["password", SIGN_UP, signUp({ password: value }), fault],
			["email", BY_PASSWORD, signUp({ email: value }), fault],
			["password", BY_PASSWORD, signUp({ password: value }), fault],
			[
				"refresh_token",
				BY_REFRESH,
				{ method: "POST", json: { refresh_token: value } },
				fault,
			],
			...(value === undefined
				? []
				: ([
						["email", "/user", update({ email: value }), fault],
						["password", "/user", update({ password: value }), fault],
					] as [string, string, RequestOptions, string][])),
		],
	),
	...NO_EMAILS.flatMap((email): [string, string, RequestOptions, string][] => [
		["email", SIGN_UP, signUp({ email }), "is not an e-mail address"],
		["email", "/user", update({ email }), "is not an e-mail address"],
	]),
	...["text", 1, [], true].flatMap(
		(data): [string, string, RequestOptions, string][] => [
			["data", SIGN_UP, signUp({ data }), "has to be an object"],
			["data", "/user", update({ data }), "has to be an object"],
		],
	),
];

describe("a wrong field", () => {
	it.each(INVALID)(
		"is named: %s of %s, row %#",
		async (field, path, options, fault) => {
			const { request, origin } = start();
			const response = await request(path, options);
			expect([await refusalInWords(response), origin.received]).toEqual([
				{
					status: 400,
					code: "body_invalid",
					message: `The request body is not valid: ${field} ${fault}`,
				},
				[],
			]);
		},
	);

	it("is named together with the others", async () => {
		const response = await start().request(SIGN_UP, {
			method: "POST",
			json: { email: null, data: 1 },
		});
		expect((await refusalInWords(response)).message).toBe(
			"The request body is not valid: email has to be a string; password is missing; data has to be an object",
		);
	});

	it.each([
		["abcde", "password has fewer than 6 characters"],
		["x".repeat(73), "password has more than 72 bytes"],
	])(
		"is a password that is too short or too long, row %#",
		async (password, fault) => {
			for (const [path, options] of [
				[SIGN_UP, signUp({ password })],
				["/user", update({ password })],
			] as const) {
				const { request, origin } = start();
				const response = await request(path, options);
				expect([await refusalInWords(response), origin.received]).toEqual([
					{
						status: 422,
						code: "weak_password",
						message: `The password cannot be used: ${fault}`,
					},
					[],
				]);
			}
		},
	);
});

/** The public name of a user who gave none: it contains nothing of the e-mail address. */
const NAMELESS = "New user";

describe("POST /auth/v1/signup", () => {
	it("signs up with the given fields", async () => {
		const data = { fullname: "Ada Lovelace", likes: ["engines"] };
		expect(await asked(SIGN_UP, signUp({ data }))).toEqual([
			{
				name: "sign_up",
				parameters: {
					email: USER.email,
					password: PASSWORD,
					fullname: "Ada Lovelace",
					user_metadata: data,
					bcrypt_cost: 10,
					address: "unknown",
				},
			},
		]);
	});

	it("hashes with BCRYPT_COST", async () => {
		const { request, calls } = start({ env: { BCRYPT_COST: "12" } });
		await request(SIGN_UP, signUp());
		expect(calls()[0]?.parameters.bcrypt_cost).toBe(12);
	});

	it.each([
		[{}, "anonymous_provider_disabled"],
		[{ data: { a: 1 } }, "anonymous_provider_disabled"],
		[{ phone: "+123", password: PASSWORD }, "phone_provider_disabled"],
		[
			{ phone: "+123", email: USER.email, password: PASSWORD },
			"phone_provider_disabled",
		],
	])("refuses another way to sign up: %j", async (json, code) => {
		const { request, origin } = start();
		const response = await request(SIGN_UP, { method: "POST", json });
		expect([await refusal(response), origin.received]).toEqual([
			{ status: 422, code },
			[],
		]);
	});

	it.each([
		[`{"a":"${"x".repeat(4_096)}"}`, "has more than 4096 bytes"],
		[`{"a":"${"ü".repeat(2_045)}"}`, "has more than 4096 bytes"],
		[`{"a":${"1".repeat(5_000)}}`, "has more than 4096 bytes"],
		[
			`{"a":${"[".repeat(2_100)}${"]".repeat(2_100)}}`,
			"has more than 4096 bytes",
		],
		['{"a":[1e99999]}', "has a number that takes more than 4096 bytes"],
		['{"a":-1.5E-0123456}', "has a number that takes more than 4096 bytes"],
		['{"a":"\\u0000"}', "has a null character or is not well-formed Unicode"],
		[
			`{"a":${"[".repeat(30_000)}1.0${"]".repeat(30_000)}}`,
			"is nested too deeply",
		],
		["1.0", "has to be an object"],
		["[]", "has to be an object"],
	])("refuses metadata that cannot be kept, row %#", async (data, fault) => {
		const { request, origin } = start();
		const response = await request(SIGN_UP, {
			method: "POST",
			body: `{"email":"${USER.email}","password":"${PASSWORD}","data":${data}}`,
			headers: { "Content-Type": "application/json" },
		});
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: `The request body is not valid: data ${fault}`,
			},
			[],
		]);
	});

	it("takes text that looks like a large number", async () => {
		const data = { a: '1e99999 \\" 1e99999', b: "\\" };
		const [call] = await asked(SIGN_UP, signUp({ data }));
		expect(call?.parameters.user_metadata).toEqual(data);
	});

	it("ignores unknown fields", async () => {
		const response = await start().request(
			`${SIGN_UP}?redirect_to=https://app.example`,
			signUp({
				data: {},
				gotrue_meta_security: { captcha_token: "x" },
				code_challenge: null,
				code_challenge_method: null,
				role: "service",
				id: "1",
			}),
		);
		expect(response.status).toBe(200);
	});

	it.each([
		[{ fullname: "A", full_name: "B", name: "C" }, "A"],
		[{ full_name: "B", name: "C" }, "B"],
		[{ name: "C" }, "C"],
		[{ fullname: "" }, NAMELESS],
		[{ fullname: "  " }, NAMELESS],
		[{ fullname: 1, name: "C" }, NAMELESS],
		[{ fullname: null, name: "C" }, "C"],
		[{}, NAMELESS],
		[undefined, NAMELESS],
		[null, NAMELESS],
		[{ name: "x".repeat(301) }, "x".repeat(300)],
		[{ name: "🔑".repeat(301) }, "🔑".repeat(300)],
		[{ name: `${"x".repeat(299)}🔑🔑` }, `${"x".repeat(299)}🔑`],
	])(
		"takes the user's name from the metadata, row %#",
		async (data, fullname) => {
			const [call] = await asked(SIGN_UP, signUp({ data }));
			// As JSON, which would show half a surrogate pair.
			expect(JSON.stringify(call?.parameters.fullname)).toBe(
				JSON.stringify(fullname),
			);
		},
	);

	it.each([undefined, null, {}])(
		"stores no metadata without data: %j",
		async (data) => {
			const [call] = await asked(SIGN_UP, signUp({ data }));
			expect(call?.parameters.user_metadata).toEqual({});
		},
	);

	it.each([
		"ada@example.com",
		"Ada.Lovelace+notes@Mail.Example.COM",
		"a@b.co",
		"x_y-z'q@sub.example.org",
	])("accepts the e-mail address %s", async (email) => {
		const [call] = await asked(SIGN_UP, signUp({ email }));
		expect(call?.parameters.email).toBe(email);
	});
});

describe("POST /auth/v1/token", () => {
	it("signs in by password", async () => {
		expect(await asked(BY_PASSWORD, signUp())).toEqual([
			{
				name: "sign_in",
				parameters: {
					email: USER.email,
					password: PASSWORD,
					bcrypt_cost: 10,
					address: "unknown",
				},
			},
		]);
	});

	it("leaves it to the database whether there is such an e-mail address", async () => {
		const [call] = await asked(BY_PASSWORD, signUp({ email: "ada" }));
		expect(call?.parameters.email).toBe("ada");
	});

	it("continues a session by refresh token", async () => {
		expect(await asked(BY_REFRESH, refresh("abc"))).toEqual([
			{
				name: "refresh_session",
				parameters: { refresh_token: "abc", address: "unknown" },
			},
		]);
	});

	it.each([
		"/token",
		"/token?grant_type=",
		"/token?grant_type=Password",
		"/token?grant_type=client_credentials",
		"/token?grant_type=constructor",
	])("refuses the grant type %s", async (path) => {
		const { request, origin } = start();
		const response = await request(path, signUp());
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "parameter_invalid",
				message:
					"The URL is not valid: grant_type has to be password or refresh_token",
			},
			[],
		]);
	});

	it("refreshes without an access token, or with an expired one", async () => {
		const { request } = start();
		const withNone = await request(BY_REFRESH, refresh());
		expect(withNone.status).toBe(200);
	});
});

describe("GET /auth/v1/user", () => {
	it("answers with the user", async () => {
		const response = await start().request("/user", { token: SESSION_TOKEN });
		expect([response.status, await response.json()]).toEqual([
			200,
			GOTRUE_USER,
		]);
	});

	it("asks for the user of the token's session", async () => {
		expect(await asked("/user", { token: SESSION_TOKEN })).toEqual([
			{
				name: "get_user",
				parameters: { user_id: USER_ID, session_id: SESSION_ID },
			},
		]);
	});

	it("shows no other fields that the database might add", async () => {
		const { request } = start({
			answer: always({
				outcome: "ok",
				user: { ...USER, password_hash: "$2a$10$hash" },
			}),
		});
		const response = await request("/user", { token: SESSION_TOKEN });
		expect(await response.text()).not.toContain("$2a$");
	});
});

describe("PUT /auth/v1/user", () => {
	it("answers with the user as it is now", async () => {
		const response = await start().request("/user", update({}));
		expect([response.status, await response.json()]).toEqual([
			200,
			GOTRUE_USER,
		]);
	});

	it("changes the given fields", async () => {
		const data = { fullname: "Countess", likes: null };
		const changes = {
			email: "countess@example.com",
			password: PASSWORD,
			data,
			current_password: "x",
			nonce: null,
			phone: "",
			code_challenge: null,
			code_challenge_method: null,
		};
		expect(await asked("/user", update(changes))).toEqual([
			{
				name: "update_user",
				parameters: {
					user_id: USER_ID,
					session_id: SESSION_ID,
					changes: {
						email: "countess@example.com",
						password: PASSWORD,
						current_password: "x",
						fullname: "Countess",
						user_metadata: data,
					},
					bcrypt_cost: 10,
				},
			},
		]);
	});

	it.each([
		[
			{ app_metadata: { role: "admin" } },
			"it has unknown fields: app_metadata",
		],
		[{ email: "a@b", role: "x", id: 1 }, "it has unknown fields: role, id"],
		[{ current_password: "" }, "current_password is empty"],
	])("refuses what it does not know: %j", async (changes, details) => {
		const { request, origin } = start();
		const response = await request("/user", update(changes));
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: `The request body is not valid: ${details}`,
			},
			[],
		]);
	});

	it.each([
		[{ phone: "+123" }, "phone_provider_disabled"],
		[{ phone: 1 }, "phone_provider_disabled"],
		[{ password: PASSWORD, nonce: "123456" }, "reauthentication_not_valid"],
	])("refuses what it does not have: %j", async (changes, code) => {
		const { request, origin } = start();
		const response = await request("/user", update(changes));
		expect([await refusal(response), origin.received]).toEqual([
			{ status: 422, code },
			[],
		]);
	});

	it.each([
		[{}, {}],
		[{ email: "a@b.example" }, { email: "a@b.example" }],
		[{ password: PASSWORD }, { password: PASSWORD }],
		[{ data: { theme: "dark" } }, { user_metadata: { theme: "dark" } }],
		[{ data: { name: " " } }, { user_metadata: { name: " " } }],
	])("leaves the other fields unchanged: %j", async (given, changes) => {
		const [call] = await asked("/user", update(given));
		expect(call?.parameters.changes).toEqual(changes);
	});
});

describe("POST /auth/v1/logout", () => {
	it.each([
		["", "global"],
		["?scope=global", "global"],
		["?scope=local", "local"],
		["?scope=others", "others"],
	])("ends sessions: %j means %s", async (query, scope) => {
		const { request, calls } = start();
		const response = await request(`/logout${query}`, {
			method: "POST",
			token: SESSION_TOKEN,
		});
		expect([response.status, await response.text(), calls()]).toEqual([
			204,
			"",
			[
				{
					name: "sign_out",
					parameters: { user_id: USER_ID, session_id: SESSION_ID, scope },
				},
			],
		]);
	});

	it.each(["", "all", "Global"])("refuses the scope %j", async (scope) => {
		const { request, origin } = start();
		const response = await request(`/logout?scope=${scope}`, {
			method: "POST",
			token: SESSION_TOKEN,
		});
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "parameter_invalid",
				message:
					"The URL is not valid: scope has to be local, global or others",
			},
			[],
		]);
	});
});

describe("a route that needs no session", () => {
	it.each([
		[
			"/settings",
			{
				external: { email: true, phone: false, anonymous_users: false },
				disable_signup: false,
				mailer_autoconfirm: true,
				phone_autoconfirm: false,
				sms_provider: "",
				saml_enabled: false,
			},
		],
		["/health", { name: "Postern", description: "GoTrue's password subset" }],
		["/.well-known/jwks.json", { keys: [ISSUER_KEY.publicJwk] }],
	])("is answered without asking the origin: %s", async (path, expected) => {
		const { request, origin } = start();
		const response = await request(path);
		expect([response.status, await response.json(), origin.received]).toEqual([
			200,
			expected,
			[],
		]);
	});

	it("shows no private key", async () => {
		const response = await start().request("/.well-known/jwks.json");
		expect(await response.text()).not.toContain('"d"');
	});
});

describe("a route that needs a session", () => {
	it.each([
		["GET", "/user", undefined],
		["PUT", "/user", {}],
		["POST", "/logout", undefined],
	])(
		"is refused to a caller without one: %s %s",
		async (method, path, json) => {
			const tokens = {
				"a caller without credentials": {},
				"a user without a session": { token: await tokenFor({ sub: USER_ID }) },
			};
			for (const credentials of Object.values(tokens)) {
				const { request, origin } = start();
				const response = await request(path, { method, json, ...credentials });
				expect([
					await refusal(response),
					response.headers.get("www-authenticate"),
					origin.received,
				]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer", []]);
			}
		},
	);
});

/** Every refusal, in GoTrue's shape. */
const REFUSED: [
	string,
	string,
	RequestOptions,
	GatewayOptions,
	number,
	string,
][] = [
	...(
		[
			["email_taken", SIGN_UP, signUp(), 409, "user_already_exists"],
			["invalid_email", SIGN_UP, signUp(), 400, "body_invalid"],
			["invalid_user_metadata", SIGN_UP, signUp(), 400, "body_invalid"],
			["invalid_password", SIGN_UP, signUp(), 422, "weak_password"],
			["throttled", SIGN_UP, signUp(), 429, "over_request_rate_limit"],
			[
				"invalid_credentials",
				BY_PASSWORD,
				signUp(),
				400,
				"invalid_credentials",
			],
			["throttled", BY_PASSWORD, signUp(), 429, "over_request_rate_limit"],
			[
				"refresh_token_unknown",
				BY_REFRESH,
				refresh(),
				400,
				"refresh_token_not_found",
			],
			[
				"refresh_token_reused",
				BY_REFRESH,
				refresh(),
				400,
				"refresh_token_already_used",
			],
			["session_ended", BY_REFRESH, refresh(), 403, "session_not_found"],
			["throttled", BY_REFRESH, refresh(), 429, "over_request_rate_limit"],
			[
				"session_not_found",
				"/user",
				{ token: SESSION_TOKEN },
				403,
				"session_not_found",
			],
			["session_not_found", "/user", update({}), 403, "session_not_found"],
			["email_taken", "/user", update({}), 422, "email_exists"],
			["same_password", "/user", update({}), 422, "same_password"],
			[
				"wrong_current_password",
				"/user",
				update({}),
				400,
				"current_password_invalid",
			],
			["throttled", "/user", update({}), 429, "over_request_rate_limit"],
			[
				"session_not_found",
				"/logout",
				{ method: "POST", token: SESSION_TOKEN },
				403,
				"session_not_found",
			],
			[
				"something_else",
				"/user",
				{ token: SESSION_TOKEN },
				500,
				"internal_error",
			],
		] as [string, string, RequestOptions, number, string][]
	).map(([outcome, path, options, status, code]): (typeof REFUSED)[number] => [
		outcome,
		path,
		options,
		{ answer: always({ outcome }) },
		status,
		code,
	]),
	["a wrong body", SIGN_UP, signUp({ email: 1 }), {}, 400, "body_invalid"],
	["no body", SIGN_UP, { method: "POST" }, {}, 415, "media_type_unsupported"],
	[
		"a weak password",
		SIGN_UP,
		signUp({ password: "x" }),
		{},
		422,
		"weak_password",
	],
	["a wrong query", "/token", signUp(), {}, 400, "parameter_invalid"],
	["no session", "/user", {}, {}, 401, "unauthenticated"],
	[
		"a token that has expired",
		"/user",
		{ token: await tokenFor({ exp: 1 }) },
		{},
		401,
		"token_expired",
	],
	["a malformed token", "/user", { token: "a.b.c" }, {}, 401, "token_rejected"],
	[
		"another scheme",
		"/user",
		{ headers: { Authorization: "Basic YTpi" } },
		{},
		401,
		"token_malformed",
	],
	[
		"a role that no token may name",
		"/settings",
		{ token: await tokenFor({ role: "postern" }) },
		{},
		403,
		"role_refused",
	],
	[
		"a malformed key",
		"/settings",
		{ headers: { apikey: "postern_x" } },
		{},
		401,
		"key_rejected",
	],
	[
		"two users",
		"/user",
		{ token: SESSION_TOKEN, headers: { apikey: await tokenFor() } },
		{},
		400,
		"credentials_conflict",
	],
	["no such route", "/nowhere", signUp(), {}, 404, "route_unknown"],
	["no e-mails", "/recover", signUp(), {}, 422, "otp_disabled"],
	["no such method", "/signup", {}, {}, 405, "method_not_allowed"],
	[
		"no database",
		SIGN_UP,
		signUp(),
		{ fetch: () => Promise.reject(new TypeError("refused")) },
		503,
		"origin_unreachable",
	],
	[
		"no keys to issue with",
		SIGN_UP,
		signUp(),
		{ env: { TOKEN_SIGNING_KEY: undefined } },
		404,
		"issuing_off",
	],
];

describe("a refusal below /auth/v1", () => {
	it.each(REFUSED)(
		"can be read by supabase-js: %s of %s, row %#",
		async (_, path, options, gatewayOptions, status, code) => {
			const response = await start(gatewayOptions).request(path, options);
			expect([
				response.status,
				response.headers.get("x-supabase-api-version"),
				response.headers.get("content-type"),
				response.headers.get("access-control-allow-origin"),
				await response.json(),
			]).toEqual([
				status,
				API_VERSION,
				"application/json",
				"*",
				{
					code,
					message: expect.any(String),
					details: null,
					hint: null,
					...(code === "weak_password" && {
						weak_password: { reasons: ["length"] },
					}),
				},
			]);
		},
	);

	it.each(REFUSED)(
		"is kept by no cache: %s of %s, row %#",
		async (_, path, options, gatewayOptions) => {
			const response = await start(gatewayOptions).request(path, options);
			expect(response.headers.get("cache-control")).toBe("no-store");
		},
	);

	it.each([SIGN_UP, BY_PASSWORD, BY_REFRESH])(
		"says when to come back: %s",
		async (path) => {
			const { request } = start({
				answer: always({ outcome: "throttled", retryAfter: 17 }),
			});
			const response = await request(path, {
				method: "POST",
				json: { ...(signUp().json as object), ...(refresh().json as object) },
			});
			expect([response.status, response.headers.get("retry-after")]).toEqual([
				429,
				"17",
			]);
		},
	);

	it("is the same for a wrong e-mail address and a wrong password", async () => {
		const answers = [];
		for (const json of [
			{ email: "nobody@example.com", password: PASSWORD },
			{ email: USER.email, password: "wrong" },
		]) {
			const { request } = start({
				answer: always({ outcome: "invalid_credentials" }),
			});
			const response = await request(BY_PASSWORD, { method: "POST", json });
			answers.push([response.status, await response.text()]);
		}
		expect(answers[0]).toEqual(answers[1]);
	});
});

describe("an answer below /auth/v1", () => {
	const ANSWERED: [string, RequestOptions][] = [
		[SIGN_UP, signUp()],
		[BY_PASSWORD, signUp()],
		[BY_REFRESH, refresh()],
		["/user", { token: SESSION_TOKEN }],
		["/user", update({})],
		["/logout", { method: "POST", token: SESSION_TOKEN }],
		["/settings", {}],
		["/health", {}],
		["/.well-known/jwks.json", {}],
	];

	it.each(ANSWERED)(
		"is kept by no cache: %s, row %#",
		async (path, options) => {
			const response = await start().request(path, options);
			expect([
				response.ok,
				response.headers.get("cache-control"),
				response.headers.get("x-supabase-api-version"),
			]).toEqual([true, "no-store", API_VERSION]);
		},
	);

	it("is the same with a trailing slash", async () => {
		const response = await start().request("/signup/", signUp());
		expect(response.status).toBe(200);
	});

	it("may be read by a browser's page", async () => {
		const response = await start().request(BY_PASSWORD, {
			method: "OPTIONS",
			headers: {
				Origin: "https://app.example",
				"Access-Control-Request-Method": "POST",
				"Access-Control-Request-Headers":
					"apikey,authorization,content-type,x-client-info,x-supabase-api-version",
			},
		});
		expect([
			response.status,
			response.headers.get("access-control-allow-headers"),
		]).toEqual([
			204,
			"apikey,authorization,content-type,x-client-info,x-supabase-api-version",
		]);
	});
});

describe("the log", () => {
	const REFRESHED = "refresh-token-that-is-shown";
	const SECRETS = [
		PASSWORD,
		REFRESH_TOKEN,
		REFRESHED,
		SESSION_TOKEN,
		SESSION_TOKEN.split(".")[2] ?? "",
		String(ISSUER_KEY.privateJwk.d),
		String(ORIGIN_KEY.privateJwk.d),
	];

	const TROUBLES: [string, GatewayOptions][] = [
		["cannot be reached", { fetch: () => Promise.reject(new TypeError("no")) }],
		["has another outcome", { answer: always({ outcome: "strange" }) }],
		["answers nothing", { answer: always(null) }],
		[
			"answers half",
			{
				answer: always({
					...SIGNED_IN,
					session: { id: "x", refresh_token: REFRESH_TOKEN },
				}),
			},
		],
		[
			"answers a wrong type",
			{ answer: always({ ...SIGNED_IN, session: [REFRESH_TOKEN] }) },
		],
		[
			"fails",
			{
				answer: () =>
					Response.json(
						{ code: "XX000", message: "internal error" },
						{ status: 500 },
					),
			},
		],
	];

	it.each(TROUBLES)(
		"has no password and no token where the database %s",
		async (_, options) => {
			const { request, logged } = start(options);
			await request(SIGN_UP, signUp());
			await request(BY_PASSWORD, signUp());
			await request(BY_REFRESH, refresh(REFRESHED));
			await request("/user", { token: SESSION_TOKEN });
			await request("/user", update({ password: PASSWORD }));
			const shown = logged.map(inFull).join("\n");
			expect([
				logged.length > 0,
				SECRETS.filter((secret) => shown.includes(secret)),
			]).toEqual([true, []]);
		},
	);

	it("stays empty after a success and after a caller's mistake", async () => {
		const { request, logged } = start();
		await request(SIGN_UP, signUp());
		await request(BY_PASSWORD, signUp({ password: 1 }));
		await request("/user", { token: "a.b.c" });
		expect(logged).toEqual([]);
	});
});

describe("a gateway that issues no tokens", () => {
	const off = { env: { TOKEN_SIGNING_KEY: undefined } };

	it.each([
		["POST", "/signup"],
		["POST", BY_PASSWORD],
		["POST", BY_REFRESH],
		["GET", "/user"],
		["PUT", "/user"],
		["POST", "/logout"],
		["GET", "/settings"],
		["GET", "/health"],
		["GET", "/.well-known/jwks.json"],
		["GET", "/nowhere"],
		["GET", ""],
	])("refuses every route below /auth/v1: %s %s", async (method, path) => {
		const { request, origin } = start(off);
		const response = await request(path, { method });
		expect([await refusal(response), origin.received]).toEqual([
			{ status: 404, code: "issuing_off" },
			[],
		]);
	});

	it("accepts tokens of other issuers on the other routes", async () => {
		const { request } = startGateway({ now: () => NOW });
		const response = await request("/rest/v1/notes", { token: SESSION_TOKEN });
		expect(response.status).toBe(200);
	});
});

/** The texts of an error and its causes. */
function inFull(error: unknown): string {
	if (!(error instanceof Error)) return JSON.stringify(error);
	const { stack, cause, message, ...others } = error;
	return `${stack}\n${message}\n${JSON.stringify(others)}\n${cause === undefined ? "" : inFull(cause)}`;
}
