// The accounts as the clients that people have use them: an unmodified supabase-js in several tabs and on a server, and what it is
// told where Postern lacks what it asks for.
import { createClient, type SupportedStorage } from "@supabase/supabase-js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { call, stack } from "../support/client.ts";
import {
	authenticate,
	database,
	newAddress,
	newPerson,
	newUser,
	type Person,
	publishableKey,
	refresh,
	secretKey,
	sessionIn,
	trySignIn,
	type User,
} from "../support/people.ts";

let publishable: string;
let secret: string;
beforeAll(async () => {
	[publishable, secret] = await Promise.all([publishableKey(), secretKey()]);
});

interface ClientOptions {
	key?: string;
	storage?: SupportedStorage;
	/** Sent with each request, besides the address of the connection. */
	headers?: Record<string, string>;
	persistSession?: boolean;
}

/** A client whose connection has this address. */
function clientOf(
	{ address }: Pick<Person, "address">,
	{ key = publishable, headers = {}, ...auth }: ClientOptions = {},
) {
	return createClient(stack.gatewayUrl, key, {
		auth: { autoRefreshToken: false, ...auth },
		global: { headers: { ...headers, "cf-connecting-ip": address } },
	});
}

/** A client that a new user has signed in with. */
async function signedIn() {
	const user = await newUser();
	const { auth } = clientOf(user, { persistSession: false });
	const { error } = await auth.signInWithPassword(user);
	if (error !== null) throw error;
	return { user, auth };
}

function times<Value>(
	count: number,
	make: (index: number) => Promise<Value>,
): Promise<Value[]> {
	return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}

const ok = (count: number) => Array<number>(count).fill(200);
const statuses = (answers: readonly Response[]) =>
	answers.map(({ status }) => status);

async function tokenIn(response: Response | undefined): Promise<string> {
	if (response === undefined) throw new Error("No response");
	return (await sessionIn(response)).refresh_token;
}

/** Refreshes with each of the tokens at once, as tabs do whose access token expires. */
async function refreshAll(user: User, tokens: readonly string[]) {
	const answers = await Promise.all(
		tokens.map((token) => refresh(user, token)),
	);
	expect(statuses(answers)).toEqual(ok(tokens.length));
	return Promise.all(answers.map(tokenIn));
}

async function expectSignedIn(user: User) {
	const response = await call("/auth/v1/user", { token: user.accessToken });
	expect(response.status).toBe(200);
}

async function expectSignedOut(user: User) {
	const response = await call("/auth/v1/user", { token: user.accessToken });
	expect(response.status).toBe(403);
}

describe("refreshing", () => {
	it("in two tabs leaves both signed in", async () => {
		const user = await newUser();
		const [one, other] = await refreshAll(user, [
			user.refreshToken,
			user.refreshToken,
		]);
		expect((await refresh(user, one ?? "")).status).toBe(200);
		expect((await refresh(user, other ?? "")).status).toBe(200);
		await expectSignedIn(user);
	});

	it("in 20 tabs, each with its own session, signs nobody out in 20 rounds", async () => {
		for (let user = 0; user < 4; user++) {
			const owner = await newUser();
			let tokens = Array<string>(20).fill(owner.refreshToken);
			for (let round = 0; round < 5; round++) {
				tokens = await refreshAll(owner, tokens);
			}
			await expectSignedIn(owner);
		}
	});

	it("in 20 tabs that share their storage leaves all of them signed in", async () => {
		const items = new Map<string, string>();
		const storage = {
			getItem: (name: string) => items.get(name) ?? null,
			setItem: (name: string, value: string) => {
				items.set(name, value);
			},
			removeItem: (name: string) => {
				items.delete(name);
			},
		};
		const user = await newUser();
		const tabs = Array.from({ length: 20 }, () => clientOf(user, { storage }));
		await tabs[0]?.auth.signInWithPassword(user);
		for (let round = 0; round < 4; round++) {
			const refreshed = await Promise.all(
				tabs.map(({ auth }) => auth.refreshSession()),
			);
			// supabase-js drops its own answer where another tab has stored a newer session meanwhile.
			const names = refreshed.map(({ error }) => error?.name ?? "refreshed");
			expect(["refreshed", "AuthRefreshDiscardedError"]).toEqual(
				expect.arrayContaining(names),
			);
		}
		const users = await Promise.all(tabs.map(({ auth }) => auth.getUser()));
		expect(users.map(({ data }) => data.user?.id)).toEqual(
			Array(20).fill(user.id),
		);
	});

	it("by parallel requests of a server goes on, whichever answer the browser keeps", async () => {
		const user = await newUser();
		let cookie = user.refreshToken;
		for (const kept of [0, 7, 3, 5, 1, 6]) {
			const answers = await refreshAll(user, Array(8).fill(cookie));
			cookie = answers[kept] ?? "";
		}
		await expectSignedIn(user);
	});

	it("goes on for a client that lost the answer and asks again after a minute", async () => {
		const user = await newUser();
		await refresh(user, user.refreshToken);
		await database.query(
			"update auth.sessions set refreshed_at = refreshed_at - interval '1 minute' where id = $1",
			[user.sessionId],
		);
		const again = await tokenIn(await refresh(user, user.refreshToken));
		expect((await refresh(user, again)).status).toBe(200);
	});

	/** Refreshes one after the other, from this token on. */
	async function goOn(user: User, from: string, rounds: number) {
		let token = from;
		for (let round = 0; round < rounds; round++) {
			token = await tokenIn(await refresh(user, token));
		}
		return token;
	}

	it.each([
		["its owner went on", 2, 0],
		["both went on, and the thief fell behind", 3, 1],
	])(
		"with a stolen token ends the session after %s",
		async (_, owner, thief) => {
			const user = await newUser();
			const stolen = user.refreshToken;
			const behind = await goOn(user, stolen, thief);
			const newest = await goOn(user, stolen, owner);
			const found = await refresh(user, behind);
			expect([found.status, await found.json()]).toMatchObject([
				400,
				{ code: "refresh_token_already_used" },
			]);
			expect((await refresh(user, newest)).status).toBe(403);
			await expectSignedOut(user);
		},
	);
});

describe("metadata", () => {
	/** Signs up with this text as the metadata. JSON.stringify would round its numbers. */
	async function signUpWith(metadata: string) {
		const { email, password, address } = newPerson();
		const response = await call("/auth/v1/signup", {
			body: `{"email":"${email}","password":"${password}","data":${metadata}}`,
			headers: {
				"content-type": "application/json",
				"cf-connecting-ip": address,
			},
		});
		return { response, address };
	}

	it("with numbers beyond 2^53 lets its owner in, and is kept as it is", async () => {
		const written =
			'"of":[-1152921504606846977,1.0,9007199254740992,0.10],"big":9007199254740993';
		const { response, address } = await signUpWith(`{${written}}`);
		const text = await response.text();
		expect(response.status).toBe(200);
		expect(text).toContain(written);
		const { access_token, refresh_token, user } = JSON.parse(text);
		const [, claims = ""] = access_token.split(".");
		expect(Buffer.from(claims, "base64url").toString()).toContain(written);
		const shown = await call("/auth/v1/user", { token: access_token });
		expect([shown.status, await shown.text()]).toEqual([
			200,
			expect.stringContaining(written),
		]);
		const rows = await call("/rest/v1/todos", { token: access_token });
		expect([rows.status, await rows.json()]).toEqual([200, []]);
		const again = await refresh({ address }, refresh_token);
		expect(await again.text()).toContain(written);
		const { rows: kept } = await database.query(
			"select user_metadata ->> 'big' as big from auth.users where id = $1",
			[user.id],
		);
		expect(kept).toEqual([{ big: "9007199254740993" }]);
	});

	it("reaches the database's claims as it is", async () => {
		const { response } = await signUpWith('{"big":9007199254740993}');
		const { access_token } = await sessionIn(response);
		const created = await call("/rest/v1/todos?select=name", {
			token: access_token,
			json: { name: "Claims" },
			headers: { prefer: "return=representation" },
		});
		expect(created.status).toBe(201);
	});

	it.each(["1e400", "-0", "1E-300", "123e-1"])(
		"with %s is the same number everywhere, and lets its owner in",
		async (number) => {
			const { response } = await signUpWith(`{"number":${number}}`);
			const { access_token } = await sessionIn(response);
			const { status } = await call("/rest/v1/todos", { token: access_token });
			const shown = await call("/auth/v1/user", { token: access_token });
			const written = /"number":([^}]*)}/.exec(await shown.text())?.[1];
			const { rows } = await database.query(
				"select $1::numeric = $2::numeric as same",
				[written, number],
			);
			expect([status, rows]).toEqual([200, [{ same: true }]]);
		},
	);

	it("of any shape lets its owner in, or is refused by the name of its field", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.dictionary(fc.string({ maxLength: 20 }), fc.jsonValue()),
				async (metadata) => {
					// V8's JSON.parse may take another key that begins with an escape for a known key "\\" (seen in Node 24.21).
					const text = JSON.stringify(metadata);
					fc.pre(!text.includes('"\\\\":'));
					const { response } = await signUpWith(text);
					if (!response.ok) {
						expect([response.status, await response.json()]).toMatchObject([
							400,
							{ message: expect.stringContaining("not valid: data has") },
						]);
						return;
					}
					const { access_token, user } = (await response.json()) as {
						access_token: string;
						user: { user_metadata: unknown };
					};
					// -0 is written as 0.
					expect(user.user_metadata).toEqual(JSON.parse(text));
					for (const path of ["/auth/v1/user", "/rest/v1/todos"]) {
						const { status } = await call(path, { token: access_token });
						expect(status).toBe(200);
					}
				},
			),
			{ numRuns: 25 },
		);
	});

	it("of the greatest depth that fits lets its owner in", async () => {
		const { response } = await signUpWith(
			`{"a":${"[".repeat(1_000)}1.0${"]".repeat(1_000)}}`,
		);
		const { access_token } = await sessionIn(response);
		const { status } = await call("/rest/v1/todos", { token: access_token });
		expect(status).toBe(200);
	});
});

describe("an e-mail address", () => {
	it.each(["a&!#$%*/=?^|~{}`'+-_.b@example.com", "x@localhost"])(
		"that a browser's form takes signs up, and in: %s",
		async (form) => {
			const person = newPerson();
			const [local, domain = ""] = form.split("@");
			const [, id] = person.email.split("@");
			// Each run has an address of its own.
			const email = `${local}${id?.slice(0, 8)}@${domain}`;
			const { auth } = clientOf(person);
			const signedUp = await auth.signUp({ ...person, email });
			expect(signedUp.error).toBeNull();
			const signedIn = await auth.signInWithPassword({ ...person, email });
			expect(signedIn.data.user?.email).toBe(email);
			await database.query("delete from auth.users where email = $1", [email]);
		},
	);
});

describe("what supabase-js asks for and Postern lacks", () => {
	type Auth = ReturnType<typeof clientOf>["auth"];

	const email = "ada@example.com";
	const phone = "+15550100";
	const lacking: [
		string,
		(auth: Auth) => Promise<{ error: unknown }>,
		number,
		string,
	][] = [
		[
			"signInAnonymously",
			(auth) => auth.signInAnonymously(),
			422,
			"anonymous_provider_disabled",
		],
		[
			"signUp by phone",
			(auth) => auth.signUp({ phone, password: "correct horse" }),
			422,
			"phone_provider_disabled",
		],
		[
			"signInWithPassword by phone",
			(auth) => auth.signInWithPassword({ phone, password: "correct horse" }),
			422,
			"phone_provider_disabled",
		],
		[
			"signInWithOtp by e-mail",
			(auth) => auth.signInWithOtp({ email }),
			422,
			"otp_disabled",
		],
		[
			"signInWithOtp by phone",
			(auth) => auth.signInWithOtp({ phone }),
			422,
			"otp_disabled",
		],
		[
			"verifyOtp",
			(auth) => auth.verifyOtp({ email, token: "123456", type: "email" }),
			422,
			"otp_disabled",
		],
		[
			"resend",
			(auth) => auth.resend({ email, type: "signup" }),
			422,
			"otp_disabled",
		],
		[
			"resetPasswordForEmail",
			(auth) => auth.resetPasswordForEmail(email),
			422,
			"otp_disabled",
		],
		["reauthenticate", (auth) => auth.reauthenticate(), 422, "otp_disabled"],
		[
			"signInWithIdToken",
			(auth) => auth.signInWithIdToken({ provider: "google", token: "x" }),
			400,
			"provider_disabled",
		],
		[
			"signInWithSSO",
			(auth) => auth.signInWithSSO({ domain: "example.com" }),
			404,
			"saml_provider_disabled",
		],
		[
			"linkIdentity",
			(auth) =>
				auth.linkIdentity({
					provider: "github",
					options: { skipBrowserRedirect: true },
				}),
			404,
			"manual_linking_disabled",
		],
		[
			"mfa.enroll",
			(auth) => auth.mfa.enroll({ factorType: "totp" }),
			422,
			"mfa_totp_enroll_not_enabled",
		],
		[
			"mfa.enroll by phone",
			(auth) => auth.mfa.enroll({ factorType: "phone", phone }),
			422,
			"mfa_phone_enroll_not_enabled",
		],
		[
			"mfa.challenge",
			(auth) => auth.mfa.challenge({ factorId: "1" }),
			404,
			"mfa_factor_not_found",
		],
		[
			"mfa.unenroll",
			(auth) => auth.mfa.unenroll({ factorId: "1" }),
			404,
			"mfa_factor_not_found",
		],
		[
			"updateUser with a phone number",
			(auth) => auth.updateUser({ phone }),
			422,
			"phone_provider_disabled",
		],
		[
			"updateUser with a nonce",
			(auth) => auth.updateUser({ password: "another horse", nonce: "1" }),
			422,
			"reauthentication_not_valid",
		],
	];

	it.each(lacking)(
		"is refused by its code: %s",
		async (_, ask, status, code) => {
			const { auth } = await signedIn();
			const { error } = await ask(auth);
			expect(error).toMatchObject({ name: "AuthApiError", status, code });
		},
	);

	it("is refused by its code: signInWithOAuth, in the browser that follows its URL", async () => {
		const { auth } = clientOf(newPerson());
		const { data } = await auth.signInWithOAuth({
			provider: "github",
			options: { skipBrowserRedirect: true },
		});
		const response = await fetch(data.url ?? "", { redirect: "manual" });
		expect([response.status, await response.json()]).toMatchObject([
			400,
			{ code: "provider_disabled" },
		]);
	});

	it("is refused by its code: admin, even to a secret key", async () => {
		const { auth } = clientOf(newPerson(), { key: secret });
		const { error } = await auth.admin.listUsers();
		expect(error).toMatchObject({ status: 404, code: "feature_disabled" });
	});

	it("is refused by its code: exchangeCodeForSession", async () => {
		const response = await authenticate(
			newPerson(),
			"/auth/v1/token?grant_type=pkce",
			{ auth_code: "x", code_verifier: "y" },
		);
		expect([response.status, await response.json()]).toMatchObject([
			404,
			{ code: "flow_state_not_found" },
		]);
	});

	it("leaves the user signed in", async () => {
		const { auth } = await signedIn();
		for (const [, ask] of lacking.slice(3)) await ask(auth);
		expect((await auth.getUser()).error).toBeNull();
	});
});

describe("changing the account", () => {
	it("tells by code what is wrong with a new password", async () => {
		const { user, auth } = await signedIn();
		const { password } = user;
		expect((await auth.updateUser({ password: "12345" })).error).toMatchObject({
			name: "AuthWeakPasswordError",
			status: 422,
			reasons: ["length"],
		});
		expect((await auth.updateUser({ password })).error).toMatchObject({
			status: 422,
			code: "same_password",
		});
		const wrong = { password: "another horse", current_password: "wrong" };
		expect((await auth.updateUser(wrong)).error).toMatchObject({
			status: 400,
			code: "current_password_invalid",
		});
		expect((await trySignIn(user)).status).toBe(200);
		const right = { password: "another horse", current_password: password };
		expect((await auth.updateUser(right)).error).toBeNull();
	});

	it("tells by code that another user has the e-mail address", async () => {
		const { auth } = await signedIn();
		const { email } = await newUser();
		expect((await auth.updateUser({ email })).error).toMatchObject({
			status: 422,
			code: "email_exists",
		});
	});

	it("refuses what it does not know, by name", async () => {
		const { auth } = await signedIn();
		// supabase-js's type has no such field, which only an administrator may change.
		const unknown: object = { app_metadata: { role: "admin" } };
		expect((await auth.updateUser(unknown)).error).toMatchObject({
			status: 400,
			message: expect.stringContaining("unknown fields: app_metadata"),
		});
	});
});

describe("the address that attempts are counted for", () => {
	const wrong = "wrong horse";

	/** The wrong passwords that were counted for it. */
	async function countedFor(address: string): Promise<number> {
		const { rows } = await database.query(
			"select coalesce(sum(attempts), 0)::integer as attempts from auth.throttles where action = 'sign_in' and scope = 'address' and subject = auth.address_subject($1)",
			[address],
		);
		return rows[0].attempts;
	}

	it("is the user's own, as a program with a secret key hands it on", async () => {
		const server = newAddress();
		const [ada, bob] = [newPerson(), newPerson()];
		for (const { email, address } of [ada, bob, bob]) {
			const { auth } = clientOf(
				{ address: server },
				{ key: secret, headers: { "Sb-Forwarded-For": address } },
			);
			const { error } = await auth.signInWithPassword({
				email,
				password: wrong,
			});
			expect(error?.code).toBe("invalid_credentials");
		}
		expect([
			await countedFor(ada.address),
			await countedFor(bob.address),
			await countedFor(server),
		]).toEqual([1, 2, 0]);
	});

	it("is the connection's for anyone else who hands one on", async () => {
		const victim = newAddress();
		const { address } = newPerson();
		const user = await newUser();
		for (const headers of [
			{},
			{ apikey: publishable },
			{ authorization: `Bearer ${user.accessToken}` },
		]) {
			await call("/auth/v1/token?grant_type=password", {
				json: { email: newPerson().email, password: wrong },
				headers: {
					"cf-connecting-ip": address,
					"sb-forwarded-for": victim,
					...headers,
				},
			});
		}
		expect([await countedFor(victim), await countedFor(address)]).toEqual([
			0, 3,
		]);
	});

	it("has exactly as many attempts as are allowed, all at once", async () => {
		const { address } = newPerson();
		await trySignIn({ ...newPerson(), address, password: wrong });
		await database.query(
			"update auth.throttles set attempts = 90 where scope = 'address' and subject = auth.address_subject($1)",
			[address],
		);
		const answers = await times(20, () =>
			trySignIn({ ...newPerson(), address, password: wrong }),
		);
		expect(statuses(answers).toSorted()).toEqual([
			...Array(10).fill(400),
			...Array(10).fill(429),
		]);
	});
});
