// The routes of users and their todos: what the database is asked, and what the client gets of its answer.
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
	type Received,
} from "../../gateway/test/support/origin.ts";
import {
	ISSUER_KEY,
	NOW_SECONDS,
	tokenFor,
} from "../../gateway/test/support/tokens.ts";
import { constraints, ownRefusals } from "../src/refusals.ts";
import { users } from "../src/routes/users.ts";

const application = {
	routes: { "/users": users },
	refusals: ownRefusals,
	constraints,
};

const PASSWORD = "correct horse battery staple";
const SESSION_TOKEN = await tokenFor(SESSION_CLAIMS);
const ONE = "application/vnd.pgrst.object+json";
const SELECT = "select=id,name,is_completed";

const MILK = { name: "Buy milk", is_completed: false };
const STORED = { id: 7, ...MILK };
const CREATOR = { id: USER_ID, email: USER.email, fullname: USER.fullname };
const TODO = { ...STORED, creator: CREATOR };

/** The database: it knows the session's user, and gives this answer to what is asked of its tables. */
function withUser(answer: Answer = () => Response.json(STORED)): Answer {
	const user = answering({ get_user: { outcome: "ok", user: USER } });
	return (received) =>
		received.url.pathname === "/todos" ? answer(received) : user(received);
}

/** The requests about todos. */
const todosAmong = (received: readonly Received[]) =>
	received.filter(({ url }) => url.pathname === "/todos");

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
		application,
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

function subjectOf(received: Received | undefined): unknown {
	const token = received?.headers.get("authorization") ?? "";
	return decodeJwt(token.slice("Bearer ".length)).sub;
}

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

	it("says where the caller is, as Cloudflare says", async () => {
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

	it("is kept by no cache", async () => {
		const { response } = await signIn();
		expect(response.headers.get("cache-control")).toBe("no-store");
	});

	it("gives a token that the other routes take", async () => {
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

	it("says when to come back", async () => {
		const { response } = await signIn(CREDENTIALS, {
			outcome: "throttled",
			retryAfter: 9,
		});
		expect(response.headers.get("retry-after")).toBe("9");
	});

	it("refuses a wrong password and an unknown address in the same words", async () => {
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

	it("takes a password that could not be set: it is wrong, and no more", async () => {
		const { origin } = await signIn({ ...CREDENTIALS, password: "x" });
		expect(origin.received).toHaveLength(1);
	});
});

describe("POST /users/todos", () => {
	const create = (todo: unknown = MILK, answer?: Answer) =>
		call("/users/todos", post(todo, SESSION_TOKEN), withUser(answer));

	it("inserts a row as the caller", async () => {
		const { origin } = await create();
		const [inserted, ...others] = todosAmong(origin.received);
		expect([inserted && asked(inserted), others]).toEqual([
			{
				method: "POST",
				path: "/todos",
				query: SELECT,
				accept: ONE,
				prefer: "return=representation",
				body: MILK,
			},
			[],
		]);
		expect(subjectOf(inserted)).toBe(USER_ID);
	});

	it("answers 201 with the todo, its creator and its address", async () => {
		const { response } = await create();
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, "/users/todos/7", TODO]);
	});

	it("takes a todo that does not say whether it is done", async () => {
		const { origin } = await create({ name: "Buy milk" });
		const [inserted] = todosAmong(origin.received);
		expect(inserted && asked(inserted).body).toEqual(MILK);
	});

	it("refuses a user who is no longer there", async () => {
		const { response } = await create(
			MILK,
			postgrestError(409, "23503", {
				message:
					'insert or update on table "todos" violates foreign key constraint "todos_creator_fkey"',
			}),
		);
		expect(await refusal(response)).toEqual({
			status: 401,
			code: "unauthenticated",
		});
	});
});

describe("GET /users/todos", () => {
	const list = (todos: unknown = [STORED]) =>
		call(
			"/users/todos",
			{ token: SESSION_TOKEN },
			withUser(() => Response.json(todos)),
		);

	it("asks for the user of the session, and then for the user's todos", async () => {
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

	it("answers with the user and the todos", async () => {
		const { response } = await list();
		expect([response.status, await response.json()]).toEqual([
			200,
			{ ...CREATOR, todos: [TODO] },
		]);
	});

	it("answers with none where there are none", async () => {
		const { response } = await list([]);
		expect(await response.json()).toMatchObject({ todos: [] });
	});
});

const ONE_TODO: [string, RequestOptions, object, unknown][] = [
	[
		"GET",
		{},
		{ method: "GET", query: `${SELECT}&id=eq.7`, prefer: null, body: null },
		TODO,
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
		TODO,
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
		{ message: "The todo was deleted" },
	],
];

describe.each(ONE_TODO)(
	"%s /users/todos/:id",
	(method, init, question, body) => {
		const one = (id = "7", answer?: Answer) =>
			call(
				`/users/todos/${id}`,
				{ method, token: SESSION_TOKEN, ...init },
				withUser(answer),
			);

		it("asks for the row as the caller", async () => {
			const { origin } = await one();
			const [first, ...others] = todosAmong(origin.received);
			expect([first && asked(first), subjectOf(first), others]).toEqual([
				{ path: "/todos", accept: ONE, ...question },
				USER_ID,
				[],
			]);
		});

		it("answers with what there is", async () => {
			const { response } = await one();
			expect([response.status, await response.json()]).toEqual([200, body]);
		});

		it("finds nothing where there is none, or it is another user's", async () => {
			const { response } = await one("7", postgrestError(406, "PGRST116"));
			expect(await refusal(response)).toEqual({
				status: 404,
				code: "not_found",
			});
		});

		it("takes a slash at the end", async () => {
			const { response } = await one("7/");
			expect(response.status).toBe(200);
		});

		it("refuses what is not an id", async () => {
			const { response, origin } = await one("x");
			expect([await refusal(response), origin.received]).toEqual([
				{ status: 400, code: "parameter_invalid" },
				[],
			]);
		});
	},
);

describe.each<[string, string, RequestOptions]>([
	["POST", "/users/todos", { json: MILK }],
	["GET", "/users/todos", {}],
	["GET", "/users/todos/7", {}],
	["PUT", "/users/todos/7", { json: MILK }],
])("%s %s", (method, path, init) => {
	it("refuses a session that has ended, and changes nothing", async () => {
		const { response, origin } = await call(
			path,
			{ method, token: SESSION_TOKEN, ...init },
			answering({ get_user: { outcome: "session_not_found" } }),
		);
		expect([await refusal(response), origin.received.length]).toEqual([
			{ status: 403, code: "session_not_found" },
			1,
		]);
	});

	it.each([
		["an anonymous caller", {}],
		["a caller without a session here", { token: ADA_TOKEN }],
	])("refuses %s", async (_, token) => {
		const { response, origin } = await call(path, {
			method,
			...token,
			...init,
		});
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
			origin.received,
		]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer", []]);
	});
});

describe("the body of a todo", () => {
	it.each([
		[{}, "name is missing"],
		[{ ...MILK, name: "x".repeat(301) }, "name has more than 300 characters"],
		[{ ...MILK, is_completed: 0 }, "is_completed has to be true or false"],
		[{ ...MILK, creator: SESSION_ID }, "it has unknown fields: creator"],
	])("may not be %j", async (json, fault) => {
		for (const [method, path] of [
			["POST", "/users/todos"],
			["PUT", "/users/todos/7"],
		] as const) {
			const { response, origin } = await call(path, {
				method,
				json,
				token: SESSION_TOKEN,
			});
			expect([
				(await refusalInWords(response)).message,
				origin.received,
			]).toEqual([`The request body is not valid: ${fault}`, []]);
		}
	});
});

describe("the body of a user", () => {
	it.each([
		[
			"/users/create",
			{},
			"email is missing; fullname is missing; password is missing",
		],
		[
			"/users/create",
			{ ...NEW_USER, email: "ada" },
			"email is not an e-mail address",
		],
		[
			"/users/create",
			{ ...NEW_USER, fullname: "x".repeat(301) },
			"fullname has more than 300 characters",
		],
		[
			"/users/create",
			{ ...NEW_USER, role: "service" },
			"it has unknown fields: role",
		],
		["/users/token", {}, "email is missing; password is missing"],
		["/users/token", { ...CREDENTIALS, email: 1 }, "email has to be a string"],
	])("of %s may not be %j", async (path, json, fault) => {
		const { response, origin } = await call(path, post(json));
		expect([(await refusalInWords(response)).message, origin.received]).toEqual(
			[`The request body is not valid: ${fault}`, []],
		);
	});
});

describe("the log", () => {
	it("has no password and no token after any failure", async () => {
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

describe("where no tokens are issued", () => {
	it.each<[string, RequestOptions]>([
		["/users/create", post(NEW_USER)],
		["/users/token", post(CREDENTIALS)],
		["/users/todos", {}],
	])("there are no users: %s", async (path, request) => {
		const { response, origin } = await call(path, request, undefined, {
			env: { TOKEN_SIGNING_KEY: undefined },
		});
		expect([await refusal(response), origin.received]).toEqual([
			{ status: 404, code: "issuing_off" },
			[],
		]);
	});
});

describe("a method that a route of users does not know", () => {
	it.each([
		["GET", "/users/create", "POST, OPTIONS"],
		["GET", "/users/token", "POST, OPTIONS"],
		["DELETE", "/users/todos", "POST, GET, HEAD, OPTIONS"],
		["PATCH", "/users/todos/7", "GET, HEAD, PUT, DELETE, OPTIONS"],
	])("is refused, with those it knows: %s %s", async (method, path, allow) => {
		const { response, origin } = await call(path, { method });
		expect([
			await refusal(response),
			response.headers.get("allow"),
			origin.received,
		]).toEqual([{ status: 405, code: "method_not_allowed" }, allow, []]);
	});
});
