// The routes of users and their todos: the requests to PostgREST, and the answers to the client.
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
} from "../../gateway/test/support/accounts.ts";
import {
	ADA_TOKEN,
	type GatewayOptions,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../../gateway/test/support/gateway.ts";
import {
	type Answer,
	asked,
	postgrestError,
} from "../../gateway/test/support/origin.ts";
import {
	ISSUER_KEY,
	NOW_SECONDS,
	tokenFor,
} from "../../gateway/test/support/tokens.ts";

const PASSWORD = "correct horse battery staple";
const SESSION_TOKEN = await tokenFor(SESSION_CLAIMS);
const ONE = "application/vnd.pgrst.object+json";
const SELECT = "select=id,name,is_completed,creator";

const MILK = { name: "Buy milk", is_completed: false };
const STORED = { id: 7, ...MILK, creator: USER_ID };

const NEW_USER = {
	email: USER.email,
	fullname: USER.fullname,
	password: PASSWORD,
};
const CREDENTIALS = { email: USER.email, password: PASSWORD };

async function call(
	path: string,
	init: RequestOptions = {},
	answer: Answer = () => Response.json(STORED),
	options: GatewayOptions = {},
) {
	const { request, origin, logged } = startGateway({
		answer,
		...options,
		env: { ...ISSUING, ...options.env },
	});
	const response = await request(path, init);
	return { response, origin, logged };
}

const post = (json: unknown, token?: string): RequestOptions => ({
	method: "POST",
	json,
	...(token === undefined ? {} : { token }),
});

describe("POST /users/create", () => {
	const create = (user: unknown = NEW_USER, answer: unknown = SIGNED_IN) =>
		call("/users/create", post(user), answering({ sign_up: answer }));

	it("signs the user up", async () => {
		const { origin } = await create();
		expect(callsAmong([origin.only()])).toEqual([
			{
				name: "sign_up",
				parameters: {
					...NEW_USER,
					user_metadata: { fullname: USER.fullname },
					bcrypt_cost: 10,
					address: "unknown",
				},
			},
		]);
	});

	it("answers 201 with the user, who has no todos yet", async () => {
		const { response } = await create();
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([
			201,
			"/users/todos",
			{ id: USER_ID, email: USER.email, fullname: USER.fullname, todos: [] },
		]);
	});

	it("passes on the caller's network address from Cloudflare's header", async () => {
		const { origin } = await call(
			"/users/create",
			{ ...post(NEW_USER), headers: { "CF-Connecting-IP": "192.0.2.7" } },
			answering({ sign_up: SIGNED_IN }),
		);
		expect(callsAmong(origin.received)[0]?.parameters.address).toBe(
			"192.0.2.7",
		);
	});

	it("answers with the e-mail address as the database keeps it", async () => {
		const { response } = await create({
			...NEW_USER,
			email: "Ada@Example.com",
		});
		expect(await response.json()).toMatchObject({ email: USER.email });
	});

	it("never answers with the password, a hash or a token", async () => {
		const { response } = await create(NEW_USER, {
			...SIGNED_IN,
			user: { ...USER, password_hash: "$2a$10$hash" },
		});
		const shown = [
			await response.text(),
			...[...response.headers].flat(),
		].join();
		expect(
			[PASSWORD, "$2a$", REFRESH_TOKEN, "token"].filter((text) =>
				shown.includes(text),
			),
		).toEqual([]);
	});

	it.each([
		["email_taken", 409, "user_already_exists"],
		["throttled", 429, "over_request_rate_limit"],
		["invalid_email", 400, "body_invalid"],
		["invalid_password", 422, "weak_password"],
	])("is refused: %s", async (outcome, status, code) => {
		const { response } = await create(NEW_USER, { outcome });
		expect(await refusal(response)).toEqual({ status, code });
	});

	it.each([
		["five characters", "abcde", "password has fewer than 6 characters"],
		["73 bytes", "x".repeat(73), "password has more than 72 bytes"],
		[
			"73 bytes in 37 characters",
			`${"é".repeat(36)}x`,
			"password has more than 72 bytes",
		],
	])("is refused with a password of %s", async (_, password, fault) => {
		const { response, origin } = await create({ ...NEW_USER, password });
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 422,
				code: "weak_password",
				message: `The password cannot be used: ${fault}`,
			},
			[],
		]);
	});
});

describe("POST /users/token", () => {
	const signIn = (
		credentials: unknown = CREDENTIALS,
		answer: unknown = SIGNED_IN,
	) => call("/users/token", post(credentials), answering({ sign_in: answer }));

	it("signs the user in", async () => {
		const { origin } = await signIn();
		expect(callsAmong([origin.only()])).toEqual([
			{
				name: "sign_in",
				parameters: { ...CREDENTIALS, bcrypt_cost: 10, address: "unknown" },
			},
		]);
	});

	it("answers with a token and nothing else", async () => {
		const { response } = await signIn();
		const body = await response.json<{ token: string }>();
		const { sub, session_id, exp, role } = decodeJwt(body.token);
		expect([
			response.status,
			Object.keys(body),
			{ sub, session_id, exp, role },
		]).toEqual([
			200,
			["token"],
			{
				sub: USER_ID,
				session_id: SESSION_ID,
				exp: NOW_SECONDS + 600,
				role: "authenticated",
			},
		]);
	});

	it("may not be stored by any cache", async () => {
		const { response } = await signIn();
		expect(response.headers.get("cache-control")).toBe("no-store");
	});

	it("answers with a token that the other routes accept", async () => {
		const { response } = await signIn();
		const { token } = await response.json<{ token: string }>();
		const { response: todos } = await call(
			"/users/todos",
			{ token },
			answering({ get_user: { outcome: "ok", user: USER } }),
		);
		expect(todos.status).toBe(200);
	});

	it.each([
		["invalid_credentials", 400, "invalid_credentials"],
		["throttled", 429, "over_request_rate_limit"],
	])("is refused: %s", async (outcome, status, code) => {
		const { response } = await signIn(CREDENTIALS, { outcome });
		expect(await refusal(response)).toEqual({ status, code });
	});

	it("says when to try again if it is throttled", async () => {
		const { response } = await signIn(CREDENTIALS, {
			outcome: "throttled",
			retryAfter: 9,
		});
		expect(response.headers.get("retry-after")).toBe("9");
	});

	it("refuses a wrong password and an unknown e-mail address in the same words", async () => {
		const answers = [];
		for (const email of [USER.email, "nobody@example.com"]) {
			const { response } = await signIn(
				{ ...CREDENTIALS, email },
				{ outcome: "invalid_credentials" },
			);
			answers.push([response.status, await response.text()]);
		}
		expect(answers[0]).toEqual(answers[1]);
	});

	it("answers a password that could not be set like any wrong password", async () => {
		const { origin } = await signIn({ ...CREDENTIALS, password: "x" });
		expect(origin.received).toHaveLength(1);
	});
});

describe("POST /users/todos", () => {
	const create = (todo: unknown = MILK) =>
		call("/users/todos", post(todo, SESSION_TOKEN), () =>
			Response.json(STORED, { status: 201 }),
		);

	it("inserts a row and selects it", async () => {
		const { origin } = await create();
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/todos",
			query: SELECT,
			accept: ONE,
			prefer: "return=representation",
			body: MILK,
		});
	});

	it("asks with the identity of the caller", async () => {
		const { origin } = await create();
		const token = origin.only().headers.get("authorization") ?? "";
		const { sub, role } = decodeJwt(token.slice("Bearer ".length));
		expect([sub, role]).toEqual([USER_ID, "authenticated"]);
	});

	it("answers 201 with the todo and its address", async () => {
		const { response } = await create();
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, "/users/todos/7", STORED]);
	});

	it("accepts a todo without completed", async () => {
		const { origin } = await create({ name: "Buy milk" });
		expect(asked(origin.only()).body).toEqual(MILK);
	});

	it("cannot create a todo of another user", async () => {
		const { response, origin } = await create({ ...MILK, creator: SESSION_ID });
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message:
					"The request body is not valid: it has unknown fields: creator",
			},
			[],
		]);
	});

	it.each<[string, string, Answer]>([
		[
			"a caller without credentials",
			"unauthenticated",
			postgrestError(403, "42501"),
		],
		[
			"a program, which is no user",
			"unauthenticated",
			postgrestError(400, "23502", {
				message:
					'null value in column "creator" of relation "todos" violates not-null constraint',
			}),
		],
		[
			"a user who is no longer there",
			"unauthenticated",
			postgrestError(409, "23503", {
				message:
					'insert or update on table "todos" violates foreign key constraint "todos_creator_fkey"',
			}),
		],
	])("is refused to %s", async (_, code, answer) => {
		const { response } = await call("/users/todos", post(MILK), answer);
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
		]).toEqual([{ status: 401, code }, "Bearer"]);
	});

	it("serves a user of another issuer, too, if the database lets them", async () => {
		const { response } = await call("/users/todos", post(MILK, ADA_TOKEN));
		expect(response.status).toBe(201);
	});
});

describe("GET /users/todos", () => {
	const list = (todos: unknown = [STORED], token = SESSION_TOKEN) => {
		const user = answering({ get_user: { outcome: "ok", user: USER } });
		return call("/users/todos", { token }, (received) =>
			received.url.pathname === "/todos"
				? Response.json(todos)
				: user(received),
		);
	};

	it("asks for the user of the session, then for the user's todos", async () => {
		const { origin } = await list();
		const [first, second] = origin.received;
		expect([
			origin.received.length,
			callsAmong(origin.received),
			first && second && asked(second),
		]).toEqual([
			2,
			[
				{
					name: "get_user",
					parameters: { user_id: USER_ID, session_id: SESSION_ID },
				},
			],
			{
				method: "GET",
				path: "/todos",
				query: `${SELECT}&creator=eq.${USER_ID}&order=id.asc`,
				accept: null,
				prefer: null,
				body: null,
			},
		]);
	});

	it("asks for the todos with the caller's role, and for the user with the gateway's", async () => {
		const { origin } = await list();
		const roles = origin.received.map(({ headers }) => {
			const token = headers.get("authorization") ?? "";
			return decodeJwt(token.slice("Bearer ".length)).role;
		});
		expect(roles).toEqual(["postern", "authenticated"]);
	});

	it("answers with the user and the todos", async () => {
		const { response } = await list();
		expect([response.status, await response.json()]).toEqual([
			200,
			{
				id: USER_ID,
				email: USER.email,
				fullname: USER.fullname,
				todos: [STORED],
			},
		]);
	});

	it("answers with an empty list if the user has no todos", async () => {
		const { response } = await list([]);
		expect(await response.json()).toMatchObject({ todos: [] });
	});

	it("is refused if the session has ended", async () => {
		const { response, origin } = await call(
			"/users/todos",
			{ token: SESSION_TOKEN },
			answering({ get_user: { outcome: "session_not_found" } }),
		);
		expect([await refusal(response), origin.received.length]).toEqual([
			{ status: 403, code: "session_not_found" },
			1,
		]);
	});

	it.each([
		["a caller without credentials", undefined],
		["who has no session", ADA_TOKEN],
	])("is refused to %s", async (_, token) => {
		const { response, origin } = await call(
			"/users/todos",
			token === undefined ? {} : { token },
		);
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
			origin.received,
		]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer", []]);
	});
});

const ONE_TODO: [string, RequestOptions, object, number, unknown][] = [
	[
		"GET",
		{},
		{ method: "GET", query: `${SELECT}&id=eq.7`, prefer: null, body: null },
		200,
		STORED,
	],
	[
		"PUT",
		{ json: MILK },
		{
			method: "PATCH",
			query: `id=eq.7&${SELECT}`,
			prefer: "return=representation",
			body: MILK,
		},
		200,
		STORED,
	],
	[
		"DELETE",
		{},
		{
			method: "DELETE",
			query: "id=eq.7&select=id",
			prefer: "return=representation",
			body: null,
		},
		204,
		undefined,
	],
];

describe.each(ONE_TODO)(
	"%s /users/todos/:id",
	(method, init, question, status, body) => {
		const one = (id = "7", answer?: Answer) =>
			call(
				`/users/todos/${id}`,
				{ method, token: SESSION_TOKEN, ...init },
				answer,
			);

		it("asks for the row", async () => {
			const { origin } = await one();
			expect(asked(origin.only())).toEqual({
				path: "/todos",
				accept: ONE,
				...question,
			});
		});

		it("asks with the identity of the caller", async () => {
			const { origin } = await one();
			const token = origin.only().headers.get("authorization") ?? "";
			expect(decodeJwt(token.slice("Bearer ".length)).sub).toBe(USER_ID);
		});

		it("answers with the row", async () => {
			const { response } = await one();
			const text = await response.text();
			expect([
				response.status,
				text === "" ? undefined : JSON.parse(text),
			]).toEqual([status, body]);
		});

		it("answers 404 if there is no such row, or it is another user's", async () => {
			const { response } = await one("7", postgrestError(406, "PGRST116"));
			expect(await refusal(response)).toEqual({
				status: 404,
				code: "not_found",
			});
		});

		it("is the same with a trailing slash", async () => {
			const { response } = await one("7/");
			expect(response.status).toBe(status);
		});

		it.each([
			...["0", "-1", "01", "1.5", "x", "7x", "%207", "1e3", "0x7"],
			...["1000000000000000", "99999999999999999999", "eq.7", "7,8", "null"],
		])("refuses the id %s", async (id) => {
			const { response, origin } = await one(id);
			expect([await refusalInWords(response), origin.received]).toEqual([
				{
					status: 400,
					code: "parameter_invalid",
					message: "The URL is not valid: id has to be a positive whole number",
				},
				[],
			]);
		});

		it.each(["1", "7", "999999999999999"])("accepts the id %s", async (id) => {
			const { response } = await one(id);
			expect(response.status).toBe(status);
		});
	},
);

describe("PUT /users/todos/:id", () => {
	it("replaces the fields that are left out by their defaults", async () => {
		const { origin } = await call("/users/todos/7", {
			method: "PUT",
			json: { name: "Buy milk" },
			token: SESSION_TOKEN,
		});
		expect(asked(origin.only()).body).toEqual(MILK);
	});
});

const TEXT_FAULTS: [unknown, string][] = [
	[undefined, "is missing"],
	[null, "has to be a string"],
	[1, "has to be a string"],
	[{}, "has to be a string"],
	["", "is empty"],
	[" \t", "is blank"],
	["x".repeat(301), "has more than 300 characters"],
	["a\0b", "has a null character"],
	["a\udc00", "is not well-formed Unicode"],
];

/** A route, a body that it accepts, and what may be wrong with each field. */
const BODIES: [
	string,
	string,
	Record<string, unknown>,
	[string, unknown, string][],
][] = [
	[
		"POST",
		"/users/create",
		NEW_USER,
		[
			...["email", "fullname", "password"].flatMap((field) =>
				TEXT_FAULTS.map(([value, fault]): [string, unknown, string] => [
					field,
					value,
					fault,
				]),
			),
			...[
				"ada",
				"ada@example",
				"@example.com",
				"a@b@c.example",
				"a b@c.example",
			].map((email): [string, unknown, string] => [
				"email",
				email,
				"is not an e-mail address",
			]),
		],
	],
	[
		"POST",
		"/users/token",
		CREDENTIALS,
		["email", "password"].flatMap((field) =>
			TEXT_FAULTS.map(([value, fault]): [string, unknown, string] => [
				field,
				value,
				fault,
			]),
		),
	],
	...(
		[
			["POST", "/users/todos"],
			["PUT", "/users/todos/7"],
		] as const
	).map(([method, path]): (typeof BODIES)[number] => [
		method,
		path,
		MILK,
		[
			...TEXT_FAULTS.map(([value, fault]): [string, unknown, string] => [
				"name",
				value,
				fault,
			]),
			...[null, 0, "true", []].map((value): [string, unknown, string] => [
				"is_completed",
				value,
				"has to be true or false",
			]),
		],
	]),
];

describe.each(BODIES)("the body of %s %s", (method, path, valid, faults) => {
	const send = (json: unknown) =>
		call(
			path,
			{ method, json, token: SESSION_TOKEN },
			answering({ sign_up: SIGNED_IN, sign_in: SIGNED_IN }),
		);

	it.each(faults)(
		"names %s where it is wrong, row %#",
		async (field, value, fault) => {
			const { response, origin } = await send({ ...valid, [field]: value });
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

	it("may have no other fields", async () => {
		const { response, origin } = await send({
			...valid,
			role: "service",
			id: 1,
		});
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message:
					"The request body is not valid: it has unknown fields: role, id",
			},
			[],
		]);
	});

	it.each([[[]], ["text"], [1], [null]])(
		"has to be an object, not %j",
		async (json) => {
			const { response, origin } = await send(json);
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

	it.each([
		[{ "Content-Type": "text/plain" }, "{}", 415, "media_type_unsupported"],
		[{ "Content-Type": "application/json" }, "{", 400, "body_malformed"],
		[{ "Content-Type": "application/json" }, "", 400, "body_malformed"],
		[
			{ "Content-Type": "application/json" },
			`"${"x".repeat(65_536)}"`,
			413,
			"body_too_large",
		],
	])(
		"has to be JSON of a bounded size, row %#",
		async (headers, body, status, code) => {
			const { response, origin } = await call(path, { method, headers, body });
			expect([await refusal(response), origin.received]).toEqual([
				{ status, code },
				[],
			]);
		},
	);
});

describe("the log", () => {
	it("never contains a password or a token", async () => {
		const troubles: Answer[] = [
			() => Response.json({ outcome: "strange" }),
			() =>
				Response.json({
					...SIGNED_IN,
					session: { refresh_token: REFRESH_TOKEN },
				}),
			() => new Response("<html>", { status: 502 }),
			postgrestError(500, "XX000"),
		];
		for (const answer of troubles) {
			const shown = [];
			for (const [path, json] of [
				["/users/create", NEW_USER],
				["/users/token", CREDENTIALS],
			] as const) {
				const { logged } = await call(path, post(json), answer);
				shown.push(...logged);
			}
			const text = shown
				.map((problem) =>
					problem instanceof Error
						? `${problem.stack} ${JSON.stringify(problem)}`
						: JSON.stringify(problem),
				)
				.join();
			expect([
				shown.length,
				[PASSWORD, REFRESH_TOKEN, String(ISSUER_KEY.privateJwk.d)].filter(
					(secret) => text.includes(secret),
				),
			]).toEqual([2, []]);
		}
	});
});

describe("a gateway that issues no tokens", () => {
	it.each<[string, RequestOptions]>([
		["/users/create", post(NEW_USER)],
		["/users/token", post(CREDENTIALS)],
		["/users/todos", {}],
	])("refuses the routes of users: %s", async (path, request) => {
		const { response, origin } = await call(path, request, undefined, {
			env: { TOKEN_SIGNING_KEY: undefined },
		});
		expect([await refusal(response), origin.received]).toEqual([
			{ status: 404, code: "issuing_off" },
			[],
		]);
	});
});

describe("a method that a route of users does not have", () => {
	it.each([
		["GET", "/users/create", "POST"],
		["GET", "/users/token", "POST"],
		["DELETE", "/users/todos", "POST, GET, HEAD"],
		["PATCH", "/users/todos/7", "GET, HEAD, PUT, DELETE"],
	])(
		"is refused, and Allow names the others: %s %s",
		async (method, path, allow) => {
			const { response, origin } = await call(path, { method });
			expect([
				await refusal(response),
				response.headers.get("allow"),
				origin.received,
			]).toEqual([{ status: 405, code: "method_not_allowed" }, allow, []]);
		},
	);
});
