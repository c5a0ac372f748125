// Who may do what, for every table, view, function and route: the owner of a row, another user, an anonymous caller, and a program with
// a secret key. Also throttled attempts, and the ends of sessions, tokens and keys.
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
	readOrMakeCredentials,
	retireKeys,
	rotateKey,
} from "../../gateway/cli/stack/credentials.ts";
import {
	ACTORS,
	type Actor,
	type Case,
	casesOf,
	filled,
	outcomeOf,
} from "../support/actors.ts";
import { call, callerToken, stack } from "../support/client.ts";
import { startGateway } from "../support/origin.ts";
import {
	authenticate,
	claimsOf,
	database,
	newAddress,
	newPerson,
	newUser,
	type Person,
	refresh,
	revokeKey,
	secretKey,
	sessionIn,
	trySignIn,
	type User,
} from "../support/people.ts";
import { PROJECT } from "../support/project.ts";

const TABLES = casesOf(`
	# owner    other      anonymous  service    request

	# todos: private to their creator
	200 1      200 0      401 42501  200 1      GET /todos?id=eq.{todo}
	201 1      201 1      401 42501  400 23502  POST /todos {"name":"n"}
	403 42501  403 42501  401 42501  201 1      POST /todos {"name":"n","creator":"{owner}"}
	200 1      200 0      401 42501  200 1      PATCH /todos?id=eq.{todo} {"name":"n"}
	403 42501  403 42501  401 42501  200 1      PATCH /todos?id=eq.{todo} {"creator":"{other}"}
	200 1      200 0      401 42501  200 1      DELETE /todos?id=eq.{todo}

	# products: read by anyone, changed by every signed-in user
	200 1      200 1      200 1      200 1      GET /products?id=eq.{product}
	201 1      201 1      401 42501  201 1      POST /products {"serial_number":"{fresh}","title":"t","weight_lbs":1}
	403 42501  403 42501  401 42501  201 1      POST /products {"serial_number":"{fresh}","title":"t","weight_lbs":1,"quantity":9}
	200 1      200 1      401 42501  200 1      PATCH /products?id=eq.{product} {"title":"t"}
	403 42501  403 42501  401 42501  200 1      PATCH /products?id=eq.{product} {"created_at":"2020-01-01"}
	200 1      200 1      401 42501  200 1      DELETE /products?id=eq.{product}
	200 1      200 1      401 42501  200 1      POST /rpc/add_quantity {"product_id":{product},"quantity":1}

	# rescues: as products
	200 1      200 1      200 1      200 1      GET /rescues?id=eq.{rescue}
	201 1      201 1      401 42501  201 1      POST /rescues {"name":"n","age":1,"species":"{fresh}"}
	200 1      200 1      401 42501  200 1      PATCH /rescues?id=eq.{rescue} {"age":2}
	403 42501  403 42501  401 42501  200 1      PATCH /rescues?id=eq.{rescue} {"created_at":"2020-01-01"}
	200 1      200 1      401 42501  200 1      DELETE /rescues?id=eq.{rescue}
	200 1      200 1      200 1      200 1      GET /rescue_counts?species=eq.{species}

	# profiles and users: read by anyone, changed by no one
	200 1      200 1      200 1      200 1      GET /profiles?id=eq.{owner}
	403 42501  403 42501  401 42501  403 42501  POST /profiles {"id":"{owner}","fullname":"n"}
	403 42501  403 42501  401 42501  403 42501  PATCH /profiles?id=eq.{owner} {"fullname":"n"}
	403 42501  403 42501  401 42501  403 42501  DELETE /profiles?id=eq.{owner}
	200 1      200 1      200 1      200 1      GET /users?id=eq.{owner}

	# follows: read by anyone, made and taken back by the follower
	200 1      200 1      200 1      200 1      GET /follows?follower=eq.{owner}&followed=eq.{followed}
	201 1      201 1      401 42501  400 23502  POST /follows {"followed":"{stranger}"}
	403 42501  403 42501  401 42501  201 1      POST /follows {"follower":"{owner}","followed":"{stranger}"}
	403 42501  403 42501  401 42501  200 1      PATCH /follows?follower=eq.{owner}&followed=eq.{followed} {"created_at":"2020-01-01"}
	200 1      200 0      401 42501  200 1      DELETE /follows?follower=eq.{owner}&followed=eq.{followed}
`).map((one) => ({ ...one, path: `/rest/v1${one.path}` }));

const ROUTES = casesOf(`
	# owner              other                anonymous            service              request

	# Another user's todo is not found. A todo is shown with its creator, so its routes are for users who signed in here.
	200                  200                  401 unauthenticated  401 unauthenticated  GET /users/todos
	201                  201                  401 unauthenticated  401 unauthenticated  POST /users/todos {"name":"n"}
	200                  404 not_found        401 unauthenticated  401 unauthenticated  GET /users/todos/{todo}
	200                  404 not_found        401 unauthenticated  401 unauthenticated  PUT /users/todos/{todo} {"name":"n"}
	200                  404 not_found        401 unauthenticated  200                  DELETE /users/todos/{todo}

	# for a person without an account
	201                  201                  201                  201                  POST /users/create {"email":"{freshEmail}","fullname":"n","password":"secret"}
	200                  200                  200                  200                  POST /users/token {"email":"{email}","password":"{password}"}

	201                  201                  401 unauthenticated  201                  POST /products {"serialNumber":"{fresh}","title":"t","weightLbs":1}
	200                  200                  200                  200                  GET /products/{product}
	200                  200                  401 unauthenticated  200                  PATCH /products/{product}/add-quantity {"quantity":1}
	200                  200                  401 unauthenticated  200                  DELETE /products/{product}

	201                  201                  401 unauthenticated  201                  POST /rescues {"name":"n","age":1,"species":"{fresh}"}
	200                  200                  200                  200                  GET /rescues
	200                  200                  200                  200                  GET /rescues/{rescue}
	200                  200                  401 unauthenticated  200                  PUT /rescues/{rescue} {"name":"n","age":2,"species":"{species}"}
	204                  204                  401 unauthenticated  204                  DELETE /rescues/{rescue}
	200                  200                  200                  200                  GET /shared-data

	# the session's own user
	200                  200                  401 unauthenticated  401 unauthenticated  GET /auth/v1/user
	200                  200                  401 unauthenticated  401 unauthenticated  PUT /auth/v1/user {"data":{"a":"b"}}
	204                  204                  401 unauthenticated  401 unauthenticated  POST /auth/v1/logout?scope=others
	200                  200                  200                  200                  GET /auth/v1/settings
`);

let people: Record<"owner" | "other" | "followed" | "stranger", User>;
let credentials: Record<Actor, Record<string, string>>;

beforeAll(async () => {
	people = {
		owner: await newUser("Owner"),
		other: await newUser("Other"),
		followed: await newUser("Followed"),
		stranger: await newUser("Stranger"),
	};
	credentials = {
		owner: { authorization: `Bearer ${people.owner.accessToken}` },
		other: { authorization: `Bearer ${people.other.accessToken}` },
		anonymous: {},
		service: { apikey: await secretKey() },
	};
});

describe.each([
	["tables, views and functions", TABLES],
	["routes", ROUTES],
])("%s", (_, cases) => {
	it.each(cases)("$request", async (one) => {
		const outcomes: Partial<Record<Actor, string>> = {};
		for (const actor of ACTORS) outcomes[actor] = await attempt(one, actor);
		expect(outcomes).toEqual(one.outcomes);
	});
});

/** The outcome of the request on rows of its own. */
async function attempt(one: Case, actor: Actor): Promise<string> {
	const rows = await makeRows();
	const before = await contentsOf(rows);
	const response = await call(filled(one.path, rows), {
		method: one.method,
		headers: {
			...credentials[actor],
			prefer: "return=representation",
			"content-type": "application/json",
			"cf-connecting-ip": newAddress(),
		},
		...(one.body === undefined ? {} : { body: filled(one.body, rows) }),
	});
	const outcome = await outcomeOf(response);
	const isDone = response.ok && !outcome.endsWith(" 0");
	const after = await contentsOf(rows);
	await removeRows(rows);
	const isChanged = JSON.stringify(before) !== JSON.stringify(after);
	return isChanged && !isDone ? `${outcome}, and changes something` : outcome;
}

/** A todo and a follow of the owner, and rows that everyone may read. */
async function makeRows() {
	const { owner, other, followed, stranger } = people;
	const fresh = randomUUID();
	const { rows } = await database.query(
		`with
			todo as (insert into api.todos (name, creator) values ('todo', $1) returning id),
			follow as (insert into api.follows (follower, followed) values ($1, $2)),
			product as (insert into api.products (serial_number, title, weight_lbs) values ($3 || '-', 'product', 1) returning id),
			rescue as (insert into api.rescues (name, age, species) values ('rescue', 1, $3 || '-') returning id)
		select todo.id::text as todo, product.id::text as product, rescue.id::text as rescue
		from todo, product, rescue`,
		[owner.id, followed.id, fresh],
	);
	return {
		...(rows[0] as Record<"todo" | "product" | "rescue", string>),
		owner: owner.id,
		other: other.id,
		followed: followed.id,
		stranger: stranger.id,
		fresh,
		species: `${fresh}-`,
		freshEmail: newPerson().email,
		email: owner.email,
		password: owner.password,
	};
}

type Rows = Awaited<ReturnType<typeof makeRows>>;

/** All rows that the request could have changed. */
async function contentsOf({ owner, other, fresh }: Rows) {
	const { rows } = await database.query(
		`select
			(select json_agg(todo order by todo.id) from api.todos as todo where todo.creator in ($1, $2)) as todos,
			(select json_agg(follow order by follow) from api.follows as follow where follow.follower in ($1, $2)) as follows,
			(select json_agg(profile order by profile.id) from api.profiles as profile where profile.id in ($1, $2)) as profiles,
			(select json_agg(product order by product.id) from api.products as product where product.serial_number like $3 || '%') as products,
			(select json_agg(rescue order by rescue.id) from api.rescues as rescue where rescue.species like $3 || '%') as rescues,
			(select json_agg(account.user_metadata order by account.id) from auth.users as account where account.id in ($1, $2)) as users`,
		[owner, other, fresh],
	);
	return rows[0];
}

async function removeRows({ owner, other, fresh }: Rows) {
	const removals: [string, string[]][] = [
		["api.todos where creator = any ($1)", [owner, other]],
		["api.follows where follower = any ($1)", [owner, other]],
		["api.products where serial_number like any ($1)", [`${fresh}%`]],
		["api.rescues where species like any ($1)", [`${fresh}%`]],
	];
	for (const [which, values] of removals) {
		await database.query(`delete from ${which}`, [values]);
	}
}

it("has a line for every table, view and function that is exposed", async () => {
	// Not the running database's, where other tests have their own tables.
	const schema = await readFile(join(PROJECT, "db", "schema.sql"), "utf8");
	const exposed = [
		...schema.matchAll(
			/^CREATE (TABLE|VIEW|MATERIALIZED VIEW|FUNCTION) api\.(\w+)/gm,
		),
	].map(([, kind, name]) => (kind === "FUNCTION" ? `rpc/${name}` : name));
	expect(exposed).toContain("todos");
	expect([...new Set(TABLES.map(({ path }) => nameIn(path)))].sort()).toEqual(
		exposed.sort(),
	);
});

function nameIn(path: string): string | undefined {
	return /^\/rest\/v1\/([\w/]+)/.exec(path)?.[1];
}

it("has a line for every route that is described", async () => {
	const response = await call("/openapi.json");
	const { paths } = (await response.json()) as {
		paths: Record<string, object>;
	};
	const described = Object.entries(paths).flatMap(([path, methods]) =>
		Object.keys(methods).map((method) =>
			template(`${method.toUpperCase()} ${path}`),
		),
	);
	const tried = new Set(
		[...TABLES, ...ROUTES].map(({ method, path }) =>
			template(`${method} ${path}`),
		),
	);
	expect(described.length).toBeGreaterThan(10);
	expect(described.filter((route) => !tried.has(route))).toEqual([]);
});

/** The route without the names of its parameters. */
function template(route: string): string {
	return route.replace(/\{\w+\}/g, "{}").replace(/\/$/, "");
}

describe("a credential that supabase-js would not send", () => {
	const NEW = { email: "ada@example.com", password: "correct horse" };
	const cases: [string, string, unknown, string][] = [
		["POST", "/signup", {}, "422 anonymous_provider_disabled"],
		["POST", "/signup", [], "400 body_invalid"],
		["POST", "/signup", { ...NEW, email: null }, "400 body_invalid"],
		["POST", "/signup", { ...NEW, data: "dark" }, "400 body_invalid"],
		["POST", "/signup", { ...NEW, data: { a: "\0" } }, "400 body_invalid"],
		[
			"POST",
			"/signup",
			{ ...NEW, data: { a: [{ b: "\ud800" }] } },
			"400 body_invalid",
		],
		["POST", "/signup", { ...NEW, password: "12345" }, "422 weak_password"],
		["POST", "/token", NEW, "400 parameter_invalid"],
		["POST", "/token?grant_type=pkce", {}, "404 flow_state_not_found"],
		["POST", "/token?grant_type=password", {}, "400 body_invalid"],
		["POST", "/token?grant_type=refresh_token", {}, "400 body_invalid"],
		[
			"POST",
			"/token?grant_type=refresh_token",
			{ refresh_token: "a\0" },
			"400 body_invalid",
		],
		["PUT", "/user", { email: null }, "400 body_invalid"],
		["PUT", "/user", { data: { "\udfff": 1 } }, "400 body_invalid"],
		["POST", "/logout?scope=nowhere", {}, "400 parameter_invalid"],
		["POST", "/recover", {}, "422 otp_disabled"],
		["GET", "/signup", undefined, "405 method_not_allowed"],
	];

	it.each(cases)(
		"is refused: %s %s %j",
		async (method, path, json, outcome) => {
			const response = await call(`/auth/v1${path}`, {
				method,
				json,
				token: people.owner.accessToken,
			});
			expect(response.headers.get("x-supabase-api-version")).toBe("2024-01-01");
			expect(await outcomeOf(response)).toBe(outcome);
		},
	);

	it.each([
		["no session", {}],
		["a session that is none", { session_id: "x" }],
		["a subject that is no user's", { sub: "ada", session_id: randomUUID() }],
		["a session in a list", { session_id: [randomUUID()] }],
	])("is refused: a token of Postern with %s", async (_, claims) => {
		const token = await callerToken({ sub: people.owner.id, ...claims });
		for (const [method, path] of [
			["GET", "/auth/v1/user"],
			["POST", "/auth/v1/logout"],
			["GET", "/users/todos"],
		] as const) {
			expect(await outcomeOf(await call(path, { method, token }))).toBe(
				"401 unauthenticated",
			);
		}
	});
});

describe("too many attempts", () => {
	it("to guess the password of one account at one address are refused there, even with the right one", async () => {
		const user = await newUser();
		const address = newAddress();
		const neighbour = { ...(await newUser()), address };
		const wrong = await statusesOf(10, () =>
			trySignIn({ ...user, password: "wrong one", address }),
		);
		expect(wrong).toEqual({ 400: 10 });
		await expectThrottled(trySignIn({ ...user, address }));
		await expectThrottled(
			authenticate({ address }, "/users/token", {
				email: user.email.toUpperCase(),
				password: user.password,
			}),
		);
		expect((await trySignIn(neighbour)).status).toBe(200);
		expect((await trySignIn(user)).status).toBe(200);
	});

	it("to guess the password of one account at many addresses are refused at each, even with the right one", async () => {
		const user = await newUser();
		const wrong = await statusesOf(50, () =>
			trySignIn({ ...user, password: "wrong one", address: newAddress() }),
		);
		expect(wrong).toEqual({ 400: 50 });
		await expectThrottled(trySignIn({ ...user, address: newAddress() }));
		expect(await attemptsOf("sign_in", "account", user.email)).toBe(51);
	});

	it("are counted for an account that does not exist as well", async () => {
		const unknown = newPerson();
		const wrong = await statusesOf(10, () => trySignIn(unknown));
		expect(wrong).toEqual({ 400: 10 });
		await expectThrottled(trySignIn(unknown));
	});

	it("are counted when they come at once", async () => {
		const user = await newUser();
		const answers = await Promise.all(
			Array.from({ length: 20 }, () =>
				trySignIn({ ...user, password: "wrong one" }),
			),
		);
		expect(countOf(answers)).toEqual({ 400: 10, 429: 10 });
	});

	it("are forgotten after the right password", async () => {
		const user = await newUser();
		for (let round = 0; round < 2; round += 1) {
			await statusesOf(9, () =>
				trySignIn({ ...user, password: "wrong one", address: newAddress() }),
			);
			expect((await trySignIn(user)).status).toBe(200);
		}
	});

	it("to sign in from one address are refused at that address only", async () => {
		const user = await newUser();
		const { address } = user;
		await trySignIn({ ...newPerson(), address });
		await exhaust("sign_in", "address", address);
		await expectThrottled(trySignIn(user));
		const sameNetwork = address.replace(/::1$/, "::2");
		await expectThrottled(trySignIn({ ...user, address: sameNetwork }));
		const elsewhere = await trySignIn({ ...user, address: newAddress() });
		expect(elsewhere.status).toBe(200);
	});

	it("to sign up with one e-mail address are refused", async () => {
		const person = newPerson();
		const { email, password } = person;
		const signUp = (address = newAddress()) =>
			authenticate({ address }, "/auth/v1/signup", { email, password });
		expect(await statusesOf(10, signUp)).toEqual({ 200: 1, 409: 9 });
		await expectThrottled(signUp());
		await expectThrottled(
			authenticate({ address: newAddress() }, "/users/create", {
				email,
				password,
				fullname: "Ada",
			}),
		);
		expect((await trySignIn(person)).status).toBe(200);
	});

	it("to sign up from one address are refused at that address only", async () => {
		const { address } = await newUser();
		await exhaust("sign_up", "address", address);
		const person = newPerson();
		const signUp = (from: string) =>
			authenticate({ address: from }, "/auth/v1/signup", {
				email: person.email,
				password: person.password,
			});
		await expectThrottled(signUp(address));
		expect((await signUp(newAddress())).status).toBe(200);
	});

	it("to refresh by one account are refused, and end no session", async () => {
		const user = await newUser();
		const other = await newUser();
		const next = await sessionIn(await refresh(user, user.refreshToken));
		await exhaust("refresh", "account", user.id);
		await expectThrottled(refresh(user, next.refresh_token));
		expect((await refresh(other, other.refreshToken)).status).toBe(200);
		await forget("refresh", "account", user.id);
		expect((await refresh(user, next.refresh_token)).status).toBe(200);
	});

	it("to refresh from one address are refused at that address only", async () => {
		const user = await newUser();
		const { address } = user;
		await refresh({ address }, "x".repeat(43));
		await exhaust("refresh", "address", address);
		await expectThrottled(refresh(user, user.refreshToken));
		const elsewhere = await refresh(
			{ address: newAddress() },
			user.refreshToken,
		);
		expect(elsewhere.status).toBe(200);
	});

	it("to change a password are refused", async () => {
		const user = await newUser();
		const change = (password: string) =>
			call("/auth/v1/user", {
				method: "PUT",
				token: user.accessToken,
				json: { password },
			});
		expect((await change("second secret")).status).toBe(200);
		await exhaust("change_password", "account", user.id);
		await expectThrottled(change("third secret"));
		const signedIn = await trySignIn({ ...user, password: "second secret" });
		expect(signedIn.status).toBe(200);
	});
});

describe("a wrong e-mail address and a wrong password", () => {
	it("get the same answer after the same work", async () => {
		const times: Record<"known" | "unknown", number[]> = {
			known: [],
			unknown: [],
		};
		const answers = new Set<string>();
		for (let round = 0; round < 3; round += 1) {
			const known = await newUser();
			for (let attempt = 0; attempt < 8; attempt += 1) {
				const unknown = newPerson();
				const pair = [
					["known", known],
					["unknown", unknown],
				] as const;
				for (const [kind, person] of attempt % 2 ? pair : pair.toReversed()) {
					const startedAt = performance.now();
					const response = await trySignIn({
						...person,
						password: "wrong one",
					});
					answers.add(`${response.status} ${await response.text()}`);
					times[kind].push(performance.now() - startedAt);
				}
			}
		}
		expect(answers.size).toBe(1);
		console.log(
			`Refusing to sign in takes ${median(times.known)} ms where the e-mail is known, ${median(times.unknown)} ms where it is not (medians of 24).`,
		);
	});
});

describe("the end of", () => {
	it("a session is seen by every route, while its access token reads the database until it expires", async () => {
		const user = await newUser();
		const { accessToken: token } = user;
		const ended = await call("/auth/v1/logout", { method: "POST", token });
		expect(ended.status).toBe(204);
		for (const path of ["/auth/v1/user", "/users/todos"]) {
			expect(await outcomeOf(await call(path, { token }))).toBe(
				"403 session_not_found",
			);
		}
		const next = await refresh(user, user.refreshToken);
		expect(await outcomeOf(next)).toBe("403 session_not_found");
		const { exp, iat } = claimsOf(token);
		expect(Number(exp) - Number(iat)).toBe(600);
		expect(await outcomeOf(await call("/rest/v1/todos", { token }))).toBe(
			"200 0",
		);
	});

	it("an access token comes at its expiry", async () => {
		const { accessToken } = await newUser();
		const seconds = Math.floor(Date.now() / 1000);
		const at = (exp: number) =>
			callerToken({ ...claimsOf(accessToken), exp }).then((token) =>
				call("/rest/v1/todos", { token }),
			);
		expect((await at(seconds + 30)).status).toBe(200);
		expect(await outcomeOf(await at(seconds - 30))).toBe("401 token_expired");
	});

	it("a user's sessions and rows comes with the user's deletion", async () => {
		const user = await newUser();
		const { accessToken: token } = user;
		await call("/users/todos", { token, json: { name: "Buy milk" } });
		await database.query("delete from auth.users where id = $1", [user.id]);
		expect(await outcomeOf(await call("/auth/v1/user", { token }))).toBe(
			"403 session_not_found",
		);
		expect(await outcomeOf(await refresh(user, user.refreshToken))).toBe(
			"400 refresh_token_not_found",
		);
		expect(await outcomeOf(await call("/rest/v1/todos", { token }))).toBe(
			"200 0",
		);
		const orphan = await call("/users/todos", { token, json: { name: "n" } });
		expect(orphan.status).toBeLessThan(500);
		expect(orphan.ok).toBe(false);
	});

	it.concurrent("a secret key that is in use comes 5 seconds after its last look-up", async ({
		expect,
	}) => {
		const key = await secretKey();
		const ask = () =>
			call("/rest/v1/todos?limit=1", { headers: { apikey: key } });
		expect((await ask()).status).toBe(200);
		await revokeKey(key);
		const revokedAt = Date.now();
		let answer = await ask();
		while (answer.ok && Date.now() - revokedAt < 10_000) {
			await new Promise((resolve) => setTimeout(resolve, 100));
			answer = await ask();
		}
		expect(await outcomeOf(answer)).toBe("401 key_rejected");
		expect(Date.now() - revokedAt).toBeLessThan(6_000);
	});

	it("an old signing key's tokens comes when the key is retired, not before", async () => {
		const folder = await mkdtemp(join(tmpdir(), "postern-rotation-"));
		try {
			const file = join(folder, "credentials");
			const user = await newUser();
			const before = await withKeysOf(file, (gateway) =>
				tokenAt(gateway, user),
			);
			await rotateKey(file, "token");
			const after = await withKeysOf(file, async (gateway) => {
				const token = await tokenAt(gateway, user);
				expect(kidOf(token)).not.toBe(kidOf(before));
				expect(await kidsAt(gateway)).toEqual([kidOf(token), kidOf(before)]);
				expect(await todosAt(gateway, before)).toBe("200 0");
				expect(await todosAt(gateway, token)).toBe("200 0");
				return token;
			});
			await retireKeys(file, "token");
			await withKeysOf(file, async (gateway) => {
				expect(await kidsAt(gateway)).toEqual([kidOf(after)]);
				expect(await todosAt(gateway, before)).toBe("401 token_rejected");
				expect(await todosAt(gateway, after)).toBe("200 0");
			});
		} finally {
			await rm(folder, { recursive: true });
		}
	});
});

async function expectThrottled(answer: Promise<Response>): Promise<void> {
	const response = await answer;
	const seconds = Number(response.headers.get("retry-after"));
	expect(await outcomeOf(response)).toBe("429 over_request_rate_limit");
	expect(seconds).toBeGreaterThan(0);
	expect(seconds).toBeLessThanOrEqual(3_600);
}

/** Sends requests one after another. */
async function statusesOf(times: number, ask: () => Promise<Response>) {
	const answers = [];
	for (let time = 0; time < times; time += 1) answers.push(await ask());
	return countOf(answers);
}

/** The number of answers of each status. */
function countOf(answers: Response[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
	return counts;
}

/** The attempts that are counted for an e-mail address, a user's id or a network address. */
const COUNTED =
	"action = $1 and scope = $2 and subject in ($3, auth.account_subject($3), auth.address_subject($3))";

async function attemptsOf(action: string, scope: string, subject: string) {
	const { rows } = await database.query(
		`select attempts from auth.throttles where ${COUNTED}`,
		[action, scope, subject],
	);
	return rows[0]?.attempts;
}

/** Uses up the attempts of a subject of whom at least one was counted. */
async function exhaust(action: string, scope: string, subject: string) {
	const { rowCount } = await database.query(
		`update auth.throttles set attempts = (
			select attempts from auth.limits where action = $1 and scope = $2
		) where ${COUNTED}`,
		[action, scope, subject],
	);
	expect(rowCount).toBe(1);
}

function forget(action: string, scope: string, subject: string) {
	return database.query(`delete from auth.throttles where ${COUNTED}`, [
		action,
		scope,
		subject,
	]);
}

function median(numbers: number[]): string {
	const sorted = numbers.toSorted((a, b) => a - b);
	return (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(1);
}

/** Runs a Worker with the keys of the file, which is made if it does not exist. */
async function withKeysOf<Result>(
	file: string,
	use: (gatewayUrl: string) => Promise<Result>,
): Promise<Result> {
	const { tokenJwks, tokenSigningKey } = await readOrMakeCredentials(file);
	const gateway = await startGateway(stack.postgrestUrl, {
		TOKEN_JWKS: tokenJwks,
		TOKEN_SIGNING_KEY: tokenSigningKey,
	});
	try {
		return await use(gateway.url);
	} finally {
		await gateway.stop();
	}
}

async function tokenAt(gatewayUrl: string, person: Person): Promise<string> {
	const { email, password, address } = person;
	const response = await fetch(`${gatewayUrl}/users/token`, {
		method: "POST",
		headers: {
			"content-type": "application/json",
			"cf-connecting-ip": address,
		},
		body: JSON.stringify({ email, password }),
	});
	return ((await response.json()) as { token: string }).token;
}

/** The ids of the keys that the gateway publishes. */
async function kidsAt(gatewayUrl: string): Promise<string[]> {
	const response = await fetch(`${gatewayUrl}/.well-known/jwks.json`);
	const { keys } = (await response.json()) as { keys: { kid: string }[] };
	return keys.map(({ kid }) => kid);
}

function kidOf(token: string): unknown {
	const [header = ""] = token.split(".");
	return JSON.parse(Buffer.from(header, "base64url").toString()).kid;
}

async function todosAt(gatewayUrl: string, token: string): Promise<string> {
	return outcomeOf(
		await fetch(`${gatewayUrl}/rest/v1/todos`, {
			headers: { authorization: `Bearer ${token}` },
		}),
	);
}
