// An unmodified supabase-js with the gateway: signing up, in and out, refreshing, and reading and writing as its user.
import {
	type AuthChangeEvent,
	type AuthError,
	createClient,
	type SupabaseClient,
	type SupportedStorage,
} from "@supabase/supabase-js";
import { beforeAll, describe, expect, it } from "vitest";
import { callerToken, stack } from "../support/client.ts";
import {
	claimsOf,
	newPerson,
	type Person,
	publishableKey,
	secretKey,
} from "../support/people.ts";
import { tellStoryOfRows } from "../support/supabase/rows-story.ts";

let appKey: string;
beforeAll(async () => {
	appKey = await publishableKey();
});

interface App {
	readonly client: SupabaseClient;
	/** Method and path of each request since this was last read. */
	sent(): string[];
	readonly events: AuthChangeEvent[];
}

interface AppOptions {
	key?: string;
	storage?: SupportedStorage;
	storageKey?: string;
	/** Sends the client's requests. */
	fetcher?: typeof fetch;
}

/** A client that a person uses. */
function appOf(
	{ address }: Pick<Person, "address">,
	{ key = appKey, fetcher = fetch, ...auth }: AppOptions = {},
): App {
	let requests: string[] = [];
	const client = createClient(stack.gatewayUrl, key, {
		auth,
		global: {
			fetch(input, init) {
				const request = new Request(input, init);
				requests.push(`${request.method} ${new URL(request.url).pathname}`);
				request.headers.set("cf-connecting-ip", address);
				return fetcher(request);
			},
		},
	});
	const events: AuthChangeEvent[] = [];
	client.auth.onAuthStateChange((event) => {
		events.push(event);
	});
	return {
		client,
		events,
		sent() {
			const seen = requests;
			requests = [];
			return seen;
		},
	};
}

/** A client whose person has just signed up. */
async function signedUp(person = newPerson(), options?: AppOptions) {
	const app = appOf(person, options);
	const { email, password, fullname } = person;
	const { data, error } = await app.client.auth.signUp({
		email,
		password,
		options: { data: { fullname } },
	});
	if (error !== null) throw error;
	if (data.user === null || data.session === null)
		throw new Error("No session");
	app.sent();
	return {
		...app,
		person,
		auth: app.client.auth,
		id: data.user.id,
		session: data.session,
	};
}

/** Another client of the same person. */
async function signedIn(person: Person, options?: AppOptions) {
	const app = appOf(person, options);
	const { data, error } = await app.client.auth.signInWithPassword(person);
	if (error !== null) throw error;
	app.sent();
	return { ...app, auth: app.client.auth, session: data.session };
}

function seen(error: AuthError | null) {
	return error && { name: error.name, code: error.code, status: error.status };
}

const NO_SESSION = { name: "AuthSessionMissingError" };

describe("signing up", () => {
	it("makes a user and signs it in", async () => {
		const person = newPerson();
		const { client } = appOf(person);
		const { data, error } = await client.auth.signUp({
			email: person.email.toUpperCase(),
			password: person.password,
			options: { data: { full_name: "Ada Lovelace", theme: "dark" } },
		});
		expect(error).toBeNull();
		expect(data.user).toMatchObject({
			id: expect.stringMatching(/^[0-9a-f-]{36}$/),
			aud: "authenticated",
			role: "authenticated",
			email: person.email,
			user_metadata: { full_name: "Ada Lovelace", theme: "dark" },
		});
		expect(data.session).toMatchObject({
			token_type: "bearer",
			expires_in: 600,
			user: data.user,
		});
		const users = await client.from("users").select().eq("id", data.user?.id);
		expect(users.data).toEqual([
			{ id: data.user?.id, fullname: "Ada Lovelace", followers: 0 },
		]);
	});

	it("refuses a second user of the same e-mail address", async () => {
		const { person } = await signedUp();
		const { data, error } = await appOf(person).client.auth.signUp({
			email: person.email.toUpperCase(),
			password: "another password",
		});
		expect(error?.code).toBe("user_already_exists");
		expect(data).toEqual({ user: null, session: null });
	});

	it("refuses a password of 5 characters, and one that bcrypt would cut short", async () => {
		const person = newPerson();
		for (const password of ["12345", "x".repeat(73), "ä".repeat(37)]) {
			const { error } = await appOf(person).client.auth.signUp({
				email: person.email,
				password,
			});
			expect(error).toMatchObject({
				name: "AuthWeakPasswordError",
				code: "weak_password",
				status: 422,
			});
		}
	});

	it("refuses what is no e-mail address, and says so", async () => {
		const { error } = await appOf(newPerson()).client.auth.signUp({
			email: "ada",
			password: "correct horse",
		});
		expect(error?.status).toBe(400);
		expect(error?.message).toContain("email is not an e-mail address");
	});

	it("refuses metadata above the limit", async () => {
		const { email, password, address } = newPerson();
		const { error } = await appOf({ address }).client.auth.signUp({
			email,
			password,
			options: { data: { biography: "x".repeat(5_000) } },
		});
		expect(error?.status).toBe(400);
	});
});

describe("signing in", () => {
	it("begins a session with the right password", async () => {
		const { person, id } = await signedUp();
		const { client } = appOf(person);
		const { data, error } = await client.auth.signInWithPassword(person);
		expect(error).toBeNull();
		expect(data.user?.id).toBe(id);
		expect(data.session?.refresh_token).toHaveLength(43);
	});

	it("refuses a wrong password and an unknown e-mail address in the same words", async () => {
		const { person } = await signedUp();
		const { auth } = appOf(person).client;
		const wrong = await auth.signInWithPassword({
			email: person.email,
			password: "another password",
		});
		const unknown = await auth.signInWithPassword({
			email: newPerson().email,
			password: "another password",
		});
		expect(wrong.error).toMatchObject({
			code: "invalid_credentials",
			status: 400,
		});
		expect({ ...seen(unknown.error), message: unknown.error?.message }).toEqual(
			{ ...seen(wrong.error), message: wrong.error?.message },
		);
		expect(wrong.data.session).toBeNull();
	});
});

describe("the signed-in user", () => {
	it("is returned by getUser", async () => {
		const { auth, id, person, sent } = await signedUp();
		const { data } = await auth.getUser();
		expect(data.user).toMatchObject({ id, email: person.email });
		expect(sent()).toEqual(["GET /auth/v1/user"]);
	});

	it("is null before a sign-in", async () => {
		const { client, sent } = appOf(newPerson());
		const { error } = await client.auth.getUser();
		expect(error).toMatchObject(NO_SESSION);
		expect(sent()).toEqual([]);
	});

	it("is verified by getClaims without asking for the user", async () => {
		const { auth, id, person, sent } = await signedUp(newPerson(), {
			storageKey: "claims",
		});
		const { data, error } = await auth.getClaims();
		expect(error).toBeNull();
		expect(data?.header).toMatchObject({
			alg: "ES256",
			kid: expect.any(String),
		});
		expect(data?.claims).toMatchObject({
			sub: id,
			aud: "authenticated",
			role: "authenticated",
			email: person.email,
			aal: "aal1",
			is_anonymous: false,
			session_id: expect.any(String),
		});
		expect(sent()).toEqual(["GET /auth/v1/.well-known/jwks.json"]);
		await auth.getClaims();
		expect(sent()).toEqual([]);
	});

	it("is not accepted from an altered token", async () => {
		const { auth, session } = await signedUp();
		const [header = "", claims = "", signature = ""] =
			session.access_token.split(".");
		const altered = Buffer.from(
			Buffer.from(claims, "base64url").toString().replace("aal1", "aal2"),
		).toString("base64url");
		const { error } = await auth.getClaims(`${header}.${altered}.${signature}`);
		expect(error?.message).toBe("Invalid JWT signature");
	});
});

describe("refreshing", () => {
	it("gives a new access token and a new refresh token of the same session", async () => {
		const { auth, id, session } = await signedUp();
		const { data, error } = await auth.refreshSession();
		expect(error).toBeNull();
		expect(data.session?.refresh_token).not.toBe(session.refresh_token);
		const after = claimsOf(data.session?.access_token ?? "");
		expect(after).toMatchObject({
			sub: id,
			session_id: claimsOf(session.access_token).session_id,
		});
		expect((await auth.getUser()).data.user?.id).toBe(id);
	});

	it("happens automatically when the access token has expired", async () => {
		const storage = inMemory();
		const before = await signedUp(newPerson(), { storage, storageKey: "old" });
		const expired = {
			...before.session,
			access_token: await expiredTokenOf(before.session.access_token),
			expires_at: Math.floor(Date.now() / 1000) - 60,
		};
		storage.setItem("new", JSON.stringify(expired));
		const { client, sent, events } = appOf(before.person, {
			storage,
			storageKey: "new",
		});
		const { data, error } = await client.from("todos").select("name");
		expect({ data, error }).toEqual({ data: [], error: null });
		expect(sent()).toEqual(["POST /auth/v1/token", "GET /rest/v1/todos"]);
		expect(events).toContain("TOKEN_REFRESHED");
	});

	it("is needed, because an expired access token is refused", async () => {
		const { session, person } = await signedUp();
		const token = await expiredTokenOf(session.access_token);
		const { auth } = appOf(person).client;
		expect((await auth.getUser(token)).error).toMatchObject({
			code: "token_expired",
			status: 401,
		});
	});

	it("ends the session when a refresh token is used a second time, after its successor was", async () => {
		const { person, session } = await signedUp();
		const owner = await refreshed(person, session.refresh_token);
		await refreshed(person, owner);
		const thief = await refresh(person, session.refresh_token);
		expect(seen(thief.error)).toMatchObject({
			code: "refresh_token_already_used",
			status: 400,
		});
		expect(await getUserWith(person, session.access_token)).toMatchObject(
			NO_SESSION,
		);
	});

	it("works again for a client that lost the answer, and for one that got it", async () => {
		const { person, session } = await signedUp();
		const lost = await refreshed(person, session.refresh_token);
		const successor = await refreshed(person, session.refresh_token);
		expect(await getUserWith(person, session.access_token)).toBeNull();
		expect((await refresh(person, successor)).error).toBeNull();
		expect((await refresh(person, lost)).error).toBeNull();
	});

	it("refuses a refresh token that never existed", async () => {
		const { error } = await refresh(newPerson(), "x".repeat(43));
		expect(error).toMatchObject({
			code: "refresh_token_not_found",
			status: 400,
		});
	});

	it("gives a client that refreshes many times at once one session", async () => {
		const { auth, sent, session } = await signedUp();
		await Promise.all(Array.from({ length: 5 }, () => auth.refreshSession()));
		expect(sent()).toContain("POST /auth/v1/token");
		const { data, error } = await auth.refreshSession();
		expect(error).toBeNull();
		expect(claimsOf(data.session?.access_token ?? "").session_id).toBe(
			claimsOf(session.access_token).session_id,
		);
	});
});

describe("changing the account", () => {
	it("merges the data, and removes a key that is set to null", async () => {
		const { auth, client, id } = await signedUp();
		const { data, error } = await auth.updateUser({
			data: { theme: "dark", full_name: "Countess" },
		});
		expect(error).toBeNull();
		expect(data.user?.user_metadata).toEqual({
			fullname: "Ada",
			theme: "dark",
			full_name: "Countess",
		});
		await auth.updateUser({ data: { theme: null } });
		const { data: after } = await auth.getUser();
		expect(after.user?.user_metadata).not.toHaveProperty("theme");
		const users = await client.from("users").select("fullname").eq("id", id);
		expect(users.data).toEqual([{ fullname: "Countess" }]);
	});

	it("changes the password, and ends the other sessions", async () => {
		const { auth, person } = await signedUp();
		const other = await signedIn(person);
		const password = "a new password";
		expect((await auth.updateUser({ password })).error).toBeNull();
		expect((await auth.getUser()).error).toBeNull();
		expect((await other.auth.getUser()).error).toMatchObject(NO_SESSION);
		const { client } = appOf(person);
		const { error } = await client.auth.signInWithPassword(person);
		expect(error?.code).toBe("invalid_credentials");
		await signedIn({ ...person, password });
	});

	it("changes the e-mail address", async () => {
		const { auth, person } = await signedUp();
		const { email } = newPerson();
		const { data, error } = await auth.updateUser({ email });
		expect(error).toBeNull();
		expect(data.user?.email).toBe(email);
		await signedIn({ ...person, email });
		const { client } = appOf(person);
		const old = await client.auth.signInWithPassword(person);
		expect(old.error?.code).toBe("invalid_credentials");
	});

	it("refuses an e-mail address of another user, and a weak password", async () => {
		const { auth } = await signedUp();
		const other = await signedUp();
		const taken = await auth.updateUser({ email: other.person.email });
		expect(taken.error?.code).toBe("email_exists");
		const weak = await auth.updateUser({ password: "12345" });
		expect(weak.error?.code).toBe("weak_password");
	});
});

tellStoryOfRows({
	async user(fullname, fetcher) {
		const person = newPerson(fullname);
		return signedUp(person, fetcher && { fetcher });
	},
	anonymous: () => appOf(newPerson()),
	service: async () => appOf(newPerson(), { key: await secretKey() }),
	schema: "api",
	todosOfNobody: { status: 401, error: { code: "42501" } },
	changesOfNobody: [401, 401, 401].map((status) => ({
		status,
		error: { code: "42501" },
	})),
});

describe("signing out", () => {
	it.each([
		["here alone", "local", { here: false, there: true }],
		["everywhere", "global", { here: false, there: false }],
		["everywhere else", "others", { here: true, there: false }],
	] as const)("ends the sessions %s", async (_, scope, alive) => {
		const here = await signedUp();
		const there = await signedIn(here.person);
		const { error } = await here.auth.signOut({ scope });
		expect(error).toBeNull();
		expect(here.sent()).toEqual(["POST /auth/v1/logout"]);
		for (const [name, { session }] of Object.entries({ here, there })) {
			const isAlive = alive[name as keyof typeof alive];
			const user = await getUserWith(here.person, session.access_token);
			const next = await refresh(here.person, session.refresh_token);
			if (isAlive) expect([user, next.error]).toEqual([null, null]);
			else {
				expect(user).toMatchObject(NO_SESSION);
				expect(next.error).toMatchObject(NO_SESSION);
			}
		}
	});

	it("elsewhere is noticed when the client asks for its user", async () => {
		const here = await signedUp();
		const there = await signedIn(here.person);
		await here.auth.signOut();
		expect((await there.auth.getUser()).error).toMatchObject(NO_SESSION);
		expect((await there.auth.getSession()).data.session).toBeNull();
		expect(there.events.at(-1)).toBe("SIGNED_OUT");
	});

	it("leaves the access token valid for the database until it expires", async () => {
		const { auth, person, session } = await signedUp();
		await auth.signOut();
		const response = await fetch(`${stack.gatewayUrl}/rest/v1/todos`, {
			headers: { authorization: `Bearer ${session.access_token}` },
		});
		expect(response.status).toBe(200);
		expect(await getUserWith(person, session.access_token)).toMatchObject(
			NO_SESSION,
		);
	});
});

describe("a day of a client", () => {
	it("shows in its events", async () => {
		const person = newPerson();
		const { client, events } = appOf(person);
		await expect.poll(() => events).toEqual(["INITIAL_SESSION"]);
		const { email, password } = person;
		await client.auth.signUp({ email, password });
		await client.auth.refreshSession();
		await client.auth.updateUser({ data: { theme: "dark" } });
		await client.auth.signOut();
		await client.auth.signInWithPassword({ email, password });
		expect(events).toEqual([
			"INITIAL_SESSION",
			"SIGNED_IN",
			"TOKEN_REFRESHED",
			"USER_UPDATED",
			"SIGNED_OUT",
			"SIGNED_IN",
		]);
	});

	it("works with a token of the role anon as the key, too", async () => {
		const key = await callerToken({ role: "anon", sub: undefined });
		const person = newPerson();
		const { client, auth } = await signedUp(person, { key });
		expect((await auth.getUser()).data.user?.email).toBe(person.email);
		const made = await client
			.from("todos")
			.insert({ name: "Buy milk" })
			.select("name")
			.single();
		expect(made.data).toEqual({ name: "Buy milk" });
		expect((await auth.refreshSession()).error).toBeNull();
		expect((await auth.getClaims()).error).toBeNull();
		expect((await auth.signOut()).error).toBeNull();
		expect((await client.from("todos").select()).status).toBe(401);
		expect((await client.from("products").select("id").limit(1)).status).toBe(
			200,
		);
	});

	it("works in a browser, whose scripts may read the headers that the client needs", async () => {
		const response = await fetch(`${stack.gatewayUrl}/auth/v1/user`, {
			headers: { origin: "https://app.example.com" },
		});
		expect(response.headers.get("access-control-allow-origin")).toBe("*");
		// Without this header the client ignores the code of an error.
		expect(response.headers.get("access-control-expose-headers")).toContain(
			"X-Supabase-Api-Version",
		);
	});

	it("does not begin with a key that never existed", async () => {
		const key = `${appKey.slice(0, -4)}AAAA`;
		const { client } = appOf(newPerson(), { key });
		const { error } = await client.auth.signInWithPassword(newPerson());
		expect(error).toMatchObject({ code: "key_rejected", status: 401 });
		expect((await client.from("products").select()).status).toBe(401);
	});
});

describe("a secret key of the role service", () => {
	it("has no user", async () => {
		const { client } = appOf(newPerson(), { key: await secretKey() });
		expect((await client.auth.getUser()).error).toMatchObject(NO_SESSION);
	});
});

function refresh(person: Pick<Person, "address">, refresh_token: string) {
	return appOf(person).client.auth.refreshSession({ refresh_token });
}

/** The next refresh token. */
async function refreshed(person: Person, refreshToken: string) {
	const { data, error } = await refresh(person, refreshToken);
	if (error !== null) throw error;
	return data.session?.refresh_token ?? "";
}

async function getUserWith(person: Person, accessToken: string) {
	return (await appOf(person).client.auth.getUser(accessToken)).error;
}

/** The same token, expired an hour ago. */
function expiredTokenOf(token: string): Promise<string> {
	const hourAgo = Math.floor(Date.now() / 1000) - 3_600;
	return callerToken({ ...claimsOf(token), iat: hourAgo, exp: hourAgo + 600 });
}

function inMemory() {
	const items = new Map<string, string>();
	return {
		getItem: (name: string) => items.get(name) ?? null,
		setItem: (name: string, value: string) => {
			items.set(name, value);
		},
		removeItem: (name: string) => {
			items.delete(name);
		},
	};
}
