// Provokes every refusal, and checks what all of them have in common.
import { describe, expect, it, vi } from "vitest";
import { REFUSAL_CODES, type RefusalCode } from "../../src/http/refusals.ts";
import { createPostern, type PosternEnv } from "../../src/index.ts";
import { createRouter } from "../../src/routes.ts";
import { claimingOrigin, raised } from "../idempotency/claiming-origin.ts";
import { answering, ISSUING, SESSION_CLAIMS } from "../support/accounts.ts";
import { ownRefusals } from "../support/application.ts";
import {
	ADA_TOKEN,
	ENV,
	type GatewayOptions,
	type RequestOptions,
	startGateway,
} from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { postgrestError, silence } from "../support/origin.ts";
import {
	ISSUER_KEY,
	NOW,
	NOW_SECONDS,
	ORIGIN_KEY,
	tokenFor,
} from "../support/tokens.ts";

/** What provokes a refusal: a request, and a gateway to send it to. */
interface Provocation extends GatewayOptions {
	status: number;
	path: string;
	request?: RequestOptions;
	/** The same request is under way already. */
	isSecond?: boolean;
}

const MILK = { title: "Milk", stars: 5 };
const newNote = { method: "POST", json: MILK, token: ADA_TOKEN };

/** A secret of the database, which no answer may show. */
const SECRET = "correct horse battery staple";

const ADA_SIGNS_IN: RequestOptions = {
	method: "POST",
	json: { email: "ada@example.com", password: SECRET },
};
const REFRESH: RequestOptions = {
	method: "POST",
	json: { refresh_token: SECRET },
};

const SESSION_TOKEN = await tokenFor(SESSION_CLAIMS);

function changing(json: object): RequestOptions {
	return { method: "PUT", json, token: SESSION_TOKEN };
}

function enrolling(factor_type: string): Provocation {
	return {
		status: 422,
		path: "/auth/v1/factors",
		request: { method: "POST", json: { factor_type } },
		env: ISSUING,
	};
}

function withKey(key: string): RequestOptions {
	return { ...newNote, headers: { "Idempotency-Key": key } };
}

function withIfMatch(etags: string): RequestOptions {
	return { ...newNote, method: "PATCH", headers: { "If-Match": etags } };
}

/** What a refusal's body has besides those of all. */
const FIELDS: Partial<Record<string, object>> = {
	weak_password: { weak_password: { reasons: ["length"] } },
};

const PROVOKED: Record<
	Exclude<RefusalCode, "gateway_misconfigured"> | keyof typeof ownRefusals,
	Provocation
> = {
	header_malformed: {
		status: 400,
		path: "/rest/v1/notes",
		request: { headers: { Accept: "\u00ff" } },
	},
	schema_refused: {
		status: 406,
		path: "/rest/v1/notes",
		request: { headers: { "Accept-Profile": "postern" } },
	},
	token_malformed: {
		status: 401,
		path: "/rest/v1/notes",
		request: { headers: { Authorization: "Basic YTpi" } },
	},
	token_rejected: {
		status: 401,
		path: "/rest/v1/notes",
		request: { token: await tokenFor({ iss: "someone" }) },
	},
	token_expired: {
		status: 401,
		path: "/rest/v1/notes",
		request: { token: await tokenFor({ exp: NOW_SECONDS - 60 }) },
	},
	role_refused: {
		status: 403,
		path: "/rest/v1/notes",
		request: { token: await tokenFor({ role: "postgres" }) },
	},
	key_rejected: {
		status: 401,
		path: "/rest/v1/notes",
		request: { headers: { apikey: "postern_secret_short" } },
	},
	credentials_conflict: {
		status: 400,
		path: "/rest/v1/notes",
		request: {
			token: ADA_TOKEN,
			headers: { apikey: await tokenFor({ sub: "eve" }) },
		},
	},
	invalid_credentials: {
		status: 400,
		path: "/auth/v1/token?grant_type=password",
		request: ADA_SIGNS_IN,
		env: ISSUING,
		answer: answering({ sign_in: { outcome: "invalid_credentials" } }),
	},
	user_already_exists: {
		status: 409,
		path: "/auth/v1/signup",
		request: ADA_SIGNS_IN,
		env: ISSUING,
		answer: answering({ sign_up: { outcome: "email_taken" } }),
	},
	weak_password: {
		status: 422,
		path: "/auth/v1/signup",
		request: { method: "POST", json: { email: "a@b.example", password: "x" } },
		env: ISSUING,
	},
	email_exists: {
		status: 422,
		path: "/auth/v1/user",
		request: changing({ email: "eve@example.com" }),
		env: ISSUING,
		answer: answering({ update_user: { outcome: "email_taken" } }),
	},
	same_password: {
		status: 422,
		path: "/auth/v1/user",
		request: changing({ password: SECRET }),
		env: ISSUING,
		answer: answering({ update_user: { outcome: "same_password" } }),
	},
	current_password_invalid: {
		status: 400,
		path: "/auth/v1/user",
		request: changing({ password: "another horse", current_password: SECRET }),
		env: ISSUING,
		answer: answering({ update_user: { outcome: "wrong_current_password" } }),
	},
	reauthentication_not_valid: {
		status: 422,
		path: "/auth/v1/user",
		request: changing({ password: SECRET, nonce: "123456" }),
		env: ISSUING,
	},
	anonymous_provider_disabled: {
		status: 422,
		path: "/auth/v1/signup",
		request: { method: "POST", json: { data: {} } },
		env: ISSUING,
	},
	phone_provider_disabled: {
		status: 422,
		path: "/auth/v1/signup",
		request: { method: "POST", json: { phone: "123", password: SECRET } },
		env: ISSUING,
	},
	otp_disabled: {
		status: 422,
		path: "/auth/v1/otp",
		request: { method: "POST", json: { email: "ada@example.com" } },
		env: ISSUING,
	},
	provider_disabled: {
		status: 400,
		path: "/auth/v1/authorize?provider=github",
		env: ISSUING,
	},
	web3_provider_disabled: {
		status: 422,
		path: "/auth/v1/token?grant_type=web3",
		request: { method: "POST", json: { chain: "solana" } },
		env: ISSUING,
	},
	saml_provider_disabled: {
		status: 404,
		path: "/auth/v1/sso",
		request: { method: "POST", json: { domain: "example.com" } },
		env: ISSUING,
	},
	passkey_disabled: {
		status: 404,
		path: "/auth/v1/passkeys/authentication/options",
		request: { method: "POST", json: {} },
		env: ISSUING,
	},
	manual_linking_disabled: {
		status: 404,
		path: "/auth/v1/user/identities/authorize?provider=github",
		env: ISSUING,
	},
	flow_state_not_found: {
		status: 404,
		path: "/auth/v1/token?grant_type=pkce",
		request: { method: "POST", json: { auth_code: "x" } },
		env: ISSUING,
	},
	mfa_totp_enroll_not_enabled: enrolling("totp"),
	mfa_phone_enroll_not_enabled: enrolling("phone"),
	mfa_webauthn_enroll_not_enabled: enrolling("webauthn"),
	mfa_factor_not_found: {
		status: 404,
		path: "/auth/v1/factors/1/verify",
		request: { method: "POST", json: {} },
		env: ISSUING,
	},
	feature_disabled: {
		status: 404,
		path: "/auth/v1/admin/users",
		env: ISSUING,
	},
	session_not_found: {
		status: 403,
		path: "/auth/v1/user",
		request: { token: SESSION_TOKEN },
		env: ISSUING,
		answer: answering({ get_user: { outcome: "session_not_found" } }),
	},
	refresh_token_not_found: {
		status: 400,
		path: "/auth/v1/token?grant_type=refresh_token",
		request: REFRESH,
		env: ISSUING,
		answer: answering({
			refresh_session: { outcome: "refresh_token_unknown" },
		}),
	},
	refresh_token_already_used: {
		status: 400,
		path: "/auth/v1/token?grant_type=refresh_token",
		request: REFRESH,
		env: ISSUING,
		answer: answering({ refresh_session: { outcome: "refresh_token_reused" } }),
	},
	over_request_rate_limit: {
		status: 429,
		path: "/auth/v1/token?grant_type=password",
		request: ADA_SIGNS_IN,
		env: ISSUING,
		answer: answering({ sign_in: { outcome: "throttled", retryAfter: 17 } }),
	},
	rate_limited: {
		status: 429,
		path: "/rest/v1/notes",
		request: newNote,
		isSecond: true,
		env: { RATE_LIMITS: "writes=1/17s" },
	},
	issuing_off: { status: 404, path: "/me" },
	issuer_unreachable: {
		status: 503,
		path: "/rest/v1/notes",
		request: {
			token: await tokenFor({ iss: "https://login.example", aud: "notes" }),
		},
		env: {
			ISSUERS: JSON.stringify([
				{
					issuer: "https://login.example",
					audience: "notes",
					jwksUrl: "https://login.example/keys",
				},
			]),
		},
		fetchKeys: () => Promise.reject(new TypeError(SECRET)),
	},
	unauthenticated: {
		status: 401,
		path: "/notes",
		request: { method: "POST", json: MILK },
		answer: postgrestError(403, "42501", { message: SECRET }),
	},
	denied: {
		status: 403,
		path: "/notes",
		request: newNote,
		answer: postgrestError(403, "42501", { message: SECRET }),
	},
	route_unknown: { status: 404, path: "/nowhere" },
	not_found: {
		status: 404,
		path: "/notes/1",
		answer: postgrestError(406, "PGRST116", { message: SECRET }),
	},
	method_not_allowed: { status: 405, path: "/notes/1/add-stars" },
	media_type_unsupported: {
		status: 415,
		path: "/notes",
		request: { method: "POST", body: "a=1" },
	},
	body_too_large: {
		status: 413,
		path: "/notes",
		request: { method: "POST", json: "x".repeat(65_536) },
	},
	answer_too_large: {
		status: 400,
		path: "/rest/v1/notes",
		answer: () =>
			Response.json(["x".repeat(100)], {
				headers: { "Content-Range": "0-0/*", "Content-Length": "104" },
			}),
		env: { SIZE_LIMITS: "answer=100" },
	},
	url_too_long: {
		status: 414,
		path: "/rest/v1/notes?id=eq.1234567890",
		env: { SIZE_LIMITS: "url=50" },
	},
	headers_too_large: {
		status: 431,
		path: "/rest/v1/notes",
		request: { headers: { "X-Large": "x".repeat(100) } },
		env: { SIZE_LIMITS: "headers=100" },
	},
	embed_too_deep: {
		status: 400,
		path: "/rest/v1/notes?select=a(b(id))",
		env: { SIZE_LIMITS: "embedDepth=1" },
	},
	body_malformed: {
		status: 400,
		path: "/notes",
		request: {
			method: "POST",
			body: "{",
			headers: { "Content-Type": "application/json" },
		},
	},
	body_invalid: {
		status: 400,
		path: "/notes",
		request: { method: "POST", json: {} },
	},
	parameter_invalid: { status: 400, path: "/notes/x" },
	range_not_satisfiable: {
		status: 416,
		path: "/notes",
		answer: postgrestError(416, "PGRST103", { message: SECRET }),
	},
	not_unique: {
		status: 409,
		path: "/notes",
		request: newNote,
		answer: postgrestError(409, "23505", { message: SECRET }),
	},
	stars_below_zero: {
		status: 409,
		path: "/notes/1/add-stars",
		request: { method: "PATCH", json: { stars: -1 }, token: ADA_TOKEN },
		answer: postgrestError(400, "23514", {
			message:
				'new row for relation "notes" violates check constraint "stars_are_not_negative"',
			details: SECRET,
		}),
	},
	contended: {
		status: 409,
		path: "/notes",
		request: newNote,
		answer: postgrestError(500, "40001", { message: SECRET }),
	},
	idempotency_key_invalid: {
		status: 400,
		path: "/rest/v1/notes",
		request: withKey("a, b"),
	},
	idempotency_in_flight: {
		status: 409,
		path: "/rest/v1/notes",
		request: withKey("k"),
		answer: claimingOrigin({
			write: () => raised(409, "idempotency_in_flight"),
		}).answer,
	},
	idempotency_key_reused: {
		status: 422,
		path: "/rest/v1/notes",
		request: withKey("k"),
		answer: claimingOrigin({
			write: () => raised(422, "idempotency_key_reused"),
		}).answer,
	},
	idempotency_answer_lost: {
		status: 409,
		path: "/rest/v1/rpc/add",
		request: withKey("k"),
		answer: claimingOrigin({
			write: () => raised(409, "idempotency_done", crypto.randomUUID()),
		}).answer,
	},
	idempotency_unsupported: {
		status: 501,
		path: "/rest/v1/notes",
		request: withKey("k"),
		answer: claimingOrigin({ isInstalled: false }).answer,
	},
	precondition_invalid: {
		status: 400,
		path: "/rest/v1/notes?id=eq.1",
		request: withIfMatch("a"),
	},
	precondition_failed: {
		status: 412,
		path: "/rest/v1/notes?id=eq.1",
		request: withIfMatch('"a"'),
		answer: claimingOrigin({ write: () => raised(412, "precondition_failed") })
			.answer,
		feed: startFeed({ now: () => NOW }),
	},
	precondition_unsupported: {
		status: 400,
		path: "/rest/v1/notes?id=eq.1",
		request: withIfMatch("*"),
	},
	origin_not_ready: {
		status: 503,
		path: "/ready",
		answer: () => new Response(null, { status: 401 }),
	},
	origin_refused: {
		status: 503,
		path: "/rest/v1/notes",
		request: { token: ADA_TOKEN },
		answer: postgrestError(401, "PGRST301", { message: SECRET }),
	},
	origin_unreachable: {
		status: 503,
		path: "/rest/v1/notes",
		request: { token: ADA_TOKEN },
		fetch: () => Promise.reject(new TypeError(SECRET)),
	},
	origin_timeout: {
		status: 504,
		path: "/rest/v1/notes",
		request: { token: ADA_TOKEN },
		answer: silence,
		env: { ORIGIN_TIMEOUT_MS: "20" },
	},
	origin_busy: {
		status: 503,
		path: "/rest/v1/notes",
		isSecond: true,
		answer: silence,
		env: { ORIGIN_REQUESTS_PER_RELATION: "1", ORIGIN_TIMEOUT_MS: "200" },
		now: Date.now,
	},
	upstream_unreachable: {
		status: 503,
		path: "/auth/v1/user",
		request: { token: ADA_TOKEN },
		env: { UPSTREAM_URL: "https://project.example" },
		fetchUpstream: () => Promise.reject(new TypeError(SECRET)),
	},
	not_cached: {
		status: 504,
		path: "/rest/v1/notes",
		request: { headers: { "Cache-Control": "only-if-cached" } },
		feed: startFeed({ now: () => NOW }),
	},
	client_closed: {
		status: 499,
		path: "/rest/v1/notes",
		answer: silence,
		request: { signal: AbortSignal.abort() },
	},
	internal_error: {
		status: 500,
		path: "/rest/v1/notes",
		request: { token: ADA_TOKEN },
		fetch: () => {
			// A Response whose getters throw stands for any bug.
			const broken = new Response();
			Object.defineProperty(broken, "headers", {
				value: {
					has: () => true,
					get() {
						throw new Error(SECRET);
					},
				},
			});
			return Promise.resolve(broken);
		},
	},
};

type Provoked = keyof typeof PROVOKED;

// Object.entries forgets the type of the keys.
const provocations = Object.entries(PROVOKED) as [Provoked, Provocation][];

async function provoke({
	status: _,
	path,
	request,
	isSecond,
	...options
}: Provocation) {
	const gateway = startGateway(options);
	if (isSecond) void gateway.request(path, request);
	const response = await gateway.request(path, request);
	return { ...gateway, response };
}

/** The Worker itself, in an environment that lacks a variable. */
async function provokeMisconfigured(): Promise<Response> {
	const log = vi.spyOn(console, "error").mockImplementation(() => {});
	const response = await createPostern().fetch(
		new Request("https://gateway.example/health"),
		{ ...ENV, TOKEN_JWKS: "" } as PosternEnv,
	);
	log.mockRestore();
	return response;
}

describe("the table of refusals", () => {
	it("is provoked row by row", () => {
		expect([...Object.keys(PROVOKED), "gateway_misconfigured"].sort()).toEqual(
			[...REFUSAL_CODES, ...Object.keys(ownRefusals)].sort(),
		);
	});

	it.each(provocations)("has %s", async (code, provocation) => {
		const { response } = await provoke(provocation);
		expect([response.status, await response.json()]).toEqual([
			provocation.status,
			{
				code,
				message: expect.any(String),
				details: null,
				hint: null,
				...FIELDS[code],
			},
		]);
	});

	it("includes gateway_misconfigured", async () => {
		const response = await provokeMisconfigured();
		expect([response.status, await response.json()]).toEqual([
			500,
			{
				code: "gateway_misconfigured",
				message: expect.any(String),
				details: null,
				hint: null,
			},
		]);
	});
});

describe("a refusal", () => {
	it.each(provocations)("is JSON: %s", async (_, provocation) => {
		const { response } = await provoke(provocation);
		expect(response.headers.get("content-type")).toBe("application/json");
	});

	it.each(provocations)(
		"can be read by a browser's page: %s",
		async (_, provocation) => {
			const { response } = await provoke(provocation);
			expect(response.headers.get("access-control-allow-origin")).toBe("*");
		},
	);

	it.each(provocations)(
		"asks for a token if it is a 401: %s",
		async (_, provocation) => {
			const { response } = await provoke(provocation);
			expect(response.headers.get("www-authenticate")).toBe(
				provocation.status === 401 ? "Bearer" : null,
			);
		},
	);

	it.each(provocations)(
		"says when to come back if it is a 503, a 429 or a write under way: %s",
		async (code, provocation) => {
			const { response } = await provoke(provocation);
			const seconds = new Map([
				[503, "1"],
				[429, "17"],
			]);
			const expected =
				code === "idempotency_in_flight"
					? "1"
					: seconds.get(provocation.status);
			expect(response.headers.get("retry-after")).toBe(expected ?? null);
		},
	);

	it.each(provocations)(
		"says what is allowed if it is a 405: %s",
		async (_, provocation) => {
			const { response } = await provoke(provocation);
			expect(response.headers.get("allow")).toBe(
				provocation.status === 405 ? "PATCH, OPTIONS" : null,
			);
		},
	);

	it.each(provocations)(
		"is logged if it is a 5xx that the client did not ask for: %s",
		async (code, provocation) => {
			const { logged } = await provoke(provocation);
			const isFault = provocation.status >= 500 && code !== "not_cached";
			expect(logged).toHaveLength(isFault ? 1 : 0);
		},
	);

	it.each(provocations)(
		"shows nothing of what the database said: %s",
		async (_, provocation) => {
			const { response } = await provoke(provocation);
			expect(await response.text()).not.toContain(SECRET);
		},
	);

	it.each(provocations)(
		"shows no token and no key: %s",
		async (_, provocation) => {
			const { response, logged, origin } = await provoke(provocation);
			const given = new Headers(provocation.request?.headers);
			const shown = [
				await response.text(),
				...[...response.headers].flat(),
				...logged.map(inFull),
			].join("\n");
			const token = provocation.request?.token;
			const originToken = origin.received[0]?.headers
				.get("authorization")
				?.replace("Bearer ", "");
			const secrets = [
				token,
				given.get("apikey") ?? undefined,
				originToken,
				ORIGIN_KEY.privateJwk.d,
				ISSUER_KEY.privateJwk.d,
			].filter((secret) => secret !== undefined);
			expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
		},
	);
});

describe("the log", () => {
	it("names the cause if the origin cannot be reached", async () => {
		const { logged } = await provoke(PROVOKED.origin_unreachable);
		expect(inFull(logged[0])).toContain(SECRET);
	});

	it("names the cause of an internal error", async () => {
		const { logged } = await provoke(PROVOKED.internal_error);
		expect(inFull(logged[0])).toContain(SECRET);
	});

	it("quotes PostgREST's error if a resource route does not know it", async () => {
		const { logged } = await provoke({
			...PROVOKED.internal_error,
			path: "/notes/1",
			fetch: async () =>
				Response.json({ code: "XX000", message: SECRET }, { status: 500 }),
		});
		expect(inFull(logged[0])).toContain(SECRET);
	});
});

describe("a client that disconnects", () => {
	it("is told apart from a silent origin", async () => {
		const client = new AbortController();
		const { request } = startGateway({
			answer(received) {
				queueMicrotask(() => client.abort());
				return silence(received);
			},
		});
		const { status } = await request("/rest/v1/notes", {
			signal: client.signal,
		});
		expect(status).toBe(499);
	});

	it("is told apart from a silent origin on a resource route, too", async () => {
		const client = new AbortController();
		const { request } = startGateway({
			answer(received) {
				queueMicrotask(() => client.abort());
				return silence(received);
			},
		});
		const { status } = await request("/notes", {
			...newNote,
			signal: client.signal,
		});
		expect(status).toBe(499);
	});
});

describe("what a route throws that is no Error", () => {
	it.each([
		["a text", SECRET],
		["nothing", undefined],
		["an object", { status: 404, message: SECRET }],
	])("is an internal error: %s", async (_, thrown) => {
		const odd = createRouter().get("/", () => {
			throw thrown;
		});
		const gateway = startGateway({ application: { routes: { "/odd": odd } } });
		const response = await gateway.request("/odd");
		expect([
			response.status,
			response.headers.get("access-control-allow-origin"),
			gateway.logged.length,
		]).toEqual([500, "*", 1]);
		expect(await response.json()).toMatchObject({
			code: "internal_error",
			details: null,
		});
	});
});

/** The texts of an error and its causes. */
function inFull(problem: unknown): string {
	if (!(problem instanceof Error)) return JSON.stringify(problem);
	const { stack, cause, ...others } = problem;
	return `${stack}\n${JSON.stringify(others)}\n${cause === undefined ? "" : inFull(cause)}`;
}
